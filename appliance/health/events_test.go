package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// next reads events until one is missing.
func next(t *testing.T, r *Events) (list []string) {
	t.Helper()
	for {
		synctest.Wait()
		e, wait := r.read()
		if wait != nil {
			return list
		}
		list = append(list, fmt.Sprintf("%d %s %s %s", e.Number, e.What, e.ID, e.Subject))
	}
}

func wantEvents(t *testing.T, r *Events, want ...string) {
	t.Helper()
	if got := next(t, r); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEveryReaderHearsWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		early := tracker.Events()
		tracker.Set(LinkDown, Args{"port": "eth00"})
		tracker.Replace(RegistrationFailed, []Args{{"identity": "otto", "port": "eth00"}})
		time.Sleep(time.Minute) // the second one is hidden by the first
		wantEvents(t, early, "1 raised link-down eth00")
		tracker.Clear(LinkDown, "eth00")
		tracker.Set(LinkDown, Args{"port": "eth00"})
		tracker.Replace(RegistrationFailed, nil) // while it is hidden again
		tracker.Set(LinkDown, Args{"port": "eth01"})
		tracker.Clear(LinkDown, "eth01") // before anyone saw it
		wantEvents(t, early, "2 cleared link-down eth00", "3 raised registration-failed otto", "4 cleared registration-failed otto")
		late := tracker.Events()
		time.Sleep(time.Minute)
		wantEvents(t, early, "5 raised link-down eth00")
		if all := next(t, late); len(all) != 5 {
			t.Errorf("a late reader hears %q", all)
		}
		for _, left := range []string{"30 days", "30 days", "14 days"} {
			tracker.Replace(CertificateExpires, []Args{{"name": "A", "left": left}})
		}
		tracker.Set(SourceBanned, Args{"source": "192.0.2.1"}) // writes its own log lines, and is an event all the same
		wantEvents(t, early, "6 raised certificate-expires A", "7 told certificate-expires A", "8 raised source-banned 192.0.2.1")
	})
}

// Whoever takes the standing and reads on from there sees each alarm once, whatever its state was.
func TestAStandingAndWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		if s := tracker.Stand(); len(s.Raised)+len(s.Pending) > 0 || s.Number != 0 {
			t.Errorf("%+v", s)
		}
		tracker.Replace(RegistrationFailed, []Args{{"identity": "otto", "port": "eth00"}})
		time.Sleep(time.Minute)
		tracker.Set(LinkDown, Args{"port": "eth00"})
		tracker.Set(SourceBanned, Args{"source": "192.0.2.1"})
		s := tracker.Stand()
		var got []string
		for _, a := range s.Raised {
			got = append(got, a.ID+" "+a.Subject)
		}
		for _, a := range s.Pending {
			got = append(got, "pending "+a.ID+" "+a.Subject)
		}
		slices.Sort(got)
		// The registration is hidden by the port, and not cleared.
		if want := []string{"pending link-down eth00", "registration-failed otto", "source-banned 192.0.2.1"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Minute)
		tracker.Replace(RegistrationFailed, nil)
		wantEvents(t, s.Events, fmt.Sprintf("%d raised link-down eth00", s.Number+1), fmt.Sprintf("%d cleared registration-failed otto", s.Number+2))
	})
}

func TestAnEventSaysAllThatAnAlarmDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		began, r := time.Now(), tracker.Events()
		got := make(chan Event)
		go func() {
			for range 2 {
				e, err := r.Next(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- e
			}
		}()
		synctest.Wait()
		tracker.Set(LinkDown, Args{"port": "eth00\x1b[2J\n"})
		e := <-got
		if e.Subject != `eth00\x1b[2J\x0a` || e.Text != `port eth00\x1b[2J\x0a has no link` || e.Severity != Error || e.Advice == "" || e.Title == "" ||
			!e.Since.Equal(began) || !e.At.Equal(began.Add(LinkDown.Delay)) {
			t.Errorf("%+v", e)
		}
		time.Sleep(time.Hour)
		tracker.Clear(LinkDown, e.Subject)
		if e := <-got; e.What != IsCleared || !e.Since.Equal(began) || !e.At.Equal(began.Add(LinkDown.Delay+time.Hour)) {
			t.Errorf("%+v", e)
		}
	})
}

// A reader that is too slow costs nothing, and sees by the numbers what it has missed.
func TestASlowReaderMissesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		r := tracker.Events()
		for range eventsKept {
			tracker.Set(RelayDown, nil)
			tracker.Clear(RelayDown, "")
		}
		if len(tracker.events) != eventsKept {
			t.Errorf("%d events are kept", len(tracker.events))
		}
		list := next(t, r)
		if len(list) != eventsKept || !strings.HasPrefix(list[0], fmt.Sprint(eventsKept+1, " raised")) || !strings.HasPrefix(list[eventsKept-1], fmt.Sprint(2*eventsKept, " cleared")) {
			t.Errorf("%d events, %q to %q", len(list), list[0], list[len(list)-1])
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
