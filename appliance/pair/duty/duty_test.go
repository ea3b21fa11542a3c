package duty

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/status"
)

// running are two boxes of which the first is active and the second its standby.
func running(t *testing.T) (a *air, one, two *member, cfg *config.Config, end func()) {
	a, one, two, cfg = pairOf(t)
	one.Apply(cfg)
	two.Apply(cfg)
	if one.Acts() || two.Acts() {
		t.Fatal("a box acts before it has listened")
	}
	first, second := one.runs(t), two.runs(t)
	time.Sleep(5 * time.Second)
	if s, other := one.Status(), two.Status(); s.State != status.PairActive || other.State != status.PairStandby {
		t.Fatalf("%+v\n%+v", s, other)
	}
	return a, one, two, cfg, func() { first(); second() }
}

const started = "neither box was active, and this one is the better one"

func TestTakingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, one, two, _, end := running(t)
		defer end()
		want(t, one, "follow", "release, term false", "follow", "lead", "await", "hold, term true", "take over, term true: "+started, "announce")
		want(t, two, "follow", "release, term false", "follow")
		a.mu.Lock()
		a.cut = true
		a.mu.Unlock()
		time.Sleep(370 * time.Millisecond)
		synctest.Wait()
		want(t, two, "lead", "await", "hold, term true", "take over, term true: nothing is heard of the other box on any path", "announce")
		if !two.Acts() || two.Status().Switches[0].Role != "active" {
			t.Errorf("%+v", two.Status())
		}
		time.Sleep(2 * time.Second)
		if !two.o.Health.Active(health.RedundancyTaken) || !two.o.Health.Active(health.RedundancyAlone) || one.o.Health.Active(health.RedundancyTaken) {
			t.Error("wrong alarms")
		}
		a.mu.Lock()
		a.cut = false
		a.mu.Unlock()
		time.Sleep(time.Second)
		// VRRP or the word may have come first.
		if list := one.events(); len(list) != 3 || list[0] != "release, term false" || list[1] != "follow" ||
			!strings.HasPrefix(list[2], "drop, term false: the other box was active too, and ") {
			t.Errorf("%q", list)
		}
		if s := one.Status(); s.State != status.PairDefeated || !two.Acts() || one.Acts() {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Second)
		if !one.o.Health.Active(health.RedundancySplit) {
			t.Error("no alarm of the split")
		}
		if list := two.events(); len(list) > 1 || len(list) == 1 && list[0] != "announce" { // it may not have noticed
			t.Errorf("%q", list)
		}
		time.Sleep(time.Hour)
		if one.Status().State != status.PairStandby || one.o.Health.Active(health.RedundancySplit) || two.o.Health.Active(health.RedundancyAlone) {
			t.Errorf("%+v", one.Status())
		}
	})
}

func TestASwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, _, end := running(t)
		defer end()
		one.events()
		two.events()
		one.refuses = errors.New("calls are in set-up")
		if err := one.Switch(t.Context()); err == nil || !strings.Contains(err.Error(), "calls are in set-up") {
			t.Error(err)
		}
		time.Sleep(time.Second)
		want(t, one, "hand over, term true", "lead", "await", "hold, term true", "take over, term true: the switch was called off: calls are in set-up", "announce")
		one.refuses = nil
		begun := time.Now()
		if err := one.Switch(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d > 100*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		time.Sleep(time.Second)
		want(t, one, "hand over, term true", "flush", "release, term false", "yield, term false", "release, term false", "follow",
			"drop, term false: the other box took over")
		want(t, two, "lead", "await", "hold, term true", "take over, term true: the other box handed over", "announce")
		if one.Acts() || !two.Acts() || two.o.Health.Active(health.RedundancyTaken) {
			t.Error("wrong roles or alarms")
		}
		// At the standby it is asked for, and this box takes over.
		begun = time.Now()
		if err := one.Switch(t.Context()); err != nil || time.Since(begun) > 200*time.Millisecond || !one.Acts() || two.Acts() {
			t.Error(err, time.Since(begun))
		}
		time.Sleep(time.Second)
		two.refuses = errors.New("calls are in set-up")
		one.events()
		if err := two.Switch(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := one.Switch(t.Context()); err == nil || !strings.Contains(err.Error(), "in time") || !two.Acts() {
			t.Error(err)
		}
	})
}

// A port without a carrier has the calls handed over at once, and nobody waits for those in set-up.
func TestACablePulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, one, two, _, end := running(t)
		defer end()
		one.events()
		one.refuses, one.waits = errors.New("no time for that"), true
		a.mu.Lock()
		a.lan = true
		a.mu.Unlock()
		time.Sleep(time.Second)
		if one.Acts() || !two.Acts() {
			t.Errorf("%+v", one.Status())
		}
		want(t, one, "hand over, term true", "release, term false", "yield, term false", "release, term false", "follow", "drop, term false: the other box took over")
		time.Sleep(5 * time.Second)
		if !one.o.Health.Active(health.RedundancyPath) || !two.o.Health.Active(health.RedundancyPath) {
			t.Error("no alarm of the port")
		}
	})
}

// A box that is slow to take over goes on saying that it lives, and one that is to give up meanwhile does not wait.
func TestASlowBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, one, two, _, end := running(t)
		defer end()
		two.events()
		two.slow = time.Hour
		a.mu.Lock()
		a.cut = true
		a.mu.Unlock()
		time.Sleep(time.Second)
		two.mu.Lock()
		before := two.adverts
		two.mu.Unlock()
		time.Sleep(10 * time.Second)
		two.mu.Lock()
		said := two.adverts - before
		two.mu.Unlock()
		if said < 99 || !two.o.Term.Runs() {
			t.Errorf("%d adverts in 10 s", said)
		}
		two.heard(pair.Word{Box: 1, Role: pair.Active, Hears: true, Reign: 99, Reigned: true, Priority: 100,
			Ports: []pair.PortFitness{{Name: "LAN", Carrier: true}, {Name: "WAN", Carrier: true}}})
		time.Sleep(time.Millisecond)
		want(t, two, "lead", "await", "hold, term true", "take over, term true: nothing is heard of the other box on any path", "cut short",
			"release, term false", "follow", "drop, term false: the other box was active too, and took over later")
		if one.Acts() == two.Acts() {
			t.Error("one of the two is active")
		}
	})
}

// A box that has taken over and then stands still, because it has too much to do, keeps its calls when nobody else can have them.
func TestABoxThatStandsStillAfterItTookOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, two, _, end := running(t)
		defer end()
		a.mu.Lock()
		a.cut = true
		a.mu.Unlock()
		time.Sleep(time.Second)
		two.events()
		two.set(func() { two.stuck = 7 * time.Second })
		time.Sleep(8 * time.Second)
		want(t, two, "release, term false", "lead", "await", "hold, term true", "take over, term true: it stood still, and the other box has not taken over", "announce")
		if !two.Acts() || !two.o.Term.Runs() {
			t.Errorf("%+v", two.Status())
		}
	})
}

// Two boxes with gateways that were never a pair: neither takes what the other one has, and both say so until somebody has decided.
func TestTwoBoxesWithGatewaysOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, cfg := pairOf(t)
		for n, m := range []*member{one, two} {
			m.facts.Calls, m.facts.Full, m.facts.Lines, m.facts.Sums = 0, true, 100+n, map[string]string{"configuration": m.facts.Serial}
			m.facts.Unready = "files are not applied" // as package files says while Copies is an error
			m.Apply(cfg)
			defer m.runs(t)()
		}
		time.Sleep(time.Minute)
		loser := one
		if one.Acts() {
			loser = two
		}
		if one.Acts() == two.Acts() || loser.Copies() == nil || loser.Status().State != status.PairUnready || loser.Status().Why != errOwn.Error() || !loser.o.Health.Active(health.RedundancyUnready) {
			t.Errorf("%+v\n%+v", one.Status(), two.Status())
		}
		loser.set(func() { loser.facts.Full, loser.facts.Lines, loser.facts.Unready = false, 40, "" })
		time.Sleep(10 * time.Second)
		if loser.Copies() != nil || loser.Status().State != status.PairStandby || loser.o.Health.Active(health.RedundancyUnready) {
			t.Errorf("%+v", loser.Status())
		}
	})
}

// A box that stands alone and is shut down as one of a pair goes on alone, also after a restart.
func TestABoxThatIsShutDown(t *testing.T) {
	_, one, _, cfg := pairOf(t)
	off := *cfg.Redundancy
	off.Enabled = false
	shut := *cfg
	shut.Redundancy = &off
	one.Apply(&config.Config{})
	one.Apply(&shut)
	again := with(one.o)
	again.link = fakePath{one}
	again.Apply(&shut)
	if !one.Acts() || !again.Acts() {
		t.Error("it does not act")
	}
	fresh := with(one.o)
	fresh.link, fresh.keep.file = fakePath{one}, filepath.Join(t.TempDir(), "reign")
	fresh.Apply(&shut)
	if fresh.Acts() {
		t.Error("a box that has never been active acts for a pair that is shut down")
	}
}

// A box that stops tells the other one so.
func TestABoxThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, cfg := pairOf(t)
		one.Apply(cfg)
		two.Apply(cfg)
		stop, end := one.runs(t), two.runs(t)
		defer end()
		time.Sleep(5 * time.Second)
		one.events()
		stop()
		if !two.Acts() {
			t.Errorf("%+v", two.Status())
		}
		want(t, one, "release, term false", "yield, term false", "follow", "drop, term false: the box stops, and the other one takes over")
	})
}

// What a box is after another configuration.
func TestConfigurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, cfg := pairOf(t)
		none := configured([2]string{})
		none.Redundancy = nil
		off := configured([2]string{cfg.Redundancy.Key(1), cfg.Redundancy.Key(2)})
		off.Redundancy.Enabled = false
		strange := configured([2]string{cfg.Redundancy.Key(1), strings.Repeat("0", 64)})
		half := configured([2]string{cfg.Redundancy.Key(1), ""})
		one.Apply(none)
		two.Apply(cfg)
		defer one.runs(t)()
		defer two.runs(t)()
		if !one.Acts() || !one.o.Term.Runs() {
			t.Error("a box that stands alone acts")
		}
		time.Sleep(time.Second)
		one.Apply(half)
		if !one.Acts() || one.Status().State != status.PairUnready || !one.o.Health.Active(health.RedundancyUnready) {
			t.Errorf("%+v", one.Status())
		}
		one.Apply(cfg)
		if !one.Acts() || one.o.Health.Active(health.RedundancyUnready) {
			t.Error("a box with calls goes on as the active one of the pair")
		}
		time.Sleep(5 * time.Second)
		if !one.Acts() || two.Status().State != status.PairStandby {
			t.Errorf("%+v", two.Status())
		}
		want(t, one, "lead", "await", "hold, term true", "take over, term true: it had the addresses before it was one of a pair", "announce")
		one.Apply(none)
		if !one.Acts() || !one.o.Term.Runs() {
			t.Error("a box that leaves its pair goes on alone")
		}
		want(t, one, "leave, term true")
		time.Sleep(time.Minute)
		if two.Acts() || two.Status().State != status.PairUnready {
			t.Errorf("the other box is to stay out: %+v", two.Status())
		}
		one.Apply(cfg)
		time.Sleep(10 * time.Second)
		if !one.Acts() || two.Status().State != status.PairStandby {
			t.Errorf("%+v\n%+v", one.Status(), two.Status())
		}
		two.Apply(off)
		if _, none := two.Place(); two.Acts() || !none || two.o.Term.Runs() {
			t.Error("a standby that is shut down has no addresses")
		}
		one.Apply(off)
		if _, none := one.Place(); !one.Acts() || none || !one.o.Term.Runs() {
			t.Error("an active box that is shut down has them")
		}
		two.Apply(strange)
		if box, none := two.Place(); two.Acts() || box != 0 || !none || two.Status().State != status.PairUnready {
			t.Errorf("%+v", two.Status())
		}
		// A box remembers over a restart what it was when it was shut down.
		for m, acts := range map[*member]bool{one: true, two: false} {
			again := with(m.o)
			again.link = fakePath{m}
			again.Apply(off)
			if again.Acts() != acts {
				t.Errorf("box %d: %v after a restart", m.n+1, again.Acts())
			}
		}
	})
}

// A line of the pair that is missing leaves both boxes what they are, also after a restart.
func TestAPairThatIsNotCompleteAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, cfg, end := running(t)
		defer end()
		half := configured([2]string{cfg.Redundancy.Key(1), ""})
		time.Sleep(time.Second)
		two.Apply(half)
		if _, none := two.Place(); two.Acts() || !none || two.o.Term.Runs() || two.Status().State != status.PairUnready {
			t.Error("the standby has the addresses")
		}
		one.Apply(half)
		if _, none := one.Place(); !one.Acts() || none || !one.o.Term.Runs() {
			t.Error("the active box does not go on")
		}
		for m, acts := range map[*member]bool{one: true, two: false} {
			again := with(m.o)
			again.link = fakePath{m}
			if again.Apply(half); again.Acts() != acts {
				t.Errorf("box %d: %v after a restart", m.n+1, again.Acts())
			}
		}
		two.Apply(cfg)
		one.Apply(cfg)
		time.Sleep(10 * time.Second)
		if one.Acts() == two.Acts() {
			t.Errorf("%+v\n%+v", one.Status(), two.Status())
		}
	})
}

func TestASwitchThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, _, _, end := running(t)
		defer end()
		one.waits = true // or it may be over before somebody could wait
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := one.Switch(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Lines of the pair change while both boxes run: the active one goes on, the standby follows a moment later, and never are there two.
func TestLinesThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, cfg, end := running(t)
		defer end()
		one.events()
		for what, change := range map[string]func(*config.Redundancy){
			"number":   func(r *config.Redundancy) { r.Router = 52 },
			"interval": func(r *config.Redundancy) { r.Advertise = 200 },
			"address":  func(r *config.Redundancy) { r.Interfaces[0].Boxes[1].Prefix = netip.MustParsePrefix("10.0.0.9/24") },
		} {
			next := configured([2]string{cfg.Redundancy.Key(1), cfg.Redundancy.Key(2)})
			change(next.Redundancy)
			for _, m := range []*member{one, two} {
				m.Apply(next)
				for range 20 {
					if time.Sleep(50 * time.Millisecond); !one.Acts() || two.Acts() {
						t.Errorf("%s: %v, %v", what, one.Acts(), two.Acts())
					}
				}
			}
			time.Sleep(5 * time.Second)
			if one.Status().State != status.PairActive || two.Status().State != status.PairStandby {
				t.Errorf("%s: %+v\n%+v", what, one.Status(), two.Status())
			}
		}
		for _, e := range one.events() {
			if strings.HasPrefix(e, "drop") || e == "follow" {
				t.Errorf("the active box: %s", e)
			}
		}
		// Another box comes in the place of the second, which stays out.
		one.Apply(configured([2]string{cfg.Redundancy.Key(1), strings.Repeat("0", 64)}))
		two.Apply(configured([2]string{cfg.Redundancy.Key(1), strings.Repeat("0", 64)}))
		time.Sleep(10 * time.Second)
		if !one.Acts() || two.Acts() || two.Status().State != status.PairUnready {
			t.Errorf("%+v\n%+v", one.Status(), two.Status())
		}
	})
}

// Both boxes start cut from each other, and both become active. When they hear each other again, one of them gives up, once, and tells of it.
func TestBoxesThatStartCutFromEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, one, two, cfg := pairOf(t)
		a.cut = true
		for _, m := range []*member{one, two} {
			m.Apply(cfg)
			defer m.runs(t)()
		}
		time.Sleep(20 * time.Second)
		if !one.Acts() || !two.Acts() {
			t.Fatal("one of them is not active")
		}
		one.events()
		two.events()
		a.mu.Lock()
		a.cut = false
		a.mu.Unlock()
		time.Sleep(2 * time.Second)
		loser := one
		if one.Acts() {
			loser = two
		}
		if one.Acts() == two.Acts() || loser.o.Term.Runs() {
			t.Errorf("%v, %v", one.Acts(), two.Acts())
		}
		time.Sleep(10 * time.Second)
		drops := 0
		for _, e := range loser.events() {
			if strings.HasPrefix(e, "drop") {
				drops++
			}
		}
		if drops != 1 || loser.Status().State != status.PairStandby || !loser.o.Health.Active(health.RedundancySplit) {
			t.Errorf("%d drops, %+v", drops, loser.Status())
		}
	})
}
