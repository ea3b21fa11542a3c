package sipevent

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
)

// subscribe is a SUBSCRIBE of the peer, with a Call-ID of its own.
func (b *bench) subscribe(user, extra string) string {
	b.seq++
	return fmt.Sprintf("SUBSCRIBE sip:%s@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKs%d;rport\nMax-Forwards: 70\nFrom: <sip:22@192.0.2.100>;tag=w%d\nTo: <sip:%s@192.0.2.1>\n"+
		"Call-ID: s%d\nCSeq: 1 SUBSCRIBE\nContact: <sip:22@192.0.2.100:5062>\nEvent: dialog\n%sContent-Length: 0\n\n", user, b.seq, b.seq, user, b.seq, extra)
}

// again is the next SUBSCRIBE in the dialog of one that was answered with ok.
func (b *bench) again(ok, extra string) string {
	b.seq++
	m := b.subscribe("21", extra)
	for name, value := range map[string]string{"From": field(ok, "From"), "To": field(ok, "To"), "Call-ID": field(ok, "Call-ID"), "CSeq": fmt.Sprintf("%d SUBSCRIBE", b.seq)} {
		_, rest, _ := strings.Cut(m, "\n"+name+": ")
		old, _, _ := strings.Cut(rest, "\n")
		m = strings.Replace(m, "\n"+name+": "+old+"\n", "\n"+name+": "+value+"\n", 1)
	}
	return m
}

// watches demands a 200 and the first NOTIFY, which is not answered.
func (b *bench) watches(m string) (ok, notify string) {
	b.Helper()
	b.put(m)
	list := b.sent()
	if len(list) != 2 || !strings.HasPrefix(list[0], "SIP/2.0 200 ") || !strings.HasPrefix(list[1], "NOTIFY ") {
		b.Fatalf("sent %q", list)
	}
	return list[0], list[1]
}

// says is what a NOTIFY says: subscription state, version and state of the line.
func says(b *bench, notify string) string {
	b.Helper()
	_, body, _ := strings.Cut(notify, "\r\n\r\n")
	state, _, _ := strings.Cut(field(notify, "Subscription-State"), ";expires")
	if field(notify, "Content-Type") == dialoginfo.TypePresence {
		p, err := dialoginfo.ParsePresence([]byte(body))
		return fmt.Sprint(state, " ", p.Open, " ", p.Activity, " ", p.Note, " ", err)
	}
	i, err := dialoginfo.Parse([]byte(body))
	if err != nil || !i.Full || len(i.Dialogs) != 1 {
		b.Fatalf("%v: %s", err, notify)
	}
	return fmt.Sprint(state, " ", i.Version, " ", i.Dialogs[0].State)
}

func anna(state config.PresenceState, busy bool) Publication {
	return Publication{Service: "TEAMS", Identity: "user.01", Extension: "21", State: state, Busy: busy}
}

func (b *bench) demand(got, want string) {
	b.Helper()
	if got != want {
		b.Errorf("%q, want %q", got, want)
	}
}

// A phone watches a user from its first SUBSCRIBE to its last, and sees each change once, with the version counted, and what is true at last when much
// happens at once.
func TestAPhoneWatches(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		ok, m := b.watches(strings.Replace(b.subscribe("21", "Expires: 600\nAccept: application/dialog-info+xml\nRecord-Route: <sip:192.0.2.100;lr>\nRecord-Route: <sip:192.0.2.66;lr>\n"), "Event: dialog", "Event: dialog;id=7", 1))
		if field(ok, "Expires") != "600" || !strings.Contains(field(ok, "Contact"), "sip:21@192.0.2.1") || tagOf(field(ok, "To")) == "" {
			t.Error(ok)
		}
		b.demand(says(b, m), "active 0 terminated")
		if field(m, "Event") != "dialog;id=7" || field(m, "Subscription-State") != "active;expires=600" || field(m, "From") != field(ok, "To") || field(m, "To") != field(ok, "From") ||
			field(m, "Call-ID") != field(ok, "Call-ID") || !strings.HasPrefix(m, "NOTIFY sip:22@192.0.2.100:5062 ") || strings.Count(m, "Route: ") != 2 || field(m, "Contact") == "" {
			t.Error(m)
		}
		b.agent.Publish(anna(config.InACall, true))
		b.agent.Publish(anna(config.Available, false))
		b.agent.Publish(anna(config.InACall, true))
		b.quiet(100 * time.Millisecond) // one NOTIFY at a time
		b.put(reply(m, "200 OK", "", ""))
		m = b.one("NOTIFY ")
		b.demand(says(b, m), "active 1 confirmed")
		b.put(reply(m, "200 OK", "", ""))
		b.agent.Publish(anna(config.InAConference, true)) // the same, for who sees dialogs
		b.quiet(time.Minute)
		if list := b.agent.Watchers(); len(list) != 1 || list[0].Notified != 2 || !list[0].Busy || list[0].User != "21" || list[0].Identity != "user.01" || list[0].Peer != "192.0.2.100" {
			t.Errorf("%+v", list)
		}

		refresh := func(extra string) string {
			return strings.Replace(b.again(ok, extra), "Event: dialog", "Event: dialog;id=7", 1)
		}
		_, m = b.watches(refresh("Expires: 120\n"))
		b.demand(says(b, m), "active 2 confirmed")
		b.put(reply(m, "200 OK", "", ""))
		b.put(refresh("Expires: 30\n"))
		if m := b.one("SIP/2.0 423 "); field(m, "Min-Expires") != "60" {
			t.Error(m)
		}
		b.put(strings.Replace(refresh(""), "Event: dialog;id=7", "Event: presence", 1))
		b.one("SIP/2.0 489 ")
		b.seq = 1
		b.put(strings.Replace(refresh(""), "branch=", "branch=z9hG4bK-late", 1))
		b.one("SIP/2.0 500 ")
		b.seq = 100
		_, m = b.watches(refresh("Expires: 0\n"))
		b.demand(says(b, m), "terminated;reason=timeout 3 confirmed")
		b.put(reply(m, "200 OK", "", ""))
		b.put(refresh("Expires: 600\n"))
		b.one("SIP/2.0 481 ")
		if len(b.agent.Watchers()) != 0 || b.agent.watching.Load() != 0 {
			t.Error("it is not over")
		}
	})
}

// The event presence has more to see, and a question without a lifetime is answered once. What is not refreshed ends.
func TestPresenceIsWatched(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		presence := func(m string) string { return strings.Replace(m, "Event: dialog", "Event: presence", 1) }
		b.agent.Publish(anna(config.InACall, true))
		_, m := b.watches(presence(b.subscribe("user.01", "Expires: 60\n")))
		b.demand(says(b, m), "active true on-the-phone in-a-call <nil>")
		b.put(reply(m, "200 OK", "", ""))
		b.agent.Publish(anna(config.DoNotDisturb, true))
		m = b.one("NOTIFY ")
		b.demand(says(b, m), "active true busy do-not-disturb <nil>")
		b.put(reply(m, "200 OK", "", ""))
		_, q := b.watches(presence(b.subscribe("21", "Expires: 0\n")))
		b.demand(says(b, q), "terminated;reason=timeout true busy do-not-disturb <nil>")
		b.put(reply(q, "200 OK", "", ""))
		gone := anna("", false)
		gone.Gone = true
		b.agent.Publish(gone)
		m = b.one("NOTIFY ")
		b.demand(says(b, m), "active true   <nil>")
		b.put(reply(m, "200 OK", "", ""))
		time.Sleep(time.Minute)
		m = b.one("NOTIFY ")
		b.demand(says(b, m), "terminated;reason=timeout true   <nil>")
		b.put(reply(m, "481 Gone", "", ""))
		if len(b.agent.Watchers()) != 0 {
			t.Error("it is not over")
		}
	})
}

func TestSubscriptionsThatAreNotTaken(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		for name, c := range map[string]struct{ m, want string }{
			"too short":        {b.subscribe("21", "Expires: 59\n"), "423"},
			"nobody":           {b.subscribe("99", ""), "404"},
			"no name":          {strings.Replace(b.subscribe("21", ""), "SUBSCRIBE sip:21@", "SUBSCRIBE sip:", 1), "404"},
			"another event":    {strings.Replace(b.subscribe("21", ""), "Event: dialog", "Event: message-summary", 1), "489"},
			"another document": {b.subscribe("21", "Accept: application/xpidf+xml\n"), "406"},
			"no such dialog":   {strings.Replace(b.subscribe("21", ""), "To: <sip:21@192.0.2.1>", "To: <sip:21@192.0.2.1>;tag=x", 1), "481"},
			"no Contact":       {strings.Replace(b.subscribe("21", ""), "Contact: ", "X-Contact: ", 1), "400"},
			"a hostile id":     {strings.Replace(b.subscribe("21", ""), "Event: dialog", `Event: dialog;id="a;b"`, 1), "400"},
			"more than fits":   {b.subscribe("21", "Record-Route: <sip:"+strings.Repeat("x", mostLong)+";lr>\n"), "400"},
			"more in its From": {strings.Replace(b.subscribe("21", ""), "From: <sip:22@", `From: "`+strings.Repeat("x", mostLong)+`" <sip:22@`, 1), "400"},
		} {
			b.put(c.m)
			m := b.one("SIP/2.0 ")
			if !strings.HasPrefix(m, "SIP/2.0 "+c.want+" ") || c.want == "489" && field(m, "Allow-Events") != "dialog, presence" {
				t.Errorf("%s: %s", name, m)
			}
		}
		if list := b.agent.Watchers(); len(list) != 0 || b.agent.watching.Load() != 0 {
			t.Errorf("%+v", list)
		}
	})
	for name, change := range map[string]func(*config.Config, *config.SIPInterface){
		"no presence-service": func(c *config.Config, i *config.SIPInterface) { served(c, i); i.Presence.Name = "" },
		"shut down":           func(c *config.Config, i *config.SIPInterface) { served(c, i); c.Presence[0].Enabled = false },
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, change, func(b *bench) {
				b.put(b.subscribe("21", ""))
				b.one("SIP/2.0 489 ")
				b.put(strings.Replace(b.subscribe("21", ""), "Event: dialog", "Event: message-summary", 1))
				b.one("SIP/2.0 489 ")
			})
		})
	}
}

const mostLong = 5000

// Whoever does not take a NOTIFY is told nothing more, but for one who says when he will.
func TestWatchersThatDoNotAnswer(t *testing.T) {
	for answer, want := range map[string]bool{"481 Gone": false, "404 Not Found": false, "500 Error": false, "": false, "503 Later": true} {
		t.Run(answer, func(t *testing.T) {
			onPaper(t, served, func(b *bench) {
				_, m := b.watches(b.subscribe("21", "Expires: 600\n"))
				extra := ""
				if want {
					extra = "Retry-After: 20\n"
				}
				if answer != "" {
					b.put(reply(m, answer, "", extra))
				} else {
					time.Sleep(33 * time.Second)
					b.sent()
				}
				b.agent.Publish(anna(config.InACall, true))
				b.quiet(19 * time.Second)
				if (len(b.agent.Watchers()) == 1) != want {
					t.Errorf("%+v", b.agent.Watchers())
				}
				if want {
					b.demand(says(b, b.next(2*time.Second, "NOTIFY ")), "active 1 confirmed")
				}
			})
		})
	}
}

// A line that is removed, and the end of the box, end subscriptions; phones are told to come again.
func TestSubscriptionsEndWithTheLine(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"no use presence-service": func(b *bench) {
			i := *b.cfg.CS[0].Interfaces[0]
			i.Presence.Name = ""
			c := *b.cfg
			c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{&i}}}
			b.apply(&c)
		},
		"another service": func(b *bench) {
			i := *b.cfg.CS[0].Interfaces[0]
			i.Presence.Name = "OTHER"
			other := *b.cfg.Presence[0]
			other.Name = "OTHER"
			c := *b.cfg
			c.Presence = append(c.Presence[:1:1], &other)
			c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{&i}}}
			b.apply(&c)
		},
		"the end": func(b *bench) { b.agent.Ending() },
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, served, func(b *bench) {
				ok, m := b.watches(b.subscribe("21", "Expires: 600\n"))
				b.put(reply(m, "200 OK", "", ""))
				var group = make(chan struct{})
				go func() { defer close(group); end(b) }()
				m = b.one("NOTIFY ")
				b.demand(says(b, m), "terminated;reason=deactivated 1 terminated")
				b.put(reply(m, "200 OK", "", ""))
				<-group
				b.put(b.again(ok, ""))
				b.one("SIP/2.0 481 ")
				b.put(b.subscribe("21", ""))
				switch m := b.sent()[0]; {
				case name == "the end" && (!strings.HasPrefix(m, "SIP/2.0 503 ") || field(m, "Retry-After") != "60"), name == "no use presence-service" && !strings.HasPrefix(m, "SIP/2.0 489 "):
					t.Error(m)
				}
			})
		})
	}
}

// One who may not speak for a peer changes nothing of its subscriptions.
func TestOthersDoNotRefresh(t *testing.T) {
	onPaper(t, func(c *config.Config, i *config.SIPInterface) {
		served(c, i)
		other := *i
		other.Name, other.Remote.Host = "other", "192.0.2.200"
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &other)
	}, func(b *bench) {
		ok, m := b.watches(b.subscribe("21", "Expires: 600\n"))
		b.put(reply(m, "200 OK", "", ""))
		b.putFrom(netip.MustParseAddrPort("192.0.2.200:5060"), b.again(ok, "Expires: 0\n"))
		b.one("SIP/2.0 403 ")
		if len(b.agent.Watchers()) != 1 {
			t.Error("it is over")
		}
	})
}

func TestSubscriptionsHaveBounds(t *testing.T) {
	onPaper(t, served, func(b *bench) {
		n, _ := b.agent.notifiers.Find("gw")
		synctest.Wait()
		n.mu.Lock()
		n.bySource["192.0.2.100"] = mostOfSource
		n.mu.Unlock()
		b.put(b.subscribe("21", ""))
		if m := b.one("SIP/2.0 503 "); field(m, "Retry-After") == "" {
			t.Error(m)
		}
		n.mu.Lock()
		n.bySource["192.0.2.100"] = 0
		n.mu.Unlock()
		b.agent.watching.Store(mostWatchers)
		b.put(b.subscribe("21", ""))
		b.one("SIP/2.0 503 ")
		b.agent.watching.Store(mostWatchers - 1)
		b.watches(b.subscribe("21", ""))
	})
}

// Nobody has the box send to strangers: a NOTIFY goes to a route or a Contact only if that is an address of the peer.
func TestNotifyGoesToThePeer(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"Contact":          {"", "", "192.0.2.100:5062"},
		"foreign Contact":  {"<sip:22@192.0.2.100:5062>", "<sip:22@203.0.113.9:5062>", "192.0.2.100:5060"},
		"name as Contact":  {"<sip:22@192.0.2.100:5062>", "<sip:22@phone.test>", "192.0.2.100:5060"},
		"route":            {"Contact: ", "Record-Route: <sip:192.0.2.100:5066;lr>\nContact: ", "192.0.2.100:5066"},
		"foreign route":    {"Contact: ", "Record-Route: <sip:203.0.113.9:5066;lr>\nContact: ", "192.0.2.100:5060"},
		"name as a route":  {"Contact: ", "Record-Route: <sip:proxy.test;lr>\nContact: ", "192.0.2.100:5060"},
		"a strict router":  {"Contact: ", "Record-Route: <sip:203.0.113.9:5066>\nContact: ", "192.0.2.100:5060"},
		"route of another": {"Contact: ", "Record-Route: <sip:192.0.2.1:5060;lr>\nContact: ", "192.0.2.100:5060"},
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, served, func(b *bench) {
				b.watches(strings.Replace(b.subscribe("21", ""), c.old, c.new, 1))
				b.paper.mu.Lock()
				to := b.paper.to
				b.paper.mu.Unlock()
				b.demand(to.String(), c.want)
			})
		})
	}
}
