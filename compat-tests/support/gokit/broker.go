// Package gokit is what the suites of Go clients share: a broker to talk to, scenarios that may be expected to fail,
// and waiting. It imports no client. The environment is the one that the Python suites read (../README.md).
package gokit

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const startLimit = 90 * time.Second // Apache Kafka, on a busy machine

// Kind says what the broker under test is: "kwire" or "kafka". One that a suite is pointed at is taken for Kafka.
func Kind() string {
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

// Seeds are the addresses of the broker that all scenarios share; Main sets them.
var Seeds []string

// Main starts the broker, unless one is given by address, runs the tests and returns the process's exit code.
func Main(m *testing.M) int {
	if listing {
		return m.Run()
	}
	if given := os.Getenv("KWIRE_TEST_BOOTSTRAP"); given != "" {
		Seeds = strings.Split(given, ",")
		fmt.Printf("broker under test: %s at %s\n", Kind(), Seeds)
		return m.Run()
	}
	runtime.LockOSThread() // the broker gets Pdeathsig when the thread that started it ends
	home, err := os.MkdirTemp("", "kwire-compat-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	served, err := serve(home)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer served.end()
	fmt.Printf("broker under test: %s at %s\n", Kind(), Seeds)
	code := m.Run()
	if Kind() == "kwire" && strings.Contains(served.logged(), "Traceback") {
		fmt.Fprintln(os.Stderr, "the broker has logged a fault, whatever the clients saw of it")
		code = max(code, 1)
	}
	if code != 0 {
		words := served.logged()
		fmt.Fprintf(os.Stderr, "the broker's last words:\n%s\n", words[max(0, len(words)-4000):])
	}
	return code
}

type child struct {
	process *exec.Cmd
	log     string
}

func serve(home string) (*child, error) {
	words := []string{python(), "-m", "kwire", "serve", "--port", "0", "--memory"}
	if command := os.Getenv("KWIRE_TEST_SERVE"); command != "" {
		fill := strings.NewReplacer("{port}", "0", "{data}", filepath.Join(home, "data"))
		words = nil
		for _, word := range strings.Fields(command) {
			words = append(words, fill.Replace(word))
		}
	}
	log, err := os.Create(filepath.Join(home, "broker.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &child{process: exec.Command(words[0], words[1:]...), log: log.Name()}
	c.process.Stderr = log
	c.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	output, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if _, addrs, found := strings.Cut(lines.Text(), " ready: "); found {
				ready <- strings.Fields(addrs)[0]
				break
			}
		}
		_, _ = io.Copy(io.Discard, output)
	}()
	select {
	case addrs, ok := <-ready:
		if ok {
			Seeds = strings.Split(addrs, ",")
			return c, nil
		}
		err = fmt.Errorf("%s ended without a word of being ready", strings.Join(words, " "))
	case <-time.After(startLimit):
		err = fmt.Errorf("%s was not ready after %v", strings.Join(words, " "), startLimit)
	}
	c.end()
	return nil, fmt.Errorf("%w; it said:\n%s", err, c.logged())
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

func (c *child) end() {
	_ = syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL)
	_ = c.process.Wait()
}

func (c *child) logged() string {
	content, _ := os.ReadFile(c.log)
	return string(content)
}
