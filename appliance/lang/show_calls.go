package lang

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// What goes on: calls, registrations, peers, gateways.

type detail struct{ Level int }

func showCalls(c *call, a *detail) error {
	calls := c.box.Calls()
	now := c.box.Clock().Now
	rows := [][]string{{"ID", "State", "Calling", "Called", "From", "To", "Time"}}
	for _, x := range calls {
		since := x.Started
		if !x.Connected.IsZero() {
			since = x.Connected
		}
		rows = append(rows, []string{x.ID, x.State.String(), dash(x.Calling), dash(x.Called), x.From, dash(x.To), span(now.Sub(since))})
	}
	if a.Level == 0 {
		if len(calls) > 0 {
			c.page().Columns(rows)
		}
		c.printf("%s\n", plural.Of(len(calls), "call"))
		return nil
	}
	for i, x := range calls {
		c.page().Columns([][]string{rows[0], rows[i+1]})
		for _, l := range x.Legs {
			c.printf("  %s with %s\n", l.Interface, dash(l.Peer))
			c.printf("    Call-ID: %s\n", l.CallID)
			c.printf("    Media: %s, SRTP %s, %s to %s\n", dash(l.Codec), cmp.Or(l.Suite, "none"), endpoint(l.Local), endpoint(l.Remote))
			c.printf("    Digits to it: %s\n", l.Digits)
			if a.Level > 1 {
				c.printf("    Packets: %d in, %d out, %d lost, jitter %.1f ms\n", l.Received, l.Sent, max(l.Lost, 0), l.JitterMS)
				c.printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(l.MOS, "%.2f"), max(l.BurstRatio, 1), known(l.RoundTripMS, "%.1f ms"))
			}
		}
	}
	c.printf("%s\n", plural.Of(len(calls), "call"))
	return nil
}

// endpoint prints an address and port, "-" when there is none.
func endpoint(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// known formats a figure that is zero when it is not known.
func known(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func showRegistrations(c *call, _ *none) error {
	list := c.box.Registrations()
	now := c.box.Clock().Now
	for _, r := range list {
		c.printf("SIP Registration: %s\n", r.Identity)
		c.printf("  State: %s\n", r.State)
		c.printf("  Address: %s\n", dash(r.AOR))
		c.printf("  Registrar: %s\n", dash(r.Registrar))
		if r.Code > 0 {
			c.printf("  Last answer: %d %s\n", r.Code, r.Reason)
		} else if r.Error != "" {
			c.printf("  Last answer: %s\n", r.Error)
		}
		switch left := r.Expires.Sub(now); {
		case r.Expires.IsZero():
		case left > 0:
			c.printf("  Expires in: %s\n", span(left))
		default:
			c.printf("  Expired: %s ago\n", span(-left))
		}
		if !r.Next.IsZero() {
			c.printf("  Next try in: %s\n", span(max(0, r.Next.Sub(now))))
		}
	}
	c.printf("%s\n", plural.Of(len(list), "registration"))
	return nil
}

type registering struct{ Identity string }

func registerNow(c *call, a *registering) error {
	n, err := c.box.Register(a.Identity)
	if err != nil {
		return err
	}
	c.printf("Asking now for %s: show sip registrations\n", plural.Of(n, "registration"))
	return nil
}

// showPenaltyBox shows all peers; what they said is as long as they please, and comes last.
func showPenaltyBox(c *call, _ *none) error {
	now := c.box.Clock().Now
	rows := [][]string{{"Interface", "State", "For", "RTT", "Heard", "Peer and last answer"}}
	ago := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return span(max(0, now.Sub(t)))
	}
	for _, p := range c.box.PenaltyBox() {
		rtt := "-"
		if p.RTT > 0 {
			rtt = milliseconds(p.RTT)
		}
		rows = append(rows, []string{p.Interface, p.State.String(), ago(p.Since), rtt, ago(p.Heard), p.Peer})
		rows = append(rows, []string{"", "", "", "", "", "  " + dash(p.Answer)})
	}
	if len(rows) == 1 {
		c.printf("No interface has a peer.\n")
		return nil
	}
	c.page().Columns(rows)
	return nil
}

// milliseconds prints a round trip; in a LAN it takes less than one.
func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

type named struct{ Name string }

type gatewayArgs struct {
	Name  string
	Level int
}

func showGateways(c *call, a *gatewayArgs) error {
	rows := [][]string{{"Gateway", "Interface", "State", "Connections", "Listening on"}}
	found := false
	for _, g := range c.box.Gateways() {
		if a.Name != "" && config.SameName(a.Name) != config.SameName(g.Name) {
			continue
		}
		for _, i := range g.Interfaces {
			found = true
			if a.Level > 0 {
				c.printGateway(g, i)
				continue
			}
			rows = append(rows, []string{g.Name, i.Name, i.State.String(), fmt.Sprint(g.Connections), dash(listening(i))})
			if i.Error != "" {
				rows = append(rows, []string{"  " + i.Error})
			}
		}
	}
	switch {
	case !found && a.Name != "":
		return fmt.Errorf("no such context sip-gateway: %s", a.Name)
	case !found:
		c.printf("No gateway is configured.\n")
	case a.Level == 0:
		c.page().Columns(rows)
	}
	return nil
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

// printGateway tells all of a gateway's interface.
func (c *call) printGateway(g status.Gateway, at status.GatewayInterface) {
	c.printf("Gateway: %s\n  Interface: %s\n  State: %s\n", g.Name, at.Name, at.State)
	if at.Error != "" {
		c.printf("  Error: %s\n", at.Error)
	}
	c.printf("  Listening on: %s\n  Connections: %d\n", dash(listening(at)), g.Connections)
	cfg := c.box.Running()
	for _, s := range cfg.CS {
		for _, i := range s.Interfaces {
			if config.SameName(i.Gateway.Name) != config.SameName(g.Name) {
				continue
			}
			c.printf("  Used by: interface sip %s\n", i.Name)
			for _, p := range c.box.PenaltyBox() {
				if p.Interface == i.Name {
					c.printf("    Peer: %s, last answer: %s\n", p.Peer, dash(p.Answer))
				}
			}
		}
	}
}
