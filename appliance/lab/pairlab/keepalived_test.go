package pairlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"

	"golang.org/x/sys/unix"
)

// keepalivedConfig is a pair of keepalived's, with the addresses of ours.
const keepalivedConfig = `
global_defs {
	vrrp_version 3
}
vrrp_sync_group pair {
	group {
		lan
		wan
	}
}
vrrp_instance lan {
	state BACKUP
	interface eth00
	virtual_router_id 173
	priority %[1]d
	advert_int %[2]g
	virtual_ipaddress {
		192.168.1.1/32 dev eth00
	}
}
vrrp_instance wan {
	state BACKUP
	interface eth01
	virtual_router_id 173
	priority %[1]d
	advert_int %[2]g
	virtual_ipaddress {
		123.123.123.123/32 dev eth01
	}
}
`

// keepalived runs in the place of the second box, until stop ends it with a signal.
func (p *pair) keepalived(priority int) (log *lab.Log, stop func(unix.Signal)) {
	p.t.Helper()
	dir, log := p.t.TempDir(), &lab.Log{}
	file := filepath.Join(dir, "keepalived.conf")
	p.must(os.WriteFile(file, fmt.Appendf(nil, keepalivedConfig, priority, float64(interval())/1000), 0o600))
	cmd := exec.Command("keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", file, "--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp.pid"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true} // it has a child, which does the work
	process, err := p.Second.Start(cmd)
	p.must(err)
	stop = func(s unix.Signal) {
		_ = unix.Kill(-cmd.Process.Pid, s) // it may have ended
		<-process.Done()
	}
	p.t.Cleanup(func() {
		stop(unix.SIGKILL)
		if p.t.Failed() {
			p.t.Logf("keepalived:\n%s", log)
		}
	})
	return log, stop
}

// A router of VRRP that knows nothing of ours is the other box: each takes over from the other, and obeys it, by VRRP alone.
func TestKeepalivedIsTheOtherBox(t *testing.T) {
	p := newWorld(t)
	for _, a := range []struct {
		port   string
		prefix netip.Prefix
	}{{"eth00", netip.MustParsePrefix("192.168.1.3/24")}, {"eth01", netip.MustParsePrefix("123.123.123.122/28")}, {"eth02", netip.MustParsePrefix("10.99.0.2/30")}} {
		p.must(p.Second.AddAddress(a.port, a.prefix.Bits(), a.prefix.Addr()))
		p.run("ip", "link", "set", a.port, "up")
	}
	box := p.boxes[0]
	first, err := p.Paste(lab.Setup{Sessions: 200, Channels: 200})
	p.must(err)
	box.paste(p, first)
	box.paste(p, "enable\nconfigure\n"+fmt.Sprintf(lab.PairLines, interval(), box.key(p), strings.Repeat("ab", 32))+"end\ncopy running-config startup-config\n")
	keepalived := func() bool {
		has, err := p.Second.Has(lab.BoxLAN)
		p.must(err)
		return has
	}

	p.wait("our box is active", func() bool { return box.is(p) == "active" && p.holds(box) })
	log, stop := p.keepalived(90)
	p.wait("keepalived obeys", func() bool { return strings.Count(log.String(), "Entering BACKUP STATE") >= 2 })
	p.must(errors.Join(p.Starface.WaitRegistered(p.ctx, 3), p.Teams.WaitActive(p.ctx)))
	p.converseOnce()
	if keepalived() {
		t.Fatal("keepalived has the address, too")
	}

	p.must(box.Kill())
	p.wait("keepalived takes over from a dead box", keepalived)
	p.must(box.Start(p.ctx))
	p.wait("our box joins", func() bool { return box.is(p) == "joining" })
	time.Sleep(5 * time.Second) // longer than a box that hears nobody joins
	if text := box.exec(p, "show redundancy"); p.holds(box) || !strings.Contains(text, "State: joining") || !keepalived() {
		t.Errorf("our box does not obey: it says %s", text)
	}

	stop(unix.SIGTERM)
	p.wait("our box takes over from one that gives up", func() bool { return box.is(p) == "active" && p.holds(box) })
	p.must(p.Starface.WaitRegistered(p.ctx, 3))
	p.converseOnce()

	_, stop = p.keepalived(200)
	p.wait("our box gives up beside a higher priority", func() bool { return keepalived() && !p.holds(box) })
	p.wait("an alarm tells of it", func() bool { return strings.Contains(box.exec(p, "show alarms"), "redundancy-split") })
	stop(unix.SIGKILL)
	p.run("ip", "address", "del", "192.168.1.1/32", "dev", "eth00") // its kernel dies with it
	p.run("ip", "address", "del", "123.123.123.123/32", "dev", "eth01")
	p.wait("our box takes over from a dead one", func() bool { return box.is(p) == "active" && p.holds(box) })
}

// run runs a program in the place of the second box.
func (p *pair) run(name string, args ...string) {
	p.t.Helper()
	program, err := p.Second.Start(exec.Command(name, args...))
	p.must(err)
	p.must(program.Wait())
}

// converseOnce has one call made, heard, and ended.
func (p *pair) converseOnce() {
	p.t.Helper()
	k := &talk{}
	var err error
	k.teams, err = p.Teams.Call(p.ctx, lab.Dial{})
	p.must(err)
	k.pbx, err = p.Starface.NextCall(p.ctx)
	p.must(err)
	p.must(errors.Join(k.teams.WaitUp(p.ctx), k.pbx.WaitUp(p.ctx)))
	p.hear([]*talk{k})
	p.must(k.teams.Hangup(p.ctx))
	_, err = k.pbx.WaitOver(p.ctx)
	p.must(err)
}

// newWorld is the world of a pair with the first box alone.
func newWorld(t *testing.T) *pair {
	t.Helper()
	if err := programs(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	p := &pair{t: t, ctx: ctx}
	state := t.TempDir()
	var err error
	p.World, err = lab.New(ctx, lab.Options{Pair: true})
	p.must(err)
	b := &box{number: 1, net: p.Box, log: &lab.Log{}, state: state}
	p.boxes[0] = b
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if text := b.log.String(); t.Failed() || strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
			t.Errorf("the log of the box:\n%s", text)
		}
	})
	b.Box, err = p.StartBoxIn(ctx, b.net, lab.Programs{SBCD: filepath.Join(scratch, "sbcd"), Consoled: filepath.Join(scratch, "consoled"), State: b.state, Log: b.log})
	p.must(err)
	return p
}

// key is what the pair knows the box by.
func (b *box) key(p *pair) string {
	p.t.Helper()
	line := strings.TrimSpace(b.exec(p, fmt.Sprintf("show redundancy key %d", b.number)))
	return line[strings.LastIndex(line, " ")+1:]
}
