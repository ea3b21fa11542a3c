package answer

import (
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Registrations shows the state of our identities.
func (pg Page) Registrations(list []status.Registration, now time.Time) {
	for _, r := range list {
		pg.Printf("SIP Registration: %s\n", r.Identity)
		pg.Printf("  State: %s\n", r.State)
		pg.Printf("  Address: %s\n", dash(r.AOR))
		pg.Printf("  Registrar: %s\n", dash(r.Registrar))
		if r.Code > 0 {
			pg.Printf("  Last answer: %d %s\n", r.Code, r.Reason)
		} else if r.Error != "" {
			pg.Printf("  Last answer: %s\n", r.Error)
		}
		switch left := r.Expires.Sub(now); {
		case r.Expires.IsZero():
		case left > 0:
			pg.Printf("  Expires in: %s\n", span(left))
		default:
			pg.Printf("  Expired: %s ago\n", span(-left))
		}
		if !r.Next.IsZero() {
			pg.Printf("  Next try in: %s\n", span(max(0, r.Next.Sub(now))))
		}
	}
	pg.Printf("%s\n", plural.Of(len(list), "registration"))
}

// Peers lists the peers of all interfaces. The last answer has a line of its own, because it can be long.
func (pg Page) Peers(peers []status.Peer, now time.Time) {
	rows := [][]string{{"Interface", "State", "For", "RTT", "Heard", "Peer and last answer"}}
	ago := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return span(max(0, now.Sub(t)))
	}
	for _, p := range peers {
		state, rtt := p.State.String(), "-"
		if p.State == status.PeerUnasked {
			state = "-"
		}
		if p.RTT > 0 {
			rtt = milliseconds(p.RTT)
		}
		rows = append(rows, []string{p.Interface, state, ago(p.Since), rtt, ago(p.Heard), p.Peer})
		rows = append(rows, []string{"", "", "", "", "", "  " + dash(p.Answer)})
	}
	if len(rows) == 1 {
		pg.Printf("No interface has a peer.\n")
		return
	}
	pg.Columns(rows)
}

// Gateways lists gateways and their sockets.
func (pg Page) Gateways(list []status.Gateway) {
	rows := [][]string{{"Gateway", "Interface", "State", "Connections", "Listening on"}}
	for _, g := range list {
		for _, i := range g.Interfaces {
			rows = append(rows, []string{g.Name, i.Name, i.State.String(), fmt.Sprint(g.Connections), dash(listening(i))})
			if i.Error != "" {
				rows = append(rows, []string{"  " + i.Error})
			}
		}
	}
	if len(rows) == 1 {
		pg.Printf("No gateway is configured.\n")
		return
	}
	pg.Columns(rows)
}

// Gateway shows a gateway in detail. Users are its SIP interfaces, peers the peers of all interfaces.
func (pg Page) Gateway(g status.Gateway, users []string, peers []status.Peer) {
	for _, at := range g.Interfaces {
		pg.Printf("Gateway: %s\n  Interface: %s\n  State: %s\n", g.Name, at.Name, at.State)
		if at.Error != "" {
			pg.Printf("  Error: %s\n", at.Error)
		}
		pg.Folded("  Listening on: ", dash(listening(at)))
		pg.Printf("  Connections: %d\n", g.Connections)
		for _, user := range users {
			pg.Printf("  Used by: interface sip %s\n", user)
			for _, p := range peers {
				if p.Interface == user {
					pg.Folded("    Peer: ", p.Peer+", "+saidToOptions(p))
				}
			}
		}
	}
}

// saidToOptions tells what a peer last said to OPTIONS.
func saidToOptions(p status.Peer) string {
	if p.State == status.PeerUnasked {
		return "not asked with OPTIONS (no penalty-box)"
	}
	return "last answer: " + dash(p.Answer)
}

// listening lists the open sockets of a gateway's interface.
func listening(i status.GatewayInterface) string {
	var list []string
	for _, l := range i.Listeners {
		if l.State == status.ListenerOpen {
			list = append(list, l.Transport+" "+l.Address.String())
		}
	}
	return strings.Join(list, ", ")
}
