package registrar

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
)

func TestPhoneRegistersIsReachedAndGoes(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		b.wants("21", "")
		b.wants("99", "unknown")
		p := b.phone("10.108.2.51:5062", "21", "hush")
		p.contact = `"Anna" <sip:21@192.168.0.9:5062;line=abc>;q=0.5`
		m := p.register(120, 200)
		if got := field(m, "Contact"); got != "<sip:21@192.168.0.9:5062;line=abc>;expires=120;q=0.5" {
			t.Error(got)
		}
		if _, err := time.Parse(time.RFC1123, field(m, "Date")); err == nil && time.Now().Year() < 2025 {
			t.Error("a box without the time tells it")
		}
		const place = "sip:21@192.168.0.9:5062;line=abc at 10.108.2.51:5062/udp"
		for _, user := range []string{"21", "+4972115104221", "4972115104221", "%2B4972115104221"} {
			b.wants(user, place) // the address is the source, whatever the phone believes
		}
		b.wait(100 * time.Second)
		if got := field(p.want(200, ""), "Contact"); !strings.Contains(got, ";expires=20;") {
			t.Errorf("after 100 s a query says %s", got)
		}
		p.register(120, 200)
		b.wait(119 * time.Second)
		b.wants("21", place)
		b.wait(6 * time.Second)
		b.wants("21", "")
		if len(b.came) != 1 || b.came[0] != "LS/21" {
			t.Errorf("%v have come", b.came)
		}
		log := b.log.take()
		if strings.Count(log, "phone registered") != 1 || strings.Count(log, "phone gone") != 1 || strings.Contains(log, "hush") {
			t.Error(log)
		}
		p.register(120, 200)
		p.register(0, 200)
		b.wants("21", "")
		p.register(300, 200)
		p.want(200, "Contact: *\nExpires: 0\n")
		b.wants("21", "")
	})
}

func TestLifetimes(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		for lines, want := range map[string]string{
			"Contact: <sip:21@a>\n":                                      "300",
			"Contact: <sip:21@a>\nExpires: 60\n":                         "60",
			"Contact: <sip:21@a>;expires=90\nExpires: 60\n":              "90",
			"Contact: <sip:21@a>;expires=\"90\"\n":                       "90",
			"Contact: <sip:21@a>\nExpires: 3601\n":                       "3600",
			"Contact: <sip:21@a>\nExpires: 4294967295\n":                 "3600",
			"Contact: <sip:21@a>\nExpires: 99999999999999999999999999\n": "3600",
			"Contact: <sip:21@a>\nExpires: soon\n":                       "3600",
			"Contact: <sip:21@a>;expires=-5\n":                           "3600",
			"Contact: sip:21@a;expires=70\n":                             "70",
			"m: <sip:21@a>;EXPIRES=71\n":                                 "71",
		} {
			if got := field(p.want(200, lines), "Contact"); got != "<sip:21@a>;expires="+want {
				t.Errorf("%q gives %s", lines, got)
			}
		}
		if m := p.want(423, "Contact: <sip:21@a>;expires=59\n"); field(m, "Min-Expires") != "60" {
			t.Error(m)
		}
		b.emergency.Store(true)
		if got := field(p.want(200, "Contact: <sip:21@a>\n"), "Contact"); got != "<sip:21@a>;expires=120" {
			t.Errorf("during an emergency it gets %s", got)
		}
	})
}

// RFC 3261 10.3: an old REGISTER changes nothing, and one fault in a request means that none of it is done.
func TestOrderAndAllOrNothing(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		p.seq = 10
		p.want(200, "Contact: <sip:21@a>\nExpires: 300\n")
		p.seq = 5
		p.want(500, "Contact: <sip:21@a>\nExpires: 0\n")
		p.seq = 2
		p.want(500, "Contact: *\nExpires: 0\n")
		b.wants("21", "sip:21@a at 10.108.2.51:5060/udp")
		p.callID, p.seq = "another", 0 // the phone has restarted
		p.want(200, "Contact: <sip:21@a>\nExpires: 300\n")
		p.want(423, "Contact: <sip:21@b>;expires=300, <sip:21@a>;expires=0, <sip:21@c>;expires=7\n")
		b.wants("21", "sip:21@a at 10.108.2.51:5060/udp")
		p.want(200, "Contact: <sip:21@b>;expires=300, <sip:21@a>;expires=0\n")
		b.wants("21", "sip:21@b at 10.108.2.51:5060/udp")
		p.want(200, "Contact: <sip:21@b>;expires=0, <sip:21@b>;expires=300\n") // the last word
		b.wants("21", "sip:21@b at 10.108.2.51:5060/udp")
	})
}

func TestPhonesOfOneIdentity(t *testing.T) {
	onPaper(t, func(c *config.Config) {
		c.Location[0].Groups[0].Inbound.MaxContacts = 2
	}, func(b *box) {
		a, c, d := b.phone("10.108.2.51:5060", "21", "hush"), b.phone("10.108.2.52:5060", "21", "hush"), b.phone("10.108.2.53:5060", "21", "hush")
		a.register(300, 200)
		b.wait(time.Second)
		c.contact = "<sip:21@c>;q=0.3"
		if m := c.register(300, 200); len(fields(m, "Contact")) != 2 {
			t.Errorf("both phones ought to be listed: %s", m)
		}
		b.wants("21", "sip:21@10.108.2.51:5060 at 10.108.2.51:5060/udp, sip:21@c at 10.108.2.52:5060/udp")
		b.wait(time.Second)
		a.register(300, 200) // a refresh does not make it younger
		d.register(300, 200) // displaces the one that was there longest
		b.wants("21", "sip:21@10.108.2.53:5060 at 10.108.2.53:5060/udp, sip:21@c at 10.108.2.52:5060/udp")
		if !strings.Contains(b.log.take(), "another phone took its place") {
			t.Error("the log does not say so")
		}
		cfg := b.cfg.Location[0].Groups[0].Inbound
		cfg.Refuse = true
		a.register(300, 403)
		a.want(403, "Contact: <sip:21@x>, <sip:21@y>, <sip:21@z>\n")
		d.register(300, 200)
	})
}

// A phone with an instance id that moves displaces itself (RFC 5626), and comparing URIs is that of RFC 3261 19.1.4.
func TestInstances(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		const instance = `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"`
		p.want(200, "Contact: <sip:21@10.108.2.51>"+instance+"\n")
		moved := b.phone("10.108.2.77:5060", "21", "hush")
		moved.callID = "other"
		m := moved.want(200, "Contact: <sip:21@10.108.2.77>"+instance+"\n")
		if got := field(m, "Contact"); !strings.HasSuffix(got, instance) || len(fields(m, "Contact")) != 1 {
			t.Error(m)
		}
		b.wants("21", "sip:21@10.108.2.77 at 10.108.2.77:5060/udp")
		// Two flows of one phone.
		m = moved.want(200, "Supported: outbound, path\nContact: <sip:21@10.108.2.77>;reg-id=1"+instance+"\n")
		if field(m, "Require") != "outbound" || field(m, "Flow-Timer") != "" {
			t.Error(m)
		}
		m = moved.want(200, "Supported: outbound, path\nContact: <sip:21@10.108.2.77>;reg-id=2"+instance+"\n")
		if len(fields(m, "Contact")) != 3 {
			t.Error(m)
		}
		moved.lines = "Via: SIP/2.0/UDP 10.108.2.9;branch=z9hG4bK7\n"
		moved.want(439, "Supported: outbound, path\nContact: <sip:21@10.108.2.77>;reg-id=1"+instance+"\n")
	})
}

func TestConnectionsAreFlows(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p, base := b.phone("10.108.2.51:40001", "21", "hush").connect(), b.phone("10.108.2.60:40002", "22", "other").connect()
		p.contact = `<sip:21@10.108.2.51:40001;transport=tcp>;reg-id=1;+sip.instance="<urn:uuid:1>"`
		p.lines = "Supported: outbound\n"
		if m := p.register(300, 200); field(m, "Flow-Timer") != "120" {
			t.Error(m)
		}
		base.register(300, 200)
		handset := b.phone("10.108.2.60:40002", "24", "")
		handset.conn = base.conn
		handset.register(300, 200)
		b.wants("22", "sip:22@10.108.2.60:40002 at 10.108.2.60:40002/tcp")
		b.wants("24", "sip:24@10.108.2.60:40002 at 10.108.2.60:40002/tcp")
		base.conn.Close()
		b.wait(0)
		b.wants("22", "")
		b.wants("24", "")
		b.wants("21", "sip:21@10.108.2.51:40001;transport=tcp at 10.108.2.51:40001/tcp")
		again := b.phone("10.108.2.51:40003", "21", "hush").connect()
		again.contact, again.callID = strings.Replace(p.contact, "40001", "40003", 1), "later"
		again.register(300, 200)
		b.wants("21", "sip:21@10.108.2.51:40003;transport=tcp at 10.108.2.51:40003/tcp")
		p.conn.Close() // the old connection takes nothing along
		b.wait(0)
		b.wants("21", "sip:21@10.108.2.51:40003;transport=tcp at 10.108.2.51:40003/tcp")
		if !strings.Contains(b.log.take(), "its connection has ended") {
			t.Error("the log does not say why")
		}
	})
}

// A connection may end between a REGISTER and its answer: such a binding would stay until its time is over.
func TestConnectionThatEndedMeanwhile(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:40001", "24", "").connect()
		p.register(300, 200)
		flow := b.reg.phones.of[aor{"LS", "24"}][0].target.Flow
		b.reg.Lost(flow)
		b.wants("24", "")
		if m := p.register(300, 200); field(m, "Contact") != "" {
			t.Error(m)
		}
		b.wants("24", "")
	})
}

func TestPortOfPhonesThatDoNotSayRport(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "24", "")
		for contact, port := range map[string]string{"<sip:24@192.168.1.1:6060>": "6060", "<sip:24@192.168.1.1>": "5060"} {
			m := strings.Replace(p.request("REGISTER", "sip:10.108.2.1", "sip:24@10.108.2.1", "Contact: "+contact+"\n"), ";rport", "", 1)
			if got := p.ask(m); code(got) != 200 {
				t.Fatal(got)
			}
			b.wants("24", strings.Trim(contact, "<>")+" at 10.108.2.51:"+port+"/udp")
			p.want(200, "Contact: *\nExpires: 0\n")
		}
	})
}

func TestLicense(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		p.register(300, 200)
		b.unlicensed.Store(true)
		p.register(300, 403)
		b.wants("21", "sip:21@10.108.2.51:5060 at 10.108.2.51:5060/udp") // it stays for its time
		if !b.health.Active(health.PhonesUnlicensed) {
			t.Error("there is no alarm")
		}
		p.want(200, "")
		p.register(0, 200)
		b.unlicensed.Store(false)
		b.wait(sweepEvery)
		if b.health.Active(health.PhonesUnlicensed) {
			t.Error("the alarm stays")
		}
	})
}

func TestIdentitiesThatGo(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		b.phone("10.108.2.51:5060", "21", "hush").register(300, 200)
		b.phone("10.108.2.52:5060", "22", "other").register(300, 200)
		cfg := configured()
		cfg.Location[0].Identities = cfg.Location[0].Identities[1:]
		b.reg.Apply(cfg)
		b.wants("21", "unknown")
		b.wants("22", "sip:22@10.108.2.52:5060 at 10.108.2.52:5060/udp")
		if n := b.reg.Clear("22"); n != 1 {
			t.Errorf("%d were cleared", n)
		}
		b.wants("22", "")
		b.wants("26", "")
		b.reg.Apply(config.New())
		b.wants("22", "unknown")
	})
}

func TestWhatIsKnownOfPhones(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		p.agent = "Yealink\x1b[31m " + strings.Repeat("x", 500)
		p.register(300, 200)
		x := b.reg.Bindings()[0]
		if x.Identity != "21" || x.Source != p.at || x.Transport != "udp" || !x.Expires.Equal(time.Now().Add(300*time.Second)) || strings.Contains(x.UserAgent, "\x1b") || len(x.UserAgent) > 2*maxText {
			t.Errorf("%+v", x)
		}
		b.wait(400 * time.Second)
		if name, secured := b.reg.Model(p.at.Addr()); name != x.UserAgent || !secured.IsZero() || len(b.reg.Bindings()) != 0 {
			t.Errorf("%q %v", name, secured)
		}
		b.wait(agentsLast)
		if name, _ := b.reg.Model(p.at.Addr()); name != "" {
			t.Errorf("%q is known for ever", name)
		}
	})
}

func TestFileThatCannotBeWritten(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		b.shelf.fails(errors.New("no space left on device"))
		b.phone("10.108.2.51:5060", "21", "hush").register(3600, 200)
		b.wait(saveEvery)
		if !b.health.Active(health.PhonesNotKept) {
			t.Error("there is no alarm")
		}
		b.shelf.fails(nil)
		b.wait(saveEvery)
		if b.health.Active(health.PhonesNotKept) || len(b.shelf.text) < 100 {
			t.Errorf("the alarm stays; %s", b.shelf.text)
		}
	})
}

// Phones of one location service in two networks: each is called by the interface of its own, once.
func TestPhonesOfTwoNetworks(t *testing.T) {
	onPaper(t, func(c *config.Config) {
		other := *c.CS[0].Interfaces[0]
		other.Name, other.Trust = "upstairs", []config.Source{{Prefix: netip.MustParsePrefix("10.108.3.0/24")}}
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &other)
	}, func(b *box) {
		b.phone("10.108.2.51:5060", "21", "hush").register(300, 200)
		b.phone("10.108.3.52:5060", "21", "hush").register(300, 200)
		for range 2 { // before a restart and after
			b.wants("21", "sip:21@10.108.2.51:5060 at 10.108.2.51:5060/udp")
			list, _, known := b.reg.Targets(config.InterfaceID{Context: "SWITCH", Name: "upstairs"}, "21")
			if !known || len(list) != 1 || list[0].URI != "sip:21@10.108.3.52:5060" {
				t.Errorf("%v %v", list, known)
			}
			b.stop()
			b.start()
		}
	})
}

// A phone that has another domain, or is an identity that there is not, asks for ever: one line says why.
func TestWhatAPhoneCannotMendIsInTheLogOnce(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.52:5060", "22", "other")
		for range 3 {
			p.send("REGISTER", "sip:10.108.2.1", "sip:22@elsewhere.example", "Contact: <sip:x@y>\n")
			p.send("REGISTER", "sip:10.108.2.1", "sip:29@10.108.2.1", "Contact: <sip:x@y>\n")
			p.send("REGISTER", "sip:10.108.2.1", "sip:25@10.108.2.1", "Contact: <sip:x@y>\n")
		}
		said := b.log.take()
		for _, why := range []string{"Domain unknown here", "There is no such identity"} {
			if strings.Count(said, "code=404 err=\""+why) != 1 {
				t.Errorf("%s is not there once:\n%s", why, said)
			}
		}
	})
}
