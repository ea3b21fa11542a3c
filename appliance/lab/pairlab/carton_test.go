package pairlab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/appliance/lab"
)

// Power fails while the second box is set up: it has no more than the lines of the pair, all its cables are in, and it is back first. It finds nobody and is
// active. The first box does not lose its configuration to it.
func TestABoxOutOfTheCartonIsBackFirst(t *testing.T) {
	p := newPair(t)
	first, second := p.boxes[0], p.boxes[1]
	remembers := filepath.Join("pair", "reign")
	p.wait("what the first box remembers", func() bool {
		text, _ := os.ReadFile(filepath.Join(first.state, remembers))
		return strings.Contains(string(text), `"knows":true`)
	})
	configuration := first.exec(p, "show running-config")
	p.must(second.Kill())
	entries, err := os.ReadDir(second.state)
	p.must(err)
	for _, e := range entries { // all but its key
		if e.Name() != "pair" {
			p.must(os.RemoveAll(filepath.Join(second.state, e.Name())))
		}
	}
	p.must(os.RemoveAll(filepath.Join(second.state, remembers)))
	p.must(first.Kill())
	p.must(second.Start(p.ctx))
	second.paste(p, "enable\nconfigure\n"+lab.PairPorts+p.lines+"end\ncopy running-config startup-config\n")
	p.wait("the second box as the active one", func() bool { return second.is(p) == "active" })
	p.must(second.Kill())
	p.must(second.Start(p.ctx))
	p.wait("the second box as the active one again", func() bool { return second.is(p) == "active" })
	p.must(first.Start(p.ctx))
	p.wait("two boxes that stand in for each other", p.protected)
	for _, b := range p.boxes {
		if now := b.exec(p, "show running-config"); now != configuration {
			t.Errorf("box %d has another configuration:\n%s", b.number, now)
		}
	}
	if now, _ := p.active(); now != first || !strings.Contains(configuration, "gw_sip_lan_5060") {
		t.Errorf("box %d is active", now.number)
	}
}
