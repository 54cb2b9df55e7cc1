// Package sarama_test runs the scenarios of a Go program that uses sarama against a broker, kwire unless told
// otherwise. README.md says how to run it and how to point it at another broker.
package sarama_test

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv("KWIRE_TEST_TRACE") != "" {
		sarama.Logger = log.New(os.Stderr, "", log.Ltime|log.Lmicroseconds)
		sarama.DebugLogger = sarama.Logger
	}
	if listing {
		return m.Run()
	}
	defer killAll()
	watch()
	theBroker = external()
	if theBroker == nil {
		theBroker = serve("", 0)
		if err := theBroker.start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	fmt.Printf("broker under test: %s at %s\n", theBroker.kind, theBroker.addrs)
	code := m.Run()
	if theBroker.kind == "kwire" && theBroker.log != "" && strings.Contains(theBroker.logged(), "Traceback") {
		fmt.Fprintln(os.Stderr, "the broker has logged a fault, whatever the clients saw of it")
		code = max(code, 1)
	}
	if code != 0 && theBroker.log != "" {
		fmt.Fprintf(os.Stderr, "the broker's last words:\n%s\n", theBroker.lastWords())
	}
	return code
}

// watch ends the brokers that this run has started when it is interrupted, or just before Go's own time-out would
// leave them behind.
func watch() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		killAll()
		os.Exit(1)
	}()
	limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	if !ok || limit < 20*time.Second {
		return
	}
	time.AfterFunc(limit-10*time.Second, func() {
		fmt.Fprintf(os.Stderr, "the suite is still busy after %v; every goroutine:\n%s\n", limit, stacks())
		killAll()
		os.Exit(1)
	})
}
