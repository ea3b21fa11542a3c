package drain

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// box is a box with calls in progress, and its Book.
type box struct {
	*Book
	t       *testing.T
	mu      sync.Mutex
	cfg     *config.Config
	calls   []status.Call
	cleared []string
	health  health.Tracker
}

func newBox(t *testing.T) *box {
	x := &box{t: t, cfg: &config.Config{CS: []*config.Switch{
		{Name: "SWITCH", Enabled: true, Interfaces: []*config.SIPInterface{
			{Context: "SWITCH", Name: "if_teams", Remote: config.HostPort{Host: "sip.pstnhub.microsoft.com"}}, {Context: "SWITCH", Name: "if_pbx", Remote: config.HostPort{Host: "192.0.2.1"}},
		}},
		{Name: "SECOND", Enabled: true, Interfaces: []*config.SIPInterface{{Context: "SECOND", Name: "if_pbx", Remote: config.HostPort{Host: "192.0.2.2"}}}},
	}}}
	log := slog.New(slog.DiscardHandler)
	x.health.Log = log
	x.Book = New(Options{Log: log, Health: &x.health, Config: func() *config.Config { return under(x, &x.cfg) }, Count: func() int { return len(under(x, &x.calls)) },
		Calls: func() []status.Call { return under(x, &x.calls) }, Clear: func(id string) { set(x, &x.cleared, append(x.cleared, id)) }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- x.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return x
}

// under reads what the Book's goroutine uses, too, and set writes it.
func under[T any](x *box, v *T) T {
	x.mu.Lock()
	defer x.mu.Unlock()
	return *v
}

func set[T any](x *box, v *T, to T) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*v = to
}

// is checks the state of the only order.
func (x *box) is(when string, state status.DrainState, calls int) {
	x.t.Helper()
	synctest.Wait()
	list := x.Status()
	if state == status.Serving {
		if len(list) > 0 || len(x.health.Current()) > 0 {
			x.t.Errorf("%s: %+v, alarms %v", when, list, x.health.Current())
		}
		return
	}
	if len(list) != 1 || list[0].State != state || list[0].Calls != calls || len(x.health.Current()) != 1 {
		x.t.Errorf("%s: %+v, want %v with %d calls, and one alarm: %v", when, list, state, calls, x.health.Current())
	}
}

func (x *box) start(s Scope) {
	x.t.Helper()
	if err := x.Start(Order{Scope: s, Limit: time.Hour, By: "anna", Undo: strings.TrimSpace("no drain " + s.Words())}); err != nil {
		x.t.Fatal(err)
	}
}

func id(context, name string) config.InterfaceID {
	return config.InterfaceID{Context: context, Name: name}
}

// The whole way, with a call to an emergency number near its end, and back.
func TestTheStatesOfABoxThatGoesOutOfService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t)
		set(x, &x.calls, []status.Call{{ID: "1", From: "if_teams", To: "if_pbx"}})
		x.is("before", status.Serving, 0)
		x.start(Scope{})
		x.is("at once", status.Draining, 1)
		if why := x.Refuses(id("SWITCH", "if_pbx")); why != "" || !x.Silent(id("SWITCH", "if_teams")) || x.Silent(id("SWITCH", "if_pbx")) {
			t.Errorf("at once: %q, or OPTIONS of the PBX are not answered, or those of Teams are", why)
		}
		time.Sleep(notice - time.Second)
		x.is("before Teams has noticed", status.Draining, 1)
		time.Sleep(2 * time.Second)
		x.is("when it has", status.Refusing, 1)
		for _, who := range []config.InterfaceID{id("SWITCH", "if_teams"), id("SWITCH", "if_pbx"), id("SECOND", "if_pbx")} {
			if x.Refuses(who) == "" || x.Spares(who) != "" {
				t.Errorf("%s: new calls are taken, or those that the box has taken do not go on", who)
			}
		}
		set(x, &x.calls, nil)
		time.Sleep(look)
		x.is("without calls", status.Drained, 0)
		set(x, &x.calls, []status.Call{{ID: "2", From: "if_pbx", To: "if_teams"}})
		time.Sleep(look)
		x.is("with an emergency call", status.Refusing, 1)
		if a := x.health.Current(); a[0].Cure[0] != "no drain" || !strings.Contains(a[0].Text, "the box is being taken out of service by anna") {
			t.Errorf("%+v", a)
		}
		if !x.Stop(Scope{}, "bert") || x.Stop(Scope{}, "bert") {
			t.Error("taken back once, and only once")
		}
		x.is("taken back", status.Serving, 0)
		if x.Refuses(id("SWITCH", "if_pbx")) != "" || x.Silent(id("SWITCH", "if_teams")) {
			t.Error("it is not in service")
		}
	})
}

// Run is started anew after a failure. What is out of service stays so, and its alarm says it.
func TestTheAlarmOutlivesAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := health.Tracker{Log: slog.New(slog.DiscardHandler)}
		b := New(Options{Log: tracker.Log, Health: &tracker, Config: config.New, Count: func() int { return 1 }})
		if err := b.Start(Order{Limit: time.Hour, By: "anna"}); err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- b.Run(ctx) }()
			synctest.Wait()
			if !tracker.Active(health.OutOfService) {
				t.Errorf("run %d: no alarm for %+v", n+1, b.Status())
			}
			cancel()
			<-ended
		}
	})
}

func TestCallsAreEndedOnceAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t)
		set(x, &x.calls, []status.Call{{ID: "1", From: "if_teams", To: "if_pbx"}, {ID: "2", From: "SECOND/if_pbx", To: "SECOND/if_pbx"}})
		x.start(Scope{Context: "SECOND"})
		x.is("nobody is at Teams", status.Refusing, 1)
		if x.Over() {
			t.Error("a reload does not wait")
		}
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if len(under(x, &x.cleared)) > 0 {
			t.Errorf("before its time: %v", x.cleared)
		}
		time.Sleep(5 * time.Second)
		if len(under(x, &x.cleared)) != 1 || x.cleared[0] != "2" {
			t.Errorf("ended: %v", x.cleared)
		}
		x.start(Scope{})
		time.Sleep(time.Hour + time.Second)
		if !x.Over() || len(under(x, &x.cleared)) != 2 || x.cleared[1] != "" {
			t.Errorf("the whole box: %v", x.cleared)
		}
	})
}

// One interface: new calls do not go to its peer either. What is removed from the configuration is no longer taken out of service.
func TestAnInterfaceGoesOutOfService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBox(t)
		if err := x.Start(Order{Scope: Scope{Context: "SWITCH", Interface: "none"}}); err == nil {
			t.Error("there is none of that name")
		}
		x.start(Scope{Context: "SECOND", Interface: "if_pbx"})
		x.is("at once", status.Drained, 0)
		if x.Spares(id("SECOND", "if_pbx")) == "" || x.Refuses(id("SECOND", "if_pbx")) == "" {
			t.Error("it takes calls")
		}
		if x.Spares(id("SWITCH", "if_pbx")) != "" || x.Refuses(id("SWITCH", "if_pbx")) != "" {
			t.Error("the one of that name in the other context takes none")
		}
		set(x, &x.cfg, &config.Config{CS: x.cfg.CS[:1]})
		time.Sleep(look)
		x.is("removed", status.Serving, 0)
	})
}

// A context that routes no calls is none that Teams should send them to.
func TestAContextThatIsShutDown(t *testing.T) {
	x := newBox(t)
	at := id("SWITCH", "if_teams")
	if x.Silent(at) || x.Refuses(at) != "" {
		t.Error("in service, and OPTIONS are not answered, or calls refused")
	}
	x.cfg.CS[0].Enabled = false
	if !x.Silent(at) || x.Refuses(at) != "context cs SWITCH is shut down" {
		t.Error("shut down, and OPTIONS are answered, or calls taken")
	}
}
