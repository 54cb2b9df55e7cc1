package sarama_test

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// A scenario is one test id. Its body gets a testing.TB of its own, for three reasons: a test that is listed in
// later.txt must fail on kwire, which Go's runner has no word for; a client that hangs must fail its own test
// and not the whole run; and a goroutine that a client leaves behind may log after its test has ended.

// listing: the tests are only asked for their names (run.sh --write-allow).
var listing = os.Getenv("KWIRE_TEST_LIST") != ""

const patience = 120 * time.Second // for one scenario, unless it asks for more with scenarioWithin

func scenario(t *testing.T, body func(t testing.TB)) {
	t.Helper()
	attemptWithin(t, patience, body)
}

// scenarioWithin is for scenarios that take their time, which the fast part of the suite leaves out.
func scenarioWithin(t *testing.T, limit time.Duration, body func(t testing.TB)) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes its time")
	}
	attemptWithin(t, limit, body)
}

func attemptWithin(t *testing.T, limit time.Duration, body func(t testing.TB)) {
	t.Helper()
	t.Parallel()
	if listing {
		return
	}
	run := &attempt{TB: t, reason: reasonFor(t.Name())}
	if theBroker != nil && theBroker.kind != "kwire" {
		run.reason = ""
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		run.call(func() { body(run) })
		for len(run.cleanups) > 0 {
			last := len(run.cleanups) - 1
			cleanup := run.cleanups[last]
			run.cleanups = run.cleanups[:last]
			run.call(cleanup)
		}
	}()
	select {
	case <-finished:
	case <-time.After(limit):
		run.Errorf("still busy after %v; every goroutine:\n%s", limit, stacks())
	}
	run.settle(t)
}

// eachVersion runs a scenario with the client configured for each of the given versions of Kafka.
func eachVersion(t *testing.T, versions []sarama.KafkaVersion, body func(t testing.TB, version sarama.KafkaVersion)) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		versions = slices.DeleteFunc(slices.Clone(versions), func(version sarama.KafkaVersion) bool {
			return !slices.Contains(fastVersions, version)
		})
	}
	for _, version := range versions {
		t.Run(version.String(), func(t *testing.T) {
			scenario(t, func(t testing.TB) {
				needsVersion(t, version)
				body(t, version)
			})
		})
	}
}

type attempt struct {
	testing.TB
	reason string // why it is expected to fail; empty: it isn't

	mu       sync.Mutex
	failed   bool
	skipped  string
	over     bool
	cleanups []func()
}

// call runs f in the scenario's own goroutine, where Fatal and Skip end it by runtime.Goexit.
func (a *attempt) call(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if problem := recover(); problem != nil {
				a.Errorf("panic: %v\n%s", problem, debug.Stack())
			}
		}()
		f()
	}()
	<-done
}

func (a *attempt) settle(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	a.over = true
	failed, skipped := a.failed, a.skipped
	a.mu.Unlock()
	switch {
	case skipped != "" && !failed:
		t.Skip(skipped)
	case a.reason == "" && failed:
		t.FailNow()
	case a.reason != "" && failed:
		t.Logf("failed, as later.txt expects: %s", a.reason)
	case a.reason != "":
		t.Fatalf("passed, and later.txt expects it to fail (%s): turn it on by taking it off that list", a.reason)
	}
}

func (a *attempt) report(failure bool, text string) {
	a.TB.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return
	}
	a.failed = a.failed || failure
	if failure && a.reason == "" {
		a.TB.Error(text)
	} else {
		a.TB.Log(text)
	}
}

func (a *attempt) Log(args ...any) {
	a.TB.Helper()
	a.report(false, strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
}

func (a *attempt) Logf(format string, args ...any) {
	a.TB.Helper()
	a.report(false, fmt.Sprintf(format, args...))
}

func (a *attempt) Error(args ...any) {
	a.TB.Helper()
	a.report(true, strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
}

func (a *attempt) Errorf(format string, args ...any) {
	a.TB.Helper()
	a.report(true, fmt.Sprintf(format, args...))
}

func (a *attempt) Fatal(args ...any) {
	a.TB.Helper()
	a.Error(args...)
	runtime.Goexit()
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.TB.Helper()
	a.Errorf(format, args...)
	runtime.Goexit()
}

func (a *attempt) Fail() { a.Error("failed") }

func (a *attempt) FailNow() { a.Fatal("failed") }

func (a *attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

func (a *attempt) Skip(args ...any) { a.Skipf("%s", fmt.Sprint(args...)) }

func (a *attempt) Skipf(format string, args ...any) {
	a.mu.Lock()
	a.skipped = fmt.Sprintf(format, args...)
	a.mu.Unlock()
	runtime.Goexit()
}

func (a *attempt) SkipNow() { a.Skipf("skipped") }

func (a *attempt) Cleanup(f func()) { a.cleanups = append(a.cleanups, f) }

func (a *attempt) TempDir() string {
	directory, err := os.MkdirTemp("", "compat-sarama-")
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = os.RemoveAll(directory) })
	return directory
}

func stacks() string {
	buffer := make([]byte, 1<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

// later holds the scenarios that kwire can't pass yet, each with the reason.
var later = readLater("later.txt")

// reasonFor finds a test in later.txt, or the test that it is a part of.
func reasonFor(name string) string {
	for {
		if reason, listed := later[name]; listed {
			return reason
		}
		parent := strings.LastIndexByte(name, '/')
		if parent < 0 {
			return ""
		}
		name = name[:parent]
	}
}

// readLater reads lines of a test's name and a reason; # starts a comment.
func readLater(path string) map[string]string {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	reasons := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, found := strings.Cut(line, " ")
		if !found {
			panic(fmt.Sprintf("%s: %q has no reason", path, line))
		}
		reasons[name] = strings.TrimSpace(reason)
	}
	return reasons
}
