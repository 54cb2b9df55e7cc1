package sarama_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A broker is the one under test: a child that this suite has started, or one that runs already.
type broker struct {
	kind      string // "kwire" or "kafka"
	addrs     []string
	listeners map[string]string // the addresses of further listeners, by name
	command   []string          // empty: not ours to stop
	data      string
	temporary string // a directory that goes with the broker
	log       string // the file with its standard error
	process   *exec.Cmd
}

// theBroker is the one that most scenarios share.
var theBroker *broker

const (
	startLimit = 90 * time.Second // Apache Kafka, on a busy machine
	readyLine  = " ready: "
)

var children struct {
	sync.Mutex
	started []*broker
}

// external gives the broker that KWIRE_TEST_BOOTSTRAP names (HOST:PORT[,HOST:PORT...]), nil if there is none.
func external() *broker {
	bootstrap := os.Getenv("KWIRE_TEST_BOOTSTRAP")
	if bootstrap == "" {
		return nil
	}
	return &broker{kind: kind(), addrs: strings.Split(bootstrap, ",")}
}

// kind says what the broker under test is. KWIRE_TEST_IS has the last word; without it, a broker that this suite
// was pointed at is taken for Kafka, and one that it starts by itself is kwire.
func kind() string {
	switch given := os.Getenv("KWIRE_TEST_IS"); {
	case given == "kwire" || given == "kafka":
		return given
	case given != "":
		panic(fmt.Sprintf("KWIRE_TEST_IS is %q: it must be kwire or kafka", given))
	case os.Getenv("KWIRE_TEST_BOOTSTRAP") != "" || os.Getenv("KWIRE_TEST_SERVE") != "":
		return "kafka"
	default:
		return "kwire"
	}
}

// serve describes a broker to be started: kwire, or what the command in KWIRE_TEST_SERVE starts. An empty data
// directory means memory, where the broker has that, a port of 0 means any free one, and one of -1 that the settings
// have it. The settings, KEY=VALUE, go to the command's end as --set options.
func serve(data string, port int, settings ...string) *broker {
	b := &broker{kind: kind(), data: data, listeners: map[string]string{}}
	if command := os.Getenv("KWIRE_TEST_SERVE"); command != "" {
		if b.data == "" {
			directory, err := os.MkdirTemp("", "compat-sarama-")
			if err != nil {
				panic(err)
			}
			b.data, b.temporary = filepath.Join(directory, "data"), directory
		}
		fill := strings.NewReplacer("{port}", fmt.Sprint(port), "{data}", b.data)
		for _, word := range strings.Fields(command) {
			b.command = append(b.command, fill.Replace(word))
		}
	} else {
		b.command = []string{python(), "-m", "kwire", "serve"}
		if port >= 0 {
			b.command = append(b.command, "--port", fmt.Sprint(port))
		}
		if data == "" {
			b.command = append(b.command, "--memory")
		} else {
			b.command = append(b.command, "--data", data)
		}
	}
	for _, setting := range settings {
		b.command = append(b.command, "--set", setting)
	}
	return b
}

// python is the interpreter that has kwire.
func python() string {
	if given := os.Getenv("KWIRE_PYTHON"); given != "" {
		return given
	}
	if own, err := filepath.Abs("../../.venv/bin/python"); err == nil {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	return "python3"
}

// start runs the broker and returns when it says that it's ready.
func (b *broker) start() error {
	log, err := b.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	b.process = exec.Command(b.command[0], b.command[1:]...)
	b.process.Stderr = log
	b.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := b.process.StdoutPipe()
	if err != nil {
		return err
	}
	children.Lock()
	children.started = append(children.started, b) // for what it leaves behind, even if it doesn't start
	children.Unlock()
	if err := b.process.Start(); err != nil {
		b.process = nil
		return err
	}

	ready := make(chan []string, 1)
	go func() {
		defer close(ready)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if _, addrs, found := strings.Cut(lines.Text(), readyLine); found {
				ready <- strings.Fields(addrs)
				break
			}
		}
		_, _ = io.Copy(io.Discard, output)
	}()
	select {
	case fields, ok := <-ready:
		if ok {
			b.addrs = strings.Split(fields[0], ",")
			for _, field := range fields[1:] {
				if name, addr, found := strings.Cut(field, "="); found {
					b.listeners[name] = addr
				}
			}
			return nil
		}
		err = fmt.Errorf("%s ended without a word of being ready", strings.Join(b.command, " "))
	case <-time.After(startLimit):
		err = fmt.Errorf("%s was not ready after %v", strings.Join(b.command, " "), startLimit)
	}
	b.kill()
	return fmt.Errorf("%w; it said:\n%s", err, b.lastWords())
}

// openLog gives the file for the broker's standard error, the same one after a restart.
func (b *broker) openLog() (*os.File, error) {
	if b.log != "" {
		return os.OpenFile(b.log, os.O_APPEND|os.O_WRONLY, 0)
	}
	log, err := os.CreateTemp("", "compat-sarama-broker-*.log")
	if err == nil {
		b.log = log.Name()
	}
	return log, err
}

// kill is SIGKILL: the broker gets no chance to put anything in order.
func (b *broker) kill() {
	if b.process == nil {
		return
	}
	_ = syscall.Kill(-b.process.Process.Pid, syscall.SIGKILL) // the broker's own children too
	_ = b.process.Wait()
	b.process = nil
}

// logged is what the broker has written to its standard error.
func (b *broker) logged() string {
	content, err := os.ReadFile(b.log)
	if err != nil {
		return ""
	}
	return string(content)
}

// lastWords is the end of it.
func (b *broker) lastWords() string {
	const enough = 4000
	content := b.logged()
	return content[max(0, len(content)-enough):]
}

func killAll() {
	children.Lock()
	defer children.Unlock()
	for _, b := range children.started {
		b.kill()
		_ = os.Remove(b.log)
		if b.temporary != "" {
			_ = os.RemoveAll(b.temporary)
		}
	}
	children.started = nil
}

// ownBroker starts a broker for one scenario that will kill it, with a data directory and a port of its own.
func ownBroker(t testing.TB, settings ...string) *broker {
	t.Helper()
	if external() != nil {
		t.Skip("needs a broker of its own, which only a suite that starts its broker has")
	}
	b := serve(filepath.Join(t.TempDir(), "data"), freePort(t), settings...)
	b.startFor(t)
	return b
}

// startFor starts the broker and ends it with the scenario.
func (b *broker) startFor(t testing.TB) {
	t.Helper()
	if err := b.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.kill)
}

const clusterPorts = 5 // the ports that a cluster may take from its first one on

// nextPort is where to look for a free port; scenarios that run at the same time must not find the same one.
var nextPort atomic.Int32

func init() { nextPort.Store(10_000 + rand.Int32N(18_000)) } // below the ports that the system gives to clients

// freePort is a port that nobody listens on, nor on the few after it, which the further brokers of a cluster take.
func freePort(t testing.TB) int {
	t.Helper()
search:
	for range 100 {
		first := int(nextPort.Add(clusterPorts))
		for port := first; port < first+clusterPorts; port++ {
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				continue search
			}
			_ = listener.Close()
		}
		return first
	}
	t.Fatal("no free ports found")
	return 0
}
