package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
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

// advertise is the interval of the pair's adverts in milliseconds: what a box in an emulator keeps to, also beside other ones. The gap in
// the voice follows from it.
var advertise = number("VIADUCT_PAIR_ADVERTISE", 1000)

// ptime is how many milliseconds of voice a packet holds. An emulated processor carries 100 calls with packets of 60 ms, and not with those of 20.
var ptime = number("VIADUCT_PAIR_PTIME", 20)

// number is that of a variable in the environment, or the usual one.
func number(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// pairOf is a box in the emulator and one beside it.
type pairOf struct {
	*lab.World
	t      *testing.T
	ctx    context.Context
	second *lab.Box
	talks  []talk
}

// talk is a call with both its ends.
type talk struct{ caller, callee, teams, pbx *lab.Call }

func (p *pairOf) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// startSecond starts the second box, of the same release, without cables.
func (p *pairOf) startSecond(state string, log io.Writer) {
	p.t.Helper()
	dir := p.t.TempDir()
	flags := fmt.Sprintf("-X main.version=%s -X main.commit=%s -X main.built=%s", release.Version, release.Commit, release.Built.UTC().Format(time.RFC3339))
	if out, err := exec.Command("go", "build", "-ldflags", flags, "-o", dir, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput(); err != nil {
		p.t.Fatalf("build: %v\n%s", err, out)
	}
	for _, c := range []lab.Cable{lab.CableLAN, lab.CableWAN, lab.CableDirect} {
		p.must(p.Unplug(2, c))
	}
	var err error
	p.second, err = p.StartBoxIn(p.ctx, p.Second, lab.Programs{SBCD: filepath.Join(dir, "sbcd"), Consoled: filepath.Join(dir, "consoled"), State: state, Log: log})
	p.must(err)
}

// joins has the second box find the first one.
func (p *pairOf) joins(lines string) {
	p.t.Helper()
	_, err := p.second.Paste(p.ctx, "enable\nconfigure\n"+lab.PairPorts+lines+"end\ncopy running-config startup-config\n")
	p.must(err)
	p.must(p.second.Kill())
	for _, c := range []lab.Cable{lab.CableLAN, lab.CableWAN, lab.CableDirect} {
		p.must(p.Plug(2, c))
	}
	p.must(p.second.Start(p.ctx))
}

// says waits until the second box's `show redundancy` holds all these.
func (p *pairOf) says(patterns ...string) {
	p.t.Helper()
	var text string
	for end := time.Now().Add(silence); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		text, err = p.second.Exec(p.ctx, "show redundancy")
		p.must(err)
		if !slices.ContainsFunc(patterns, func(s string) bool { return !regexp.MustCompile(s).MatchString(text) }) {
			return
		}
	}
	p.t.Fatalf("the second box never said %q but:\n%s", patterns, text)
}

// converse sets calls up, every other one from each side. Both streams of half of them have sent 65,536 packets then.
func (p *pairOf) converse(n int) {
	p.t.Helper()
	for i := range n {
		var k talk
		var err error
		if i%2 == 0 {
			k.caller, k.callee, err = ring(p.ctx, patience, func(ctx context.Context) (*lab.Call, error) { return p.Teams.Call(ctx, lab.Dial{Hub: i / 2 % 3}) }, p.Starface.NextCall)
			k.teams, k.pbx = k.caller, k.callee
		} else {
			k.caller, k.callee, err = ring(p.ctx, patience, func(ctx context.Context) (*lab.Call, error) { return p.Starface.Call(ctx, lab.Ring{}) }, p.Teams.NextCall)
			k.teams, k.pbx = k.callee, k.caller
		}
		p.must(err)
		p.must(errors.Join(k.caller.WaitUp(p.ctx), k.callee.WaitUp(p.ctx)))
		p.talks = append(p.talks, k)
	}
	p.hear()
	var all sync.WaitGroup
	for i, k := range p.talks {
		if i/2%2 == 0 {
			all.Go(k.teams.Audio.Age)
			all.Go(k.pbx.Audio.Age)
		}
	}
	all.Wait()
	time.Sleep(6 * time.Second) // how far streams have come is copied every five, and nothing tells when
	p.hear()
}

// hear checks that both ends of all calls hear the other one.
func (p *pairOf) hear() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i, k := range p.talks {
		hears := func(who string, c *lab.Call, hz float64) {
			tone, err := c.Audio.Listen(ctx, 200*time.Millisecond)
			if err != nil || math.Abs(tone.Hz-hz) > 5 {
				p.t.Errorf("call %d: %s hears %v, not %.0f Hz (%v)", i, who, tone, hz, err)
			}
		}
		all.Go(func() { hears("Teams", k.teams, lab.StarfaceTone) })
		all.Go(func() { hears("the PBX", k.pbx, lab.TeamsTone) })
	}
	if all.Wait(); p.t.Failed() {
		p.t.FailNow()
	}
}

// gaps tells for how long the ends of the calls have heard nothing since Watch.
func (p *pairOf) gaps() {
	for side, name := range []string{"Teams", "the PBX"} {
		var list []time.Duration
		for _, k := range p.talks {
			list = append(list, []*lab.Call{k.teams, k.pbx}[side].Audio.Gap().Round(time.Millisecond))
		}
		slices.Sort(list)
		p.t.Logf("%d calls, advertise-interval %d: %s heard nothing for %v (median), %v (longest)", len(list), advertise, name, list[len(list)/2], list[len(list)-1])
	}
}

// end ends all calls at the second box, every other one from each side: each has one record, and the licenses are free.
func (p *pairOf) end() {
	p.t.Helper()
	wanted := map[string]int{}
	for i, k := range p.talks {
		wanted[k.caller.ID] = 0
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
	p.must(errors.Join(p.second.WaitAlloc(p.ctx, "sip-sessions", 0), p.second.WaitAlloc(p.ctx, "srtp-channels", 0)))
	list, err := p.second.WaitRecords(p.ctx, len(p.talks))
	p.must(err)
	for _, r := range list {
		if wanted[r.CallID]++; r.Code != 200 || r.Ended.Sub(r.Connected) < 5*time.Second {
			p.t.Errorf("record %+v", r)
		}
	}
	for id, n := range wanted {
		if n != 1 {
			p.t.Errorf("%d records of call %s", n, id)
		}
	}
	if len(wanted) != len(p.talks) {
		p.t.Errorf("records of %d calls, there were %d", len(wanted), len(p.talks))
	}
}

// keyOf is the key in the answer to `show redundancy key N`.
func keyOf(t *testing.T, answer string) string {
	t.Helper()
	m := regexp.MustCompile(`key ([0-9a-f]{64})`).FindStringSubmatch(answer)
	if m == nil {
		t.Fatalf("there is no key in:\n%s", answer)
	}
	return m[1]
}

// The active box of a pair is one out of the emulator's reset, and loses its power during calls: they go on at the other one, which is sbcd on
// this machine. When the power is back, the box joins as the standby.
func TestCallsOutliveThePowerOfTheirBox(t *testing.T) {
	t.Parallel()
	few := number("VIADUCT_PAIR_CALLS", 4)
	ctx, cancel := context.WithTimeout(t.Context(), 2*silence)
	defer cancel()
	state, log := t.TempDir(), newSerialLine()
	world, err := lab.New(ctx, lab.Options{Pair: true, Ptime: time.Duration(ptime) * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of the second box:\n%s", log.since(0))
		}
	})
	p := &pairOf{World: world, t: t, ctx: ctx}
	t.Cleanup(func() {
		for _, line := range []string{"show redundancy", "show system licenses", "show calls"} {
			if t.Failed() && p.second != nil {
				answer, err := p.second.Exec(context.WithoutCancel(ctx), line)
				t.Logf("%s says at the second box:\n%s%v", line, answer, err)
			}
		}
	})
	p.must(plug(world, "0", "1", "2"))
	start := func(cmd *exec.Cmd) (<-chan struct{}, error) {
		q, err := world.Box.Start(cmd)
		if err != nil {
			return nil, err
		}
		return q.Done(), nil
	}
	m := Machine{Disk: freshDisk(t), Work: t.TempDir(), LAN: Wire{Tap: "tap0"}, WAN: Wire{Tap: "tap1"}, Direct: &Wire{Tap: "tap2"}}
	e := powerOnBy(t, m, start)
	p.startSecond(state, log)
	second, err := p.second.Exec(ctx, "show redundancy key 2")
	p.must(err)
	quiet(t, e.until(prompt))
	e.run("no terminal more")
	e.run("enable")
	pasted := fmt.Sprintf(lab.PairLines, advertise, keyOf(t, e.run("show redundancy key 1")), keyOf(t, second))
	text, err := world.Paste(lab.Setup{Sessions: 200, Channels: 200})
	p.must(err)
	io.WriteString(e.keys, strings.ReplaceAll(text+"configure\n"+pasted+"end\n", "\n", "\r"))
	if text := e.until(`\n.*\d+ errors, .*\n[^\n]*#$`); !strings.Contains(text, "\n0 errors, ") {
		t.Errorf("the paste left errors:\n%s", text)
	}
	e.run("copy running-config startup-config")
	e.again("show redundancy", `State: active`)
	p.joins(pasted)
	e.again("show redundancy", `(?s)State: active.*standby, can take over.*Both boxes are alike`)
	p.must(errors.Join(world.Starface.WaitRegistered(ctx, 3), world.Teams.WaitActive(ctx)))

	p.converse(few)
	p.must(p.second.WaitAlloc(ctx, "sip-sessions", 0)) // none of them is at the standby
	for _, k := range p.talks {
		k.teams.Audio.Watch()
		k.pbx.Audio.Watch()
	}
	e.powerOff()
	p.says(`State: active`)
	p.must(p.second.WaitAlloc(ctx, "sip-sessions", few))
	p.hear()
	p.gaps()
	p.end()

	e = powerOnBy(t, m, start)
	quiet(t, e.until(prompt))
	e.run("no terminal more")
	e.run("enable")
	e.again("show redundancy", `State: standby`)
	p.says(`State: active`, `standby, can take over`, `Both boxes are alike`)
}
