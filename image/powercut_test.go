package image

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

var (
	cuts = flag.Int("cuts", 2, "how often the power is cut in each of the tests of power cuts; make cuts: 50")
	long = flag.Bool("long", false, "the long form of tests that have one, as in make cuts")
	seed = flag.Uint64("seed", 0, "of the moments at which the power is cut; 0: another one each time")
)

// moments are random points of a span, one in each of n equal parts of it, in any order: of a time every other one, and else of what is
// written in it, so that they fall between writes on a machine of any speed, too.
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

// span is how long something took, and by how much the log of writes grew with it.
type span struct {
	time  time.Duration
	bytes int64
}

// wait waits for moment i of a span, in which the log grows from a size. It returns what it waited for.
func (m moments) wait(l logged, i int, s span, from int64) string {
	part := (float64(m.order[i]) + m.Float64()) / float64(len(m.order))
	if i%2 == 0 {
		after := time.Duration(part * float64(s.time))
		time.Sleep(after)
		return fmt.Sprintf("after %v of %v", after.Round(time.Millisecond), s.time.Round(time.Millisecond))
	}
	size := from + int64(part*float64(s.bytes))
	for end := time.Now().Add(2 * s.time); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if now, _ := l.written(); now > size {
			break
		}
	}
	return fmt.Sprintf("after %d of %d KiB", (size-from)>>10, s.bytes>>10)
}

// The first start grows the data partition, formats it and writes the first files. Wherever in that the power is cut, the
// next start does what is missing.
func TestPowerCutDuringTheFirstStart(t *testing.T) {
	t.Parallel()
	when := newMoments(t, *cuts)
	measured := powerOnLogged(t, Machine{Disk: freshDisk(t), Work: t.TempDir()})
	measured.firstWrite()
	begin := time.Now()
	measured.until(prompt)
	size, last := measured.written()
	whole := span{last.Sub(begin), size}
	all := measured.cut(when.Rand)
	t.Logf("%v from the first write to the last: %v", whole.time.Round(time.Millisecond), all)
	midst := 0
	for i := range *cuts {
		m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
		l := powerOnLogged(t, m)
		l.firstWrite()
		at := when.wait(l, i, whole, 0)
		n := l.cut(when.Rand)
		t.Logf("cut %d %s: %v", i, at, n)
		if n.writes < all.writes*9/10 {
			midst++
		}
		savesItsName(t, m)
		grown(t, m.Disk)
		if t.Failed() {
			return
		}
		if *long || i == *cuts-1 {
			survivesDamage(t, m)
		}
	}
	if *cuts >= 20 && midst < *cuts/3 {
		t.Errorf("%d cuts fell between the writes", midst)
	}
}

// savesItsName starts a box, gives it the name kept, saves it and cuts the power.
func savesItsName(t *testing.T, m Machine) {
	t.Helper()
	e := powerOn(t, m)
	e.until(prompt)
	e.run("enable")
	e.run("configure")
	e.run("system hostname kept")
	e.run("copy running-config startup-config")
	e.powerOff()
}

// survivesDamage damages the data partition of a box that has saved the name kept: first so that it can be repaired, then for good.
func survivesDamage(t *testing.T, m Machine) {
	t.Helper()
	damage := func(size int, at ...int64) {
		t.Helper()
		disk, err := os.OpenFile(m.Disk, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		for _, n := range at {
			if _, err := disk.WriteAt(bytes.Repeat([]byte{0xa5}, size), dataStart+n); err != nil {
				t.Fatal(err)
			}
		}
	}
	damage(4096, 0)
	e := powerOn(t, m)
	e.until(`kept>$`)
	e.run("enable")
	e.run("copy running-config startup-config")
	e.powerOff()

	damage(mib, 0)
	e = powerOn(t, m)
	if text := e.until(prompt); strings.Contains(text, "kept>") {
		t.Errorf("it knows its name:\n%s", text)
	}
	e.run("enable")
	e.again("show config problems", "data partition is damaged and was left alone")
	e.powerOff()
}

// A save that the power cuts short leaves the old configuration or the new one, whole, and a data partition that can be
// written to. The medium stays the same from cut to cut, as in a box that has a hard life.
func TestPowerCutWhileSaving(t *testing.T) {
	t.Parallel()
	when := newMoments(t, *cuts)
	m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
	var whole span
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
		before, _ := l.written()
		begin := time.Now()
		l.run("copy running-config startup-config")
		size, last := l.written()
		whole = span{max(whole.time, last.Sub(begin)), size - before}
		if i == *cuts {
			l.powerOff()
			break
		}
		l.run(fmt.Sprintf("system hostname cut%d", i))
		io.WriteString(l.keys, "copy running-config startup-config\r")
		at := when.wait(l, i, whole, size)
		t.Logf("cut %d %s: %v", i, at, l.cut(when.Rand))
	}
	t.Logf("found after it: %v", seen)
	if *cuts >= 20 && (seen["old"] == 0 || seen["new"] == 0) {
		t.Errorf("the cuts did not fall into the save: %v", seen)
	}
}
