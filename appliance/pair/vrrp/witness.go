package vrrp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"viaduct/appliance/pair"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// How witnesses are judged.
const (
	round = 200 * time.Millisecond // how often each is asked
	// hurry is how often one is asked that owes an answer to the own address: so it is soon known whether a packet was lost, or the network. A witness that
	// stays silent is not asked so often for ever.
	hurry     = 50 * time.Millisecond
	mostHurry = 20
	// patience is how many echoes in a row may have no answer, before a witness counts as silent; of a virtual address fewer, because they are further apart,
	// and answers to the own address show meanwhile that nothing is lost.
	patience, patienceVirtual = 6, 3
	// late is how many echoes later an answer to the own address may come: 0.3 s.
	late, lateVirtual = 6, 1
)

// asking is a row of echoes from one address to one witness.
type asking struct {
	witness netip.Addr
	virtual bool // they are from the virtual address, not from the box's own
	seq     uint16
	waiting bool // the last one has no answer yet
	missed  int  // in a row
	ever    bool // an answer came, once
}

// answer is what a witness said.
type answer struct {
	witness, to netip.Addr
	seq         uint16
}

func (a *asking) heard() bool  { return a.ever && a.missed < patience }
func (a *asking) silent() bool { return a.ever && a.missed >= patience }

// askings are the rows of each witness: from the own address, and from the virtual one. They belong to run.
type askings []*asking

func (p *port) newAskings() askings {
	var list askings
	for _, w := range p.Witnesses {
		list = append(list, &asking{witness: w}, &asking{witness: w, virtual: true})
	}
	return list
}

// due reports whether it is time for the next echo. What had no answer until then is missed; one that comes a little later still counts.
// What the pair's address is asked counts as missed only if the echo from the own address beside it was answered (sound): else packets are lost.
func (a *asking) due(whole, sound bool) bool {
	if !whole && (a.virtual || !a.ever || !a.waiting || a.missed >= mostHurry) {
		return false
	}
	if a.waiting && (sound || !a.virtual) {
		a.missed++
	}
	a.seq++
	a.waiting = true
	return true
}

// ask sends witnesses the next echo: all of them in a whole round, and in between those who owe an answer.
func (p *port) ask(s *station) {
	held := p.holds()
	whole := p.rounds%int(round/hurry) == 0
	p.rounds++
	sound := false // the last echo from the own address to the same witness was answered
	for _, a := range p.askings {
		from := p.Own.Addr()
		if a.virtual {
			if !held {
				*a = asking{witness: a.witness, virtual: true, seq: a.seq}
				continue
			}
			from = p.Virtual[0]
		} else {
			sound = !a.waiting && a.missed == 0
		}
		if !a.due(whole, sound) {
			continue
		}
		m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(p.id), Seq: int(a.seq), Data: []byte("viaduct")}}
		b, err := m.Marshal(nil)
		if err != nil {
			continue // never: it has no more than that
		}
		_ = s.echo.SetWriteDeadline(time.Now().Add(round))
		// One that cannot be sent has no answer, which says the same.
		_, _ = s.echo.WriteTo(b, &ipv4.ControlMessage{Src: from.AsSlice(), IfIndex: s.index}, &net.IPAddr{IP: a.witness.AsSlice()})
	}
}

// answered notes an answer to one of the last echoes of its row.
func (p *port) answered(r answer) {
	for _, a := range p.askings {
		to := p.Own.Addr()
		if a.virtual && len(p.Virtual) > 0 {
			to = p.Virtual[0]
		}
		if a.witness == r.witness && to == r.to {
			a.answered(r.seq)
		}
	}
}

func (a *asking) answered(seq uint16) {
	most := uint16(late)
	if a.virtual {
		most = lateVirtual
	}
	if a.seq-seq > most {
		return
	}
	a.ever, a.missed = true, 0
	if !a.virtual || a.seq == seq { // a witness that is slow need not be hurried
		a.waiting = false
	}
}

// judge tells whether anybody at the port is heard, who, what those who are heard say to the virtual address, and whether nobody has answered the last echo.
func (p *port) judge() (w pair.Witness, who netip.Addr, v pair.Witness, missing bool) {
	sure := false
	for n := 0; n+1 < len(p.askings); n += 2 {
		own, virtual := p.askings[n], p.askings[n+1]
		missing = missing || own.ever
		sure = sure || own.ever && own.missed == 0
		switch {
		case own.heard():
			w, who = pair.WitnessHeard, own.witness
		case own.silent() && w == pair.WitnessNone:
			w, who = pair.WitnessSilent, own.witness
		}
		switch {
		case !own.ever || own.missed > 1 || !p.holds():
			// What it says to the virtual address would say nothing.
		case virtual.missed < patienceVirtual && virtual.ever:
			v = pair.WitnessHeard
		case virtual.missed >= patienceVirtual && v == pair.WitnessNone:
			v = pair.WitnessSilent
		}
	}
	return w, who, v, missing && !sure
}

// parseAnswer reads an answer to an echo.
func parseAnswer(b []byte, from, to netip.Addr) (answer, bool) {
	if len(b) < 8 || b[0] != byte(ipv4.ICMPTypeEchoReply) {
		return answer{}, false
	}
	return answer{witness: from, to: to, seq: binary.BigEndian.Uint16(b[6:])}, true
}
