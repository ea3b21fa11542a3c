package sipua

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

func testRegistration(peer *scripted, identity string) registrationSpec {
	return registrationSpec{
		via: peer, gateway: "lan", service: "pbx", identity: identity, aor: "sip:" + identity + "@pbx.test", uri: "sip:pbx.test",
		contact: "sip:" + identity + "@192.168.1.1:5060", to: siptransport.Target{Host: "pbx.test", Transport: siptransport.UDP}, account: account(identity, "secret"),
		lifetime: 180 * time.Second, clientError: 10 * time.Second, serverError: 11 * time.Second, systemError: 12 * time.Second,
	}
}

func (a *Agent) register(list ...registrationSpec) { a.registrations.Follow(list) }

// registrationOf is the state of the only registration.
func registrationOf(t *testing.T, a *Agent) status.Registration {
	t.Helper()
	synctest.Wait()
	list := a.Registrations()
	if len(list) != 1 {
		t.Fatalf("%d registrations", len(list))
	}
	return list[0]
}

func expiresOf(req *sip.Request) string { return sipmsg.First(req.Headers(), "Expires") }

func TestRegisterRefreshesAndSaysGoodbye(t *testing.T) {
	peer := &scripted{answer: always(200, "Contact: <sip:user.01@192.168.1.1:5060>;expires=100")}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(peer, "user.01"))
		time.Sleep(startSpread)
		st := registrationOf(t, a)
		if st.State != status.Registered || st.Code != 200 || time.Until(st.Expires) < 99*time.Second || time.Until(st.Expires) > 100*time.Second || st.AOR != "sip:user.01@pbx.test" {
			t.Errorf("%+v", st)
		}
		req := peer.last()
		if got := req.StartLine(); got != "REGISTER sip:pbx.test SIP/2.0" || expiresOf(req) != "180" ||
			!strings.HasPrefix(sipmsg.First(req.Headers(), "From"), "<sip:user.01@pbx.test>;tag=") || sipmsg.First(req.Headers(), "To") != "<sip:user.01@pbx.test>" ||
			sipmsg.First(req.Headers(), "Contact") != "<sip:user.01@192.168.1.1:5060>" {
			t.Error(req)
		}
		ids := map[string]bool{sipmsg.First(req.Headers(), "Call-ID"): true}
		for n := 2; n < 12; n++ {
			time.Sleep(time.Until(registrationOf(t, a).Next))
			synctest.Wait()
			if peer.count() != n {
				t.Fatalf("%d requests, want %d", peer.count(), n)
			}
			if p := peer.pause(); p < 50*time.Second || p > 80*time.Second {
				t.Errorf("refreshed after %v of 100 s", p)
			}
			ids[sipmsg.First(peer.last().Headers(), "Call-ID")] = true
			if got := sipmsg.First(peer.last().Headers(), "CSeq"); got != fmt.Sprintf("%d REGISTER", n) {
				t.Error(got)
			}
		}
		if len(ids) != 1 {
			t.Errorf("%d Call-IDs", len(ids))
		}
		n := peer.count()
		a.register()
		synctest.Wait()
		if peer.count() != n+1 || expiresOf(peer.last()) != "0" {
			t.Errorf("removed: %d requests more, the last %v", peer.count()-n, peer.last())
		}
	})
	if expiresOf(peer.last()) != "0" {
		t.Error("no good-bye")
	}
}

// Hundreds of accounts are no burst for the PBX, neither at the start nor after a link came back (B.1).
func TestRegistrationsAreSpread(t *testing.T) {
	const accounts = 200
	peer := &scripted{answer: always(200)}
	bubble(t, func(t *testing.T, a *Agent) {
		var list []registrationSpec
		for n := range accounts {
			list = append(list, testRegistration(peer, fmt.Sprintf("user.%d", n)))
		}
		for turn, start := range []func(){func() { a.register(list...) }, a.Refresh} {
			before := peer.count()
			start()
			time.Sleep(accounts * startSpread / 10)
			if n := peer.count() - before; n > accounts/4 {
				t.Errorf("turn %d: %d of %d in a tenth of the time", turn, n, accounts)
			}
			time.Sleep(accounts * startSpread)
			if n := peer.count() - before; n != accounts {
				t.Errorf("turn %d: %d of %d", turn, n, accounts)
			}
		}
	})
}

func TestRegisterAnswersTheChallenge(t *testing.T) {
	nonce := "1"
	peer := &scripted{}
	peer.answer = func(n int, req *sip.Request) (*sipmsg.Response, error) {
		auth := sipmsg.First(req.Headers(), "Authorization")
		switch {
		case auth == "":
			return response(401, "Unauthorized", `WWW-Authenticate: Digest realm="asterisk", nonce="`+nonce+`", algorithm=MD5, qop="auth"`), nil
		case param(auth, "nonce") != `"`+nonce+`"`:
			return response(401, "Unauthorized", `WWW-Authenticate: Digest realm="asterisk", nonce="`+nonce+`", algorithm=MD5, qop="auth", stale=true`), nil
		}
		return response(200, "OK", "Expires: 60"), nil
	}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(peer, "user.01"))
		time.Sleep(startSpread)
		if st := registrationOf(t, a); st.State != status.Registered || peer.count() != 2 {
			t.Fatalf("%+v after %d requests", st, peer.count())
		}
		time.Sleep(time.Until(registrationOf(t, a).Next)) // the nonce still holds
		if st := registrationOf(t, a); st.State != status.Registered || peer.count() != 3 || param(sipmsg.First(peer.last().Headers(), "Authorization"), "nc") != "00000002" {
			t.Fatalf("%+v after %d requests", st, peer.count())
		}
		peer.set(func() { nonce = "2" })
		time.Sleep(time.Until(registrationOf(t, a).Next)) // it is stale now
		if st := registrationOf(t, a); st.State != status.Registered || peer.count() != 5 {
			t.Fatalf("%+v after %d requests", st, peer.count())
		}
	})
	if expiresOf(peer.last()) != "0" || sipmsg.First(peer.last().Headers(), "Authorization") == "" {
		t.Error("no authorized good-bye")
	}
}

func TestGrantedTime(t *testing.T) {
	const ours = "sip:user.01@192.168.1.1:5060"
	for _, tc := range []struct {
		name string
		h    []string
		want time.Duration
	}{
		{"our contact among several", []string{"Contact: <sip:user.01@10.0.0.9>;expires=3600, <sip:user.01@192.168.1.1>;expires=120", "Contact: <sip:user.01@192.168.1.1:5070>;expires=7", "Expires: 9"}, 120},
		{"one header each", []string{"Contact: <sip:user.01@10.0.0.9>;expires=3600", `m: "x" <sip:user.01@192.168.1.1:5060;transport=udp>;q=0.5;Expires=90`}, 90},
		{"no parameter", []string{"Contact: <sip:user.01@192.168.1.1:5060>", "Expires: 50"}, 50},
		{"rewritten by NAT", []string{"Contact: <sip:user.01@203.0.113.1:40000>;expires=70", "Expires: 60"}, 70},
		{"rewritten, and shorter", []string{"Contact: <sip:user.01@203.0.113.9:34567>;expires=60"}, 60},
		{"rewritten, of several phones the shortest", []string{"Contact: <sip:user.01@203.0.113.9:34567>;expires=170, <sip:user.01@203.0.113.8>;expires=65, <sip:other@203.0.113.9>;expires=20"}, 65},
		{"rewritten whole", []string{"Contact: <sip:s1@203.0.113.9>;expires=100", "Contact: <sip:s2@203.0.113.9> ; expires = 90"}, 90},
		{"rewritten, without a parameter", []string{"Contact: <sip:user.01@203.0.113.9>", "Expires: 50"}, 50},
		{"another host in capitals", []string{"Contact: <sip:user.01@192.168.1.1>;expires=110, <sip:user.01@10.0.0.1>;expires=10"}, 110},
		{"longer than asked", []string{"Contact: <sip:user.01@192.168.1.1>;expires=4294967295"}, 180},
		{"longer than asked, in Expires", []string{"Expires: 4294967295"}, 180},
		{"nothing said", nil, 180},
		{"nonsense", []string{"Contact: <sip:user.01@192.168.1.1:5060>;expires=soon"}, 180},
		{"an empty one", []string{"Contact: <sip:user.01@192.168.1.1:5060>;expires=", "Expires: 70"}, 70},
		{"nonsense in Expires", []string{"Expires: Thu, 01 Jan 2026 00:00:00 GMT"}, 180},
		{"more than a number holds", []string{"Expires: 99999999999999"}, 180},
		{"more than a number holds, at the contact", []string{"Contact: <sip:user.01@203.0.113.9>;expires=99999999999999999999", "Expires: 60"}, 180},
		{"no time at all", []string{"Contact: <sip:user.01@192.168.1.1>;expires=0, <sip:user.01@10.0.0.1>;expires=60"}, 0},
		{"rewritten, beside one that has ended", []string{"Contact: <sip:user.01@203.0.113.9:1>;expires=0, <sip:user.01@203.0.113.9:2>;expires=60, <sip:user.01@203.0.113.9:3>;expires=0"}, 60},
	} {
		if got := grantedTime(response(200, "OK", tc.h...), ours, 180*time.Second); got != tc.want*time.Second {
			t.Errorf("%s: %v, want %v s", tc.name, got, int(tc.want))
		}
	}
}

func TestRegisterTooBrief(t *testing.T) {
	peer := &scripted{answer: func(n int, req *sip.Request) (*sipmsg.Response, error) {
		if expiresOf(req) != "600" && expiresOf(req) != "0" {
			return response(423, "Interval Too Brief", "Min-Expires: 600"), nil
		}
		return response(200, "OK", "Expires: 600"), nil
	}}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(peer, "user.01"))
		time.Sleep(startSpread)
		if st := registrationOf(t, a); st.State != status.Registered || peer.count() != 2 {
			t.Fatalf("%+v after %d requests", st, peer.count())
		}
		time.Sleep(time.Until(registrationOf(t, a).Next))
		if registrationOf(t, a); peer.count() != 3 {
			t.Errorf("the minimum was not kept: %d requests", peer.count())
		}
	})
}

func TestTooBriefWithoutSenseEndsTheAttempt(t *testing.T) {
	for _, h := range []string{"X: y", "Min-Expires: 10", "Min-Expires: 4000000000"} {
		peer := &scripted{answer: always(423, h)}
		bubble(t, func(t *testing.T, a *Agent) {
			a.register(testRegistration(peer, "user.01"))
			time.Sleep(startSpread)
			if st := registrationOf(t, a); st.State != status.RegistrationFailed || st.Code != 423 || peer.count() != 1 {
				t.Errorf("%s: %+v after %d requests", h, st, peer.count())
			}
		})
	}
}

// waits are the times from failure to failure, which a peer that never gives in gets.
func waits(t *testing.T, n int, answer func(int, *sip.Request) (*sipmsg.Response, error)) (list []time.Duration, last status.Registration) {
	peer := &scripted{answer: answer}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(peer, "user.01"))
		time.Sleep(startSpread)
		for len(list) < n {
			time.Sleep(time.Until(last.Next)) // not at all the first time
			last = registrationOf(t, a)
			list = append(list, time.Until(last.Next))
		}
	})
	if peer.count() > 0 && expiresOf(peer.last()) == "0" {
		t.Error("good-bye without a registration")
	}
	return list, last
}

func TestRetryTimes(t *testing.T) {
	unreachable := func(int, *sip.Request) (*sipmsg.Response, error) {
		return nil, &siptransport.Error{Op: "dial", Peer: "192.168.1.100:5060", Err: errors.New("connection refused")}
	}
	wrongPassword := func(n int, req *sip.Request) (*sipmsg.Response, error) {
		return response(401, "Unauthorized", fmt.Sprintf(`WWW-Authenticate: Digest realm="asterisk", nonce="%d"`, n)), nil
	}
	for _, tc := range []struct {
		name   string
		answer func(int, *sip.Request) (*sipmsg.Response, error)
		least  []int // seconds; at most a fifth more
	}{
		{"wrong password: ever slower, or the PBX bans us", wrongPassword, []int{10, 60, 300, 600, 900, 900}},
		{"forbidden", always(403), []int{10, 60, 300, 600, 900, 900}},
		{"unknown user", always(404), []int{10, 20, 40, 80, 120, 120}},
		{"decline", always(603), []int{10, 20, 40}},
		{"server error", always(500), []int{11, 11, 11, 11}},
		{"no answer", func(int, *sip.Request) (*sipmsg.Response, error) { return nil, sipdialog.ErrTimeout }, []int{12, 12, 12}},
		{"408", always(408), []int{12, 12}},
		{"not reachable: soon at first", unreachable, []int{1, 2, 4, 8, 12, 12}},
		{"Retry-After", always(503, "Retry-After: 100 (maintenance);duration=3"), []int{100, 100}},
		{"Retry-After is never longer than an hour", always(503, "Retry-After: 1000000"), []int{3600}},
		{"Retry-After shorter than our own", always(503, "Retry-After: 1"), []int{11}},
		{"registered for no time", always(200, "Expires: 0"), []int{10}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, last := waits(t, len(tc.least), tc.answer)
			for i, least := range tc.least {
				d := time.Duration(least) * time.Second
				if got[i] < d-startSpread || got[i] > d+d/5 {
					t.Errorf("wait %d is %v, want %v and up to a fifth more", i, got[i], d)
				}
			}
			if last.State != status.RegistrationFailed || last.Error == "" {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestRegistrationOutlivesAFailedRefresh(t *testing.T) {
	peer := &scripted{answer: always(200, "Expires: 100")}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(peer, "user.01"))
		time.Sleep(startSpread)
		next := registrationOf(t, a).Next
		peer.set(func() { peer.answer = always(500) })
		time.Sleep(time.Until(next))
		if st := registrationOf(t, a); st.State != status.Registered || st.Code != 500 || st.Error == "" {
			t.Errorf("refresh failed: %+v", st)
		}
		time.Sleep(51 * time.Second)
		if st := registrationOf(t, a); st.State != status.RegistrationFailed {
			t.Errorf("expired: %+v", st)
		}
		peer.set(func() { peer.answer = always(200) })
		time.Sleep(14 * time.Second)
		if st := registrationOf(t, a); st.State != status.Registered || st.Error != "" || st.Reason != "reason 200" {
			t.Errorf("back again: %+v", st)
		}
	})
}

func TestChangesOfTheConfiguration(t *testing.T) {
	peer := &scripted{answer: always(200), delay: 100 * time.Millisecond}
	bubble(t, func(t *testing.T, a *Agent) {
		one := testRegistration(peer, "user.01")
		a.register(one)
		time.Sleep(time.Second)
		a.register(one)
		time.Sleep(time.Second)
		if peer.count() != 1 {
			t.Fatalf("nothing changed, and %d requests", peer.count())
		}
		longer := one
		longer.lifetime = 300 * time.Second
		a.register(longer) // the same binding: taken over
		time.Sleep(time.Second)
		if peer.count() != 2 || expiresOf(peer.last()) != "300" {
			t.Fatalf("lifetime changed: %d requests, the last %v", peer.count(), peer.last())
		}
		moved := longer
		moved.contact = "sip:user.01@192.168.1.2:5060"
		a.register(moved) // another binding: the good-bye comes first
		time.Sleep(time.Second)
		if peer.count() != 4 || expiresOf(peer.reqs[2]) != "0" || expiresOf(peer.reqs[3]) != "300" {
			t.Fatalf("address changed: %v", peer.reqs[2:])
		}
		a.register()
		a.register(moved) // removed and put back in one paste
		time.Sleep(time.Second)
		if peer.count() != 6 || expiresOf(peer.reqs[4]) != "0" || expiresOf(peer.reqs[5]) != "300" {
			t.Fatalf("back again: %v", peer.reqs[4:])
		}
		two := testRegistration(peer, "user.02")
		a.register(moved, two)
		time.Sleep(time.Second)
		if peer.count() != 7 || len(a.Registrations()) != 2 {
			t.Errorf("one more identity: %d requests", peer.count())
		}
	})
	if n := peer.count(); n != 9 {
		t.Errorf("%d requests at the end", n)
	}
}

func TestGoodbyeDoesNotWaitForADeadRegistrar(t *testing.T) {
	peer := &scripted{answer: always(200)}
	bubble(t, func(t *testing.T, a *Agent) {
		for i := range 20 {
			a.registrations.Follow(append(specsOf(a), testRegistration(peer, fmt.Sprint("user", i))))
		}
		time.Sleep(time.Second)
		peer.set(func() { peer.delay = time.Hour })
		start := time.Now()
		a.Ending()
		if d := time.Since(start); d > goodbyeTime {
			t.Error(d)
		}
	})
}

func specsOf(a *Agent) (list []registrationSpec) {
	for _, r := range a.registrations.Workers() {
		list = append(list, r.spec)
	}
	return list
}

func TestRefreshAfterALinkFlap(t *testing.T) {
	good, bad := &scripted{answer: always(200)}, &scripted{answer: always(403)}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(good, "user.01"), testRegistration(bad, "user.02"))
		time.Sleep(time.Second)
		for range 3 {
			a.Refresh()
			time.Sleep(time.Second)
		}
		if good.count() != 4 || bad.count() != 1 {
			t.Errorf("the registered asked %d times, the refused %d times", good.count(), bad.count())
		}
		list := a.Registrations()
		if names := []string{list[0].Identity, list[1].Identity}; !slices.Equal(names, []string{"user.01", "user.02"}) || list[1].State != status.RegistrationFailed {
			t.Errorf("%+v", list)
		}
	})
}

// After a password was put right nobody wants to wait for the quarter of an hour that a refused one earns.
func TestRegisterNow(t *testing.T) {
	peer := &scripted{answer: always(403)}
	bubble(t, func(t *testing.T, a *Agent) {
		a.register(testRegistration(peer, "user.01"), testRegistration(peer, "user.02"))
		time.Sleep(10 * time.Minute)
		before := peer.count()
		peer.set(func() { peer.answer = always(200) })
		if n := a.RegisterNow("user.09"); n != 0 {
			t.Errorf("%d of an identity that nobody has", n)
		}
		if n := a.RegisterNow("user.01"); n != 1 {
			t.Errorf("%d", n)
		}
		synctest.Wait()
		list := a.Registrations()
		if peer.count() != before+1 || list[0].State != status.Registered || list[1].State != status.RegistrationFailed {
			t.Errorf("%d requests, %+v", peer.count()-before, list)
		}
		if n := a.RegisterNow(""); n != 2 {
			t.Errorf("%d of two", n)
		}
		synctest.Wait()
		if list := a.Registrations(); peer.count() != before+3 || list[1].State != status.Registered {
			t.Errorf("%d requests, %+v", peer.count()-before, list)
		}
	})
}

// Of the identities at one registrar one asks often: a PBX that has gone silent is known long before the registrations end.
func TestTheFirstIdentityOfARegistrarLeads(t *testing.T) {
	peer := &scripted{answer: always(200)}
	bubble(t, func(t *testing.T, a *Agent) {
		leader, other := testRegistration(peer, "user.01"), testRegistration(peer, "user.02")
		leader.lead = true
		a.register(leader, other)
		time.Sleep(time.Second)
		peer.set(func() {
			peer.answer = func(int, *sip.Request) (*sipmsg.Response, error) { return nil, sipdialog.ErrTimeout }
		})
		time.Sleep(leadInterval)
		synctest.Wait()
		list := a.Registrations()
		if list[0].State != status.Registered || list[0].Error == "" || list[1].Error != "" {
			t.Errorf("%+v", list)
		}
	})
}
