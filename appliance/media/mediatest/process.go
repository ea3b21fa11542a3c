package mediatest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time of a process, of threads that have ended too.
func CPU(t testing.TB, pid int) time.Duration {
	t.Helper()
	const scheduler = 2 // CPUCLOCK_SCHED of the kernel: what the scheduler has counted, in nanoseconds
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &at); err != nil {
		t.Fatalf("processor time of process %d: %v", pid, err)
	}
	return time.Duration(at.Nano())
}

// Resident is the memory that a process holds, in octets.
func Resident(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// Last is the last processor that this process had when it began. A child of a process that is pinned by then cannot know.
func Last() int { return runtime.NumCPU() - 1 }

// Pin keeps all threads that a process has, and those that they make, on one processor; -1 frees them. Process 0 is this one.
func Pin(pid, cpu int) {
	var set unix.CPUSet
	if cpu >= 0 {
		set.Set(cpu)
	} else {
		for i := range Last() + 1 {
			set.Set(i)
		}
	}
	if pid == 0 {
		pid = os.Getpid()
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		id, _ := strconv.Atoi(filepath.Base(task))
		_ = unix.SchedSetaffinity(id, &set) // a thread may have ended
	}
}

// favour gives this thread precedence, as that of a box's relay has it.
func favour() error {
	own := unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: -10, Runtime: uint64(100 * time.Microsecond)}
	if err := errors.Join(unix.SchedSetAttr(0, &own, 0), unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)); err != nil {
		return fmt.Errorf("precedence: %w", err)
	}
	return nil
}

// clock is what a processor has done since the machine began. It counts in steps of 10 ms.
type clock struct {
	work   time.Duration // for all processes and the kernel
	stolen time.Duration // there was work, and the hypervisor let others run
}

func clockOf(t testing.TB, processor int) (c clock) {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != fmt.Sprint("cpu", processor) {
			continue
		}
		for i, where := range map[int]*time.Duration{1: &c.work, 2: &c.work, 3: &c.work, 6: &c.work, 7: &c.work, 8: &c.stolen} { // see proc(5)
			ticks, err := strconv.Atoi(fields[i])
			if err != nil {
				t.Fatalf("/proc/stat: %q", line)
			}
			*where += time.Duration(ticks) * 10 * time.Millisecond
		}
		return c
	}
	t.Fatalf("/proc/stat has no processor %d", processor)
	return c
}

// WantPinned ends a benchmark whose figures would not be those of a process that has the first processor.
func WantPinned(t testing.TB, pid int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil || set.Count() != 1 || !set.IsSet(0) {
		t.Fatalf("process %d is not on the first processor alone (%v)", pid, err)
	}
}

// OnFirst is the processor time of a relay on the first processor: its process's, and that of the kernel's thread there, which takes over
// packets that have been sent when they are many.
func OnFirst(t testing.TB, pid int) time.Duration {
	t.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && string(text) == "ksoftirqd/0\n" {
			thread, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			return CPU(t, pid) + CPU(t, thread)
		}
	}
	return CPU(t, pid) // in a namespace of processes, where the kernel's are not seen
}
