package lab

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

// buildBox builds the box's programs, once for all tests.
var buildBox = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp(scratch, "box"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", raceFlag, "-o", dir, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("build the box: %w\n%s", err, out)
	}
	return dir, nil
})

// running is a world with a box that has the reference configuration, or one with a few words changed.
type running struct {
	*World
	t   *testing.T
	ctx context.Context

	state string // the box's folder
	box   *Box
	log   *safeBuffer

	tolerates []string // in the reasons of refusals that the test causes
	suffering bool     // the test puts faults in, so the peers refuse what they like
	held      [][2]*Call
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func runBox(t *testing.T, setup Setup, replace ...string) *running {
	t.Helper()
	r := newRunning(t)
	r.start(setup, replace...)
	return r
}

// newRunning makes the world; the box is to be started yet.
func newRunning(t *testing.T) *running {
	t.Helper()
	state := t.TempDir()                  // before the clean-up that stops the box, so that it is removed after it
	if _, err := buildBox(); err != nil { // outside the limit: it may take minutes
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), usualLimit)
	t.Cleanup(cancel)
	var trace safeBuffer
	w, err := New(ctx, Options{Trace: func(who, direction, peer, message string) {
		fmt.Fprintf(&trace, "%s %s %s %s\n%s\n", time.Now().Format("05.000"), who, direction, peer, message)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{World: w, t: t, ctx: ctx, state: state, log: &safeBuffer{}}
	t.Cleanup(func() {
		refusals := append(w.Teams.Refusals(), w.Starface.Refusals()...)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for _, refusal := range refusals {
			if !r.suffering && !slices.ContainsFunc(r.tolerates, func(text string) bool { return strings.Contains(refusal.Text, text) }) {
				t.Errorf("refused: %v", refusal)
			}
		}
		if strings.Contains(r.log.String(), "DATA RACE") || strings.Contains(r.log.String(), "panic:") {
			t.Error("a race or a panic in the box")
		}
		if t.Failed() {
			t.Logf("the box's log:\n%s", r.log)
			t.Logf("SIP:\n%s", &trace)
		}
	})
	return r
}

// usualLimit ends a test that hangs. One that works needs a fraction of it, also on a machine with other work.
const usualLimit = 3 * time.Minute

// patience replaces the limit that a test has.
func (r *running) patience(d time.Duration) {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	r.t.Cleanup(cancel)
	r.ctx = ctx
}

// start starts the box, pastes its configuration and waits until it is registered and known.
func (r *running) start(setup Setup, replace ...string) {
	r.t.Helper()
	r.configure(setup, replace...)
	if err := r.Starface.WaitRegistered(r.ctx, 3); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Teams.WaitActive(r.ctx); err != nil {
		r.t.Fatal(err)
	}
}

// configure starts the box and pastes its configuration.
func (r *running) configure(setup Setup, replace ...string) {
	r.t.Helper()
	dir, err := buildBox()
	if err != nil {
		r.t.Fatal(err)
	}
	if r.box, err = r.StartBox(r.ctx, Programs{SBCD: filepath.Join(dir, "sbcd"), Consoled: filepath.Join(dir, "consoled"), State: r.state, Log: r.log}); err != nil {
		r.t.Fatal(err)
	}
	before := Configuration
	setup.Configuration = strings.NewReplacer(replace...).Replace(before)
	if len(replace) > 0 && setup.Configuration == before {
		r.t.Fatal("the configuration does not hold what was to be replaced")
	}
	text, err := r.Paste(setup)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.box.Paste(r.ctx, text); err != nil {
		r.t.Fatal(err)
	}
}

// wait waits until something holds.
func (r *running) wait(what string, holds func() bool) {
	r.t.Helper()
	for !holds() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.ctx.Done():
			r.t.Fatalf("%s: not in time", what)
		}
	}
}

// fromTeams makes a call and returns both ends, up.
func (r *running) fromTeams(d Dial) (out, in *Call) {
	r.t.Helper()
	out, in = r.teamsRings(d)
	r.up(out, in)
	return out, in
}

func (r *running) fromPBX(ring Ring) (out, in *Call) {
	r.t.Helper()
	out, in = r.pbxRings(ring)
	r.up(out, in)
	return out, in
}

// teamsRings makes a call and returns both ends as soon as there are two.
func (r *running) teamsRings(d Dial) (out, in *Call) {
	r.t.Helper()
	out, err := r.Teams.Call(r.ctx, d)
	if err != nil {
		r.t.Fatal(err)
	}
	if in, err = r.Starface.NextCall(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	return out, in
}

func (r *running) pbxRings(ring Ring) (out, in *Call) {
	r.t.Helper()
	out, err := r.Starface.Call(r.ctx, ring)
	if err != nil {
		r.t.Fatal(err)
	}
	if in, err = r.Teams.NextCall(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	return out, in
}

func (r *running) up(calls ...*Call) {
	r.t.Helper()
	for _, c := range calls {
		if err := c.WaitUp(r.ctx); err != nil {
			r.t.Fatal(err)
		}
	}
}

// end hangs up and waits for the other side to end.
func (r *running) end(by, other *Call) {
	r.t.Helper()
	if err := by.Hangup(r.ctx); err != nil {
		r.t.Error(err)
	}
	if e, err := other.WaitOver(r.ctx); err != nil || !e.ByBox {
		r.t.Errorf("the other side ended %+v, %v", e, err)
	}
}

// ended waits until all licenses are back and no call is left.
func (r *running) ended() {
	r.t.Helper()
	for _, pool := range []string{"sip-sessions", "srtp-channels"} {
		if err := r.box.WaitAlloc(r.ctx, pool, 0); err != nil {
			r.t.Error(err)
		}
	}
	if n := r.Teams.Calls() + r.Starface.Calls(); n > 0 {
		r.t.Errorf("%d calls are left", n)
	}
}

// voiceShown finds how a voice without loss is shown: its jitter, its rating and the round trip, 0 when none was measured yet.
var voiceShown = regexp.MustCompile(`, 0 lost, jitter ([0-9.]+) ms\n +Quality: MOS ([0-9.]+), burst ratio 1\.0, round trip (?:([0-9.]+) ms|-)`)

// rightlyRated wants the rating of A-law without loss, which falls with the delay. That is what the machine makes of it, and none if it is in time.
func rightlyRated(m status.Media) bool {
	want := audio.LossOf("PCMA").Rate(0, 1, time.Duration(m.RoundTripMS*float64(time.Millisecond)), time.Duration(m.JitterMS*float64(time.Millisecond)))
	return math.Abs(m.MOS-want.MOS) < 0.02
}

func TestCallsBothWaysCarryAudio(t *testing.T) {
	r := runBox(t, Setup{})
	for _, c := range []struct {
		name string
		call func() (out, in *Call)
		hear [2]float64 // the one who called, the one who answered
	}{
		{"from Teams", func() (*Call, *Call) { return r.fromTeams(Dial{Name: "Anna"}) }, [2]float64{StarfaceTone, TeamsTone}},
		{"from the PBX", func() (*Call, *Call) { return r.fromPBX(Ring{Account: "user.03"}) }, [2]float64{TeamsTone, StarfaceTone}},
	} {
		out, in := c.call()
		wantTone(t, c.name+", caller", out.Audio, c.hear[0])
		wantTone(t, c.name+", callee", in.Audio, c.hear[1])
		if err := r.box.WaitAlloc(r.ctx, "sip-sessions", 1); err != nil {
			t.Error(err)
		}
		text, err := r.box.Exec(r.ctx, "show calls detail 2")
		shown := voiceShown.FindAllStringSubmatch(text, -1)
		if err != nil || len(shown) != 2 {
			t.Errorf("%s: %v\n%s", c.name, err, text)
		}
		for _, x := range shown {
			var m status.Media
			_, err := fmt.Sscan(x[1]+" "+x[2]+" "+cmp.Or(x[3], "0"), &m.JitterMS, &m.MOS, &m.RoundTripMS)
			if err != nil || !rightlyRated(m) {
				t.Errorf("%s: %v, %q", c.name, err, x[0])
			}
		}
		r.end(in, out) // the callee hangs up
		r.ended()
		for _, side := range []*Call{out, in} {
			if s := side.Audio.Stats(); s.Lost > 0 || s.Bad > 0 || s.Foreign > 0 {
				t.Errorf("%s: audio %+v", c.name, s)
			}
		}
	}
	records, err := r.box.WaitRecords(r.ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		if rec.Code != 200 || rec.By != "callee" || len(rec.Media) != 2 {
			t.Errorf("record %+v", rec)
		}
		for n, m := range rec.Media {
			if !rightlyRated(m.Media) || m.BurstRatio != 1 || m.Lost != 0 || m.Received < 10 || m.Sent < 10 {
				t.Errorf("record, side %d: %+v", n, m)
			}
		}
	}
}

func TestTheFifthCallNeedsALicense(t *testing.T) {
	r := runBox(t, Setup{})
	type pair struct{ out, in *Call }
	var calls []pair
	for range 4 {
		out, in := r.fromPBX(Ring{})
		calls = append(calls, pair{out, in})
	}
	fifth, err := r.Starface.Call(r.ctx, Ring{})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := fifth.WaitOver(r.ctx); err != nil || e.Code != 503 {
		t.Errorf("the fifth call ended %+v, %v", e, err)
	}
	sixth, err := r.Teams.Call(r.ctx, Dial{})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := sixth.WaitOver(r.ctx); err != nil || e.Code != 503 {
		t.Errorf("a call from Teams ended %+v, %v", e, err)
	}
	authority, keys, err := r.Licenses(map[license.Kind]int{license.SIPSessions: 20, license.SRTPChannels: 20})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := r.box.Paste(r.ctx, "enable\nconfigure\n"+authority+"\n"+keys+"end\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, in := r.fromPBX(Ring{})
	calls = append(calls, pair{out, in})
	if pools, err := r.box.Pools(r.ctx); err != nil || pools["sip-sessions"] != (Pool{"sip-sessions", 4, 20, 0, 24, 5, 19}) {
		t.Errorf("pools %+v, %v", pools, err)
	}
	for _, c := range calls {
		r.end(c.out, c.in)
	}
	r.ended()
	if !strings.Contains(r.log.String(), "no free license") {
		t.Error("the log does not tell of the refused calls")
	}
}

func TestHuntingGoesOnOnlyWhereItShall(t *testing.T) {
	r := runBox(t, Setup{})
	hubs := r.Teams.Hubs

	// Nothing comes from hub 1, not even 100: the hunt group's three seconds, then hub 2.
	hubs[0].Behave(Behaviour{Silent: true})
	out, in := r.fromPBX(Ring{})
	if in.Hub != hubs[1] {
		t.Errorf("answered by %s", in.Hub.Name)
	}
	r.end(out, in)

	// Busy is busy, although cause 34 is in the list.
	hubs[0].Behave(Behaviour{Code: 486, Reason: "Busy Here", Cause: "Q.850;cause=34"})
	before := hubs[1].Invites()
	busy, err := r.Starface.Call(r.ctx, Ring{})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := busy.WaitOver(r.ctx); err != nil || e.Code != 486 {
		t.Errorf("a busy user: %+v, %v", e, err)
	}
	if n := hubs[1].Invites() - before; n != 0 {
		t.Errorf("hub 2 was asked %d times for a busy user", n)
	}

	// A hub that sheds load is passed over.
	hubs[0].Behave(Behaviour{Code: 503, Reason: "Service Unavailable", RetryAfter: 1})
	out, in = r.fromPBX(Ring{})
	if in.Hub != hubs[1] {
		t.Errorf("answered by %s", in.Hub.Name)
	}
	r.end(out, in)

	// So is one that does not take connections. It was to be left alone for a second.
	hubs[0].Behave(Behaviour{})
	time.Sleep(1100 * time.Millisecond)
	hubs[0].Stop()
	out, in = r.fromPBX(Ring{})
	if in.Hub != hubs[1] {
		t.Errorf("answered by %s", in.Hub.Name)
	}
	r.end(out, in)
	r.ended()
	records, err := r.box.WaitRecords(r.ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range [][]status.Outcome{{status.Silent}, {status.Refused}, {status.Refused}, {status.Unreached, status.Skipped}} { // a probe may be faster than the call
		if a := records[n].Attempts; len(a) == 0 || !slices.Contains(want, a[0].Outcome) {
			t.Errorf("call %d: %+v, want %v of hub 1", n+1, a, want)
		}
	}
}

func TestAHubWithoutOPTIONSIsSkippedUntilItAnswers(t *testing.T) {
	r := runBox(t, Setup{}, "interval 60 timeout 60", "interval 5 timeout 1")
	hub := r.Teams.Hubs[0]
	hub.Behave(Behaviour{SilentOptions: true})
	r.until("boxed", func(line string) bool {
		return strings.Contains(line, "primary") && strings.Contains(line, " down ")
	})
	before := hub.Invites()
	out, in := r.fromPBX(Ring{})
	if in.Hub == hub || hub.Invites() != before {
		t.Errorf("answered by %s", in.Hub.Name)
	}
	r.end(out, in)
	hub.Behave(Behaviour{})
	r.until("up", func(line string) bool {
		return strings.Contains(line, "primary") && strings.Contains(line, " up ")
	})
	if out, in = r.fromPBX(Ring{}); in.Hub != hub {
		t.Errorf("answered by %s", in.Hub.Name)
	}
	r.end(out, in)
	r.ended()
}

// until waits for a line of `show sip penalty-box`.
func (r *running) until(what string, is func(line string) bool) {
	r.t.Helper()
	r.wait(what, func() bool {
		text, err := r.box.Exec(r.ctx, "show sip penalty-box")
		if err != nil {
			r.t.Fatalf("%s: %v", what, err)
		}
		return slices.ContainsFunc(strings.Split(text, "\n"), is)
	})
}

func TestGivenUpCallsStopRinging(t *testing.T) {
	r := runBox(t, Setup{})
	r.Teams.Behave(Behaviour{Manual: true})
	r.Starface.Behave(Behaviour{Manual: true})
	out, in := r.pbxRings(Ring{})
	<-out.Ringing()
	if err := out.Cancel(r.ctx, `SIP;cause=200;text="Call completed elsewhere"`); err != nil {
		t.Error(err)
	}
	if e, err := in.WaitOver(r.ctx); err != nil || e.Reason != "CANCEL" || !strings.Contains(e.Cause, "cause=200") {
		t.Errorf("at Teams it ended %+v, %v", e, err)
	}
	if e := out.End(); e.Code != 487 {
		t.Errorf("at STARFACE it ended %+v", e)
	}

	up, down := r.teamsRings(Dial{})
	<-up.Ringing()
	if err := down.Reject(486, "Busy Here", ""); err != nil {
		t.Error(err)
	}
	if e, err := up.WaitOver(r.ctx); err != nil || e.Code != 486 {
		t.Errorf("at Teams it ended %+v, %v", e, err)
	}
	r.ended()
}

func TestHoldAndRefresh(t *testing.T) {
	r := runBox(t, Setup{})
	out, in := r.fromTeams(Dial{})
	wantTone(t, "STARFACE", in.Audio, TeamsTone)

	if reply, err := out.Hold(r.ctx); err != nil || reply.Direction != "inactive" || !reply.SameKey {
		t.Errorf("Teams holds: %+v, %v", reply, err)
	}
	if _, err := out.Resume(r.ctx); err != nil {
		t.Error(err)
	}
	if reply, err := out.Refresh(r.ctx); err != nil || !reply.Same || !reply.SameKey {
		t.Errorf("Teams refreshes: %+v, %v", reply, err)
	}
	wantTone(t, "STARFACE after the refresh", in.Audio, TeamsTone)
	wantTone(t, "Teams after the refresh", out.Audio, StarfaceTone)

	if reply, err := in.Hold(r.ctx); err != nil || reply.Direction == "sendrecv" {
		t.Errorf("STARFACE holds: %+v, %v", reply, err)
	}
	if _, err := in.Resume(r.ctx); err != nil {
		t.Error(err)
	}
	wantTone(t, "STARFACE after its hold", in.Audio, TeamsTone)
	wantTone(t, "Teams after STARFACE's hold", out.Audio, StarfaceTone)
	r.end(out, in)
	r.ended()
}

func TestBoxComesBackWithWhatWasSaved(t *testing.T) {
	r := runBox(t, Setup{Sessions: 20, Channels: 20})
	if _, err := r.box.Exec(r.ctx, "copy running-config startup-config"); err != nil {
		t.Fatal(err)
	}
	if err := r.box.Kill(); err != nil {
		t.Fatal(err)
	}
	before := r.Starface.Registers() // while nobody can register
	if err := r.box.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.wait("registrations", func() bool { return r.Starface.Registers() >= before+3 })
	out, in := r.fromTeams(Dial{})
	r.end(out, in)
	if pools, err := r.box.Pools(r.ctx); err != nil || pools["sip-sessions"].Total != 24 {
		t.Errorf("pools %+v, %v", pools, err)
	}
}
