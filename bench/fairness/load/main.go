// The load of bench.fairness and bench.scale: many small clients, hogs beside them, and the cost of one kind of
// request. `load WORKLOAD --bootstrap HOST:PORT [--option value ...]` prints one JSON object as its last line;
// complaints go to standard error, with exit code 1.
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// largest leaves room in 1 MiB, which is what brokers take by default, for what stands around values.
const largest = 1_000_000

type options struct {
	bootstrap, topic, kind, control string
	clients, connections, n, size   int
	pid, requests                   int
	rate, seconds                   float64
}

func (o *options) duration() time.Duration { return time.Duration(o.seconds * float64(time.Second)) }

var workloads = map[string]func(*options) (any, error){
	"small": small,
	"hog":   hog,
	"echo":  echo,
	"cost":  cost,
	"fill":  fillTopics,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 || workloads[os.Args[1]] == nil {
		return fmt.Errorf("the first argument is a workload: small, hog, echo, cost or fill")
	}
	o := &options{}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.bootstrap, "bootstrap", "", "HOST:PORT of the broker")
	flags.StringVar(&o.topic, "topic", "load", "the topic, or the beginning of the topics' names")
	flags.StringVar(&o.kind, "kind", "", "which hog, or the cost of what")
	flags.StringVar(&o.control, "control", "", "HOST:PORT of an echo to compare with")
	flags.IntVar(&o.clients, "clients", 30, "small clients")
	flags.IntVar(&o.connections, "connections", 1, "connections of a hog")
	flags.IntVar(&o.n, "n", 1, "how many of what the kind is about")
	flags.IntVar(&o.size, "size", largest, "bytes of a batch or a fetch")
	flags.IntVar(&o.pid, "pid", 0, "the broker's process, for its CPU time")
	flags.IntVar(&o.requests, "requests", 1000, "requests to measure at most")
	flags.Float64Var(&o.rate, "rate", 20, "requests a second of a small client")
	flags.Float64Var(&o.seconds, "seconds", 5, "how long to measure (cost: at most)")
	flags.Parse(os.Args[2:])
	result, err := workloads[os.Args[1]](o)
	if err != nil {
		return err
	}
	line, err := json.Marshal(result)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return nil
}

// fillTopics makes topics topic-0 ... of so many partitions, and appends size bytes to each partition (0: none),
// in batches of at most the largest size.
func fillTopics(o *options) (any, error) {
	c, err := dial(o.bootstrap)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	names := []string{o.topic}
	if o.connections > 1 {
		names = nil
		for i := range o.connections {
			names = append(names, fmt.Sprintf("%s-%d", o.topic, i))
		}
	}
	if err := createTopics(c, names, o.n); err != nil {
		return nil, err
	}
	for _, name := range names {
		for left := o.size; left > 0; left -= largest {
			if err := fill(c, name, o.n, min(left, largest)); err != nil {
				return nil, err
			}
		}
	}
	return map[string]any{"topics": len(names)}, nil
}

// times collects how long things took; any goroutine may add.
type times struct {
	lock  sync.Mutex
	taken []time.Duration
}

func newTimes() *times { return &times{} }

func (t *times) add(taken time.Duration) {
	t.lock.Lock()
	t.taken = append(t.taken, taken)
	t.lock.Unlock()
}

// at gives a quantile, 0 if nothing was measured.
func (t *times) at(share float64) time.Duration {
	if len(t.taken) == 0 {
		return 0
	}
	slices.Sort(t.taken)
	return t.taken[min(len(t.taken)-1, int(share*float64(len(t.taken))))]
}

// cpuTime is what a process, all its threads, has used so far (clock_gettime on another process's CPU clock).
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	const wholeProcess = 2
	clock := uintptr(int64(^pid)<<3 | wholeProcess)
	var read syscall.Timespec
	if _, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&read)), 0); failed != 0 {
		return 0, fmt.Errorf("the CPU time of process %d: %w", pid, failed)
	}
	return time.Duration(read.Nano()), nil
}

func be32(data []byte) uint32 { return binary.BigEndian.Uint32(data) }
func be64(data []byte) uint64 { return binary.BigEndian.Uint64(data) }
