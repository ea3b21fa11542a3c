package commit

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

var (
	anna = status.Author{Account: "anna", From: "ssh 192.0.2.7:50022"}
	bert = status.Author{Account: "bert"}
)

// box is a box whose running configuration is on trial.
type box struct {
	*Book
	t       *testing.T
	health  health.Tracker
	mu      sync.Mutex
	running *config.Config
	told    []string
	trail   []status.Audit
}

// newBox makes a box that runs until the test ends, or the function is called.
func newBox(t *testing.T) (x *box, stop func()) {
	x = &box{t: t, running: &config.Config{Hostname: "before"}}
	x.health.Log = slog.New(slog.DiscardHandler)
	x.Book = New(Options{
		Log: x.health.Log, Health: &x.health, Zone: func() *time.Location { return time.UTC }, Publish: x.publish,
		Note: func(e status.Audit) { x.mu.Lock(); defer x.mu.Unlock(); x.trail = append(x.trail, e) },
		Tell: func(text string) { x.mu.Lock(); defer x.mu.Unlock(); x.told = append(x.told, text) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return x, stop
}

func (x *box) publish(by status.Author, made func() *config.Config) {
	x.mu.Lock()
	x.running = made()
	x.mu.Unlock()
	x.Changed(by)
}

// changes gives the box another name, on trial when after is not zero.
func (x *box) changes(by status.Author, name string, after time.Duration) error {
	x.mu.Lock()
	before := x.running
	x.mu.Unlock()
	if after > 0 {
		if err := x.Begin(before, by, after); err != nil {
			return err
		}
	}
	x.publish(by, func() *config.Config { return &config.Config{Hostname: name} })
	return nil
}

// is compares the name of the box, the state and the alarm.
func (x *box) is(when, name string, state status.CommitState) {
	x.t.Helper()
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	if got := x.Status().State; x.running.Hostname != name || got != state || x.health.Active(health.Unconfirmed) != (state == status.Pending) {
		x.t.Errorf("%s: %s is %v, want %s that is %v, with its alarm", when, x.running.Hostname, got, name, state)
	}
}

// heard reports whether consoles were told something.
func (x *box) heard(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Contains(strings.Join(x.told, "\n"), text)
}

func TestAChangeGoesBackWhenNobodyConfirmsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, stop := newBox(t)
		defer stop()
		x.changes(anna, "after", 5*time.Minute)
		x.is("at once", "after", status.Pending)
		if text := x.Welcome(); !strings.Contains(text, "anna (ssh 192.0.2.7:50022) is on trial: the configuration goes back at") {
			t.Error(text)
		}
		time.Sleep(4*time.Minute + time.Second)
		synctest.Wait()
		if !x.heard("goes back in 60 seconds") {
			t.Errorf("a minute before: %q", x.told)
		}
		time.Sleep(58 * time.Second)
		x.is("just before", "after", status.Pending)
		time.Sleep(2 * time.Second)
		x.is("when the time is over", "before", status.NoCommit)
		end := x.Status().Ended
		if end == nil || end.How != status.TimedOut || end.Change != anna || x.Welcome() != "" || !x.heard("has gone back: not confirmed in time") {
			t.Errorf("%+v, %q", end, x.told)
		}
		if err := x.Confirm(anna); err == nil {
			t.Error("confirmed too late")
		}
		time.Sleep(time.Hour)
		x.is("an hour later", "before", status.NoCommit)
	})
}

func TestAnotherAdministratorConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, stop := newBox(t)
		defer stop()
		x.changes(anna, "after", 5*time.Minute)
		if err := x.Confirm(bert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		x.is("confirmed", "after", status.NoCommit)
		if end := x.Status().Ended; end.How != status.Confirmed || end.By != bert || end.Change != anna {
			t.Errorf("%+v", end)
		}
		if x.Confirm(anna) == nil || x.Back(anna) == nil {
			t.Error("what is confirmed is confirmed again, or taken back")
		}
	})
}

func TestOneChangeWaitsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, stop := newBox(t)
		defer stop()
		x.changes(anna, "one", 5*time.Minute)
		if err := x.changes(bert, "two", time.Minute); err == nil || !strings.Contains(err.Error(), "a change of anna") {
			t.Errorf("bert: %v", err)
		}
		time.Sleep(4 * time.Minute)
		if err := x.changes(anna, "three", 5*time.Minute); err != nil { // RFC 6241, 8.4.1: a further one has the new time
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		x.is("with the new time", "three", status.Pending)
		if err := x.Back(bert); err != nil {
			t.Fatal(err)
		}
		x.is("taken back to what was before all of it", "before", status.NoCommit)
		if end := x.Status().Ended; end.How != status.TakenBack || end.By != bert {
			t.Errorf("%+v", end)
		}
	})
}

func TestWhatOthersChangeMeanwhileGoesBackAndIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, stop := newBox(t)
		defer stop()
		x.changes(anna, "one", 5*time.Minute)
		for range 3 {
			x.changes(bert, "two", 0)
		}
		if last := x.Last(); last.By != bert || last.Time.IsZero() {
			t.Errorf("%+v", last)
		}
		if st := x.Status(); len(st.Others) != 1 || st.Others[0] != bert || st.By != anna || st.Left != 300 {
			t.Errorf("%+v", st)
		}
		if !x.heard("bert changes the configuration while the change of anna (ssh 192.0.2.7:50022) waits") {
			t.Errorf("%q", x.told)
		}
		time.Sleep(6 * time.Minute)
		x.is("over", "before", status.NoCommit)
		if !x.heard("what bert changed meanwhile has gone back as well") {
			t.Errorf("%q", x.told)
		}
		noted := 0
		for _, e := range x.trail {
			if e.What == status.AuditConfiguration && e.Line != "" {
				noted++
			}
		}
		if noted != 3 { // begun, changed by another, gone back
			t.Errorf("the trail: %+v", x.trail)
		}
	})
}

// A password that is chosen while the configuration goes back is not lost between the two: what comes back has it.
func TestAPasswordChosenAtTheLastMoment(t *testing.T) {
	b := New(Options{Log: slog.New(slog.DiscardHandler), Health: &health.Tracker{Log: slog.New(slog.DiscardHandler)}, Zone: func() *time.Location { return time.UTC },
		Note: func(status.Audit) {}, Tell: func(string) {}})
	running := &config.Config{Accounts: []*config.Account{{Name: "anna", Password: "old", Change: true}}}
	first := running
	b.o.Publish = func(_ status.Author, before func() *config.Config) {
		b.KeepPassword(&config.Account{Name: "anna", Password: "chosen"}, false) // who waits for the lock is behind one who has it
		running = before()
	}
	if err := b.Begin(running, bert, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := b.Back(bert); err != nil {
		t.Fatal(err)
	}
	if a := running.Account("anna"); a.Password != "chosen" || a.Change {
		t.Errorf("%+v", a)
	}
	if st := b.Status(); len(st.Others) > 0 {
		t.Errorf("%+v", st)
	}
	if first.Accounts[0].Password != "old" {
		t.Error("a snapshot has changed")
	}
}

func TestMostOthersAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, stop := newBox(t)
		defer stop()
		x.changes(anna, "one", 5*time.Minute)
		for n := range 100 {
			x.changes(status.Author{Account: strings.Repeat("x", n+1)}, "two", 0)
		}
		if n := len(x.Status().Others); n != mostOthers {
			t.Errorf("%d", n)
		}
	})
}

// Run is started anew after a failure, and ends with the box: the startup-config has not got the change then.
func TestAChangeOutlivesAFailureOfTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, stop := newBox(t)
		x.changes(anna, "after", 5*time.Minute)
		synctest.Wait()
		stop()
		if x.health.Active(health.Unconfirmed) {
			t.Error("an alarm of an engine that has ended")
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- x.Run(ctx) }()
		x.is("started anew", "after", status.Pending)
		time.Sleep(6 * time.Minute)
		x.is("over", "before", status.NoCommit)
		cancel()
		<-ended
	})
}

// Of a confirmation and the end of the time that meet, one wins, and the configuration is what it says.
func TestAConfirmationAtTheLastMoment(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			x, stop := newBox(t)
			defer stop()
			x.changes(anna, "after", time.Minute)
			synctest.Wait()
			var confirmed error
			done := make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(time.Minute)
				confirmed = x.Confirm(anna)
			}()
			<-done
			time.Sleep(time.Second)
			if confirmed == nil {
				x.is("confirmed", "after", status.NoCommit)
			} else {
				x.is("too late", "before", status.NoCommit)
			}
		})
	}
}
