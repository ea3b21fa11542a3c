package sipevent

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/status"
)

// subscribed is a subscription that has been taken and told that the line is free.
func (b *bench) subscribed() (subscribe string) {
	b.Helper()
	subscribe = b.next(20*time.Second, "SUBSCRIBE sip:user.01@192.0.2.100 ")
	b.put(reply(subscribe, "200 OK", "pbx", contact+"Expires: 600\n"))
	b.put(b.notify(subscribe, "pbx", "active;expires=600", full(0)))
	b.one("SIP/2.0 200 ")
	if told := b.told(); told != "user.01 free" {
		b.Fatal(told)
	}
	return subscribe
}

func TestSubscriptionTellsTheLine(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		req := b.next(20*time.Second, "SUBSCRIBE sip:user.01@192.0.2.100 SIP/2.0")
		if field(req, "Event") != "dialog" || field(req, "Accept") != "application/dialog-info+xml" || field(req, "Expires") != "600" || field(req, "Contact") != "<sip:user.01@192.0.2.1:5060>" {
			t.Error(req)
		}
		b.is(status.Subscribing)
		b.put(reply(req, "401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"1\", algorithm=MD5\n"))
		again := b.one("SUBSCRIBE ")
		if !strings.Contains(field(again, "Authorization"), `username="user.01"`) || field(again, "CSeq") != "2 SUBSCRIBE" || field(again, "Call-ID") != field(req, "Call-ID") {
			t.Error(again)
		}
		b.put(reply(again, "200 OK", "pbx", contact+"Expires: 300\n"))
		b.is(status.SubscriptionPending)
		for _, step := range []struct {
			info *dialoginfo.Info
			want string
		}{
			{full(0), "user.01 free"}, {full(1, dialoginfo.Early), ""}, {full(2, dialoginfo.Confirmed), "user.01 busy [{c0 sip:22@192.0.2.100}]"}, {full(3, dialoginfo.Confirmed), ""}, {nil, ""},
			{full(4, dialoginfo.Confirmed, dialoginfo.Confirmed), "user.01 busy [{c0 sip:22@192.0.2.100} {c1 sip:22@192.0.2.100}]"}, {full(5, dialoginfo.Terminated), "user.01 free"},
		} {
			b.put(b.notify(again, "pbx", "active", step.info))
			b.one("SIP/2.0 200 ")
			if told := b.told(); told != step.want {
				t.Errorf("%+v: told %q, want %q", step.info, told, step.want)
			}
		}
		if st := b.is(status.SubscriptionActive); st.Notified != 7 || time.Until(st.Expires) > 300*time.Second || st.Resource != "sip:user.01@192.0.2.100" || st.Code != 200 {
			t.Errorf("%+v", st)
		}
		began := time.Now()
		refresh := b.next(300*time.Second, "SUBSCRIBE sip:21@192.0.2.100:5060 ")
		if d := time.Since(began); d < 149*time.Second || d > 241*time.Second || tagOf(field(refresh, "To")) != "pbx" || field(refresh, "CSeq") != "3 SUBSCRIBE" || field(refresh, "From") != field(req, "From") {
			t.Errorf("after %v: %s", d, refresh)
		}
		b.put(reply(refresh, "200 OK", "", contact+"Expires: 300\n"))
		b.quiet(100 * time.Second)

		b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
	})
}

// What ends a dialog, and what only fails: the next request tells.
func TestRefreshThatIsRefused(t *testing.T) {
	for answer, want := range map[string]struct {
		anew bool
		told string
	}{
		"481 Call/Transaction Does Not Exist": {true, "user.01 unknown"}, "489 Bad Event": {true, "user.01 unknown"}, "404 Not Found": {true, "user.01 unknown"},
		"500 Server Internal Error": {false, ""}, "503 Service Unavailable": {false, ""}, "403 Forbidden": {false, ""},
	} {
		t.Run(answer, func(t *testing.T) {
			onPaper(t, nil, func(b *bench) {
				first := b.subscribed()
				refresh := b.next(600*time.Second, "SUBSCRIBE ")
				b.put(reply(refresh, answer, "", ""))
				if told := b.told(); told != want.told {
					t.Errorf("told %q", told)
				}
				next := b.next(20*time.Second, "SUBSCRIBE ")
				if anew := field(next, "Call-ID") != field(first, "Call-ID"); anew != want.anew || anew == strings.Contains(field(next, "To"), ";tag=") {
					t.Error(next)
				}
				b.answers(func(m string) string { return reply(m, "200 OK", "x", contact) })
			})
		})
	}
}

// A PBX that is gone is noticed when the subscription expires, and not before.
func TestSilentPBX(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		req := b.subscribed()
		b.put(b.notify(req, "pbx", "active", full(1, dialoginfo.Confirmed)))
		b.told()
		expires := b.is(status.SubscriptionActive).Expires
		time.Sleep(time.Until(expires) - time.Second)
		if told := b.told(); told != "" {
			t.Errorf("before its end: %s", told)
		}
		time.Sleep(40 * time.Second)
		if told := b.told(); told != "user.01 unknown" {
			t.Errorf("after its end: %q", told)
		}
		b.is(status.SubscriptionFailed)
		for range 3 {
			time.Sleep(time.Hour)
		}
		if n := strings.Count(b.log.String(), "\n"); n > 3 {
			t.Errorf("%d lines of log:\n%s", n, b.log.String())
		}
		b.sent()
		b.answers(func(m string) string { return reply(m, "200 OK", "pbx", contact) })
	})
}

func TestFirstAnswers(t *testing.T) {
	for answer, want := range map[string]struct {
		state       status.SubscriptionState
		least, most time.Duration // until the next request
		why         string
	}{
		"489 Bad Event":             {status.SubscriptionRefused, time.Hour, 67 * time.Minute, "the PBX does not tell who is on the phone: 489 Bad Event"},
		"405 Method Not Allowed":    {status.SubscriptionRefused, time.Hour, 67 * time.Minute, "the PBX does not tell who is on the phone: 405 Method Not Allowed"},
		"404 Not Found":             {status.SubscriptionFailed, leastPause, 2 * leastPause, "404 Not Found"},
		"403 Forbidden":             {status.SubscriptionFailed, leastPause, 2 * leastPause, "403 Forbidden"},
		"500 Server Internal Error": {status.SubscriptionFailed, leastPause, 2 * leastPause, "500 Server Internal Error"},
		"503 Busy\nRetry-After: 90": {status.SubscriptionFailed, 90 * time.Second, 92 * time.Second, "503 Busy"},
	} {
		t.Run(answer, func(t *testing.T) {
			onPaper(t, nil, func(b *bench) {
				req := b.next(20*time.Second, "SUBSCRIBE ")
				b.put(reply(req, answer, "x", ""))
				began := time.Now()
				if st := b.is(want.state); st.Error != want.why {
					t.Errorf("%+v", st)
				}
				next := b.next(2*time.Hour, "SUBSCRIBE ")
				if d := time.Since(began); d < want.least || d > want.most || field(next, "Call-ID") == field(req, "Call-ID") {
					t.Errorf("after %v", d)
				}
				b.put(reply(next, "423 Interval Too Brief", "x", "Min-Expires: 1800\n"))
				longer := b.one("SUBSCRIBE ")
				if field(longer, "Expires") != "1800" {
					t.Error(longer)
				}
				b.put(reply(longer, "200 OK", "pbx", contact+"Expires: 1800\n"))
				b.put(b.notify(longer, "pbx", "active;expires=1800", full(0)))
				b.one("SIP/2.0 200 ")
				if st := b.is(status.SubscriptionActive); st.Error != "" {
					t.Errorf("%+v", st)
				}
				b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
			})
		})
	}
}

// A PBX that wants a password of an identity without account, or another one, is not asked all the time: it would ban the box.
func TestWrongPassword(t *testing.T) {
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) { c.Auth = nil }, func(b *bench) {
		b.answers(func(m string) string {
			return reply(m, "401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"1\"\n")
		})
		time.Sleep(4 * time.Hour)
		if n := len(b.sent()); n < 8 || n > 30 {
			t.Errorf("%d requests in four hours", n)
		}
		if st := b.is(status.SubscriptionFailed); !strings.Contains(st.Error, "no account") || st.Code != 401 {
			t.Errorf("%+v", st)
		}
	})
}

func TestNOTIFYThatEndsIt(t *testing.T) {
	for state, want := range map[string]struct {
		state       status.SubscriptionState
		least, most time.Duration
		why         string
	}{
		"terminated;reason=deactivated":               {status.Subscribing, resumePause, 6 * resumePause, ""},
		"terminated;reason=timeout;expires=0":         {status.Subscribing, resumePause, 6 * resumePause, ""},
		"terminated;reason=probation;retry-after=120": {status.SubscriptionFailed, 120 * time.Second, 121 * time.Second, "the PBX has ended the subscription: probation"},
		"Terminated":                   {status.SubscriptionFailed, leastPause, 2 * leastPause, "the PBX has ended the subscription: it gives no reason"},
		"terminated;reason=rejected":   {status.SubscriptionRefused, time.Hour, time.Hour + time.Second, "the PBX has ended the subscription: this account may not see who is on the phone (rejected)"},
		"terminated;reason=noresource": {status.SubscriptionRefused, time.Hour, time.Hour + time.Second, "the PBX has ended the subscription: it knows no such extension, or has no hint for it (noresource)"},
	} {
		t.Run(state, func(t *testing.T) {
			onPaper(t, nil, func(b *bench) {
				req := b.subscribed()
				time.Sleep(2 * time.Minute)
				b.put(b.notify(req, "pbx", state, nil))
				b.one("SIP/2.0 200 ")
				began := time.Now()
				if told := b.told(); told != "user.01 unknown" {
					t.Errorf("told %q", told)
				}
				if st := b.is(want.state); st.Error != want.why {
					t.Errorf("%+v", st)
				}
				b.put(b.notify(req, "pbx", "active", full(1)))
				b.one("SIP/2.0 481 ")
				next := b.next(2*time.Hour, "SUBSCRIBE ")
				if d := time.Since(began); d < want.least || d > want.most || field(next, "Call-ID") == field(req, "Call-ID") {
					t.Errorf("after %v: %s", d, next)
				}
				b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
				b.put(reply(next, "200 OK", "pbx", contact))
			})
		})
	}
}

// A PBX that takes each subscription and ends it at once is asked ever more slowly.
func TestSubscriptionThatEndsAtOnce(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		n := 0
		for end := time.Now().Add(3 * time.Hour); time.Now().Before(end); n++ {
			req := b.next(time.Hour, "SUBSCRIBE ")
			b.put(reply(req, "200 OK", "pbx", contact))
			b.put(b.notify(req, "pbx", "terminated;reason=deactivated", nil))
			b.one("SIP/2.0 200 ")
		}
		if n > 25 {
			t.Errorf("%d subscriptions in three hours", n)
		}
	})
}

// The first NOTIFY may overtake the 200, and a fork's comes from another side: the first that comes has the subscription.
func TestNOTIFYBeforeTheAnswerAndOfAFork(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		req := b.next(20*time.Second, "SUBSCRIBE ")
		b.put(b.notify(req, "one", "active;expires=600", full(0, dialoginfo.Confirmed)))
		b.one("SIP/2.0 200 ")
		if told := b.told(); told != "user.01 busy [{c0 sip:22@192.0.2.100}]" {
			t.Error(told)
		}
		b.put(b.notify(req, "two", "active;expires=600", full(0)))
		b.one("SIP/2.0 481 ")
		b.put(reply(req, "200 OK", "two", contact+"Expires: 600\n")) // the proxy passes on that of the other
		if told := b.told(); told != "" {
			t.Error(told)
		}
		if refresh := b.next(600*time.Second, "SUBSCRIBE "); tagOf(field(refresh, "To")) != "one" {
			t.Error(refresh)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
	})
}

func TestSubscriptionWithoutNOTIFY(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		req := b.next(20*time.Second, "SUBSCRIBE ")
		b.put(reply(req, "202 Accepted", "pbx", contact))
		b.quiet(31 * time.Second)
		b.is(status.SubscriptionPending)
		next := b.next(20*time.Second, "SUBSCRIBE ")
		if field(next, "Call-ID") == field(req, "Call-ID") {
			t.Error(next)
		}
		if st := b.is(status.SubscriptionFailed); st.Error != "the PBX has taken the subscription and sent no NOTIFY" {
			t.Errorf("%+v", st)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
		b.put(reply(next, "403 Forbidden", "pbx", ""))
	})
}

// What nobody asked for, what others say, and what is not understood.
func TestNOTIFYsThatAreNotTaken(t *testing.T) {
	onPaper(t, func(_ *config.Config, i *config.SIPInterface) {
		i.Trust = append(i.Trust, config.Source{Prefix: netip.MustParsePrefix("198.51.100.0/24")})
	}, func(b *bench) {
		req := b.subscribed()
		for name, c := range map[string]struct{ m, want string }{
			"another event":           {strings.Replace(b.notify(req, "pbx", "active", full(1)), "Event: dialog", "Event: presence", 1), "489"},
			"another type":            {strings.Replace(b.notify(req, "pbx", "active", full(1)), "dialog-info+xml", "pidf+xml", 1), "415"},
			"another dialog":          {strings.Replace(b.notify(req, "pbx", "active", full(1)), field(req, "Call-ID"), "other", 1), "481"},
			"another tag of theirs":   {b.notify(req, "fork", "active", full(1)), "481"},
			"nobody has asked for it": {strings.Replace(b.notify(req, "pbx", "active", nil), ";tag="+tagOf(field(req, "From")), "", 1), "200"},
		} {
			b.put(c.m)
			if m := b.one("SIP/2.0 "); !strings.HasPrefix(m, "SIP/2.0 "+c.want+" ") {
				t.Errorf("%s: %s", name, m)
			}
		}
		old := b.notify(req, "pbx", "active", full(1, dialoginfo.Confirmed))
		b.put(b.notify(req, "pbx", "active", full(2)))
		b.one("SIP/2.0 200 ")
		b.put(old)
		b.one("SIP/2.0 500 ")
		if told := b.told(); told != "" {
			t.Error(told)
		}
		for range 2 {
			b.put(b.notifyText(req, "pbx", "active", "Content-Type: application/dialog-info+xml\n", "<busy/>"))
			b.one("SIP/2.0 200 ")
		}
		if told := b.told(); told != "user.01 unknown" {
			t.Error(told)
		}
		if st := b.is(status.SubscriptionActive); !strings.Contains(st.Error, "not understood") || strings.Count(b.log.String(), "not understood") != 1 {
			t.Errorf("%+v\n%s", st, b.log.String())
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
	})
}

// A peer that is trusted with its own calls has no business with the subscriptions at another.
func TestNOTIFYOfAnotherPeer(t *testing.T) {
	other := &config.SIPInterface{Context: "SWITCH", Name: "other", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"}, Trust: []config.Source{{Remote: true}}}
	other.SetDefaults()
	other.Remote = config.HostPort{Host: "192.0.2.66", Port: 5060}
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) {
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, other)
	}, func(b *bench) {
		req := b.subscribed()
		b.putFrom(netip.MustParseAddrPort("192.0.2.66:5060"), b.notify(req, "pbx", "active", full(1, dialoginfo.Confirmed)))
		b.one("SIP/2.0 403 ")
		if told := b.told(); told != "" {
			t.Error(told)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
	})
}

// A partial document that has been missed is asked for, and not all the time.
func TestPartialStates(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		req := b.subscribed()
		partial := func(version uint64, s dialoginfo.State) *dialoginfo.Info {
			i := full(version, s)
			i.Full = false
			return i
		}
		b.put(b.notify(req, "pbx", "active", partial(1, dialoginfo.Confirmed)))
		b.one("SIP/2.0 200 ")
		if told := b.told(); told != "user.01 busy [{c0 sip:22@192.0.2.100}]" {
			t.Error(told)
		}
		b.put(b.notify(req, "pbx", "active", partial(3, dialoginfo.Terminated)))
		b.one("SIP/2.0 200 ")
		refresh := b.next(2*missedPause, "SUBSCRIBE ")
		b.put(reply(refresh, "200 OK", "", contact+"Expires: 600\n"))
		b.put(b.notify(req, "pbx", "active", partial(9, dialoginfo.Terminated)))
		b.one("SIP/2.0 200 ")
		b.quiet(50 * time.Second)
		b.put(b.notify(req, "pbx", "active", full(10)))
		b.one("SIP/2.0 200 ")
		if told := b.told(); told != "user.01 free" {
			t.Error(told)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "", contact) })
	})
}

// The PBX is told when nobody listens any more: the identity, its gateway or the box has gone.
func TestSubscriptionsEnd(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		req := b.subscribed()
		b.answers(func(m string) string { return reply(m, "200 OK", "pbx", contact) })
		none := *b.cfg
		none.Location = nil
		b.apply(&none)
		if bye := b.one("SUBSCRIBE sip:21@192.0.2.100:5060 "); field(bye, "Expires") != "0" || field(bye, "Call-ID") != field(req, "Call-ID") || len(b.agent.Subscriptions()) != 0 {
			t.Error(bye)
		}
		if told := b.told(); told != "user.01 unknown" {
			t.Error(told)
		}
		b.put(b.notify(req, "pbx", "terminated;reason=timeout", nil))
		b.one("SIP/2.0 481 ")

		b.apply(b.cfg)
		next := b.next(20*time.Second, "SUBSCRIBE ")
		b.put(b.notify(next, "pbx", "active", full(0)))
		b.one("SIP/2.0 200 ")
		b.apply(b.cfg) // the same
		b.quiet(time.Minute)
		down := *b.cfg
		gw := *b.cfg.Gateways[0]
		gw.Enabled = false
		down.Gateways = []*config.SIPGateway{&gw}
		b.apply(&down)
		if bye := b.one("SUBSCRIBE "); field(bye, "Expires") != "0" || field(bye, "Call-ID") != field(next, "Call-ID") {
			t.Error(bye)
		}
	})
}

// An identity may have another extension than its name.
func TestExtension(t *testing.T) {
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) {
		c.Presence = []*config.PresenceService{{Name: "TEAMS", Users: []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.01", Extension: "21"}}}}
	}, func(b *bench) {
		req := b.next(20*time.Second, "SUBSCRIBE sip:21@192.0.2.100 ")
		if !strings.HasPrefix(field(req, "From"), "<sip:user.01@192.0.2.100>;tag=") || field(req, "To") != "<sip:21@192.0.2.100>" {
			t.Error(req)
		}
		b.put(reply(req, "500 Later", "x", ""))
	})
}

// A thousand identities are no burst, whatever the PBX does.
func TestSubscriptionsAreSpread(t *testing.T) {
	const many = 1000
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) {
		for n := range many - 1 {
			c.Location[0].Identities = append(c.Location[0].Identities, identity(fmt.Sprintf("user.x%d", n)))
		}
	}, func(b *bench) {
		var subscribes []string
		most := 0
		collect := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				time.Sleep(100 * time.Millisecond)
				list := slices.DeleteFunc(b.sent(), func(m string) bool { return !strings.HasPrefix(m, "SUBSCRIBE ") })
				most = max(most, len(list))
				subscribes = append(subscribes, list...)
			}
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "pbx", contact+"Expires: 600\n") })
		collect(16 * time.Second)
		if len(subscribes) != many || most > many/20 {
			t.Fatalf("%d SUBSCRIBEs, %d in a tenth of a second", len(subscribes), most)
		}
		for _, m := range subscribes {
			b.put(b.notify(m, "pbx", "active;expires=600", full(0)))
		}
		b.sent()
		for _, st := range b.agent.Subscriptions() {
			if st.State != status.SubscriptionActive {
				t.Fatalf("%+v", st)
			}
		}
		subscribes, most = nil, 0
		collect(10 * time.Minute)
		if len(subscribes) < many || most > many/20 {
			t.Errorf("%d refreshes, %d in a tenth of a second", len(subscribes), most)
		}
	})
}

func TestLostSubscriptionsAreTriedWhenALinkIsBack(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		b.put(reply(b.next(20*time.Second, "SUBSCRIBE "), "489 Bad Event", "x", ""))
		b.quiet(10 * time.Minute)
		b.agent.Refresh()
		synctest.Wait()
		b.put(reply(b.next(time.Second, "SUBSCRIBE "), "489 Bad Event", "x", ""))
		b.is(status.SubscriptionRefused)
	})
}
