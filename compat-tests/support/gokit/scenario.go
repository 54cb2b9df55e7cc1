package gokit

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// Soon is the limit for anything that a healthy broker does at once.
	Soon = 45 * time.Second
	// Patience is the limit for one scenario.
	Patience = 120 * time.Second
)

// listing: the tests are only asked for their names (run.sh --write-allow).
var listing = os.Getenv("KWIRE_TEST_LIST") != ""

// Scenario runs one test's body, whose context ends after Patience. The body gets a testing.TB of its own, so that a
// test listed in later.txt can be expected to fail on kwire, and a client that hangs fails its own test only.
func Scenario(t *testing.T, body func(ctx context.Context, t testing.TB)) {
	t.Helper()
	t.Parallel()
	if listing {
		return
	}
	run := &attempt{TB: t, reason: reasonFor(t.Name())}
	if Kind() != "kwire" {
		run.reason = ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		run.call(func() { body(ctx, run) })
		for len(run.cleanups) > 0 {
			last := len(run.cleanups) - 1
			cleanup := run.cleanups[last]
			run.cleanups = run.cleanups[:last]
			run.call(cleanup)
		}
	}()
	select {
	case <-finished:
	case <-time.After(Patience + 10*time.Second):
		run.Errorf("still busy after %v; every goroutine:\n%s", Patience, stacks())
	}
	run.settle(t)
}

// attempt is the testing.TB of a scenario: it keeps failures to itself where one is expected.
type attempt struct {
	testing.TB
	reason string // why it is expected to fail; empty: it isn't

	mu       sync.Mutex
	failed   bool
	skipped  string
	over     bool
	cleanups []func()
}

// call runs f in a goroutine that Fatal and Skip end.
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

func (a *attempt) Log(args ...any) { a.TB.Helper(); a.report(false, fmt.Sprint(args...)) }
func (a *attempt) Logf(format string, args ...any) {
	a.TB.Helper()
	a.report(false, fmt.Sprintf(format, args...))
}
func (a *attempt) Error(args ...any) { a.TB.Helper(); a.report(true, fmt.Sprint(args...)) }
func (a *attempt) Errorf(format string, args ...any) {
	a.TB.Helper()
	a.report(true, fmt.Sprintf(format, args...))
}
func (a *attempt) Fatal(args ...any) { a.TB.Helper(); a.Error(args...); runtime.Goexit() }
func (a *attempt) Fatalf(format string, args ...any) {
	a.TB.Helper()
	a.Errorf(format, args...)
	runtime.Goexit()
}
func (a *attempt) Fail()            { a.Error("failed") }
func (a *attempt) FailNow()         { a.Fatal("failed") }
func (a *attempt) Cleanup(f func()) { a.cleanups = append(a.cleanups, f) }

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

func stacks() string {
	buffer := make([]byte, 1<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

// later holds the scenarios that kwire can't pass yet, each with the reason.
var later = sync.OnceValue(func() map[string]string {
	file, err := os.Open("later.txt")
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
			panic(fmt.Sprintf("later.txt: %q has no reason", line))
		}
		reasons[name] = strings.TrimSpace(reason)
	}
	return reasons
})

// reasonFor finds a test in later.txt, or the test that it is a part of.
func reasonFor(name string) string {
	for {
		if reason, listed := later()[name]; listed {
			return reason
		}
		parent := strings.LastIndexByte(name, '/')
		if parent < 0 {
			return ""
		}
		name = name[:parent]
	}
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)

// Unique makes a name that no other scenario and no other run uses.
func Unique(t testing.TB) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return unfit.ReplaceAllString(t.Name(), "-") + "-" + hex.EncodeToString(random)
}

// Must stops the scenario at an error.
func Must(t testing.TB, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

// Eventually asks until the answer is yes: for a state that no message announces.
func Eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Soon); !yes(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", Soon, what)
		}
	}
}

// Numbered is n values that differ: "prefix-0", "prefix-1", and so on.
func Numbered(prefix string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return values
}
