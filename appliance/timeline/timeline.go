// Package timeline notes how far a start has come: steps, each with the time at which it was done.
//
// It owns the clock that all programs of the box share for it, the time since the kernel began, and the text in which PID 1 hands its steps
// to sbcd. It does not own which steps there are. It has no goroutines.
package timeline

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/appliance/status"
)

// Timeline is the steps of one start. Its methods may be called from many goroutines; the zero value has no
// steps, and a nil one notes none.
type Timeline struct {
	mu    sync.Mutex
	steps []status.Step
}

// stepsMax bounds what Read takes.
const stepsMax = 50

// Read takes the steps of an earlier program, as Text has written them. A text that it did not write is an error.
func (t *Timeline) Read(text string) error {
	var steps []status.Step
	for _, word := range strings.Fields(text) {
		name, at, found := strings.Cut(word, "=")
		d, err := time.ParseDuration(at)
		if !found || name == "" || err != nil || d < 0 || len(steps) == stepsMax {
			return fmt.Errorf("start's step %q", word)
		}
		steps = append(steps, status.Step{Name: name, At: d})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(steps, t.steps...)
	return nil
}

// Done notes that a step is done. It counts once: a reload takes steps a second time, and is no start. It reports whether it is the first
// time. The name has no spaces.
func (t *Timeline) Done(step string) bool { return t.note(step, sinceBoot()) }

func (t *Timeline) note(step string, at time.Duration) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(step) {
		return false
	}
	t.steps = append(t.steps, status.Step{Name: step, At: at})
	return true
}

// Has reports whether all of the steps are done.
func (t *Timeline) Has(steps ...string) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(steps, func(step string) bool { return !t.has(step) })
}

func (t *Timeline) has(step string) bool {
	return slices.ContainsFunc(t.steps, func(s status.Step) bool { return s.Name == step })
}

// Steps are those that are done, in the order in which they were.
func (t *Timeline) Steps() status.Steps {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(t.steps), func(a, b status.Step) int { return cmp.Compare(a.At, b.At) })
}

// Text is for Read of the next program.
func (t *Timeline) Text() string {
	var words []string
	for _, s := range t.Steps() {
		words = append(words, fmt.Sprintf("%s=%v", s.Name, s.At))
	}
	return strings.Join(words, " ")
}

// Kernel notes when the kernel handed over to PID 1, from the kernel's log. Without the line there is no such step.
func (t *Timeline) Kernel(log []byte) {
	for line := range bytes.Lines(log) {
		at, found := strings.CutPrefix(string(line), "[")
		if !found {
			if _, at, found = strings.Cut(string(line), ">["); !found { // "<6>[    0.913240] Run /init as init process"
				continue
			}
		}
		at, text, found := strings.Cut(at, "] ")
		seconds, err := strconv.ParseFloat(strings.TrimSpace(at), 64)
		if found && err == nil && strings.HasPrefix(text, "Run ") && strings.Contains(text, " as init process") {
			t.handOver(time.Duration(seconds*1e6) * time.Microsecond)
			return
		}
	}
}

// handOver notes the kernel's step before all others. Its log has another clock than steps have: one of some milliseconds later is none.
func (t *Timeline) handOver(at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has("kernel") {
		return
	}
	for _, s := range t.steps {
		at = min(at, s.At)
	}
	t.steps = slices.Insert(t.steps, 0, status.Step{Name: "kernel", At: at})
}

// KernelLog is what the kernel has said, as far as it still knows.
func KernelLog() ([]byte, error) {
	const readAll = 3 // see syslog(2)
	b := make([]byte, 256<<10)
	n, err := unix.Klogctl(readAll, b)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's log: %w", err)
	}
	return b[:n], nil
}

func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano()).Round(10 * time.Microsecond)
}
