package pairlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

var scratch string

func TestMain(m *testing.M) {
	lab.Enter()
	var err error
	if scratch, err = os.MkdirTemp("", "pairlab"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// programs builds the box's programs.
var programs = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", raceFlag, "-o", scratch, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
})

// pair is two boxes in their world.
type pair struct {
	*lab.World
	t     *testing.T
	ctx   context.Context
	boxes [2]*box
	talks []*talk
	lines string // of the pair
}

// box is one of the two.
type box struct {
	*lab.Box
	number int
	net    *lab.Namespace
	log    *lab.Log
	state  string
}

// thorough: VIADUCT_PAIR=1 has the boxes advertise at the usual interval, and bounds how long a gap may be. It wants a machine that has nothing else to do.
// Otherwise a box that is slow does not count as dead, and gaps are only told.
var thorough = os.Getenv("VIADUCT_PAIR") != ""

// interval is that of the boxes' advertisements, in milliseconds.
func interval() int {
	if thorough {
		return 100
	}
	return 500
}

// limit ends a test that hangs.
const limit = 5 * time.Minute

// newPair sets two boxes up as docs/redundancy.md says: the first has everything, the second finds it and copies. It returns when the second could take
// over.
func newPair(t *testing.T) *pair {
	t.Helper()
	if err := programs(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	p := &pair{t: t, ctx: ctx}
	states := [2]string{t.TempDir(), t.TempDir()} // before the clean-up that stops the boxes
	var trace lab.Log
	var err error
	if p.World, err = lab.New(ctx, lab.Options{Pair: true, OptionsInterval: 2 * time.Second, Trace: func(who, direction, peer, message string) {
		fmt.Fprintf(&trace, "%s %s %s %s\n%s\n", time.Now().Format("05.000"), who, direction, peer, message)
	}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for _, b := range p.boxes {
			if b == nil {
				continue
			}
			if text := b.log.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
				t.Errorf("a race or a panic in box %d", b.number)
			}
			if t.Failed() {
				t.Logf("the log of box %d:\n%s", b.number, b.log)
			}
		}
		if t.Failed() && os.Getenv("VIADUCT_PAIR_TRACE") != "" {
			t.Logf("SIP:\n%s", &trace)
		}
	})
	for n, in := range []*lab.Namespace{p.Box, p.Second} {
		p.boxes[n] = &box{number: n + 1, net: in, log: &lab.Log{}, state: states[n]}
	}
	for _, b := range p.boxes {
		b.Box, err = p.StartBoxIn(ctx, b.net, lab.Programs{SBCD: filepath.Join(scratch, "sbcd"), Consoled: filepath.Join(scratch, "consoled"), State: b.state, Log: b.log})
		p.must(err)
	}
	var keys [2]string
	for n, b := range p.boxes {
		keys[n] = strings.TrimSpace(b.exec(p, fmt.Sprintf("show redundancy key %d", n+1)))
		keys[n] = keys[n][strings.LastIndex(keys[n], " ")+1:]
	}
	pasted := fmt.Sprintf(lab.PairLines, interval(), keys[0], keys[1])
	p.lines = pasted
	first, err := p.Paste(lab.Setup{Sessions: 200, Channels: 200})
	if err != nil {
		t.Fatal(err)
	}
	p.boxes[0].paste(p, first)
	cables := []lab.Cable{lab.CableLAN, lab.CableWAN, lab.CableDirect}
	for _, c := range cables { // out of the carton it has none
		p.must(p.Unplug(2, c))
	}
	p.boxes[0].paste(p, "enable\nconfigure\n"+pasted+"end\ncopy running-config startup-config\n")
	p.wait("the first box as the active one", func() bool { return p.boxes[0].is(p) == "active" })
	p.boxes[1].paste(p, "enable\nconfigure\n"+lab.PairPorts+pasted+"end\ncopy running-config startup-config\n")
	p.must(p.boxes[1].Kill())
	for _, c := range cables {
		p.must(p.Plug(2, c))
	}
	p.must(p.boxes[1].Start(ctx))
	p.wait("two boxes that stand in for each other", p.protected)
	if err := errors.Join(p.Starface.WaitRegistered(ctx, 3), p.Teams.WaitActive(ctx)); err != nil {
		t.Fatal(err)
	}
	return p
}

// in has a part of a test tell what is wrong.
func (p *pair) in(t *testing.T) {
	p.t = t
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	p.ctx = ctx
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// holds reports whether a box has the pair's address in the LAN.
func (p *pair) holds(b *box) bool {
	p.t.Helper()
	has, err := b.net.Has(lab.BoxLAN)
	p.must(err)
	return has
}

func (b *box) exec(p *pair, line string) string {
	p.t.Helper()
	text, err := b.Exec(p.ctx, line)
	if err != nil {
		p.t.Fatalf("box %d: %s: %v", b.number, line, err)
	}
	return text
}

func (b *box) paste(p *pair, text string) {
	p.t.Helper()
	if _, err := b.Paste(p.ctx, text); err != nil {
		p.t.Fatalf("box %d: %v", b.number, err)
	}
}

var state = regexp.MustCompile(`(?m)^State: (\w+)`)

// is the state of the box in its pair, "" when it does not answer.
func (b *box) is(p *pair) string {
	ctx, cancel := context.WithTimeout(p.ctx, time.Second)
	defer cancel()
	text, _ := b.Exec(ctx, "show redundancy")
	if m := state.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// protected reports whether one box is active and the other could take over.
func (p *pair) protected() bool {
	a, s := p.find("active"), p.find("standby")
	if a == nil || s == nil {
		return false
	}
	text, err := a.Exec(p.ctx, "show redundancy")
	return err == nil && strings.Contains(text, "standby, can take over")
}

// find is the first box in a state, nil for none.
func (p *pair) find(state string) *box {
	for _, b := range p.boxes {
		if b.Box != nil && b.PID() != 0 && b.is(p) == state {
			return b
		}
	}
	return nil
}

// active is the active box, and the other one.
func (p *pair) active() (active, other *box) {
	p.t.Helper()
	p.wait("an active box", func() bool { active = p.find("active"); return active != nil })
	return active, p.boxes[2-active.number]
}

// wait waits until something holds.
func (p *pair) wait(what string, holds func() bool) {
	p.t.Helper()
	for !holds() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.ctx.Done():
			for _, b := range p.boxes {
				if b == nil {
					continue
				}
				if text, err := b.Exec(context.WithoutCancel(p.ctx), "show redundancy"); err == nil {
					p.t.Logf("box %d:\n%s", b.number, text)
				}
			}
			p.t.Fatalf("%s: not in time", what)
		}
	}
}

// talk is a call with both its ends.
type talk struct{ teams, pbx *lab.Call }

func (k *talk) ends() []*lab.Call { return []*lab.Call{k.teams, k.pbx} }

func (k *talk) caller() *lab.Call {
	if k.teams.Incoming {
		return k.pbx
	}
	return k.teams
}

// calls is how many calls a test makes: VIADUCT_PAIR_CALLS, or few.
func calls(few int) int {
	if n, err := strconv.Atoi(os.Getenv("VIADUCT_PAIR_CALLS")); err == nil {
		return n
	}
	return few
}

// converse sets calls up, every other one from each side, and has half of them grow old: both streams have sent 65,536 packets and more.
func (p *pair) converse(n int) {
	p.t.Helper()
	for i := range n {
		k := &talk{}
		var err error
		if i%2 == 0 {
			if k.teams, err = p.Teams.Call(p.ctx, lab.Dial{Hub: i / 2 % 3}); err == nil {
				k.pbx, err = p.Starface.NextCall(p.ctx)
			}
		} else if k.pbx, err = p.Starface.Call(p.ctx, lab.Ring{}); err == nil {
			k.teams, err = p.Teams.NextCall(p.ctx)
		}
		if err == nil {
			err = errors.Join(k.teams.WaitUp(p.ctx), k.pbx.WaitUp(p.ctx))
		}
		if err != nil {
			p.t.Fatalf("call %d: %v", i, err)
		}
		p.talks = append(p.talks, k)
	}
	p.hear(p.talks)
	var all sync.WaitGroup
	for i, k := range p.talks {
		for _, c := range k.ends() {
			if i/2%2 == 0 {
				all.Go(c.Audio.Age)
			}
		}
	}
	all.Wait()
	time.Sleep(6 * time.Second) // marks go out every five
	p.hear(p.talks)
}

// hear sees to it that both ends of calls hear the other's tone. Calls that have ended are told, and left out of what it returns.
func (p *pair) hear(talks []*talk) (alive []*talk) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	var all sync.WaitGroup
	deaf := make([]error, len(talks))
	for i, k := range talks {
		all.Go(func() {
			for _, c := range k.ends() {
				tone, err := c.Audio.Listen(ctx, 200*time.Millisecond)
				want := float64(lab.TeamsTone)
				if c == k.teams {
					want = lab.StarfaceTone
				}
				if err == nil && (tone.Hz < want-5 || tone.Hz > want+5) {
					err = fmt.Errorf("hears %v", tone)
				}
				deaf[i] = errors.Join(deaf[i], err)
			}
		})
	}
	all.Wait()
	for i, err := range deaf {
		if err != nil {
			p.t.Logf("call %d: %v", i, err)
			continue
		}
		alive = append(alive, talks[i])
	}
	if lost := len(talks) - len(alive); lost > len(talks)/100 {
		p.t.Errorf("%d of %d calls are not heard", lost, len(talks))
	}
	return alive
}

// gaps has something happen, and then tells how long the ends of the calls heard nothing. The worst may be so long.
func (p *pair) gaps(worst time.Duration, happen func()) {
	p.t.Helper()
	for _, k := range p.talks {
		for _, c := range k.ends() {
			c.Audio.Watch()
		}
	}
	happen()
	time.Sleep(worst + time.Second)
	p.talks = p.hear(p.talks)
	for side, name := range []string{"Teams", "the PBX"} {
		var list []time.Duration
		for _, k := range p.talks {
			list = append(list, k.ends()[side].Audio.Gap())
		}
		if len(list) == 0 {
			p.t.Fatal("no call is left")
		}
		slices.Sort(list)
		longest := list[len(list)-1]
		p.t.Logf("%s heard nothing for %v (median), %v (longest)", name, list[len(list)/2].Round(time.Millisecond), longest.Round(time.Millisecond))
		if longest > worst && thorough {
			p.t.Errorf("%s heard nothing for %v", name, longest)
		}
	}
}

// end ends all calls, every other one from each side, and sees that nothing is left: each has one record, and the licenses are free.
func (p *pair) end() {
	p.t.Helper()
	active, _ := p.active()
	if err := active.WaitAlloc(p.ctx, "sip-sessions", len(p.talks)); err != nil {
		p.t.Error(err)
	}
	for i, k := range p.talks {
		by, other := k.teams, k.pbx
		if i/2%2 == 0 {
			by, other = other, by
		}
		if err := by.Hangup(p.ctx); err != nil {
			p.t.Errorf("call %d: hang up: %v", i, err)
		}
		if e, err := other.WaitOver(p.ctx); err != nil || !e.ByBox {
			p.t.Errorf("call %d: the other side ended %+v, %v", i, e, err)
		}
	}
	for _, pool := range []string{"sip-sessions", "srtp-channels"} {
		if err := active.WaitAlloc(p.ctx, pool, 0); err != nil {
			p.t.Error(err)
		}
	}
	wanted := map[string]int{}
	for i, k := range p.talks {
		wanted[k.caller().ID] = i
	}
	records := map[string]int{}
	p.wait("the records of all calls", func() bool {
		clear(records)
		list, err := active.Records(p.ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range list {
			if _, ours := wanted[r.CallID]; ours {
				if records[r.CallID]++; r.Code != 200 || r.Ended.Sub(r.Connected) < 5*time.Second {
					p.t.Errorf("record %+v", r)
				}
			}
		}
		return len(records) == len(wanted)
	})
	for id, n := range records {
		if n != 1 {
			p.t.Errorf("%d records of call %s", n, id)
		}
	}
	p.talks = nil
}
