package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// held counts what a process has open, by kind.
func held(t *testing.T, pid int) map[string]int {
	t.Helper()
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d open files, %v", len(names), err)
	}
	kinds := map[string]int{}
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil { // it may be closed by now
			kind, _, _ := strings.Cut(to, "[")
			kinds[strings.TrimSuffix(kind, ":")]++
		}
	}
	return kinds
}

// A reload starts everything anew in the same process: what the engines before it had open must be closed, for a box is reloaded
// for years.
func TestReloadsLeaveNothingOpen(t *testing.T) {
	r := runBox(t, Setup{})
	if _, err := r.box.Exec(r.ctx, "copy running-config startup-config"); err != nil {
		t.Fatal(err)
	}
	// Everything that a call opens is open, and may stay so until the reload.
	open := func() map[string]int {
		out, in := r.fromTeams(Dial{})
		r.end(out, in)
		r.ended()
		return held(t, r.box.PID())
	}
	first := open()
	const reloads = 8 // what is open for a moment, such as a question for a name, is less
	for n := range reloads {
		if _, err := r.box.Exec(r.ctx, "reload"); err != nil {
			t.Fatal(err)
		}
		r.wait("the box again", func() bool {
			text, err := r.box.Exec(r.ctx, "show sip registrations")
			return err == nil && strings.Count(r.log.String(), "msg=started ") == n+2 && strings.Count(text, "State: registered") == 3
		})
	}
	last := open()
	for kind, n := range last {
		if n >= first[kind]+reloads {
			t.Errorf("%d of %s are open after %d reloads, %d before", n, kind, reloads, first[kind])
		}
	}
	for kind, n := range first {
		if strings.HasPrefix(kind, "anon_inode:bpf") && last[kind] != n {
			t.Errorf("%d of %s, before the reloads %d", last[kind], kind, n)
		}
	}
}

// A busy box reloads in order: calls are still taken while Teams gets no answers any more, those that are up go on, and the box starts again
// after the last.
func TestAGracefulReloadComesAfterTheLastCall(t *testing.T) {
	r := runBox(t, Setup{Sessions: 20, Channels: 20})
	if _, err := r.box.Exec(r.ctx, "copy running-config startup-config"); err != nil {
		t.Fatal(err)
	}
	first, in := r.fromPBX(Ring{})
	if text, err := r.box.Exec(r.ctx, "reload graceful limit 30"); err != nil || !strings.Contains(text, "after the last call, in 30 minutes at the latest") {
		t.Fatalf("%s, %v", text, err)
	}
	r.wait("the way out of service", func() bool {
		text, err := r.box.Exec(r.ctx, "show system")
		return err == nil && strings.Contains(text, "the box since ") && strings.Contains(text, "1 call left, new ones are refused from ")
	})
	out, second := r.fromTeams(Dial{})
	r.end(first, in)
	if n := strings.Count(r.log.String(), "msg=started "); n != 1 {
		t.Errorf("it has started %d times, with a call up", n)
	}
	r.end(out, second)
	r.wait("the box again", func() bool {
		text, err := r.box.Exec(r.ctx, "show sip registrations")
		return err == nil && strings.Count(r.log.String(), "msg=started ") == 2 && strings.Count(text, "State: registered") == 3
	})
	if text, err := r.box.Exec(r.ctx, "show system"); err != nil || strings.Contains(text, "Draining:") {
		t.Errorf("it is not in service: %s, %v", text, err)
	}
	again, there := r.fromTeams(Dial{})
	r.end(again, there)
	r.ended()
}
