package license

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/status"
)

// full is a Manager whose built-in sessions are in use.
func full(t *testing.T) (m *Manager, others []Share) {
	t.Helper()
	m = New()
	for range 4 {
		s, err := m.Acquire(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, s)
	}
	return m, others
}

// outcome is what became of a caller that waited.
type outcome struct {
	share Share
	err   error
	after time.Duration
}

// await waits as a call does, and notes what came of it.
func await(m *Manager, sessions, channels int) (o *outcome, stop func() bool, waits bool) {
	o = &outcome{after: -1}
	began := time.Now()
	stop, waits = m.Await(sessions, channels, func(s Share, err error) {
		if o.after >= 0 {
			panic("told twice")
		}
		*o = outcome{s, err, time.Since(began)}
	})
	return o, stop, waits
}

func told(m *Manager) bool {
	synctest.Wait()
	select {
	case <-m.Wanted():
		return true
	default:
		return false
	}
}

func TestNobodyWaitsWithoutALessor(t *testing.T) {
	m, _ := full(t)
	if _, _, waits := await(m, 1, 0); waits || len(m.Wanted()) > 0 {
		t.Error("waits for nobody")
	}
	m.Attach(nil)
	m.Detach()
	if len(m.Wanted()) == 0 {
		t.Error("who comes hears of nothing")
	} else {
		<-m.Wanted()
	}
	if _, _, waits := await(m, 1, 0); waits || len(m.Wanted()) > 0 {
		t.Error("waits for who is gone")
	}
}

// Between the refusal and the wait one pool may get room, and the other be used up.
func TestRefusalsAreNeverLessThanNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, others := full(t)
		m.Attach(nil)
		if _, err := m.Acquire(1, 1); err == nil {
			t.Fatal("more than there are")
		}
		others[0].Release()
		if _, err := m.Acquire(0, 5); err != nil {
			t.Fatal(err)
		}
		_, stop, waits := await(m, 1, 1)
		for _, p := range m.Peaks() {
			if p.Refused < 0 {
				t.Errorf("%+v", p)
			}
		}
		if !waits || !stop() {
			t.Error("it does not wait")
		}
	})
}

func TestACallWaitsForMore(t *testing.T) {
	for name, c := range map[string]struct {
		comes func(*Manager, []Share)
		after time.Duration
		err   string
	}{
		"the hub gives":            {func(m *Manager, _ []Share) { m.SetLeased(SIPSessions, 1) }, 100 * time.Millisecond, ""},
		"another call ends":        {func(_ *Manager, others []Share) { others[0].Release() }, 100 * time.Millisecond, ""},
		"nothing comes":            {func(*Manager, []Share) {}, Patience, "no free license: all 4 sip-sessions are in use"},
		"the wrong kind comes":     {func(m *Manager, _ []Share) { m.SetLeased(SRTPChannels, 9) }, Patience, "no free license: all 4 sip-sessions are in use"},
		"the hub has none":         {func(m *Manager, _ []Share) { m.Deny(SIPSessions) }, 100 * time.Millisecond, "no free license: all 4 sip-sessions are in use"},
		"the hub has none of else": {func(m *Manager, _ []Share) { m.Deny(SRTPChannels) }, Patience, "no free license: all 4 sip-sessions are in use"},
		"the fleet is left":        {func(m *Manager, _ []Share) { m.Detach() }, 100 * time.Millisecond, "no free license: all 4 sip-sessions are in use"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, others := full(t)
				m.Attach(nil)
				if _, err := m.Acquire(1, 1); err == nil {
					t.Fatal("more than there are")
				}
				o, _, waits := await(m, 1, 1)
				if !waits || !told(m) {
					t.Fatal("it does not wait, or nobody hears of it")
				}
				if u := m.Usage(); u[0].Waiting != 1 || u[1].Waiting != 1 {
					t.Errorf("%+v", u)
				}
				time.Sleep(100 * time.Millisecond)
				c.comes(m, others)
				time.Sleep(time.Second)
				synctest.Wait()
				refused := 0
				if c.err != "" {
					refused = 1
				}
				if o.after != c.after || (o.err != nil) != (c.err != "") || o.err != nil && o.err.Error() != c.err || m.Peaks()[0].Refused != refused {
					t.Errorf("after %v: %v; refused %d", o.after, o.err, m.Peaks()[0].Refused)
				}
				if u := m.Usage(); u[0].Waiting != 0 || (c.err == "") != (o.share != nil) {
					t.Errorf("%+v", u)
				}
				if o.share != nil {
					o.share.Release()
				}
				for _, s := range others {
					s.Release()
				}
				for _, r := range m.Table() {
					if r.Alloc != 0 || r.Free != r.Total {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

func TestACallThatGivesUpGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := full(t)
		m.Attach(nil)
		gone, stop, _ := await(m, 1, 0)
		next, _, _ := await(m, 1, 0)
		if !stop() || stop() {
			t.Error("stopped twice, or not at all")
		}
		m.SetLeased(SIPSessions, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		if gone.after >= 0 || next.share == nil || m.Table()[0].Alloc != 5 {
			t.Errorf("%+v, %+v", gone, next)
		}
	})
}

// Those who wait get what comes in their order, and one that lacks something else is passed over. A newcomer takes only what they leave.
func TestTheOrderOfThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := full(t)
		m.Attach(nil)
		big, _, _ := await(m, 1, 7) // 4 channels are free
		first, _, _ := await(m, 1, 0)
		second, _, _ := await(m, 1, 0)
		m.SetLeased(SIPSessions, 1)
		if big.after >= 0 || first.share == nil || second.after >= 0 {
			t.Errorf("%+v, %+v, %+v", big, first, second)
		}
		if _, err := m.Acquire(1, 0); err == nil {
			t.Error("a newcomer went before")
		}
		m.SetLeased(SIPSessions, 3)
		if second.share == nil {
			t.Errorf("%+v", second)
		}
		if _, err := m.Acquire(1, 0); err != nil {
			t.Errorf("a call that could use what is left: %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var e *Exhausted
		if !errors.As(big.err, &e) || e.Pool != string(SIPSessions) || e.Total != 7 {
			t.Errorf("%+v", big)
		}
	})
}

func TestSoManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := full(t)
		m.Attach(nil)
		for range MaxWaiting {
			if _, _, waits := await(m, 1, 0); !waits {
				t.Fatal("refused")
			}
		}
		if _, _, waits := await(m, 1, 0); waits {
			t.Error("one more waits")
		}
		if u := m.Usage()[0]; u.Waiting != MaxWaiting {
			t.Errorf("%+v", u)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, _, waits := await(m, 1, 0); !waits {
			t.Error("refused when nobody waits any more")
		}
		m.Detach()
	})
}

func TestWantedTellsWhenLittleIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New()
		m.Attach(map[Kind]int{SIPSessions: 2})
		if told(m) {
			t.Error("4 are free")
		}
		var taken []Share
		for n, want := range []bool{false, false, true, true} {
			s, err := m.Acquire(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, s)
			if told(m) != want {
				t.Errorf("%d in use: told %v", n+1, !want)
			}
		}
		if _, err := m.Acquire(1, 0); err == nil || told(m) {
			t.Error("a call that may not wait asks")
		}
		for _, s := range taken {
			s.Release()
		}
		want := "[{sip-sessions 4 0 0 4 0} {srtp-channels 8 0 0 0 0}]"
		if got := fmt.Sprint(m.Usage()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if u := m.Usage()[0]; u.Peak != 0 {
			t.Errorf("the peak is an old one: %+v", u)
		}
	})
}

func TestLeasedLicensesInTheTable(t *testing.T) {
	issuer, authorities := lab(t)
	m := New()
	if _, err := m.Install(sign(t, issuer, License{Kind: SIPSessions, Count: 10, Serial: 1, Expires: today}), box, today, authorities); err != nil {
		t.Fatal(err)
	}
	check := func(want status.Pool) {
		t.Helper()
		if r := m.Table()[0]; r != want || r.BuiltIn+r.Installed+r.Leased != r.Total || m.Sessions() != r.Total {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
	m.SetLeased(SIPSessions, 6)
	m.SetLeased(Transcoding, 6)
	check(status.Pool{Name: "sip-sessions", BuiltIn: 4, Leased: 16, Total: 20, Free: 20})
	s, err := m.Acquire(18, 0)
	if err != nil {
		t.Fatal(err)
	}
	if left := m.Shrink(SIPSessions, 1); left != 4 { // 14 are the box's own
		t.Errorf("%d are left", left)
	}
	check(status.Pool{Name: "sip-sessions", BuiltIn: 4, Leased: 14, Total: 18, Alloc: 18})
	m.SetLeased(SIPSessions, 1) // the hub says so
	check(status.Pool{Name: "sip-sessions", BuiltIn: 4, Leased: 11, Total: 15, Alloc: 18})
	if u := m.Usage()[0]; u != (Usage{SIPSessions, 14, 1, 18, 18, 0}) {
		t.Errorf("%+v", u)
	}
	if left := m.Shrink(SIPSessions, 5); left != 1 {
		t.Errorf("it grew to %d", left)
	}
	if got := m.InUse(); got != (status.LicensesInUse{Sessions: 18, SessionsTotal: 15, ChannelsTotal: 8}) {
		t.Errorf("%+v", got)
	}
	s.Release()
	m.Expire(today.AddDate(0, 0, 1))
	if left := m.Shrink(SIPSessions, -1); left != 0 {
		t.Errorf("%d are left", left)
	}
	check(status.Pool{Name: "sip-sessions", BuiltIn: 4, Total: 4, Free: 4})
}

// Calls come, wait, give up and go, while a hub gives and takes. Nothing is lost, and never is more in use than there was at some time.
func TestManyCallsWaitAtOnce(t *testing.T) {
	m := New()
	m.Attach(map[Kind]int{SIPSessions: 2})
	var calls, hub sync.WaitGroup
	end := make(chan struct{})
	hub.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-m.Wanted():
				m.SetLeased(SIPSessions, rand.IntN(4))
				m.Shrink(SIPSessions, rand.IntN(4))
				m.Deny(SIPSessions)
			}
		}
	})
	for range 16 {
		calls.Go(func() {
			for range 200 {
				s, err := m.Acquire(1, 1)
				if err != nil {
					got := make(chan Share, 1)
					stop, waits := m.Await(1, 1, func(s Share, _ error) { got <- s })
					if !waits {
						t.Error("it does not wait")
						return
					}
					if rand.IntN(4) != 0 || !stop() {
						s = <-got
					}
				}
				if m.InUse().Sessions > 7 {
					t.Error("more than there ever were")
				}
				if s != nil {
					s.Release()
				}
			}
		})
	}
	calls.Wait()
	close(end)
	hub.Wait()
	m.Detach()
	for _, r := range m.Table() {
		if r.Alloc != 0 {
			t.Errorf("%+v", r)
		}
	}
}
