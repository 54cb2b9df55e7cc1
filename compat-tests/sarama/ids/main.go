// Command ids reads what "go test -json" prints, shows the tests that failed and a summary, and holds the tests
// that ran against tests.allow, the list of all of them.
//
// With -strict, a test that is missing, new or, where the broker is kwire, skipped makes the run fail. With -short
// only the tests that the list marks "fast" are expected. With -write it makes the list anew: the suite tells its
// ids, and which of them belong to the fast part, without running anything.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of go test -json.
type event struct{ Action, Test, Output string }

type results struct {
	status map[string]string // of each test: pass, fail or skip
	output map[string]string
	failed bool // the run as a whole
}

func main() {
	strict := flag.Bool("strict", false, "fail where the tests and tests.allow differ")
	short := flag.Bool("short", false, "expect the fast tests only")
	write := flag.Bool("write", false, "write tests.allow, and run nothing")
	flag.Parse()
	if *write {
		writeList()
		return
	}
	got := read(os.Stdin)
	leaves := got.leaves()
	counts := map[string]int{}
	for _, name := range leaves {
		counts[got.status[name]]++
		switch got.status[name] {
		case "fail":
			fmt.Print(got.output[name])
		case "skip":
			if why := reason(got.output[name]); why != leftOut {
				fmt.Printf("skipped: %s: %s\n", name, why)
			}
		}
	}
	if got.failed {
		fmt.Print(got.output[""])
	}
	if !*short {
		writeResults(got, leaves)
	}
	problems := compare(got, leaves, *short)
	for _, problem := range problems {
		fmt.Println("the list of tests:", problem)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", counts["pass"], counts["fail"], counts["skip"])
	if got.failed || *strict && len(problems) > 0 {
		os.Exit(1)
	}
}

func read(input io.Reader) results {
	got := results{status: map[string]string{}, output: map[string]string{}}
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text())
			continue
		}
		switch e.Action {
		case "output", "build-output":
			got.output[e.Test] += e.Output
		case "pass", "fail", "skip":
			if e.Test == "" {
				got.failed = got.failed || e.Action == "fail"
			} else {
				got.status[e.Test] = e.Action
			}
		case "build-fail":
			got.failed = true
		}
	}
	return got
}

// leaves are the tests without parts, in order.
func (r results) leaves() []string {
	parents := map[string]bool{}
	for name := range r.status {
		if at := strings.LastIndexByte(name, '/'); at >= 0 {
			parents[name[:at]] = true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.status)), func(name string) bool { return parents[name] })
}

const leftOut = "takes its time" // what the suite says of a test that go test -short leaves out

// reason is what a skipped test has said last.
func reason(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	_, why, _ := strings.Cut(lines[max(0, len(lines)-2)], ".go:")
	_, why, _ = strings.Cut(why, ": ")
	return strings.TrimSpace(why)
}

func compare(got results, leaves []string, short bool) (problems []string) {
	if len(leaves) == 0 {
		return []string{"nothing ran"}
	}
	listed := readList("tests.allow")
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if got.status[name] == "" && (!short || listed[name] == "fast") {
			problems = append(problems, name+" did not run")
		}
	}
	kwire := strings.Contains(got.output[""], "broker under test: kwire")
	for _, name := range leaves {
		if _, known := listed[name]; !known {
			problems = append(problems, name+" is not in tests.allow (run.sh --write-allow)")
		}
		if kwire && got.status[name] == "skip" && (!short || listed[name] == "fast") {
			problems = append(problems, name+" was skipped")
		}
	}
	for later := range readList("later.txt") {
		covers := func(name string) bool { return name == later || strings.HasPrefix(name, later+"/") }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(listed)), covers) {
			problems = append(problems, later+" is in later.txt and is no test")
		}
	}
	return problems
}

// readList reads lines of a test's name and perhaps a word or a reason; # starts a comment.
func readList(path string) map[string]string {
	content, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			name, rest, _ := strings.Cut(line, " ")
			list[name] = strings.TrimSpace(rest)
		}
	}
	return list
}

func writeList() {
	all, fast := told(), told("-short")
	names := all.leaves()
	var list bytes.Buffer
	fmt.Fprintln(&list, "# Every test of this suite, made by run.sh --write-allow; fast: also run by run.sh -short.")
	for _, name := range names {
		if fast.status[name] == "pass" {
			name += " fast"
		}
		fmt.Fprintln(&list, name)
	}
	if err := os.WriteFile("tests.allow", list.Bytes(), 0o644); err != nil {
		fail(err)
	}
	fmt.Printf("tests.allow has %d tests, %d of them fast\n", len(names), bytes.Count(list.Bytes(), []byte(" fast\n")))
}

// writeResults has ../support/compat/results.py write $KWIRE_RESULTS/FOLDER.json.
func writeResults(got results, leaves []string) {
	if os.Getenv("KWIRE_RESULTS") == "" || !strings.Contains(got.output[""], "broker under test: kwire") {
		return
	}
	tests := map[string]string{}
	for _, name := range leaves {
		switch {
		case got.status[name] == "fail":
			tests[name] = "failed"
		case strings.Contains(got.output[name], "failed, as later.txt expects"):
			tests[name] = "later"
		case got.status[name] == "pass":
			tests[name] = "passed"
		}
	}
	content, err := json.Marshal(tests)
	if err != nil {
		fail(err)
	}
	write := exec.Command(python(), "-m", "compat.results", ".")
	write.Env = append(os.Environ(), "PYTHONPATH=../support")
	write.Stdin, write.Stderr = bytes.NewReader(content), os.Stderr
	if err := write.Run(); err != nil {
		fail(err)
	}
}

func python() string {
	if given := os.Getenv("KWIRE_PYTHON"); given != "" {
		return given
	}
	if own := "../../.venv/bin/python"; exec.Command(own, "--version").Run() == nil {
		return own
	}
	return "python3"
}

// told asks the suite for its ids: with KWIRE_TEST_LIST set it passes over what each test does.
func told(options ...string) results {
	command := exec.Command("go", append([]string{"test", "-json", "-count=1", "."}, options...)...)
	command.Env = append(os.Environ(), "KWIRE_TEST_LIST=1")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		fail(err)
	}
	return read(bytes.NewReader(output))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "ids:", err)
	os.Exit(2)
}
