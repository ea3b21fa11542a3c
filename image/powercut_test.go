package image

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	cuts = flag.Int("cuts", 3, "how often the power is cut in each of the tests of power cuts; make cuts: 50")
	seed = flag.Uint64("seed", 0, "of the moments at which the power is cut; 0: another one each time")
)

// moments are random times within a span, one in each of n equal parts of it, in any order.
type moments struct {
	*rand.Rand
	order []int
}

func newMoments(t *testing.T, n int) moments {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	r := rand.New(rand.NewPCG(s, 0))
	return moments{r, r.Perm(n)}
}

func (m moments) at(i int, span time.Duration) time.Duration {
	return time.Duration((float64(m.order[i]) + m.Float64()) / float64(len(m.order)) * float64(span))
}

// The first start grows the data partition, formats it and writes the first files. Wherever in that the power is cut, the
// next start does what is missing.
func TestPowerCutDuringTheFirstStart(t *testing.T) {
	when := newMoments(t, *cuts)
	measured := powerOnLogged(t, Machine{Disk: freshDisk(t), Work: t.TempDir()})
	measured.firstWrite()
	begin := time.Now()
	measured.until(prompt)
	span := time.Since(begin)
	all := measured.cut(when.Rand)
	t.Logf("from the first write to the prompt: %v; %v", span, all)
	formatting := 0
	for i := range *cuts {
		m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
		l := powerOnLogged(t, m)
		l.firstWrite()
		after := when.at(i, span)
		time.Sleep(after)
		n := l.cut(when.Rand)
		t.Logf("cut %d: %v after the first write: %v", i, after.Round(time.Millisecond), n)
		if n.writes < all.writes*9/10 {
			formatting++
		}
		e := powerOn(t, m)
		e.until(prompt)
		e.run("enable")
		e.run("copy running-config startup-config")
		e.powerOff()
		grown(t, m.Disk)
		if t.Failed() {
			return
		}
	}
	if formatting == 0 {
		t.Error("no cut fell into the formatting")
	}
}

// A save that the power cuts short leaves the old configuration or the new one, whole, and a data partition that can be
// written to. The medium stays the same from cut to cut, as in a box that has a hard life.
func TestPowerCutWhileSaving(t *testing.T) {
	when := newMoments(t, *cuts)
	m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
	span := time.Duration(0)
	seen := map[string]int{}
	for i := range *cuts + 1 {
		l := powerOnLogged(t, m)
		l.until(prompt)
		l.run("no terminal more")
		l.run("enable")
		if i > 0 {
			text := l.run("show startup-config")
			before, during := strings.Contains(text, fmt.Sprintf("hostname sure%d\r", i-1)), strings.Contains(text, fmt.Sprintf("hostname cut%d\r", i-1))
			if before == during {
				t.Fatalf("cut %d: neither the old configuration nor the new one:\n%s", i-1, text)
			}
			if during {
				seen["new"]++
			} else {
				seen["old"]++
			}
			if running := l.run("show running-config"); !strings.Contains(running, fmt.Sprintf("hostname %s%d\r", map[bool]string{true: "sure", false: "cut"}[before], i-1)) {
				t.Errorf("cut %d: the box did not start with what is saved:\n%s", i-1, running)
			}
		}
		l.run("configure")
		l.run(fmt.Sprintf("system hostname sure%d", i))
		begin := time.Now()
		l.run("copy running-config startup-config")
		span = max(span, l.lastWrite().Sub(begin))
		if i == *cuts {
			l.powerOff()
			break
		}
		l.run(fmt.Sprintf("system hostname cut%d", i))
		io.WriteString(l.keys, "copy running-config startup-config\r")
		after := when.at(i, span)
		time.Sleep(after)
		n := l.cut(when.Rand)
		t.Logf("cut %d: %v after the command, of %v: %v", i, after.Round(time.Millisecond), span.Round(time.Millisecond), n)
	}
	t.Logf("found after it: %v", seen)
	if *cuts >= 20 && (seen["old"] == 0 || seen["new"] == 0) {
		t.Errorf("the cuts did not fall into the save: %v", seen)
	}
}
