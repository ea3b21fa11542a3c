package sipevent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// withPhones adds an interface of phones, 198.51.100.0/24, with the identities 21 (also +4972115104221) and 22, whose mailboxes are told. At the PBX the box
// is 21 and 30.
func withPhones(c *config.Config, i *config.SIPInterface) {
	p := &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: i.Gateway, Trust: []config.Source{{Prefix: netip.MustParsePrefix("198.51.100.0/24")}}}
	p.SetDefaults()
	p.Phones.Name = "desks"
	c.CS[0].Interfaces = append(c.CS[0].Interfaces, p)
	at := func(name string, dialog bool) *config.Identity {
		return &config.Identity{Name: name, IdentitySettings: config.IdentitySettings{SubscribeDialog: dialog, Registration: &config.Registration{Auto: true}}}
	}
	c.Location[0].Identities = []*config.Identity{at("21", true), at("30", true), at("40", false)}
	inbound := &config.RegistrationInbound{}
	inbound.SetDefaults()
	c.Location = append(c.Location, &config.LocationService{Name: "desks", Domains: []config.Domain{{Index: 1, Host: "box.test"}}, Identities: []*config.Identity{
		{Name: "21", Aliases: []string{"+4972115104221"}, IdentitySettings: config.IdentitySettings{MessageWaiting: true, Inbound: inbound}},
		{Name: "22", IdentitySettings: config.IdentitySettings{MessageWaiting: true, Inbound: inbound}},
		{Name: "23", IdentitySettings: config.IdentitySettings{Inbound: inbound}},
	}})
}

var desk22 = netip.MustParseAddrPort("198.51.100.22:1024")

// asks is a SUBSCRIBE of the phone 22.
func (b *bench) asks(event, user, extra string) string {
	m := b.subscribe(user, extra)
	m = strings.ReplaceAll(m, "192.0.2.100", "198.51.100.22")
	return strings.Replace(m, "Event: dialog\n", "Event: "+event+"\n", 1)
}

// lamp demands a 200 and the first NOTIFY, at the phone 22.
func (b *bench) lamp(event, user string) (ok, notify string) {
	b.Helper()
	b.putFrom(desk22, b.asks(event, user, "Expires: 600\n"))
	list := b.sent()
	if len(list) != 2 || !strings.HasPrefix(list[0], "SIP/2.0 200 ") || !strings.HasPrefix(list[1], "NOTIFY ") {
		b.Fatalf("sent %q", list)
	}
	return list[0], list[1]
}

// ok answers a NOTIFY from the phone 22.
func (b *bench) ok(notify string) { b.putFrom(desk22, reply(notify, "200 OK", "", "")) }

// lit is what a NOTIFY shows, a dialog a word.
func (b *bench) lit(notify string) string {
	b.Helper()
	_, body, _ := strings.Cut(notify, "\r\n\r\n")
	i, err := dialoginfo.Parse([]byte(body))
	if err != nil || !i.Full {
		b.Fatalf("%v: %s", err, notify)
	}
	var list []string
	for _, d := range i.Dialogs {
		list = append(list, fmt.Sprintf("%s/%s/%s/%s", d.ID, d.Direction, d.State, d.Remote.URI))
	}
	return fmt.Sprint(i.Version, " ", strings.Join(list, " "))
}

func call(id string, direction dialoginfo.Direction, state dialoginfo.State, remote string) dialoginfo.Dialog {
	return dialoginfo.Dialog{ID: id, CallID: id + "@box", LocalTag: "phone", RemoteTag: "ours", Direction: direction, State: state, Remote: dialoginfo.Party{URI: remote, Name: "Ben"}}
}

// notifies takes so many NOTIFYs that were sent, in order, and one 200 to what the PBX has said, whichever came first.
func (b *bench) notifies(n int) (list []string) {
	b.Helper()
	all := b.sent()
	for _, m := range all {
		if strings.HasPrefix(m, "NOTIFY ") {
			list = append(list, m)
		} else if !strings.HasPrefix(m, "SIP/2.0 200 ") {
			b.Fatalf("sent %q", all)
		}
	}
	if len(list) != n || len(all) != n+1 {
		b.Fatalf("sent %q, want %d NOTIFYs and a 200", all, n)
	}
	return list
}

// silent ends what the PBX would be asked, which these tests do not look at.
func (b *bench) silent() {
	b.answers(func(m string) string {
		if strings.HasPrefix(m, "NOTIFY ") {
			return ""
		}
		return reply(m, "489 Bad Event", "x", "")
	})
	time.Sleep(20 * time.Second)
	b.sent()
}

// A key of a phone shows another phone that rings, talks and hangs up, with all that an INVITE with Replaces must name. What happens while a NOTIFY is
// under way is told in one. Everything goes to where the phone really is.
func TestAKeyShowsAPhone(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		b.silent()
		ok, m := b.lamp("dialog", "%2B4972115104221")
		if b.paper.to != desk22 || !strings.HasPrefix(m, "NOTIFY sip:22@198.51.100.22:5062 ") || field(ok, "Expires") != "600" {
			t.Errorf("to %v: %s", b.paper.to, m)
		}
		b.demand(b.lit(m), "0 none//terminated/")
		b.ok(m)
		b.agent.Dialog("desks", "21", call("c1b", dialoginfo.Recipient, dialoginfo.Early, "0721151040"))
		m = b.one("NOTIFY ")
		b.demand(b.lit(m), "1 c1b/recipient/early/sip:0721151040@192.0.2.1")
		for _, part := range []string{`call-id="c1b@box"`, `local-tag="phone"`, `remote-tag="ours"`, `<local><identity>sip:%2B4972115104221@192.0.2.1</identity>`,
			`<remote><identity display="Ben">sip:0721151040@192.0.2.1</identity><target uri="sip:0721151040@192.0.2.1"/></remote>`} {
			if !strings.Contains(m, part) {
				t.Errorf("no %s in %s", part, m)
			}
		}
		if list := b.agent.Watchers(); len(list) != 1 || list[0].Busy || !list[0].Ringing || list[0].Identity != "21" {
			t.Errorf("%+v", list)
		}
		b.agent.Dialog("desks", "21", call("c1b", dialoginfo.Recipient, dialoginfo.Confirmed, "0721151040"))
		b.agent.Dialog("desks", "21", call("c2a", dialoginfo.Initiator, dialoginfo.Early, ""))
		b.agent.Dialog("desks", "21", call("c1b", dialoginfo.Recipient, dialoginfo.Terminated, ""))
		b.agent.Dialog("elsewhere", "21", call("c3a", dialoginfo.Initiator, dialoginfo.Confirmed, "110"))
		b.quiet(100 * time.Millisecond)
		b.ok(m)
		m = b.one("NOTIFY ")
		b.demand(b.lit(m), "2 c2a/initiator/early/sip:anonymous@192.0.2.1 c1b//terminated/")
		b.agent.Dialog("desks", "21", call("c2a", dialoginfo.Initiator, dialoginfo.Terminated, ""))
		b.agent.Dialog("desks", "21", call("c2a", dialoginfo.Initiator, dialoginfo.Terminated, ""))
		b.ok(m)
		m = b.one("NOTIFY ")
		b.demand(b.lit(m), "3 c2a//terminated/")
		b.ok(m)
		b.agent.Dialog("desks", "22", call("c4a", dialoginfo.Initiator, dialoginfo.Confirmed, "110"))
		b.quiet(time.Minute)

		moved := netip.MustParseAddrPort("198.51.100.22:2048") // behind NAT, or by another connection
		again := strings.ReplaceAll(b.again(ok, "Expires: 600\n"), "192.0.2.100", "198.51.100.22")
		b.putFrom(moved, again)
		if list := b.sent(); len(list) != 2 || b.paper.to != moved {
			t.Errorf("to %v: %q", b.paper.to, list)
		}
		other := netip.MustParseAddrPort("198.51.100.23:1024")
		b.putFrom(other, strings.ReplaceAll(b.again(ok, "Expires: 0\n"), "192.0.2.100", "198.51.100.23"))
		b.one("SIP/2.0 481 ")
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

// Two notifications later a phone knows what is so, whatever has happened and however slowly it answers: a model of the phone against what was told.
func TestAKeyIsRightInTheEnd(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		b.silent()
		_, m := b.lamp("dialog", "21")
		var table dialoginfo.Table
		read := func(m string) {
			_, body, _ := strings.Cut(m, "\r\n\r\n")
			i, err := dialoginfo.Parse([]byte(body))
			if err != nil || table.Apply(i) != dialoginfo.Taken {
				t.Fatalf("%v: %s", err, m)
			}
		}
		read(m)
		truth := map[string]dialoginfo.State{}
		states := []dialoginfo.State{dialoginfo.Trying, dialoginfo.Early, dialoginfo.Confirmed, dialoginfo.Terminated}
		n := uint32(1)
		next := func(most uint32) uint32 { n = n*1664525 + 1013904223; return n >> 16 % most }
		for range 2000 {
			if next(3) == 0 && m != "" {
				b.ok(m)
				m = ""
				if list := b.sent(); len(list) == 1 {
					m = list[0]
					read(m)
				} else if len(list) > 1 {
					t.Fatalf("%d at a time", len(list))
				}
			}
			id, s := fmt.Sprint("d", next(6)), states[next(4)]
			truth[id] = s
			b.agent.Dialog("desks", "21", call(id, dialoginfo.Recipient, s, "1"))
			if list := b.sent(); len(list) == 1 && m == "" {
				m = list[0]
				read(m)
			} else if len(list) > 0 {
				t.Fatalf("while one is under way: %q", list)
			}
		}
		for m != "" {
			b.ok(m)
			m = ""
			if list := b.sent(); len(list) == 1 {
				m = list[0]
				read(m)
			}
		}
		got := map[string]dialoginfo.State{}
		for _, d := range table.Dialogs() {
			got[d.ID] = d.State
		}
		for id, s := range truth {
			if s == dialoginfo.Terminated {
				s = ""
			}
			if got[id] != s {
				t.Errorf("%s is %q, shown as %q", id, s, got[id])
			}
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

// What the PBX tells of the same person, or of an extension without a phone here, is shown too, without what would make a phone pick it up here.
func TestAKeyShowsThePBX(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		var subscribe string // of 21, for dialogs
		b.answers(func(m string) string {
			if strings.HasPrefix(m, "SUBSCRIBE sip:21@") && field(m, "Event") == "dialog" {
				subscribe = m
				return reply(m, "200 OK", "pbx", contact+"Expires: 600\n")
			}
			if strings.HasPrefix(m, "NOTIFY ") {
				return ""
			}
			return reply(m, "489 Bad Event", "x", "")
		})
		time.Sleep(20 * time.Second)
		b.sent()
		_, m := b.lamp("dialog", "21")
		b.ok(m)
		b.put(b.notify(subscribe, "pbx", "active", full(1, dialoginfo.Early, dialoginfo.Confirmed)))
		list := b.notifies(1)
		b.demand(b.lit(list[0]), "1 pbx-0//early/sip:22@192.0.2.1 pbx-1//confirmed/sip:22@192.0.2.1")
		if strings.Contains(list[0], "call-id") || strings.Contains(list[0], "-tag") {
			t.Error(list[0])
		}
		b.ok(list[0])
		b.agent.Dialog("desks", "21", call("own", dialoginfo.Recipient, dialoginfo.Early, "1"))
		m = b.one("NOTIFY ")
		b.demand(b.lit(m), "2 own/recipient/early/sip:1@192.0.2.1 pbx-0//early/sip:22@192.0.2.1 pbx-1//confirmed/sip:22@192.0.2.1")
		b.ok(m)
		b.put(b.notify(subscribe, "pbx", "terminated;reason=rejected", nil)) // nothing is known any more
		list = b.notifies(1)
		b.demand(b.lit(list[0]), "3 own/recipient/early/sip:1@192.0.2.1 pbx-0//terminated/ pbx-1//terminated/")

		_, m = b.lamp("dialog", "30") // an extension that has no phone here
		b.demand(b.lit(m), "0 none//terminated/")
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

func TestWhomPhonesMayWatch(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		b.silent()
		for _, c := range []struct{ event, user, from, extra, want string }{
			{"dialog", "99", "22", "", "404 "}, {"dialog", "40", "22", "", "404 "}, {"dialog", "", "22", "", "404 "}, // 40: the PBX is not asked for its calls
			{"dialog", "21", "nobody", "", "401 "}, {"refer", "21", "22", "", "489 "}, {"presence", "21", "22", "", "200 "}, {"dialog", "21", "22", "Expires: 10\n", "423 "},
			{"dialog", "21", "22", "Accept: text/plain\n", "406 "}, {"message-summary", "21", "22", "", "403 "}, {"message-summary", "%2B4972115104221", "22", "", "403 "},
			{"message-summary", "22", "22", "Accept: application/simple-message-summary\n", "200 "}, {"message-summary", "9999", "22", "", "200 "}, {"message-summary", "23", "23", "", "489 "},
		} {
			m := strings.Replace(b.asks(c.event, c.user, c.extra), "From: <sip:22@", "From: <sip:"+c.from+"@", 1)
			if c.user == "" {
				m = strings.ReplaceAll(m, "sip:@", "sip:")
			}
			b.putFrom(desk22, m)
			if list := b.sent(); len(list) == 0 || !strings.HasPrefix(list[0], "SIP/2.0 "+c.want) {
				t.Errorf("%+v: %q", c, list)
			}
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

// A phone may watch Teams users where its interface says so, and tells nothing of anybody.
func TestPhonesPublishNothing(t *testing.T) {
	onPaper(t, func(c *config.Config, i *config.SIPInterface) {
		withPhones(c, i)
		c.Presence = []*config.PresenceService{{Name: "TEAMS", Enabled: true, Users: []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.09", Extension: "29"}}}}
		c.CS[0].Interfaces[1].Presence.Name = "TEAMS"
	}, func(b *bench) {
		b.silent()
		_, m := b.lamp("dialog", "29")
		b.demand(b.lit(m), "0 none//terminated/")
		b.ok(m)
		b.agent.Publish(Publication{Service: "TEAMS", Identity: "user.09", Extension: "29", State: config.InACall, Busy: true})
		b.demand(b.lit(b.one("NOTIFY ")), "1 teams//confirmed/")
		body := full(1, dialoginfo.Confirmed).Bytes()
		b.putFrom(desk22, strings.Replace(strings.Replace(b.asks("dialog", "29", fmt.Sprintf("Content-Type: application/dialog-info+xml\nExpires: 600\nContent-Length: %d\n", len(body))),
			"Content-Length: 0\n\n", "\n"+string(body), 1), "SUBSCRIBE", "PUBLISH", 2))
		b.one("SIP/2.0 489 ")
		if told := b.told(); told != "" {
			t.Error(told)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

// A subscription ends when what it is about is not so any more.
func TestAKeyEndsWithItsIdentity(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"gone": func(c *config.Config) { c.Location[1].Identities = c.Location[1].Identities[1:] },
		"moved": func(c *config.Config) {
			c.Location[1].Identities[0].Name, c.Location[1].Identities[0].Aliases = "210", []string{"21"}
		},
		"not one that may watch": func(c *config.Config) {
			c.Location[1].Identities = slices.DeleteFunc(slices.Clone(c.Location[1].Identities), func(i *config.Identity) bool { return i.Name == "22" })
		},
		"no phones":       func(c *config.Config) { c.CS[0].Interfaces[1].Phones.Name = "" },
		"not at that PBX": func(c *config.Config) { c.Location[0].Identities[0].SubscribeDialog = false },
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, withPhones, func(b *bench) {
				b.silent()
				_, m := b.lamp("dialog", "21")
				b.ok(m)
				after := config.New()
				withPhonesAnew(b.cfg, after)
				change(after)
				b.apply(after)
				if m := b.one("NOTIFY "); field(m, "Subscription-State") != "terminated;reason=deactivated" {
					t.Error(m)
				}
				b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
			})
		})
	}
}

// withPhonesAnew makes a configuration that is the same, and shares nothing that changes.
func withPhonesAnew(old, c *config.Config) {
	pbx := *old.CS[0].Interfaces[0]
	c.Gateways, c.Auth = old.Gateways, old.Auth
	c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{&pbx}}}
	ls := *old.Location[0]
	c.Location = []*config.LocationService{&ls}
	withPhones(c, &pbx)
}

func TestAPhoneHasNotAllTheRoom(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		b.silent()
		b.cfg.Gateways[0].RequestsPerSource = 100000
		for range mostOfPhone {
			b.paper.in <- packet{desk22, []byte(crlf(b.asks("dialog", "21", "")))}
			synctest.Wait()
		}
		b.sent()
		if n := len(b.agent.Watchers()); n != mostOfPhone {
			t.Fatalf("%d", n)
		}
		b.putFrom(desk22, b.asks("dialog", "21", ""))
		b.one("SIP/2.0 503 ")
		other := netip.MustParseAddrPort("198.51.100.99:5060") // that of the same person has no room of its own
		b.putFrom(other, b.asks("dialog", "21", ""))
		b.one("SIP/2.0 503 ")
		b.putFrom(other, strings.Replace(b.asks("dialog", "21", ""), "From: <sip:22@", "From: <sip:23@", 1))
		if list := b.sent(); len(list) == 0 || !strings.HasPrefix(list[0], "SIP/2.0 200 ") {
			b.Errorf("another phone: %q", list)
		}
		for n := range 2 * dialoginfo.MaxDialogs {
			b.agent.Dialog("desks", "21", call(fmt.Sprint(n), dialoginfo.Recipient, dialoginfo.Early, "1"))
		}
		if n := len(b.agent.calls[phone{"desks", "21"}]); n != dialoginfo.MaxDialogs {
			t.Errorf("%d dialogs are kept", n)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

const twoNew = "Messages-Waiting: yes\r\nMessage-Account: sip:*97@192.0.2.100\r\nVoice-Message: 2/8 (0/2)\r\n"

// mailOf answers for a PBX that tells of messages, and returns its subscription to those of 21.
func (b *bench) mailOf() (subscribe *string) {
	subscribe = new(string)
	b.answers(func(m string) string {
		if strings.HasPrefix(m, "SUBSCRIBE sip:21@") && field(m, "Event") == "message-summary" {
			*subscribe = m
			return reply(m, "200 OK", "pbx", contact+"Expires: 600\n")
		}
		if strings.HasPrefix(m, "NOTIFY ") {
			return ""
		}
		return reply(m, "489 Bad Event", "x", "")
	})
	time.Sleep(20 * time.Second)
	list := b.sent()
	asked := 0
	for _, m := range list {
		if field(m, "Event") == "message-summary" {
			asked++
		}
	}
	if *subscribe == "" || asked != 1 || field(*subscribe, "Accept") != dialoginfo.TypeSummary {
		b.Fatalf("%d subscriptions to messages: %q", asked, list)
	}
	return subscribe
}

func (b *bench) mail(subscribe, body string) string {
	return strings.Replace(b.notifyText(subscribe, "pbx", "active", "Content-Type: application/simple-message-summary\n", body), "Event: dialog", "Event: message-summary", 1)
}

// The PBX tells which messages wait; the phone that has subscribed is told in its subscription, the others of the identity without one. Nobody is told
// what has not changed, and what is not understood changes nothing.
func TestMessagesWait(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		subscribe := *b.mailOf()
		b.putFrom(desk22, strings.Replace(b.asks("message-summary", "21", "Expires: 600\n"), "From: <sip:22@", "From: <sip:21@", 1))
		list := b.sent()
		if len(list) != 2 || !strings.HasSuffix(list[1], "Content-Length: 0\r\n\r\n") { // nothing is known yet
			t.Fatalf("%q", list)
		}
		b.ok(list[1])
		udp := func(addr string) siptransport.PhoneTarget {
			return siptransport.PhoneTarget{URI: "sip:21@" + addr + ";line=1", Addr: netip.MustParseAddrPort(addr), Transport: siptransport.UDP}
		}
		b.targets = map[string][]siptransport.PhoneTarget{"21": {udp("198.51.100.22:5060"), udp("198.51.100.9:5062")}} // the first has subscribed
		b.put(b.mail(subscribe, twoNew))
		list = b.notifies(2)
		for n, want := range []string{"NOTIFY sip:22@198.51.100.22:5062 ", "NOTIFY sip:21@198.51.100.9:5062;line=1 "} {
			body := strings.Replace(twoNew, "sip:*97@192.0.2.100", []string{"sip:*97@192.0.2.1", "sip:*97@box.test"}[n], 1)
			if m := list[n]; !strings.HasPrefix(m, want) || !strings.HasSuffix(m, "\r\n\r\n"+body) || field(m, "Content-Type") != dialoginfo.TypeSummary || field(m, "Event") != "message-summary" {
				t.Error(m)
			}
		}
		if field(list[1], "Subscription-State") != "terminated" || !strings.HasPrefix(field(list[1], "To"), "<sip:21@box.test>") {
			t.Error(list[1])
		}
		if w := b.agent.Watchers(); len(w) != 1 || !w[0].Waiting {
			t.Errorf("%+v", w)
		}
		// While these are under way more happens: it is told in one.
		one := strings.Replace(twoNew, "2/8", "1/9", 1)
		b.put(b.mail(subscribe, one))
		b.put(b.mail(subscribe, strings.Replace(twoNew, "2/8", "0/10", 1)))
		b.sent()
		b.ok(list[0])
		b.putFrom(netip.MustParseAddrPort("198.51.100.9:5062"), reply(list[1], "200 OK", "p", ""))
		list = b.sent()
		if len(list) != 2 || !strings.Contains(list[0], "0/10") || !strings.Contains(list[1], "0/10") {
			t.Fatalf("%q", list)
		}
		b.ok(list[0])
		b.putFrom(netip.MustParseAddrPort("198.51.100.9:5062"), reply(list[1], "603 Declined", "p", ""))
		b.put(b.mail(subscribe, "Voice-Message: 1/0\r\n"))
		b.one("SIP/2.0 200 ")
		b.put(b.mail(subscribe, strings.Replace(twoNew, "2/8", "0/10", 1)))
		b.one("SIP/2.0 200 ")
		for _, st := range b.agent.Subscriptions() {
			if st.Identity == "21" && st.Event == "message-summary" && (st.State != status.SubscriptionActive || !st.Waiting || st.New != 0 || st.Error != "") {
				t.Errorf("%+v", st)
			}
		}
		b.agent.Registered("desks", "21")
		if list := b.sent(); len(list) != 1 || !strings.HasPrefix(list[0], "NOTIFY sip:21@198.51.100.9:5062;line=1 ") {
			t.Errorf("%q", list)
		}
		b.agent.Registered("desks", "22") // nothing is known of its mailbox
		b.quiet(100 * time.Millisecond)
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

// A PBX that tells by itself is believed, a phone is not.
func TestMessagesWaitUnasked(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		b.silent()
		b.targets = map[string][]siptransport.PhoneTarget{"22": {{URI: "sip:22@198.51.100.22", Addr: desk22, Transport: siptransport.UDP}}}
		unasked := func(user, event, body string) string {
			b.seq++
			return fmt.Sprintf("NOTIFY sip:%s@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKu%d;rport\nMax-Forwards: 70\nFrom: <sip:asterisk@192.0.2.100>;tag=u%d\nTo: <sip:%s@192.0.2.1>\n"+
				"Call-ID: u%d\nCSeq: 1 NOTIFY\nContact: <sip:asterisk@192.0.2.100:5060>\nEvent: %s\nSubscription-State: terminated\nContent-Type: application/simple-message-summary\nContent-Length: %d\n\n%s",
				user, b.seq, b.seq, user, b.seq, event, len(body), body)
		}
		b.put(unasked("22", "message-summary", twoNew))
		m := b.notifies(1)[0]
		if !strings.HasPrefix(m, "NOTIFY sip:22@198.51.100.22 ") {
			t.Error(m)
		}
		b.ok(m)
		changed := strings.Replace(twoNew, "2/8", "3/8", 1)
		for _, m := range []string{unasked("22", "message-summary", twoNew), unasked("22", "check-sync", changed), unasked("22", "message-summary", "nothing"), unasked("23", "message-summary", changed)} {
			b.put(m)
			b.one("SIP/2.0 200 ")
		}
		b.putFrom(netip.MustParseAddrPort("198.51.100.66:5060"), strings.ReplaceAll(strings.ReplaceAll(unasked("22", "message-summary", changed), "192.0.2.100", "198.51.100.66"), "asterisk", "66"))
		b.one("SIP/2.0 200 ")
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}

func TestPhonesStartAgain(t *testing.T) {
	onPaper(t, withPhones, func(b *bench) {
		b.silent()
		at := func(addr string) siptransport.PhoneTarget {
			return siptransport.PhoneTarget{URI: "sip:21@" + addr, Addr: netip.MustParseAddrPort(addr), Transport: siptransport.UDP}
		}
		gone := siptransport.PhoneTarget{URI: "sip:21@198.51.100.7", Flow: 99, Addr: netip.MustParseAddrPort("198.51.100.7:49152"), Transport: siptransport.TCP}
		b.targets = map[string][]siptransport.PhoneTarget{"21": {at("198.51.100.22:5060"), at("198.51.100.9:5062"), gone, at("198.51.100.5:5060")}}
		events := map[string]string{}
		b.answers(func(m string) string {
			host := strings.TrimPrefix(strings.Fields(m)[1], "sip:21@")
			events[host] = field(m, "Event")
			if host == "198.51.100.5:5060" {
				return reply(m, "401 Unauthorized", "p", "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\n")
			}
			return reply(m, "200 OK", "p", "")
		})
		b.paper.from = true
		list, err := b.agent.Restart(b.Context(), "", "+4972115104221")
		if err != nil || len(list) != 4 {
			t.Fatalf("%+v, %v", list, err)
		}
		if events["198.51.100.22:5060"] != "check-sync;reboot=true" || events["198.51.100.9:5062"] != "check-sync" {
			t.Errorf("%q", events)
		}
		for n, want := range []struct {
			phone string
			code  int
			fails string
		}{{"198.51.100.22:5060/udp", 200, ""}, {"198.51.100.5:5060/udp", 401, "wants a password"}, {"198.51.100.7:49152/tcp", 0, "has ended"}, {"198.51.100.9:5062/udp", 200, ""}} {
			x := list[n]
			if x.Phone != want.phone || x.Code != want.code || (x.Error == "") != (want.fails == "") || !strings.Contains(x.Error, want.fails) || x.Identity != "21" || x.Location != "desks" || x.Model == "" {
				t.Errorf("%+v, want %+v", x, want)
			}
		}
		for _, c := range []struct{ location, identity, want string }{{"", "99", "no identity of phones is called 99"}, {"ls", "21", "no identity of phones"}, {"desks", "23", "no phone has registered as 23"}} {
			if list, err := b.agent.Restart(b.Context(), c.location, c.identity); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %+v, %v", c, list, err)
			}
		}
		b.answers(func(string) string { return "" })
		ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
		defer cancel()
		if list, err := b.agent.Restart(ctx, "desks", "21"); err != nil || len(list) != 4 || list[0].Code != 0 || list[0].Error == "" {
			t.Errorf("%+v, %v", list, err)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "") })
	})
}
