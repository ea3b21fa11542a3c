package vrrp

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/lab"

	"golang.org/x/sys/unix"
)

// keepalived is the router of VRRP that everybody has (keepalived, from Debian), as the other router of a pair.
type keepalived struct {
	*host
	process *lab.Process
	log     lines
}

// lines is what a program says.
type lines struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

func (l *lines) has(text string) bool { return strings.Contains(l.text(), text) }

func (h *host) keepalived(priority int) *keepalived {
	k := &keepalived{host: h}
	dir := h.t.TempDir()
	file := filepath.Join(dir, "keepalived.conf")
	check(h.t, os.WriteFile(file, fmt.Appendf(nil, `
global_defs {
	vrrp_version 3
	vrrp_check_unicast_src
}
vrrp_instance pair {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int 0.1
	virtual_ipaddress {
		192.168.1.1/32 dev eth0
	}
}
`, priority), 0o600))
	program, err := exec.LookPath("keepalived")
	if err != nil {
		h.t.Fatalf("%v: install Debian's package keepalived", err)
	}
	cmd := exec.Command(program, "--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file", file,
		"--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp.pid"))
	cmd.Stdout, cmd.Stderr = &k.log, &k.log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true} // it has a child, which does the work
	k.process = must(h.Start(cmd))(h.t)
	h.t.Cleanup(func() {
		k.kill()
		if h.t.Failed() {
			h.t.Logf("keepalived:\n%s", k.log.text())
		}
	})
	return k
}

// kill is the end of a router that says nothing any more, and of its kernel: the address is gone with it.
func (k *keepalived) kill() {
	_ = unix.Kill(-k.process.Cmd.Process.Pid, unix.SIGKILL) // it may have ended
	<-k.process.Done()
}

// speaker is a box that is active by the rules of RFC 9568 alone: it speaks while the test wants it to.
type speaker struct {
	*Router
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func speak(t testing.TB, r *Router, priority uint8) *speaker {
	ctx, cancel := context.WithCancel(context.Background())
	s := &speaker{Router: r, cancel: cancel}
	check(t, r.Hold(ctx))
	s.running.Go(func() {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			if err := r.Advertise(priority); err != nil {
				t.Errorf("advertise: %v", err)
			}
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	t.Cleanup(s.fallSilent)
	return s
}

// fallSilent ends what it says, without a word.
func (s *speaker) fallSilent() { s.cancel(); s.running.Wait() }

func TestKeepalivedIsOurBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two, peer := w.add("one", "192.168.1.2/24"), w.add("two", "192.168.1.3/24"), w.add("peer", "192.168.1.100/24")
	p1, _ := ports()
	p1.Witnesses = addrs("192.168.1.100")
	heard := make(chan Heard, 10000)
	r, _ := one.router(Options{Heard: func(h Heard) { heard <- h }}, p1)
	at := func(h *host) func() bool {
		return func() bool { return peer.knows(virtual) == h.device().Attrs().HardwareAddr.String() }
	}

	s := speak(t, r, 200)
	until(t, "the network knows the address at our box", at(one))
	k := two.keepalived(100)
	until(t, "keepalived obeys", func() bool { return k.log.has("Entering BACKUP STATE") })
	until(t, "it would have taken over", func() bool { return r.State()[0].Sent > 30 })
	if two.has(virtual) || len(heard) > 0 {
		t.Fatal("keepalived does not understand our advertisements")
	}

	s.fallSilent()
	check(t, r.Release(context.Background()))
	until(t, "keepalived takes over from a box that fell silent", func() bool { return two.has(virtual) })
	if h := next(t, heard); h.Priority != 100 || h.From != p1.Others || h.Interval != 100*time.Millisecond || len(h.Addresses) != 1 || h.Addresses[0] != virtual {
		t.Errorf("what keepalived says: %+v", h)
	}
	until(t, "the network knows the address at keepalived", at(two))

	s = speak(t, r, 200)
	until(t, "keepalived gives way to a higher priority", func() bool { return !two.has(virtual) })
	until(t, "the network knows the address at our box again", at(one))

	s.fallSilent()
	check(t, r.Advertise(0))
	until(t, "keepalived takes over from a box that gives up", func() bool { return two.has(virtual) })
	if f := r.State()[0]; f.Invalid > 0 || f.Foreign > 0 {
		t.Errorf("%+v", f)
	}
	for _, complaint := range []string{"invalid", "mismatch", "incorrect", "ignoring", "bad"} {
		if k.log.has(complaint) {
			t.Errorf("keepalived complains: %s", k.log.text())
		}
	}
}

func TestKeepalivedIsOurActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two, peer := w.add("one", "192.168.1.2/24"), w.add("two", "192.168.1.3/24"), w.add("peer", "192.168.1.100/24")
	p1, _ := ports()
	p1.Witnesses = addrs("192.168.1.100")
	heard := make(chan Heard, 10000)
	r, _ := one.router(Options{Heard: func(h Heard) { heard <- h }}, p1)

	k := two.keepalived(150)
	until(t, "keepalived is active", func() bool { return two.has(virtual) })
	if h := next(t, heard); h.Priority != 150 || h.From != p1.Others {
		t.Errorf("%+v", h)
	}
	until(t, "its address is seen", func() bool { return r.State()[0].Taken })

	k.kill()
	down := 3*100*time.Millisecond + 100*time.Millisecond
	until(t, "it is silent for as long as a backup waits", func() bool { return time.Since(r.State()[0].Heard) > down })
	check(t, two.kernel.AddrDel(two.device(), kernelAddress(virtual, 0))) // its kernel dies with it
	s := speak(t, r, 100)
	until(t, "the network knows the address at our box", func() bool { return peer.knows(virtual) == one.device().Attrs().HardwareAddr.String() })

	k = two.keepalived(50)
	until(t, "keepalived comes back, and obeys", func() bool { return k.log.has("Entering BACKUP STATE") })
	before := r.State()[0]
	until(t, "it would have taken over", func() bool { return r.State()[0].Sent > before.Sent+10 })
	if after := r.State()[0]; two.has(virtual) || after.Received > before.Received {
		t.Errorf("keepalived is active beside us: %+v", after)
	}
	s.fallSilent()
	check(t, r.Advertise(0))
	check(t, r.Release(context.Background()))
	until(t, "keepalived takes over", func() bool { return two.has(virtual) })
	until(t, "we hear it again", func() bool { return r.State()[0].Received > before.Received })
	// It ends as its operator ends it: with priority 0.
	for len(heard) > 0 {
		<-heard
	}
	check(t, unix.Kill(k.process.Cmd.Process.Pid, unix.SIGTERM))
	until(t, "it gives up", func() bool { return next(t, heard).Priority == 0 })
	until(t, "its address is gone", func() bool { return !two.has(virtual) })
}
