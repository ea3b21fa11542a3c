package survival

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// box is a box whose peers are as a test says.
type box struct {
	*Survivals
	t      *testing.T
	health health.Tracker
	log    bytes.Buffer

	mu    sync.Mutex
	cfg   *config.Config
	peers map[string]string // by interface: why it is gone, "": it is there; without: nothing is known
	asked map[string][]time.Time
}

// newBox runs in a bubble, before anything is known of any peer.
func newBox(t *testing.T, cfg *config.Config) *box {
	x := &box{t: t, cfg: cfg, peers: map[string]string{}, asked: map[string][]time.Time{}}
	x.Survivals = New(Options{
		Log: slog.New(slog.NewTextHandler(&x.log, nil)), Health: &x.health,
		Config: func() *config.Config {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.cfg
		},
		Gone: func(id config.InterfaceID) (string, bool) {
			x.mu.Lock()
			defer x.mu.Unlock()
			why, known := x.peers[id.Name]
			return why, known
		},
		Ask: func(id config.InterfaceID) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.asked[id.Name] = append(x.asked[id.Name], time.Now())
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- x.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	time.Sleep(look / 2) // what a test says is looked at half a second later
	return x
}

func (x *box) peer(name, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.peers[name] = why
}

func (x *box) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is checks the state of the survivals, and that ways and alarms fit.
func (x *box) is(when string, want ...status.SurvivalState) {
	x.t.Helper()
	var got []status.SurvivalState
	active := 0
	for _, s := range x.Status() {
		got = append(got, s.State)
		if s.State.InForce() {
			active++
		}
		if s.State.InForce() != !s.Active.IsZero() {
			x.t.Errorf("%s: %+v", when, s)
		}
	}
	if !slices.Equal(got, want) || len(x.health.Current()) != active || x.Emergency() != (active > 0) {
		x.t.Errorf("%s: %v, want %v, with alarms %v and emergency %v", when, got, want, x.health.Current(), x.Emergency())
	}
}

// goes checks where new calls from an interface go: "": their usual way.
func (x *box) goes(when, from, to string) {
	x.t.Helper()
	dest, name, ok := x.Route(config.InterfaceID{Context: "SWITCH", Name: from})
	got := ""
	if ok {
		got = destination(dest) + " by " + name
	}
	if got != to {
		x.t.Errorf("%s: calls from %s go to %q, want %q", when, from, got, to)
	}
}

func (x *box) logged() []string {
	var list []string
	for line := range strings.Lines(x.log.String()) {
		_, text, _ := strings.Cut(line, "msg=")
		list = append(list, strings.TrimSpace(text))
	}
	return list
}

func service(name string) config.Dest { return config.Dest{Service: config.ServiceRef{Name: name}} }
func peerAt(name string) config.Dest {
	return config.Dest{Interface: config.Ref[config.Switch, config.SIPInterface]{Name: name}}
}

func from(name string, to config.Dest) config.SurvivalRoute {
	return config.SurvivalRoute{From: config.Ref[config.Switch, config.SIPInterface]{Name: name}, Dest: to}
}

func watching(name, peer string, after, back time.Duration, routes ...config.SurvivalRoute) *config.Survival {
	return &config.Survival{Name: name, Watch: config.Ref[config.Switch, config.SIPInterface]{Name: peer}, After: after, Back: back, Routes: routes}
}

func office(list ...*config.Survival) *config.Config {
	sw := &config.Switch{Name: "SWITCH", Enabled: true, Survivals: list}
	for _, name := range []string{"IF_PBX", "IF_TEAMS", "IF_PHONES"} {
		sw.Interfaces = append(sw.Interfaces, &config.SIPInterface{Context: "SWITCH", Name: name})
	}
	return &config.Config{CS: []*config.Switch{sw}}
}

var pbx = watching("PBX", "IF_PBX", 30*time.Second, time.Minute, from("IF_TEAMS", service("PHONES")), from("IF_PHONES", peerAt("IF_TEAMS")))

const silent = "does not answer OPTIONS: timeout"

// The whole way, with a peer that comes back for a moment.
func TestAPBXIsLostAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t, office(pbx))
		x.is("nothing is known", status.SurvivalUnknown)
		x.pass(time.Hour)
		x.is("nothing is known for long", status.SurvivalUnknown)
		x.peer("IF_PBX", "")
		x.pass(time.Second)
		x.is("it is there", status.SurvivalWell)
		x.peer("IF_PBX", silent)
		x.pass(time.Second)
		x.is("it was seen to be gone", status.SurvivalLosing)
		if st := x.Status()[0]; st.Next.Sub(st.Since) != 30*time.Second || st.Why != silent {
			t.Errorf("%+v", st)
		}
		x.pass(29 * time.Second)
		x.is("a second before it is lost", status.SurvivalLosing)
		x.goes("a second before it is lost", "IF_TEAMS", "")
		x.pass(time.Second)
		x.is("it is lost", status.SurvivalLost)
		x.goes("it is lost", "IF_TEAMS", "service PHONES by PBX")
		x.goes("it is lost", "IF_PHONES", "interface IF_TEAMS by PBX")
		x.goes("it is lost", "IF_PBX", "")
		const want = "the peer of interface sip IF_PBX does not answer OPTIONS: timeout; survival PBX is in force: calls from IF_TEAMS go to service PHONES, calls from IF_PHONES go to interface IF_TEAMS"
		if a := x.health.Current()[0]; a.Text != want || a.Subject != "PBX" || a.ID != "survival" {
			t.Errorf("%+v", a)
		}
		x.peer("IF_PBX", "")
		x.pass(time.Second)
		x.is("it is there again", status.SurvivalReturning)
		x.goes("it is there again", "IF_TEAMS", "service PHONES by PBX")
		if a := x.health.Current()[0]; !strings.Contains(a.Text, "IF_PBX is there again, and has to stay so for 60 seconds; survival PBX is in force: calls from IF_TEAMS") {
			t.Errorf("%+v", a)
		}
		x.pass(59 * time.Second)
		x.peer("IF_PBX", "answers OPTIONS with 503")
		x.pass(time.Second)
		x.is("it is gone again", status.SurvivalLost)
		x.peer("IF_PBX", "")
		x.pass(time.Second)
		x.pass(59 * time.Second)
		x.is("a second before it is well", status.SurvivalReturning)
		x.pass(time.Second)
		x.is("it is well", status.SurvivalWell)
		x.goes("it is well", "IF_TEAMS", "")
		if st := x.Status()[0]; st.Times != 1 || st.Why != "" {
			t.Errorf("%+v", st)
		}
		if log := x.logged(); len(log) != 2 ||
			log[0] != `"a peer is lost: calls go other ways" name=PBX if=IF_PBX err="does not answer OPTIONS: timeout"` ||
			log[1] != `"calls go their usual ways again" name=PBX if=IF_PBX why="the peer is there again" after=2m2s` {
			t.Errorf("log: %q", log)
		}
	})
}

// A peer that comes and goes changes nothing, whether its survival is in force or not.
func TestAPeerThatComesAndGoesMovesNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t, office(pbx))
		for range 100 {
			x.peer("IF_PBX", silent)
			x.pass(29 * time.Second)
			x.peer("IF_PBX", "")
			x.pass(time.Second)
			x.goes("it is mostly gone, never for long", "IF_TEAMS", "")
		}
		x.peer("IF_PBX", silent)
		x.pass(31 * time.Second)
		for range 100 {
			x.peer("IF_PBX", "")
			x.pass(59 * time.Second)
			x.peer("IF_PBX", silent)
			x.pass(time.Second)
			x.goes("it is mostly there, never for long", "IF_TEAMS", "service PHONES by PBX")
		}
		if st, log := x.Status()[0], x.logged(); st.Times != 1 || len(log) != 1 {
			t.Errorf("%+v, log %q", st, log)
		}
	})
}

// That nothing is known, as after a change of the peer's interface, is no sign of either. What was known before counts for two minutes: when its
// penalty-box was taken away, calls would stay away from a peer for ever.
func TestWhatIsNotKnownDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t, office(pbx))
		unknown := func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			delete(x.peers, "IF_PBX")
		}
		x.peer("IF_PBX", silent)
		x.pass(time.Second)
		unknown()
		x.pass(mute - time.Second)
		x.is("gone, then unknown", status.SurvivalLosing)
		x.peer("IF_PBX", silent)
		x.pass(time.Second)
		x.is("gone, unknown, gone", status.SurvivalLost)
		unknown()
		x.pass(mute - time.Second)
		x.is("lost, then unknown", status.SurvivalLost)
		x.peer("IF_PBX", "")
		x.pass(time.Second)
		unknown()
		x.pass(mute - time.Second)
		x.is("back, then unknown", status.SurvivalReturning)
		x.goes("back, then unknown", "IF_TEAMS", "service PHONES by PBX")
		x.pass(time.Second)
		x.is("unknown for long", status.SurvivalUnknown)
		x.goes("unknown for long", "IF_TEAMS", "")
		if log := x.logged(); len(log) != 2 || !strings.Contains(log[1], `"calls go their usual ways again" name=PBX if=IF_PBX why="nothing tells any more how the peer is"`) {
			t.Errorf("log: %q", log)
		}
		x.peer("IF_PBX", silent)
		x.pass(time.Second)
		x.is("gone again", status.SurvivalLosing)
		unknown()
		x.pass(time.Hour)
		x.peer("IF_PBX", silent)
		x.pass(time.Second)
		x.is("gone twice within an hour", status.SurvivalLosing)
	})
}

// One answer that is missing decides nothing: while a peer is about to be lost it is asked every five seconds, however seldom its penalty-box asks.
func TestADoubtfulPeerIsAskedMoreOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t, office(pbx))
		count := func(when string, want int) {
			t.Helper()
			x.mu.Lock()
			defer x.mu.Unlock()
			if n := len(x.asked["IF_PBX"]); n != want || len(x.asked) > 1 {
				t.Errorf("%s: asked %d times, want %d: %v", when, n, want, x.asked)
			}
			clear(x.asked)
		}
		x.peer("IF_PBX", "")
		x.pass(time.Hour)
		count("it is there", 0)
		x.peer("IF_PBX", silent)
		x.pass(30 * time.Second)
		count("it is about to be lost", 6)
		x.pass(time.Minute)
		count("it is lost", 4)
		x.peer("IF_PBX", "")
		x.pass(time.Minute)
		count("it returns", 12)
		x.pass(time.Hour)
		count("it is well", 0)
	})
}

// Several may be in force at once: the first in the configuration has the say.
func TestTheFirstOfSeveralHasTheSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		teams := watching("TEAMS", "IF_TEAMS", 5*time.Second, 5*time.Second, from("IF_PHONES", service("DOOR")), from("IF_PBX", service("PHONES")), from("IF_PBX", service("NEVER")))
		x := newBox(t, office(pbx, teams))
		x.peer("IF_PBX", "")
		x.peer("IF_TEAMS", silent)
		x.pass(6 * time.Second)
		x.is("Teams is lost", status.SurvivalWell, status.SurvivalLost)
		x.goes("Teams is lost", "IF_PHONES", "service DOOR by TEAMS")
		x.goes("Teams is lost", "IF_PBX", "service PHONES by TEAMS")
		x.peer("IF_PBX", silent)
		x.pass(31 * time.Second)
		x.is("both are lost", status.SurvivalLost, status.SurvivalLost)
		x.goes("both are lost", "IF_PHONES", "interface IF_TEAMS by PBX")
		x.goes("both are lost", "IF_PBX", "service PHONES by TEAMS")
		x.goes("both are lost", "IF_TEAMS", "service PHONES by PBX")
		want := []status.SurvivalRoute{{From: "IF_PHONES", To: "service DOOR", Over: "PBX"}, {From: "IF_PBX", To: "service PHONES"}}
		if got := x.Status()[1].Routes; !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		x.peer("IF_PBX", "")
		x.pass(61 * time.Second)
		x.is("the PBX is back", status.SurvivalWell, status.SurvivalLost)
		x.goes("the PBX is back", "IF_PHONES", "service DOOR by TEAMS")
	})
}

func TestAChangeOfTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t, office(pbx))
		change := func(list ...*config.Survival) {
			x.mu.Lock()
			x.cfg = office(list...)
			x.mu.Unlock()
			x.pass(time.Second)
		}
		x.peer("IF_PBX", silent)
		x.peer("IF_TEAMS", "")
		x.pass(31 * time.Second)
		x.is("at first", status.SurvivalLost)
		change(watching("OTHER", "IF_TEAMS", time.Minute, time.Minute), watching("PBX", "IF_PBX", time.Minute, time.Minute, from("IF_TEAMS", service("DOOR"))))
		x.is("it keeps its state", status.SurvivalWell, status.SurvivalLost)
		x.goes("with other ways", "IF_TEAMS", "service DOOR by PBX")
		x.goes("with other ways", "IF_PHONES", "")
		change(watching("PBX", "IF_PBX", time.Minute, time.Minute, from("IF_MISSING", service("DOOR")), from("IF_TEAMS", config.Dest{})))
		x.is("without ways", status.SurvivalLost)
		x.goes("without ways", "IF_TEAMS", "")
		if a := x.health.Current()[0]; !strings.Contains(a.Text, "no call goes another way") {
			t.Errorf("%+v", a)
		}
		change(watching("PBX", "IF_TEAMS", time.Minute, time.Minute, from("IF_PBX", service("DOOR"))))
		x.is("it watches another interface", status.SurvivalWell)
		change(watching("PBX", "IF_MISSING", time.Minute, time.Minute))
		x.is("there is no such interface")
		change(pbx)
		x.pass(31 * time.Second)
		x.goes("as at first", "IF_TEAMS", "service PHONES by PBX")
		change()
		x.is("there is none")
		x.goes("there is none", "IF_TEAMS", "")
		if log := x.logged(); len(log) != 4 || log[3] != `"calls go their usual ways again" name=PBX why="a change of the configuration"` {
			t.Errorf("log: %q", log)
		}
	})
}

// Two contexts may have survivals of one name.
func TestTwoContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := office(pbx)
		second := office(watching("PBX", "IF_PBX", 5*time.Second, 5*time.Second, from("IF_TEAMS", service("DOOR")))).CS[0]
		second.Name = "SECOND"
		for _, i := range second.Interfaces {
			i.Context = "SECOND"
		}
		cfg.CS = append(cfg.CS, second)
		x := newBox(t, cfg)
		x.peer("IF_PBX", silent) // of both
		x.pass(6 * time.Second)
		x.is("the second is faster", status.SurvivalLosing, status.SurvivalLost)
		x.goes("in the first", "IF_TEAMS", "")
		if _, name, ok := x.Route(config.InterfaceID{Context: "SECOND", Name: "IF_TEAMS"}); !ok || name != "SECOND/PBX" {
			t.Errorf("in the second: %q, %v", name, ok)
		}
		x.pass(25 * time.Second)
		x.is("both", status.SurvivalLost, status.SurvivalLost)
	})
}

// Calls ask for their way while it changes.
func TestCallsAskMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t, office(pbx))
		done := make(chan struct{})
		seen := make(chan map[string]bool)
		for range 4 {
			go func() {
				mine := map[string]bool{}
				for {
					select {
					case <-done:
						seen <- mine
						return
					default:
					}
					dest, name, ok := x.Route(config.InterfaceID{Context: "SWITCH", Name: "IF_TEAMS"})
					if ok != (name == "PBX") || ok != !dest.IsZero() {
						t.Errorf("%v, %q, %v", dest, name, ok)
					}
					mine[name] = true
					x.Emergency()
					x.Status()
					time.Sleep(300 * time.Millisecond)
				}
			}()
		}
		x.peer("IF_PBX", silent)
		x.pass(40 * time.Second)
		close(done)
		for range 4 {
			if mine := <-seen; !maps.Equal(mine, map[string]bool{"": true, "PBX": true}) {
				t.Errorf("seen: %v", mine)
			}
		}
	})
}
