package health

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// book is a log to read.
type book struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// tracked is a Tracker that runs, and its log without times.
func tracked(t *testing.T) (*Tracker, *book) {
	t.Helper()
	log := &book{}
	tracker := &Tracker{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tracker.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return tracker, log
}

// ids are the raised alarms in their order, each with its subject.
func ids(t *Tracker) string {
	var list []string
	for _, a := range t.Current() {
		list = append(list, strings.TrimSuffix(a.ID+" "+a.Subject, " "))
	}
	return strings.Join(list, ", ")
}

func want(t *testing.T, tracker *Tracker, list string) {
	t.Helper()
	synctest.Wait()
	if got := ids(tracker); got != list {
		t.Errorf("%v: raised %q, want %q", time.Now().Format(time.TimeOnly), got, list)
	}
}

func TestAnAlarmBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, log := tracked(t)
		changes, cancel := tracker.Subscribe()
		defer cancel()
		tracker.Clear(RelayDown, "")
		tracker.Set(RelayDown, Args{"why": "no descriptors left"})
		tracker.Set(RelayDown, Args{"why": "no descriptors left"})
		<-changes
		if len(changes) > 0 {
			t.Error("the same alarm is told of twice")
		}
		began := time.Now()
		time.Sleep(time.Minute)
		tracker.Set(RelayDown, Args{"why": "out of memory"})
		<-changes
		list := tracker.Current()
		if len(list) != 1 || list[0].Text != "the media relay does not run: out of memory; it is restarted" || !list[0].Since.Equal(began) {
			t.Errorf("%+v", list)
		}
		if why := tracker.Unfit(); len(why) != 1 || why[0] != list[0].Text {
			t.Errorf("unfit %q", why)
		}
		tracker.Clear(RelayDown, "")
		<-changes
		want(t, tracker, "")
		if s, any := tracker.Worst(); any || s != Info || tracker.Unfit() != nil || tracker.Active(RelayDown) {
			t.Errorf("something is left: %v %v", s, any)
		}
		text := `level=ERROR msg="alarm raised" alarm=relay-down severity=critical err="the media relay does not run: no descriptors left; it is restarted"
level=INFO msg="alarm cleared" alarm=relay-down severity=critical for="the media relay does not run: out of memory; it is restarted" after=1m0s
`
		if log.String() != text {
			t.Errorf("log:\n%s", log)
		}
	})
}

// What is over before its time is never shown and not logged; a critical alarm counts all the same.
func TestTheTimeUntilAnAlarmIsVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, log := tracked(t)
		changes, cancel := tracker.Subscribe()
		defer cancel()
		tracker.Set(LinkDown, Args{"port": "eth00"})
		time.Sleep(LinkDown.Delay - time.Second)
		want(t, tracker, "")
		tracker.Set(LinkDown, Args{"port": "eth01"})
		tracker.Clear(LinkDown, "eth00")
		time.Sleep(2 * time.Second)
		want(t, tracker, "")
		if len(changes) > 0 || log.String() != "" {
			t.Errorf("told too early: %s", log)
		}
		time.Sleep(time.Second)
		want(t, tracker, "link-down eth01")
		if len(changes) != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%d changes, log %s", len(changes), log)
		}
		if since := time.Since(tracker.Current()[0].Since); since != LinkDown.Delay {
			t.Errorf("since %v", since)
		}
	})
}

// A cable that is pulled is one alarm, not one for each registration behind it; the other port's registrations are shown.
func TestACauseHidesItsConsequences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, log := tracked(t)
		failed := func(identity, port string) Args {
			return Args{"identity": identity, "registrar": "pbx", "why": "408", "port": port}
		}
		tracker.Set(LinkDown, Args{"port": "eth00"})
		tracker.Replace(RegistrationFailed, []Args{failed("user.01", "eth00"), failed("user.02", "eth01"), failed("user.03", "")})
		time.Sleep(time.Minute)
		want(t, tracker, "link-down eth00, registration-failed user.02, registration-failed user.03")
		before := log.String()
		if strings.Contains(before, "user.01") {
			t.Errorf("a consequence is logged:\n%s", before)
		}
		tracker.Clear(LinkDown, "eth00")
		want(t, tracker, "registration-failed user.01, registration-failed user.02, registration-failed user.03")
		tracker.Set(SIPDown, Args{"why": "x"})
		want(t, tracker, "sip-down")
		tracker.Replace(RegistrationFailed, nil)
		tracker.Clear(SIPDown, "")
		want(t, tracker, "")
		if n := strings.Count(log.String(), "subject=user.01"); n != 2 {
			t.Errorf("%d lines of user.01:\n%s", n, log)
		}
	})
}

func TestTheOrderOfAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		for _, set := range []func(){
			func() { tracker.Set(NoGateway, nil) },
			func() { tracker.Set(ServiceDown, Args{"engine": "syslog"}) },
			func() { tracker.Set(ServiceDown, Args{"engine": "lights"}) },
			func() { tracker.Set(StartupLines, Args{"line": "line 1"}) },
			func() { tracker.Set(Deaf, nil) },
		} {
			set()
			time.Sleep(time.Second)
		}
		want(t, tracker, "deaf, service-down syslog, service-down lights, startup-config-lines line 1, no-gateway")
		if s, any := tracker.Worst(); s != Critical || !any {
			t.Errorf("worst %v", s)
		}
	})
}

// A peer decides how many registrations fail. What is kept has a bound, and the rest is counted.
func TestThereIsABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, log := tracked(t)
		var all []Args
		for n := range 1000 {
			all = append(all, Args{"identity": fmt.Sprintf("user.%04d", n), "why": strings.Repeat("x", 5000) + "\x1b[2J"})
		}
		tracker.Replace(RegistrationFailed, all)
		time.Sleep(time.Minute)
		synctest.Wait()
		list := tracker.Current()
		if len(list) != maxEach+1 || list[maxEach].Text != fmt.Sprintf("%d more: an identity is not registered", 1000-maxEach) {
			t.Errorf("%d alarms, the last: %+v", len(list), list[len(list)-1])
		}
		if len(list[0].Text) > 2*maxArg || strings.Contains(log.String(), "\x1b") {
			t.Errorf("%d octets of text", len(list[0].Text))
		}
		if n := tracker.Counts()[slices.Index(declared, RegistrationFailed)]; n.N != 1000 {
			t.Errorf("%+v", n)
		}
		tracker.Replace(RegistrationFailed, all[:3])
		want(t, tracker, "registration-failed user.0000, registration-failed user.0001, registration-failed user.0002")
		tracker.Replace(RegistrationFailed, nil)
		for n := range maxEach + 3 {
			tracker.Set(ServiceDown, Args{"engine": fmt.Sprint(n)})
		}
		if list := tracker.Current(); list[maxEach].Text != "1 more: a part of the box does not run" {
			t.Errorf("%+v", list[maxEach])
		}
	})
}

// A certificate is told of again as its end comes nearer.
func TestAnAlarmThatIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, log := tracked(t)
		for _, left := range []string{"30 days", "30 days", "14 days"} {
			tracker.Replace(CertificateExpires, []Args{{"name": "A", "left": left}})
		}
		if strings.Count(log.String(), "alarm raised") != 2 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// A box begins in 1970, and an alarm that is as old as the box has begun when the box did.
func TestSinceIsByTheClockAsItIsNow(t *testing.T) {
	wrong := time.Now()
	v := view{Warnable: NoGateway, since: wrong}
	stepped := wrong.Add(time.Minute)
	if a := v.alarm(stepped); !a.Since.Equal(wrong) {
		t.Errorf("since %v", a.Since)
	}
}

func TestAlarmsAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		tracker.Set(UnknownIssuer, Args{"sha": "AB12", "gateway": "WAN", "peer": "p", "why": "w", "leaf": "l", "warning": "Compare it."})
		text, err := json.Marshal(tracker.Current())
		if err != nil {
			t.Fatal(err)
		}
		const good = `[{"id":"unknown-issuer","severity":"warning","subject":"AB12","title":"the issuer of a peer's certificate is not trusted",` +
			`"text":"context sip-gateway WAN refused p: w; the peer's certificate: l","advice":"Compare it.","cure":["pki trust add AB12"],"since":"2000-01-01T00:00:00Z"}]`
		if string(text) != good {
			t.Errorf("%s", text)
		}
		var back []Alarm
		if err := json.Unmarshal(text, &back); err != nil || back[0].Severity != Warning {
			t.Errorf("%+v, %v", back, err)
		}
	})
}

// model says what a Tracker has to show by the rules alone: everything anew each time.
type model map[*Warnable]map[string]modelled

type modelled struct {
	args  Args
	since time.Time
}

func (m model) shown(now time.Time) (list []string) {
	for w, all := range m {
		for subject, x := range all {
			hidden := false
			for _, c := range w.After {
				for _, cause := range m[c.Of] {
					hidden = hidden || c.Same == "" || cause.args[c.Same] != "" && cause.args[c.Same] == x.args[c.Same]
				}
			}
			if !hidden && now.Sub(x.since) >= w.Delay {
				list = append(list, strings.TrimSuffix(w.ID+" "+subject, " "))
			}
		}
	}
	slices.Sort(list)
	return list
}

// Random changes, against the model. The log has as many beginnings as ends once all is over.
func TestATrackerDoesAsItsModel(t *testing.T) {
	some := []*Warnable{SIPDown, LinkDown, RegistrationFailed, PeerSilent, NameServersSilent, TLSWaits, ServiceDown}
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			tracker, log := tracked(t)
			r, m := rand.New(rand.NewPCG(seed, 0)), model{}
			for range 200 {
				w := some[r.IntN(len(some))]
				args := Args{"port": []string{"", "eth00", "eth01"}[r.IntN(3)], "identity": fmt.Sprint(r.IntN(4)), "interface": fmt.Sprint(r.IntN(4)), "engine": fmt.Sprint(r.IntN(4))}
				subject := args[w.Subject]
				set := func(all ...Args) {
					for _, args := range all {
						x, known := m[w][args[w.Subject]]
						if x.args = args; !known {
							x.since = time.Now()
						}
						if m[w] == nil {
							m[w] = map[string]modelled{}
						}
						m[w][args[w.Subject]] = x
					}
				}
				switch r.IntN(6) {
				case 0, 1:
					tracker.Set(w, args)
					set(args)
				case 2, 3:
					tracker.Clear(w, subject)
					delete(m[w], subject)
				case 4:
					tracker.Replace(w, []Args{args})
					for other := range m[w] {
						if other != subject {
							delete(m[w], other)
						}
					}
					set(args)
				default:
					time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
				}
				got := strings.Split(ids(tracker), ", ")
				slices.Sort(got)
				if have, must := strings.Join(got, ", "), strings.Join(m.shown(time.Now()), ", "); have != must {
					t.Fatalf("seed %d: raised\n%s\nwant\n%s", seed, have, must)
				}
			}
			for _, w := range some {
				tracker.Replace(w, nil)
			}
			want(t, tracker, "")
			if begins, ends := strings.Count(log.String(), "alarm raised"), strings.Count(log.String(), `msg="alarm cleared"`); begins != ends || begins == 0 {
				t.Errorf("%d begin and %d end", begins, ends)
			}
		})
	}
}

// Who knows of an alarm is not told of it again, unless it is another one, or worse, or no calls are possible.
func TestAnAlarmIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker, _ := tracked(t)
		changes, cancel := tracker.Subscribe()
		defer cancel()
		seen := func(want string) {
			t.Helper()
			synctest.Wait()
			got := ""
			for _, a := range tracker.Current() {
				got += strings.TrimSpace(a.ID+" "+a.Subject+" "+a.Seen) + "; "
			}
			if got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
		}
		worst := func(want string) {
			t.Helper()
			got := "none"
			if s, any := tracker.Worst(); any {
				got = s.String()
			}
			if got != want {
				t.Errorf("the worst is %s, want %s", got, want)
			}
		}
		tracker.Set(ServiceDown, Args{"engine": "clock"})
		tracker.Set(ServiceDown, Args{"engine": "lights"})
		tracker.Set(CertificateExpires, Args{"name": "A", "left": "30 days"})
		tracker.Set(RelayDown, nil)
		<-changes
		if n := tracker.Acknowledge("service-down", "lights", "anna"); n != 1 {
			t.Errorf("%d are acknowledged", n)
		}
		<-changes
		seen("relay-down; service-down clock; certificate-expires A; service-down lights anna; ")
		tracker.Acknowledge("service-down", "", "anna")
		tracker.Acknowledge("certificate-expires", "", "anna")
		tracker.Acknowledge("relay-down", "", "anna\x1b")
		if n := tracker.Acknowledge("no-such", "", "anna"); n != 0 {
			t.Errorf("%d are acknowledged", n)
		}
		worst("none")
		if len(tracker.Unfit()) == 0 {
			t.Error("what is acknowledged counts as healed")
		}
		tracker.Set(CertificateExpires, Args{"name": "A", "left": "14 days"})
		worst("warning")
		for len(changes) > 0 {
			<-changes
		}
		time.Sleep(criticalRest)
		synctest.Wait()
		if len(changes) == 0 {
			t.Error("nobody is told that a critical alarm is back")
		}
		worst("critical")
		tracker.Clear(ServiceDown, "clock")
		tracker.Set(ServiceDown, Args{"engine": "clock"})
		seen("relay-down; service-down clock; certificate-expires A; service-down lights anna; ")
	})
}
