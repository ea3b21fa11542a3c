package snmp

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gosnmp/gosnmp"
)

var somebody = netip.MustParseAddr("192.0.2.99")

// ask3 is a request of a user of v3, as a station that knows the engine would send it.
func (g *rig) ask3(t testing.TB, user string) []byte {
	t.Helper()
	m := g.message(g.users[user])
	m.MsgFlags |= gosnmp.Reportable
	m.PDUType, m.MsgID, m.RequestID = gosnmp.GetRequest, 7, 8
	m.Variables = []gosnmp.SnmpPDU{{Name: systemGroup.and(5, 0).String(), Type: gosnmp.Null}}
	text, err := m.MarshalMsg()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func ask2(t testing.TB, community string) []byte {
	t.Helper()
	m := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: community, PDUType: gosnmp.GetBulkRequest, MaxRepetitions: 1000, RequestID: 9,
		Variables: []gosnmp.SnmpPDU{{Name: ".1.3", Type: gosnmp.Null}}}
	text, err := m.MarshalMsg()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A recorded message is worth nothing once the time has gone on, nor after a restart.
func TestRecordedMessagesAreOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := still(t, usual())
		recorded := g.ask3(t, "noc")
		if reply, refused := g.handle(recorded, somebody); reply == nil || refused != nil {
			t.Fatalf("a fresh one: %v", refused)
		}
		time.Sleep(window * time.Second)
		if _, refused := g.handle(recorded, somebody); refused != nil {
			t.Errorf("within the window: %v", refused)
		}
		time.Sleep(time.Second)
		reply, refused := g.handle(recorded, somebody)
		if refused != errTime || g.Status().Untimely != 1 {
			t.Errorf("after the window: %v, %+v", refused, g.Status())
		}
		// The station is told the time, and can rely on it.
		u := g.users["noc"]
		head, err := g.decoder.read(bytes.Clone(reply), &gosnmp.UsmSecurityParameters{UserName: "noc", AuthoritativeEngineID: g.engine.id, AuthenticationProtocol: gosnmp.SHA256, SecretKey: u.keys.SecretKey, PrivacyProtocol: gosnmp.NoPriv})
		if err != nil || head.PDUType != gosnmp.Report || !u.authentic(reply, head.SecurityParameters.(*gosnmp.UsmSecurityParameters).AuthenticationParameters) {
			t.Errorf("the report: %v, %+v", err, head)
		}

		fresh := g.ask3(t, "noc")
		again := still(t, Settings{})
		again.saved = g.saved
		s := usual()
		again.wanted.Store(&s)
		if err := again.follow(newDoor(t.Context(), again.alarms)); err != nil {
			t.Fatal(err)
		}
		if again.engine.id != g.engine.id || again.engine.boots != g.engine.boots+1 {
			t.Errorf("after a restart: %+v, before: %+v", again.engine, g.engine)
		}
		if _, refused := again.handle(fresh, somebody); refused != errTime {
			t.Errorf("after a restart: %v", refused)
		}
	})
}

func TestTheEngineIsSaved(t *testing.T) {
	first, made := newEngine(nil)
	if !made || first.boots != 1 || len(first.id) != engineLength || first.id[0] != 0x80 {
		t.Errorf("%+v", first)
	}
	second, made := newEngine(first.save())
	if made || second.id != first.id || second.boots != 2 {
		t.Errorf("%+v", second)
	}
	for _, damaged := range []string{"", "zz 1\n", string(first.save()[:20]), "8000 5\n", first.name() + " 0\n", first.name() + " -5\n", first.name() + " 99999999999\n"} {
		if e, made := newEngine([]byte(damaged)); !made || e.id == first.id || e.boots != 1 {
			t.Errorf("%q: %+v", damaged, e)
		}
	}
	last := first
	last.boots = maxBoots
	if e, _ := newEngine(last.save()); e.boots != maxBoots || e.timely(maxBoots, 0) {
		t.Errorf("the counter goes on: %+v", e)
	}
}

// A message that somebody has changed on its way is not believed, wherever the change is.
func TestChangedMessagesAreRefused(t *testing.T) {
	g := still(t, usual())
	name := []byte("sbc")
	for _, user := range []string{"noc", "plain"} {
		right := g.ask3(t, user)
		for n := range right {
			wrong := bytes.Clone(right)
			wrong[n] ^= 1
			reply, _ := g.handle(wrong, somebody)
			if bytes.Contains(reply, name) || len(reply) > 0 && bytes.Contains(reply, []byte{byte(gosnmp.GetResponse)}) && !bytes.Contains(reply, []byte{byte(gosnmp.Report)}) && user == "plain" {
				t.Errorf("%s: octet %d: % x", user, n, reply)
			}
		}
	}
}

// What strangers send costs little: reports are few and hardly longer than the question, and v2c says nothing at all.
func TestStrangersGetLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := still(t, usual())
		probe := &gosnmp.SnmpPacket{Version: gosnmp.Version3, MsgFlags: gosnmp.Reportable, MsgMaxSize: 65507, SecurityModel: gosnmp.UserSecurityModel, PDUType: gosnmp.GetRequest, SecurityParameters: &gosnmp.UsmSecurityParameters{}}
		text, err := probe.MarshalMsg()
		if err != nil {
			t.Fatal(err)
		}
		reports := 0
		for range 1000 {
			reply, _ := g.handle(text, somebody)
			if reply != nil {
				reports++
			}
			if len(reply) > 2*len(text) {
				t.Fatalf("%d octets for %d", len(reply), len(text))
			}
		}
		if reports != 2*reportRate {
			t.Errorf("%d reports at once", reports)
		}
		time.Sleep(time.Second)
		if reply, _ := g.handle(text, somebody); reply == nil {
			t.Error("a second later nobody is told who we are")
		}
		if reply, refused := g.handle(ask2(t, "public"), somebody); reply != nil || refused != errCommunity {
			t.Errorf("a wrong community: %q, %v", reply, refused)
		}
		if g.views != 0 {
			t.Errorf("strangers had the engines asked %d times", g.views)
		}
		before := g.Status()
		for range 3 * packetRate {
			if g.packets.take() {
				before.Requests++
			}
		}
		if n := before.Requests - g.Status().Requests; n > packetRate {
			t.Errorf("%d messages are read at once", n)
		}
	})
}

// Nobody who does not know the community gets an answer of v2c, nothing ends the process, and no answer is longer than a packet.
func FuzzHandle(f *testing.F) {
	g := still(f, usual())
	f.Add(ask2(f, community))
	f.Add(ask2(f, "public"))
	f.Add(g.ask3(f, "noc"))
	f.Add(g.ask3(f, "plain"))
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxMessage {
			return
		}
		reply, _ := g.handle(bytes.Clone(text), somebody)
		if len(reply) > maxAnswer {
			t.Errorf("%d octets", len(reply))
		}
		if len(reply) > 0 && !bytes.Contains(text, []byte(community)) && !bytes.Contains(reply, []byte(g.engine.id)) {
			t.Errorf("% x", reply)
		}
	})
}
