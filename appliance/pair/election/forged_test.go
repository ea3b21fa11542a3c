package election

import (
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/pair"
)

// Anybody in the LAN can send VRRP in the name of the other box, and nobody its word. So VRRP decides only while no word is heard.
func TestForgedVRRPMovesNothingWhileWordsAreHeard(t *testing.T) {
	const interval = 100 * time.Millisecond
	at := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, last}) }
	well := []Sight{{Carrier: true}, {Carrier: true}}
	ports := []pair.PortFitness{{Name: "lan", Carrier: true}, {Name: "direct", Carrier: true}}
	standby := pair.Word{Box: 2, Role: pair.Standby, Reign: 1, Priority: Well, Ports: ports, Eligible: true, Hears: true}
	active := pair.Word{Box: 2, Role: pair.Active, Reign: 2, Reigned: true, Priority: Well, Ports: ports, Eligible: true, Hears: true}
	for _, x := range []struct {
		what   string
		active bool
		word   *pair.Word
		forged uint8 // priority
		stays  bool  // active, or the standby
	}{
		{"the active box hears that the other one is active, too", true, &standby, 254, true},
		{"the active box hears it while the direct path is cut", true, nil, 254, false},
		{"the standby hears that the active box gives up", false, &active, 0, true},
		{"the standby hears another priority", false, &active, 1, true},
	} {
		now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		e := New(Options{Box: 1, Interval: interval, Active: x.active, Reign: Reign{Number: 1, Own: x.active},
			Ports: []Port{{Name: "lan", Own: at(1), Others: at(2)}, {Name: "direct", Direct: true, Own: at(5), Others: at(6)}}}, now)
		for range 300 { // a box that stood alone waits for words at first
			now = now.Add(interval / 2)
			e.Self(Self{Priority: Well, Synced: true})
			e.See(well)
			if x.word != nil {
				e.Word(now, *x.word)
			}
			e.Advert(now, 0, x.forged, interval)
			e.Step(now)
			e.Said(now)
		}
		want := Standby
		if x.active {
			want = Active
		}
		if s, why, _ := e.State(); s == want != x.stays {
			t.Errorf("%s: it is %v, because %s", x.what, s, why)
		}
	}
}
