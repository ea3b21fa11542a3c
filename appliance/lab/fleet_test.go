package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/license"
)

// fleetHub is a hub on the WAN, with the box as its member.
type fleetHub struct {
	r       *running
	program string
	dir     string
	process *Process
}

// buildHub builds the hub's program. It may take minutes, so it comes before the limit of a test.
func buildHub(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "hub")
	if out, err := exec.Command("go", "build", raceFlag, "-o", program, "viaduct/appliance/fleet/cmd/hub").CombinedOutput(); err != nil {
		t.Fatalf("build the hub: %v\n%s", err, out)
	}
	return program
}

// joins sets up a hub whose pool has these licenses, and has the box lease them.
func (r *running) joins(program string, pool map[license.Kind]int) *fleetHub {
	r.t.Helper()
	h := &fleetHub{r: r, program: program, dir: filepath.Join(r.t.TempDir(), "state")}
	authority, _, err := r.Licenses(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	h.does("init", "-name", StrangerAddr.String(), "-listen", StrangerAddr.String()+":443", "-authority", "lab="+strings.Fields(authority)[2])
	h.start()
	r.t.Cleanup(h.stop)
	id := strings.TrimSpace(h.does("license id"))
	serial := uint32(1000)
	for kind, count := range pool {
		serial++
		key, err := license.Sign(r.issuer, license.License{Kind: kind, Count: count, Serial: serial, System: id})
		if err != nil {
			r.t.Fatal(err)
		}
		if out, err := r.box.Exec(r.ctx, "install license "+key); err == nil || !strings.Contains(out+err.Error(), "hub license add") {
			r.t.Errorf("the box takes a license of the pool: %v %s", err, out)
		}
		h.does("license add", key)
	}
	pin := regexp.MustCompile(`pin [0-9a-f]{64}`).FindString(h.does("show"))
	r.pasted(fmt.Sprintf("%s\nfleet\nname berlin\nhub %s\n%s\nlease licenses\nexit\n", authority, StrangerAddr, pin))
	file, err := r.box.Exec(r.ctx, "show fleet key")
	if err != nil {
		r.t.Fatal(err, file)
	}
	key := filepath.Join(r.t.TempDir(), "berlin.key")
	if err := os.WriteFile(key, []byte(file), 0o600); err != nil {
		r.t.Fatal(err)
	}
	h.does("box add", key)
	return h
}

// does runs a command of the hub.
func (h *fleetHub) does(command string, args ...string) string {
	h.r.t.Helper()
	line := append(strings.Fields(command), "-dir", h.dir)
	out, err := h.r.in(h.r.WAN, h.program, append(line, args...)...)
	if err != nil {
		h.r.t.Fatalf("hub %s: %v\n%s", command, err, out)
	}
	return out
}

func (h *fleetHub) start() {
	h.r.t.Helper()
	cmd := exec.Command(h.program, "run", "-dir", h.dir)
	cmd.Stdout, cmd.Stderr = h.r.log, h.r.log
	process, err := h.r.WAN.Start(cmd)
	if err != nil {
		h.r.t.Fatal(err)
	}
	h.process = process
	h.r.wait("the hub's registry", func() bool {
		_, err := h.r.in(h.r.WAN, h.program, "customer", "list", "-dir", h.dir)
		return err == nil
	})
}

func (h *fleetHub) stop() {
	if h.process == nil {
		return
	}
	if err := h.process.Stop(20 * time.Second); err != nil {
		h.r.t.Errorf("hub: %v", err)
	}
	h.process = nil
}

// A box whose own licenses are in use takes calls with those of its hub, as many as the pool has, and keeps them when the hub is gone, over a
// restart of its own.
func TestCallsTakeLicensesOfAHub(t *testing.T) {
	program := buildHub(t)
	r := runBox(t, Setup{})
	hub := r.joins(program, map[license.Kind]int{license.SIPSessions: 3, license.SRTPChannels: 2})
	answered := regexp.MustCompile(`(?s)sip-sessions( +\S+){4} +[1-9].*srtp-channels( +\S+){4} +[1-9]`)
	r.wait("the hub's first answers", func() bool { // before those it may not know the box's key, the box itself or the pool yet
		out, err := r.box.Exec(r.ctx, "show fleet")
		return err == nil && answered.MatchString(out)
	})
	ring := func() *Call {
		out, err := r.Starface.Call(r.ctx, Ring{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	calls := func() (outs, ins []*Call) { // at once, so that some wait; four sessions are the box's own
		for range 7 {
			outs = append(outs, ring())
		}
		for n := range outs {
			// A call waits for 300 ms, and a hub on a slow machine may take longer: who is refused rings again.
			for err := outs[n].WaitUp(r.ctx); err != nil; err = outs[n].WaitUp(r.ctx) {
				if r.ctx.Err() != nil || outs[n].End().Code != 503 || hub.process == nil {
					t.Fatal(err)
				}
				outs[n] = ring()
			}
		}
		for range outs {
			in, err := r.Teams.NextCall(r.ctx)
			if err != nil {
				t.Fatal(err)
			}
			ins = append(ins, in)
		}
		r.up(ins...)
		return outs, ins
	}
	end := func(outs, ins []*Call) {
		for _, c := range outs {
			if err := c.Hangup(r.ctx); err != nil {
				t.Error(err)
			}
		}
		for _, c := range ins {
			if _, err := c.WaitOver(r.ctx); err != nil {
				t.Error(err)
			}
		}
		r.ended()
	}
	one := func(why string) {
		t.Helper()
		more, err := r.Starface.Call(r.ctx, Ring{})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := more.WaitOver(r.ctx); err != nil || e.Code != 503 {
			t.Errorf("%s: the eighth call ended %+v, %v", why, e, err)
		}
		if pools, err := r.box.Pools(r.ctx); err != nil || pools["sip-sessions"] != (Pool{"sip-sessions", 4, 0, 3, 7, 7, 0}) {
			t.Errorf("%s: %+v, %v", why, pools, err)
		}
	}
	outs, ins := calls()
	one("with the hub")

	hub.stop()
	end(outs, ins)
	if out, err := r.box.Exec(r.ctx, "copy running-config startup-config"); err != nil {
		t.Fatal(err, out)
	}
	if err := r.box.Kill(); err != nil {
		t.Fatal(err)
	}
	before := r.Starface.Registers() // while nobody can register
	if err := r.box.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.wait("registrations", func() bool { return r.Starface.Registers() >= before+3 })
	outs, ins = calls()
	one("without the hub")
	end(outs, ins)
}
