package lease_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/status"
)

// box is a Holder that asks a hub, as package member has it ask.
type box struct {
	t     *testing.T
	h     *lease.Holder
	hub   *hub
	now   lease.Time
	flash []byte
	away  bool
	asked []fleet.LeaseRequest
}

const kind = "sip-sessions"

// newBox is "a", with a hub whose pool has so many.
func newBox(t *testing.T, total int) *box {
	b := &box{t: t, hub: newHub(total, map[string]lease.Box{"a": {}, "b": {}}), now: lease.Time{Clock: begin}}
	b.h = lease.New(kind, "a", b.now)
	return b
}

func (b *box) use(inUse, short int) {
	b.h.Use(b.now, lease.Use{Own: 4, InUse: inUse, Peak: inUse, Short: short})
}

// step does what is to be done now, and returns how long nothing is.
func (b *box) step() time.Duration {
	b.t.Helper()
	for range 20 {
		step := b.h.Next(b.now)
		if n := b.h.Count(b.now); n != step.Count {
			b.t.Fatalf("the step counts %d and the holder %d", step.Count, n)
		}
		if step.Save {
			if err := b.h.Save(b.now, func(text []byte) error { b.flash = text; return nil }); err != nil {
				b.t.Fatal(err)
			}
		}
		if step.Request == nil {
			if step.Wait <= 0 {
				b.t.Fatalf("the next step is to come after %s", step.Wait)
			}
			return step.Wait
		}
		b.asked = append(b.asked, *step.Request)
		if b.away {
			b.h.Failed(b.now, "the hub is away")
			continue
		}
		next, a := b.hub.Grant("a", *step.Request, b.hub.Terms, b.hub.now)
		if a.Write {
			b.hub.Pool = next
		}
		b.h.Answered(b.now, a.Reply, a.Count)
	}
	b.t.Fatal("the box asks again and again")
	return 0
}

// pass lets time pass for the box, and for the hub unless it is away.
func (b *box) pass(d time.Duration) {
	b.t.Helper()
	for end := b.now.Up + d; b.now.Up < end; {
		wait := min(max(b.step(), time.Second), end-b.now.Up)
		b.now.Up, b.now.Clock = b.now.Up+wait, b.now.Clock.Add(wait)
		if b.away {
			b.hub.now = b.hub.now.Add(wait)
		} else {
			b.hub.tend(wait)
		}
	}
	b.step()
}

func (b *box) is(state status.PoolLeaseState, count int) {
	b.t.Helper()
	if s := b.h.Status(b.now); s.State != state || s.Count != count {
		b.t.Errorf("after %s: %s with %d, not %s with %d (%s)", b.now.Up, s.State, s.Count, state, count, s.Why)
	}
}

func (b *box) last() fleet.LeaseRequest { return b.asked[len(b.asked)-1] }

// restart has the box fall and start with what is on its flash, after so long by its clock.
func (b *box) restart(off time.Duration) {
	b.t.Helper()
	b.now = lease.Time{Up: 7 * time.Second, Clock: b.now.Clock.Add(off)}
	h, err := lease.Restore(b.flash, kind, "a", b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	b.h = h
}

func TestABoxGrowsAndGivesBack(t *testing.T) {
	b := newBox(t, 100)
	b.use(0, 0)
	b.pass(time.Minute)
	b.is(status.PoolLeaseNone, 0)
	if len(b.asked) != 1 {
		t.Errorf("it asks at its start, to learn its limits, and not %d times", len(b.asked))
	}
	b.use(6, 2) // two calls wait
	b.step()
	b.is(status.PoolLeaseHeld, 7) // 8 and 3 above, 4 of its own
	b.use(8, 0)
	b.pass(10 * time.Minute)
	b.use(1, 0)
	n := len(b.asked)
	b.pass(14 * time.Minute)
	if len(b.asked) != n {
		t.Errorf("it asks %d times though 8 were in use within a quarter of an hour", len(b.asked)-n)
	}
	b.pass(2 * time.Minute)
	b.is(status.PoolLeaseNone, 0)
	if probe, back := b.asked[n], b.last(); probe.Want != 7 || back.Want != 0 || back.Has != 0 {
		t.Errorf("it asks whether the hub is there by %+v, and gives back by %+v", probe, back)
	}
	if n := b.hub.taken(); n != 0 {
		t.Errorf("%d are taken", n)
	}
}

func TestABoxRenewsAtAThird(t *testing.T) {
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Minute)
	n := len(b.asked)
	b.pass(10 * 24 * time.Hour)
	if n = len(b.asked) - n; n < 30 || n > 34 {
		t.Errorf("it asks %d times in ten days", n)
	}
	b.is(status.PoolLeaseHeld, 9)
}

func TestAMinimumIsFetchedAndAMaximumKept(t *testing.T) {
	b := newBox(t, 100)
	b.hub.limit("a", 5, 8)
	b.use(0, 0)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 5)
	b.use(30, 9)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 8)
	if n := len(b.asked); n > 4 {
		t.Errorf("it asks %d times for what it may not have", n)
	}
	b.hub.limit("a", 0, 3)
	b.h.Ask(b.now)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 3)
	if n := b.hub.taken(); n != 3 {
		t.Errorf("%d are taken, though the box knows that it has 3", n)
	}
}

func TestAPoolWithoutFreeOnes(t *testing.T) {
	b := newBox(t, 10)
	b.hub.ask("b", 1, 8, 0)
	b.use(9, 0)
	b.pass(time.Hour)
	b.is(status.PoolLeaseHeld, 2)
	if n := len(b.asked); n > 30 {
		t.Errorf("it asks %d times in an hour", n)
	}
	if why := b.h.Status(b.now).Why; !strings.Contains(why, "only 2 of the 8") {
		t.Errorf("%q", why)
	}
	b.hub.ask("b", 2, 0, 0)
	b.use(9, 1) // a call waits: it does not wait for the next attempt
	b.now.Up += time.Second
	b.step()
	b.is(status.PoolLeaseHeld, 9)
}

func TestGraceAndItsEnd(t *testing.T) {
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Hour)
	left := lease.Life - time.Hour
	b.away = true
	b.pass(left - time.Minute)
	b.is(status.PoolLeaseHeld, 9)
	if days := b.h.Reminder(b.now); days != 0 {
		t.Errorf("a reminder of %d days before the grace", days)
	}
	b.pass(2 * time.Minute)
	b.is(status.PoolLeaseGrace, 9)
	told := []int{}
	for range 30 {
		if days := b.h.Reminder(b.now); len(told) == 0 || told[len(told)-1] != days {
			told = append(told, days)
		}
		b.pass(24 * time.Hour)
	}
	if want := []int{30, 23, 16, 9, 2}; len(told) != 5 || told[0] != want[0] || told[4] != want[4] {
		t.Errorf("reminders of %v days", told)
	}
	b.is(status.PoolLeaseLapsed, 0)
	if days := b.h.Reminder(b.now); days != 0 {
		t.Errorf("a reminder of %d days after the grace", days)
	}
	b.away = false
	b.h.Connected(b.now)
	b.pass(5 * time.Second)
	b.is(status.PoolLeaseHeld, 9)
}

// A box does not give back to a hub that has gone away: it could not get it again.
func TestNothingGoesBackWhileTheHubIsAway(t *testing.T) {
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Hour)
	b.away = true
	b.use(0, 0)
	b.pass(3 * time.Hour)
	b.is(status.PoolLeaseHeld, 9)
	b.away = false
	b.pass(2 * time.Minute)
	b.is(status.PoolLeaseNone, 0)
}

func TestARefusedBoxHasNoGrace(t *testing.T) {
	for what, refuse := range map[string]func(b *box){
		"by the hub's answer": func(b *box) { delete(b.hub.Boxes, "a"); b.h.Ask(b.now); b.pass(time.Minute) },
		"by the connection":   func(b *box) { b.away = true; b.h.Refused(b.now, "the key was revoked"); b.h.Refused(b.now, "again") },
		"and after a new start": func(b *box) {
			b.away = true
			b.h.Refused(b.now, "the key was revoked")
			b.step()
			b.restart(time.Minute)
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBox(t, 100)
			b.use(10, 0)
			b.pass(time.Hour)
			refuse(b)
			b.use(10, 0)
			b.is(status.PoolLeaseHeld, 9)
			if s := b.h.Status(b.now); !s.Grace.IsZero() {
				t.Errorf("%+v", s)
			}
			b.pass(lease.Life)
			b.is(status.PoolLeaseLapsed, 0)
			b.away = false
			b.hub.limit("a", 0, 0)
			b.pass(10 * time.Minute)
			b.is(status.PoolLeaseHeld, 9)
		})
	}
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Hour)
	b.away = true
	b.pass(3 * 24 * time.Hour)
	b.is(status.PoolLeaseGrace, 9)
	b.h.Refused(b.now, "revoked")
	b.is(status.PoolLeaseLapsed, 0)
}

func TestARestart(t *testing.T) {
	for what, c := range map[string]struct {
		before, off time.Duration // away before, off by the clock
		state       status.PoolLeaseState
		count       int
		grace       time.Duration // that is left
	}{
		"soon":                {0, time.Minute, status.PoolLeaseHeld, 9, 0},
		"after a day":         {0, 25 * time.Hour, status.PoolLeaseGrace, 9, 29*24*time.Hour + 22*time.Hour},
		"after months":        {0, 90 * 24 * time.Hour, status.PoolLeaseLapsed, 0, 0},
		"the clock went back": {0, -time.Hour, status.PoolLeaseGrace, 9, 30 * 24 * time.Hour},
		"the clock went back, and grace was used":  {(11*24 + 8) * time.Hour, -5 * time.Hour, status.PoolLeaseGrace, 9, (20*24 - 8) * time.Hour},
		"the clock went back at the end of it all": {32 * 24 * time.Hour, -40 * 24 * time.Hour, status.PoolLeaseLapsed, 0, 0},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBox(t, 100)
			b.use(10, 0)
			b.pass(time.Minute)
			b.away = true
			b.pass(c.before)
			b.restart(c.off)
			b.is(c.state, c.count)
			if c.state == status.PoolLeaseGrace {
				end := b.h.Status(b.now).Grace.Sub(b.now.Clock)
				if off := end - c.grace; off.Abs() > 75*time.Minute {
					t.Errorf("%s of grace are left", end)
				}
			}
			b.away = false
			b.use(0, 0)
			b.pass(5 * time.Second)
			if c.count > 0 { // the calls come back: nothing is given away for a quarter of an hour
				b.is(status.PoolLeaseHeld, 9)
			}
		})
	}
}

// The clock of a box that was set while it ran does not count, neither then nor at the next start.
func TestAClockThatIsSet(t *testing.T) {
	b := newBox(t, 100)
	b.now.Clock = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	b.use(10, 0)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 9)
	b.away = true
	b.now.Clock = begin
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 9)
	b.restart(time.Hour)
	b.is(status.PoolLeaseHeld, 9)
	b.now.Clock = b.now.Clock.AddDate(10, 0, 0)
	b.use(10, 0)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 9)

	b = newBox(t, 100)
	b.now.Clock = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	b.use(10, 0)
	b.pass(time.Minute)
	b.now.Clock = begin // set between stop and start: nobody knows how long that was
	b.restart(0)
	b.is(status.PoolLeaseGrace, 9)
}

func TestABoxThatLostItsFlash(t *testing.T) {
	b := newBox(t, 100)
	b.now.Clock = begin.AddDate(0, 0, 1)
	b.h = lease.New(kind, "a", b.now)
	b.use(10, 0)
	b.pass(time.Minute)
	sequence := b.last().Sequence
	b.now = lease.Time{Clock: begin} // it is earlier than it was, so its sequence is
	b.h = lease.New(kind, "a", b.now)
	b.use(10, 0)
	b.pass(10 * time.Second)
	b.is(status.PoolLeaseHeld, 9)
	if got := b.last().Sequence; got < sequence+1000 {
		t.Errorf("its sequence is %d, and was %d", got, sequence)
	}
	if n := b.hub.taken(); n != 9 {
		t.Errorf("%d are taken", n)
	}
}

// A box whose medium is put back to an older state counts on what it had then, until it has asked: that is within seconds.
func TestABoxPutBackToAnOldImage(t *testing.T) {
	b := newBox(t, 100)
	b.use(40, 0)
	b.pass(time.Minute)
	image, had := b.flash, b.h.Count(b.now)
	for range 3 { // its sequence goes far beyond what the image knows
		b.restart(time.Minute)
		b.use(6, 0)
		b.pass(time.Hour)
	}
	has := b.h.Count(b.now)
	b.hub.Total = has + 1 // the others have the rest
	before := b.last().Sequence
	b.flash = image
	b.restart(time.Minute)
	b.use(6, 0)
	b.is(status.PoolLeaseHeld, had)
	b.pass(4 * time.Second)
	if n := b.h.Count(b.now); had <= has || n > has+1 || b.hub.taken() > has+1 || b.last().Sequence <= before {
		t.Errorf("it has %d after %d and %d, %d are taken; its sequence is %d after %d", n, has, had, b.hub.taken(), b.last().Sequence, before)
	}
}

// Whoever keeps the hub away and starts the box twice a day with the same clock does not keep the lease for ever.
func TestTheSameHoursAgainAndAgain(t *testing.T) {
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 9)
	b.away = true
	for range 70 {
		b.pass(12 * time.Hour)
		b.restart(-12*time.Hour + time.Minute)
		b.use(10, 0)
	}
	b.pass(time.Minute)
	b.is(status.PoolLeaseLapsed, 0)
}

func TestSequencesGoOn(t *testing.T) {
	idle := newBox(t, 100)
	idle.use(0, 0)
	idle.pass(time.Minute)
	before := idle.last().Sequence
	idle.restart(time.Minute)
	idle.pass(time.Minute)
	if after := idle.last().Sequence; after <= before || len(idle.asked) != 2 {
		t.Errorf("%d after %d, by request %d", after, before, len(idle.asked))
	}
	b := newBox(t, 100)
	for i := range 5 {
		b.use(10+i, 0)
		b.pass(time.Hour)
		before := b.last().Sequence
		b.restart(-2 * time.Hour)
		b.use(10+i, 0)
		b.pass(10 * time.Second)
		if after := b.last().Sequence; after <= before {
			t.Fatalf("%d after %d", after, before)
		}
	}
}

func TestLeasesAreSwitchedOff(t *testing.T) {
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Minute)
	b.h.Enable(false, b.now)
	b.is(status.PoolLeaseNone, 0)
	step := b.h.Next(b.now)
	if step.Count != 0 || !step.Save || !step.Strict || step.Request == nil || step.Request.Want != 0 || step.Request.Has != 0 {
		t.Fatalf("%+v", step)
	}
	if err := b.h.Save(b.now, func([]byte) error { return errors.New("worn out") }); err == nil {
		t.Error("no word of the flash")
	}
	b.h.Failed(b.now, "worn out")
	b.now.Up += time.Minute
	if again := b.h.Next(b.now); !again.Save || !again.Strict || again.Request == nil {
		t.Errorf("%+v", again)
	}
	b.h.Failed(b.now, "away")
	b.pass(time.Minute)
	if n := b.hub.taken(); n != 0 {
		t.Errorf("%d are taken", n)
	}
	n := len(b.asked)
	b.pass(48 * time.Hour)
	if len(b.asked) != n {
		t.Errorf("it asks %d times more", len(b.asked)-n)
	}
	b.h.Enable(true, b.now)
	b.pass(time.Minute)
	b.is(status.PoolLeaseHeld, 9)
}

// Calls that come while the box lowers its count keep what they use.
func TestRaise(t *testing.T) {
	b := newBox(t, 100)
	b.use(10, 0)
	b.pass(time.Minute)
	b.use(0, 0)
	b.pass(15*time.Minute - time.Second)
	b.now.Up += 2 * time.Second
	probe := b.h.Next(b.now)
	for i := 0; probe.Request == nil && i < 5; i++ {
		b.now.Up += probe.Wait
		probe = b.h.Next(b.now)
	}
	a := b.hub.ask("a", probe.Request.Sequence, probe.Request.Want, probe.Request.Has)
	b.h.Answered(b.now, a.Reply, a.Count)
	step := b.h.Next(b.now)
	if step.Count != 0 || step.Request == nil || step.Request.Want != 0 {
		t.Fatalf("%+v", step)
	}
	if step = b.h.Raise(step, 3); step.Count != 3 || step.Request.Want != 3 || step.Request.Has != 3 || b.h.Count(b.now) != 3 {
		t.Errorf("%+v, %+v", step, step.Request)
	}
	if step = b.h.Raise(step, 50); step.Count != 9 {
		t.Errorf("%d, and it had 9", step.Count)
	}
}

// A box believes nothing that does not fit its question.
func TestHostileReplies(t *testing.T) {
	for what, c := range map[string]struct {
		reply func(r fleet.LeaseRequest) fleet.LeaseReply
		count int
		holds int
	}{
		"more than it asked for": {func(r fleet.LeaseRequest) fleet.LeaseReply { return fleet.LeaseReply{Sequence: r.Sequence, Left: 100} }, 1000, 0},
		"fewer than none":        {func(r fleet.LeaseRequest) fleet.LeaseReply { return fleet.LeaseReply{Sequence: r.Sequence, Left: 100} }, -1, 0},
		"to another question": {func(r fleet.LeaseRequest) fleet.LeaseReply {
			return fleet.LeaseReply{Sequence: r.Sequence + 1, Left: 100}
		}, 1, 0},
		"no time":      {func(r fleet.LeaseRequest) fleet.LeaseReply { return fleet.LeaseReply{Sequence: r.Sequence} }, 1, 0},
		"time below 0": {func(r fleet.LeaseRequest) fleet.LeaseReply { return fleet.LeaseReply{Sequence: r.Sequence, Left: -1} }, 1, 0},
		"an eternity": {func(r fleet.LeaseRequest) fleet.LeaseReply {
			return fleet.LeaseReply{Sequence: r.Sequence, Left: 1 << 60}
		}, 1, 1},
		"a sequence near the end": {func(r fleet.LeaseRequest) fleet.LeaseReply {
			return fleet.LeaseReply{Sequence: lease.MaxSequence, Error: "x"}
		}, 0, 0},
		"limits below 0": {func(r fleet.LeaseRequest) fleet.LeaseReply {
			return fleet.LeaseReply{Sequence: r.Sequence, Left: 100, Min: -5, Max: -5}
		}, 1, 1},
		"an error that moves away": {func(r fleet.LeaseRequest) fleet.LeaseReply { return fleet.LeaseReply{Error: "\x1b[2J"} }, 0, 0},
	} {
		b := newBox(t, 100)
		b.use(10, 0)
		b.now.Up += time.Minute
		request := *b.h.Next(b.now).Request
		b.h.Answered(b.now, c.reply(request), c.count)
		if n := b.h.Count(b.now); n != c.holds {
			t.Errorf("%s: it counts on %d", what, n)
		}
		if s := b.h.Status(b.now); s.Until.Sub(b.now.Clock) > lease.Life || strings.Contains(s.Why, "\x1b") || s.Min < 0 || s.Max < 0 {
			t.Errorf("%s: %+v", what, s)
		}
		b.h.Answered(b.now, fleet.LeaseReply{Sequence: request.Sequence, Left: 100}, 1)
		if n := b.h.Count(b.now); n != c.holds {
			t.Errorf("%s: it counts on %d after an answer to no question", what, n)
		}
		b.now.Up += time.Hour
		if next := b.h.Next(b.now); next.Request == nil || next.Request.Sequence <= request.Sequence || next.Request.Sequence > request.Sequence+1 {
			t.Errorf("%s: it asks next %+v", what, next.Request)
		}
	}
}

func TestRestore(t *testing.T) {
	now := lease.Time{Clock: begin}
	for what, text := range map[string]string{
		"nothing": "", "no JSON": "{", "no version": "{}",
		"another kind":         `{"version":1,"kind":"srtp-channels","serial":"a"}`,
		"another box":          `{"version":1,"kind":"sip-sessions","serial":"b"}`,
		"more than a day":      `{"version":1,"kind":"sip-sessions","serial":"a","count":5,"left":86401}`,
		"ages ago":             `{"version":1,"kind":"sip-sessions","serial":"a","count":5,"left":-9000000}`,
		"below 0":              `{"version":1,"kind":"sip-sessions","serial":"a","count":-5}`,
		"too many":             `{"version":1,"kind":"sip-sessions","serial":"a","count":70000}`,
		"a sequence too large": `{"version":1,"kind":"sip-sessions","serial":"a","sequence":9007199254740993}`,
	} {
		if h, err := lease.Restore([]byte(text), kind, "a", now); err == nil {
			t.Errorf("%s: %+v", what, h.Status(now))
		}
	}
}

func FuzzRestore(f *testing.F) {
	b := newBox(&testing.T{}, 100)
	b.use(10, 0)
	b.now.Up += time.Minute
	b.h.Answered(b.now, fleet.LeaseReply{Sequence: b.h.Next(b.now).Request.Sequence, Left: 80000, Max: 20}, 5)
	_ = b.h.Save(b.now, func(text []byte) error { f.Add(text, int64(1764576000), int64(0), 5, 80000, "", uint64(0)); return nil })
	f.Fuzz(func(t *testing.T, text []byte, clock, up int64, count, left int, why string, sequence uint64) {
		now := lease.Time{Up: time.Duration(up % (1 << 60)), Clock: time.Unix(clock, 0)}
		h, err := lease.Restore(text, kind, "a", now)
		if err != nil {
			return
		}
		if s := h.Status(now); s.Count < 0 || s.Count > lease.MaxCount || s.Until.Sub(now.Clock) > lease.Life {
			t.Errorf("%+v", s)
		}
		h.Use(now, lease.Use{Own: count, InUse: left, Peak: count, Short: left})
		for range 5 {
			step := h.Next(now)
			if r := step.Request; r != nil {
				if r.Has > r.Want || r.Has < 0 || r.Want > lease.MaxCount || r.Has < step.Count {
					t.Errorf("%+v counts on %d", r, step.Count)
				}
				h.Answered(now, fleet.LeaseReply{Error: why, Sequence: r.Sequence + sequence, Left: left, Min: count, Max: left}, count)
			}
			_ = h.Save(now, func(text []byte) error {
				if !json.Valid(text) {
					t.Errorf("%q", text)
				}
				return nil
			})
			now.Up += max(step.Wait, time.Second)
			now.Clock = now.Clock.Add(step.Wait)
		}
	})
}
