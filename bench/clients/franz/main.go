// franz loads a broker with franz-go: `franz WORKLOAD --bootstrap HOST:PORT [--option value ...]`.
//
// The last line of its output is one JSON object; complaints go to standard error, with exit status 1 on any
// failure or wrong count. What each workload does, and with which settings, is in README.md one level up.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

type options struct {
	bootstrap, names, topic, compression string
	kafka                                string
	partitions, members, consumers       int
	records, size, batchBytes, lingerMs  int
	buffered                             int
	connections, idle, rate, heartbeatMs int
	seconds, warm, patience              float64
	touch                                bool
	acks, pid                            int
}

// A result is what a workload says; the client's CPU seconds are put beside it.
type result map[string]any

var workloads = map[string]func(context.Context, *options) (result, error){
	"topics":     createTopics,
	"delete":     deleteTopics,
	"produce":    produce,
	"spread":     spread,
	"consume":    consume,
	"roundtrips": roundtrips,
	"end-to-end": endToEnd,
	"group":      group,
}

func main() {
	// The collector runs less often than by default, so that the client is not what is measured.
	debug.SetGCPercent(400)
	if len(os.Args) < 2 || workloads[os.Args[1]] == nil {
		fail(fmt.Errorf("usage: franz topics|delete|produce|spread|consume|roundtrips|end-to-end|group --bootstrap HOST:PORT ..."))
	}
	o := parse(os.Args[1], os.Args[2:])
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.patience*float64(time.Second)))
	defer cancel()
	said, err := workloads[os.Args[1]](ctx, o)
	if err != nil {
		fail(fmt.Errorf("%s: %w", os.Args[1], err))
	}
	line, err := json.Marshal(said)
	if err != nil {
		fail(err)
	}
	fmt.Println(string(line))
}

func parse(workload string, arguments []string) *options {
	o := &options{}
	flags := flag.NewFlagSet("franz "+workload, flag.ExitOnError)
	flags.StringVar(&o.bootstrap, "bootstrap", "", "HOST:PORT of the broker")
	flags.StringVar(&o.names, "names", "", "topics, with commas between")
	flags.StringVar(&o.topic, "topic", "", "the topic to load")
	flags.StringVar(&o.compression, "compression", "none", "none or lz4")
	flags.StringVar(&o.kafka, "kafka", "", "speak as clients of this release of Kafka did, for brokers that need it")
	flags.IntVar(&o.partitions, "partitions", 1, "of each topic that is created")
	flags.IntVar(&o.members, "members", 1, "of the group")
	flags.IntVar(&o.consumers, "consumers", 1, "each reads all records")
	flags.IntVar(&o.records, "records", 0, "how many; wrong counts are failures")
	flags.IntVar(&o.size, "size", 100, "bytes of a record's value")
	flags.IntVar(&o.batchBytes, "batch-bytes", 0, "largest batch; 0: franz-go's default")
	flags.IntVar(&o.buffered, "buffered", 500_000, "records that wait in the client at most")
	flags.IntVar(&o.lingerMs, "linger-ms", -1, "-1: franz-go's default for produce, none elsewhere")
	flags.IntVar(&o.connections, "connections", 1, "with one request in flight each")
	flags.IntVar(&o.idle, "idle", 0, "further connections that ask ApiVersions once and are then silent")
	flags.IntVar(&o.rate, "rate", 1000, "records a second")
	flags.IntVar(&o.heartbeatMs, "heartbeat-ms", 0, "of group members; 0: franz-go's default")
	flags.BoolVar(&o.touch, "touch", false, "produce a record to each partition before the clock starts")
	flags.IntVar(&o.pid, "pid", 0, "of the broker, whose CPU seconds over the timed part are then told")
	flags.IntVar(&o.acks, "acks", -1, "only -1: every workload is idempotent")
	flags.Float64Var(&o.seconds, "seconds", 5, "counted time")
	flags.Float64Var(&o.warm, "warm", 1, "seconds before, not counted")
	flags.Float64Var(&o.patience, "patience", 300, "seconds after which it gives up")
	_ = flags.Parse(arguments) // exits by itself
	if o.bootstrap == "" || flags.NArg() > 0 {
		fail(fmt.Errorf("%s: --bootstrap is missing, or %q is too much", workload, flags.Args()))
	}
	if o.kafka != "" && kversion.FromString(o.kafka) == nil {
		fail(fmt.Errorf("%s: no release %q of Kafka", workload, o.kafka))
	}
	if o.acks != -1 {
		fail(fmt.Errorf("%s: idempotent producers have acks -1", workload))
	}
	if o.size < 1 || o.records < 0 || o.connections < 1 || o.consumers < 1 || o.members < 1 || o.rate < 1 {
		fail(fmt.Errorf("%s: a number is too small", workload))
	}
	return o
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "franz:", err)
	os.Exit(1)
}

// seeds are the options of every client.
func seeds(o *options) []kgo.Opt {
	// Leaders that aren't ready are asked for again soon, not after 5 s as by default.
	opts := []kgo.Opt{kgo.SeedBrokers(o.bootstrap), kgo.MetadataMinAge(50 * time.Millisecond)}
	if o.kafka != "" {
		opts = append(opts, kgo.MaxVersions(kversion.FromString(o.kafka)))
	}
	return opts
}

// connected gives a client that has spoken with the broker.
func connected(ctx context.Context, o *options, more ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(seeds(o), more...)...)
	if err != nil {
		return nil, err
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// A stopwatch knows the time, and the CPU seconds of this process and of the broker's, since it was started.
type stopwatch struct {
	began  time.Time
	spent  float64
	pid    int
	broker float64
}

func start(o *options) stopwatch {
	return stopwatch{time.Now(), cpuSeconds(), o.pid, brokerSeconds(o.pid)}
}

func (s stopwatch) stop(said result) result {
	if _, given := said["seconds"]; !given {
		said["seconds"] = time.Since(s.began).Seconds()
	}
	said["client_cpu_seconds"] = cpuSeconds() - s.spent
	if s.pid != 0 {
		said["broker_cpu_seconds"] = brokerSeconds(s.pid) - s.broker
	}
	return said
}

// brokerSeconds are those of all threads of a process, by the clock that clock_getcpuclockid(3) names.
func brokerSeconds(pid int) float64 {
	if pid == 0 {
		return 0
	}
	const wholeProcess = 2
	clock := uintptr(int64(^pid)<<3 | wholeProcess)
	var read syscall.Timespec
	if _, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&read)), 0); failed != 0 {
		fail(fmt.Errorf("the CPU time of process %d: %w", pid, failed))
	}
	return float64(read.Nano()) / 1e9
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
