package snmp

import (
	"slices"
	"testing"

	foreign "viaduct/appliance/printable/printabletest"

	"github.com/gosnmp/gosnmp"
)

// binary are the objects whose octets are no text: hardware addresses, the engine's identity and times.
var binary = []oid{ifEntry.and(6), engineGroup.and(1), hrSystem.and(2), peers.and(3, 1, 8), alarms.and(5, 1, 7)}

// Whatever the box knows, a station is shown lines of ASCII within the bound of a DisplayString.
func TestPeersCannotSteerAStation(t *testing.T) {
	marked := map[string]bool{}
	for variant := range foreign.Variants {
		v := foreign.Fill[View](variant)
		tree := shower().build(v)
		for _, a := range v.Alarms {
			for n, x := range alarmValues(a) {
				tree = append(tree, leaf{alarms.and(5, 1, uint32(n)+2), 0, x}) // as in a trap
			}
		}
		for _, l := range tree {
			octets, isText := l.is.([]byte)
			if l.kind != gosnmp.OctetString || slices.ContainsFunc(binary, func(o oid) bool { return l.at.has(o) }) {
				continue
			}
			for _, c := range octets {
				if c < ' ' || c > '~' {
					t.Errorf("%s has %q: %q", l.at, c, octets)
					break
				}
			}
			if !isText || len(octets) > 255 {
				t.Errorf("%s: %q", l.at, octets)
			}
			if len(octets) > 0 && l.object > 0 {
				marked[oid(l.at[:l.object]).String()] = true
			}
		}
	}
	if len(marked) < 20 {
		t.Errorf("only %d objects had a text: %v", len(marked), marked)
	}
}
