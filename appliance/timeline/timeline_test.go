package timeline

import (
	"strings"
	"testing"
	"time"
)

func TestStepsReachTheNextProgram(t *testing.T) {
	var first, next Timeline
	first.Kernel([]byte("<5>[    0.000000] Linux version 6\n<6>[    0.913240] Run /gokrazy/init as init process\n<6>[    0.95] Run away\n"))
	first.Done("boot")
	next.Done("program")
	if err := next.Read(first.Text()); err != nil {
		t.Fatal(err)
	}
	got := next.Steps()
	if len(got) != 3 || got[0].Name != "kernel" || got[0].At != 913240*time.Microsecond || got[1] != first.Steps()[1] || got[2].Name != "program" {
		t.Errorf("steps %v", got)
	}
	if !next.Has("kernel", "boot", "program") || next.Has("kernel", "prompt") {
		t.Error("Has does not know the steps")
	}
}

// The kernel's log may be some milliseconds ahead of the clock of steps.
func TestTheKernelComesFirst(t *testing.T) {
	var l Timeline
	l.Done("init")
	l.Kernel([]byte("<6>[999999999.000000] Run /gokrazy/init as init process\n"))
	if got := l.Steps(); len(got) != 2 || got[0].Name != "kernel" || got[0].At != got[1].At {
		t.Errorf("steps %v", got)
	}
}

// A reload takes steps again: they stay what they were at the start.
func TestAStepIsDoneOnce(t *testing.T) {
	var l Timeline
	first := l.Done("network")
	steps := l.Steps()
	if again := l.Done("network"); !first || again || len(l.Steps()) != 1 || l.Steps()[0] != steps[0] {
		t.Errorf("first %v, again %v: %v", first, again, l.Steps())
	}
}

func TestOnlyStepsAreRead(t *testing.T) {
	for _, text := range []string{"kernel", "=1s", "kernel=1", "kernel=-1s", "kernel=1s nonsense", strings.Repeat("a=1s ", stepsMax+1)} {
		var l Timeline
		if err := l.Read(text); err == nil || len(l.Steps()) > 0 {
			t.Errorf("%.20q: %v %v", text, err, l.Steps())
		}
	}
	var l Timeline
	if err := l.Read(""); err != nil {
		t.Error(err)
	}
}

// The text of other lines is no time, nor is a log without times.
func TestKernelsOtherLinesAreNoStep(t *testing.T) {
	for _, log := range []string{"", "Run /init as init process\n", "[x] Run /init as init process", "<6>[ 1.0] smpboot: Run /init as init process", "[ 1.0] Run /init"} {
		var l Timeline
		if l.Kernel([]byte(log)); len(l.Steps()) > 0 {
			t.Errorf("%q: %v", log, l.Steps())
		}
	}
}
