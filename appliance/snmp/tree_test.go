package snmp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"

	"github.com/gosnmp/gosnmp"
	"pgregory.net/rapid"
)

// views draws boxes of any size and content.
func views(t *rapid.T) View {
	v := busy()
	text := rapid.OneOf(rapid.String(), rapid.Just(hostile), rapid.Just(strings.Repeat("ü\x00", 300)))
	many := func() int { return rapid.IntRange(0, 20).Draw(t, "rows") }
	v.Ports, v.Calls, v.Registrations, v.Peers, v.Alarms = nil, nil, nil, nil, nil
	for n := range many() {
		v.Ports = append(v.Ports, status.Port{Port: n, Name: text.Draw(t, "port"), Interface: text.Draw(t, "interface"), MAC: text.Draw(t, "mac"), State: status.LinkState(n % 5),
			Rx: status.Counters{Octets: rapid.Uint64().Draw(t, "octets")}, Speed: rapid.IntRange(-1, 400_000).Draw(t, "speed")})
		v.Ports = append(v.Ports, status.Port{Port: n, VLAN: rapid.IntRange(1, 4094).Draw(t, "vlan"), Name: "v"})
	}
	for range many() {
		v.Registrations = append(v.Registrations, status.Registration{Identity: text.Draw(t, "identity"), Reason: text.Draw(t, "reason"), Code: rapid.Int().Draw(t, "code"), State: status.RegistrationState(rapid.IntRange(0, 2).Draw(t, "state"))})
		v.Peers = append(v.Peers, status.Peer{Interface: text.Draw(t, "interface"), Answer: text.Draw(t, "answer"), RTT: time.Duration(rapid.Int64().Draw(t, "rtt"))})
		v.Alarms = append(v.Alarms, health.Alarm{ID: "x", Text: text.Draw(t, "text"), Severity: health.Severity(rapid.IntRange(0, 3).Draw(t, "severity"))})
		v.Calls = append(v.Calls, status.Call{Legs: []status.Leg{{Interface: v.Peers[0].Interface, Media: status.Media{Received: rapid.Uint64().Draw(t, "packets"), Lost: rapid.Int64().Draw(t, "lost"), JitterMS: rapid.Float64().Draw(t, "jitter"), MOS: rapid.Float64().Draw(t, "mos")}}}})
	}
	return v
}

// The whole tree is in order, whatever the box has, each step of a walk goes forward, and everything can be sent.
func TestTheTreeIsInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := shower()
		tree := r.build(views(rt))
		for n := 1; n < len(tree); n++ {
			if slices.Compare(tree[n-1].at, tree[n].at) >= 0 {
				rt.Fatalf("%s stands before %s", tree[n-1].at, tree[n].at)
			}
		}
		at, walked := oid{0}, 0
		for {
			l, ok := tree.next(at)
			if !ok {
				break
			}
			if slices.Compare(l.at, at) <= 0 {
				rt.Fatalf("%s follows %s", l.at, at)
			}
			if got := tree.get(l.at); got.kind != l.kind {
				rt.Fatalf("%s: %v", l.at, got)
			}
			at = l.at
			walked++
		}
		if walked != len(tree) {
			rt.Fatalf("%d of %d", walked, len(tree))
		}
		for _, l := range tree {
			var a answer
			a.add(l.at, l.value)
			if _, err := a.fit(&gosnmp.SnmpPacket{Version: gosnmp.Version2c, PDUType: gosnmp.GetResponse}, false, maxAnswer); err != nil {
				rt.Fatalf("%s: %v", l.at, err)
			}
			if text, ok := l.is.([]byte); ok && l.kind == gosnmp.OctetString && l.at.has(objects) && len(text) != 11 {
				if s := string(text); len(s) > 255 || s != printable.Line(s) {
					rt.Fatalf("%s: %q", l.at, s)
				}
			}
		}
		// From anywhere, the next one is the first that is greater.
		from := oid(rapid.SliceOfN(rapid.Uint32Range(0, 30), 1, 12).Draw(rt, "from"))
		if rapid.Bool().Draw(rt, "near") {
			near := tree[rapid.IntRange(0, len(tree)-1).Draw(rt, "leaf")].at
			from = near[:rapid.IntRange(1, len(near)).Draw(rt, "length")]
		}
		want := slices.IndexFunc(tree, func(l leaf) bool { return slices.Compare(l.at, from) > 0 })
		got, ok := tree.next(from)
		if ok != (want >= 0) || ok && !slices.Equal(got.at, tree[want].at) {
			rt.Fatalf("%s is followed by %s", from, got.at)
		}
	})
}

// shower is a responder that can show things, and does nothing else.
func shower() *Responder {
	s := usual()
	return &Responder{now: &s, engine: engine{id: "x", boots: 1, since: time.Now()}, seen: newSeen()}
}

// request is a request for some names.
func request(kind gosnmp.PDUType, names ...oid) *gosnmp.SnmpPacket {
	r := &gosnmp.SnmpPacket{PDUType: kind}
	for _, n := range names {
		r.Variables = append(r.Variables, gosnmp.SnmpPDU{Name: n.String()})
	}
	return r
}

// A bulk request gives what as many single ones would.
func TestBulkIsManySteps(t *testing.T) {
	r := shower()
	tree := r.build(busy())
	q := request(gosnmp.GetBulkRequest, systemGroup.and(3), ifEntry.and(2), ifXEntry.and(6))
	q.NonRepeaters, q.MaxRepetitions = 1, 4
	got, err := tree.ask(q)
	if err != nil {
		t.Fatal(err)
	}
	single, _ := tree.ask(request(gosnmp.GetNextRequest, systemGroup.and(3)))
	want := single.variables
	at := []oid{ifEntry.and(2), ifXEntry.and(6)}
	for range 4 {
		step, _ := tree.ask(request(gosnmp.GetNextRequest, at...))
		want = append(want, step.variables...)
		for n, v := range step.variables {
			at[n], _ = readOID(v.Name)
		}
	}
	if fmt.Sprint(got.variables) != fmt.Sprint(want) {
		t.Errorf("got\n%v\nwant\n%v", got.variables, want)
	}
	for _, x := range []struct{ names, single, rounds, want int }{{0, 0, 9, 0}, {1, 0, 0, 0}, {2, 255, 5, 2}, {90, 0, 1 << 20, maxVariables}} {
		q := request(gosnmp.GetBulkRequest, slices.Repeat([]oid{{1}}, x.names)...)
		q.NonRepeaters, q.MaxRepetitions = uint8(x.single), uint32(x.rounds)
		if a, err := tree.ask(q); err != nil || len(a.variables) != x.want {
			t.Errorf("%+v: %d variables, %v", x, len(a.variables), err)
		}
	}
	end := request(gosnmp.GetBulkRequest, oid{2})
	end.MaxRepetitions = 50
	if a, _ := tree.ask(end); len(a.variables) != 1 || a.variables[0].Type != gosnmp.EndOfMibView {
		t.Errorf("behind the end: %v", a.variables)
	}
}

// An answer is never longer than what a packet holds: a bulk answer is cut, another one is too big.
func TestAnswersAreBounded(t *testing.T) {
	r := shower()
	v := busy()
	for n := range 100 {
		v.Alarms = append(v.Alarms, health.Alarm{ID: fmt.Sprint(n), Text: strings.Repeat("x", 1000)})
	}
	tree := r.build(v)
	names := slices.Repeat([]oid{alarms.and(5, 1, 5, 2)}, 20)
	for kind, want := range map[gosnmp.PDUType]gosnmp.SNMPError{gosnmp.GetBulkRequest: gosnmp.NoError, gosnmp.GetRequest: gosnmp.TooBig} {
		q := request(kind, names...)
		q.MaxRepetitions = 1000
		a, err := tree.ask(q)
		if err != nil {
			t.Fatal(err)
		}
		m := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: "c", PDUType: gosnmp.GetResponse}
		text, err := a.fit(m, kind == gosnmp.GetBulkRequest, maxAnswer)
		if err != nil || len(text) > maxAnswer || m.Error != want {
			t.Errorf("%v: %d octets, %v, %v", kind, len(text), m.Error, err)
		}
		if want == gosnmp.NoError && len(text) < maxAnswer/2 {
			t.Errorf("only %d octets of bulk", len(text))
		}
	}
}

func TestGetTellsWhatIsMissing(t *testing.T) {
	r := shower()
	tree := r.build(busy())
	for _, x := range []struct {
		at   oid
		want gosnmp.Asn1BER
	}{
		{systemGroup.and(5, 0), gosnmp.OctetString}, {systemGroup.and(5), gosnmp.NoSuchInstance}, {systemGroup.and(5, 1), gosnmp.NoSuchInstance},
		{systemGroup.and(9, 0), gosnmp.NoSuchObject}, {ifEntry.and(2, 99), gosnmp.NoSuchInstance}, {ifEntry.and(12, 1), gosnmp.NoSuchObject}, {oid{1}, gosnmp.NoSuchObject}, {oid{2, 999}, gosnmp.NoSuchObject},
	} {
		if got := tree.get(x.at); got.kind != x.want {
			t.Errorf("%s: %v, want %v", x.at, got.kind, x.want)
		}
	}
}
