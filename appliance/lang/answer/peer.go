package answer

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// PeerView is what is shown of peers beside their own state.
type PeerView struct {
	Now           time.Time
	Connections   []status.Connection
	Calls         []status.Call
	Traffic       []status.InterfaceTraffic // of the last hour
	Registrations []status.Registration
}

// Registrar is a peer as registrations know it.
type Registrar struct{ Gateway, Host string }

// Peer shows all that is known of a peer.
func (pg Page) Peer(p status.Peer, v PeerView, r Registrar) {
	ago := func(t time.Time, otherwise string) string {
		if t.IsZero() {
			return otherwise
		}
		return span(max(0, v.Now.Sub(t))) + " ago"
	}
	pg.Folded("Peer of ", p.Interface+": "+p.Peer)
	if p.State == status.PeerUnasked {
		pg.Printf("  State: not asked with OPTIONS (no penalty-box)\n")
	} else {
		pg.Printf("  State: %s%s\n", p.State, since(p.Since, v.Now))
	}
	if p.Skipped != "" {
		pg.Folded("  Calls stay away: it ", p.Skipped)
	}
	if p.State != status.PeerUnasked {
		text := ago(p.Last, "none yet")
		if !p.Last.IsZero() {
			text += ": " + cmp.Or(p.Answer, "no answer")
			if p.RTT > 0 {
				text += ", " + milliseconds(p.RTT)
			}
		}
		pg.Folded("  Last OPTIONS to it: ", text)
	}
	text := ago(p.Heard, "none since the start")
	if p.HeardFrom.IsValid() {
		text += ", from " + p.HeardFrom.String()
	}
	pg.Printf("  Last request from it: %s\n", text)
	pg.Printf("  Last response to a call: %s\n", ago(p.Responded, "none since the start"))
	pg.messages("received", p.Messages.Received)
	pg.messages("sent", p.Messages.Sent)
	pg.connections(p.Interface, v)
	pg.callsOf(p.Interface, v)
	pg.registeredAt(r, v.Registrations)
}

// messages counts SIP messages of one direction.
func (pg Page) messages(way string, m status.SIPMessages) {
	var parts []string
	for _, kind := range []struct {
		name string
		list []status.SIPCount
	}{{"request", m.Requests}, {"response", m.Responses}} {
		n, each := 0, []string{}
		for _, c := range kind.list {
			of := c.Of
			if strings.HasSuffix(of, "xx") {
				of = "other " + of
			}
			n, each = n+int(c.N), append(each, fmt.Sprintf("%s (%d)", of, c.N))
		}
		if n > 0 {
			parts = append(parts, plural.Of(n, kind.name)+": "+strings.Join(each, ", "))
		}
	}
	if m.Repeated > 0 {
		parts = append(parts, fmt.Sprintf("%d of all repeated", m.Repeated))
	}
	if len(parts) > 0 {
		pg.Folded("  SIP "+way+": ", strings.Join(parts, "; "))
	}
}

// since says for how long something has been so.
func since(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", for " + span(max(0, now.Sub(t)))
}

// connections lists the open connections of an interface.
func (pg Page) connections(iface string, v PeerView) {
	for _, c := range v.Connections {
		if c.Interface != iface {
			continue
		}
		way := "to"
		if c.Accepted {
			way = "from"
		}
		pg.Folded("  Connection ", fmt.Sprintf("%s %s/%s, opened %s ago, used %s ago", way, c.Remote, c.Transport, span(max(0, v.Now.Sub(c.Opened))), span(max(0, v.Now.Sub(c.Used)))))
		if t := c.TLS; t != nil {
			pg.Printf("    %s, %s\n", t.Version, t.Suite)
			if t.Subject == "" {
				pg.Printf("    no certificate\n")
			} else {
				pg.Folded("    Certificate: ", fmt.Sprintf("%s, until %s, issued by %s", t.Subject, t.NotAfter.UTC().Format(time.DateOnly), t.Issuer))
			}
		}
	}
}

// callsOf counts the calls of an interface now, and in the last hour.
func (pg Page) callsOf(iface string, v PeerView) {
	n := 0
	for _, c := range v.Calls {
		if c.From == iface || c.To == iface {
			n++
		}
	}
	pg.Printf("  Calls in progress: %d\n", n)
	for _, w := range v.Traffic {
		if w.Interface != iface {
			continue
		}
		way := "from"
		if w.Outgoing {
			way = "to"
		}
		text := fmt.Sprintf("%s %s it, %d answered", plural.Of(w.Calls, "call"), way, w.Answered)
		for _, f := range w.Failed {
			text += fmt.Sprintf(", %d x %s", f.N, failureText(f))
		}
		if w.Unheard > 0 {
			text += fmt.Sprintf("; %s without its voice", plural.Of(w.Unheard, "call"))
		}
		pg.Folded("  Last hour: ", text)
	}
}

// failureText is how calls failed, in words.
func failureText(f status.Failure) string {
	var what []string
	if f.Outcome != "" && f.Outcome != status.Refused {
		what = append(what, string(f.Outcome))
	}
	if f.Code != 0 {
		what = append(what, strings.TrimSpace(fmt.Sprintf("%d %s", f.Code, sipmsg.Phrase(f.Code))))
	}
	return dash(strings.Join(what, ", "))
}

// registeredAt counts the registrations at a peer, and says what it refuses them with.
func (pg Page) registeredAt(r Registrar, list []status.Registration) {
	all, good, why := 0, 0, ""
	for _, x := range list {
		if x.Gateway != r.Gateway || !strings.EqualFold(sipmsg.SplitURI("sip:"+x.Registrar).Host, r.Host) {
			continue
		}
		all++
		if x.State == status.Registered {
			good++
		} else if why == "" {
			why = fmt.Sprintf("; %s: %s", x.Identity, cmp.Or(x.Error, x.State.String()))
		}
	}
	if all > 0 {
		pg.Folded("  Registrations: ", fmt.Sprintf("%d of %d%s", good, all, why))
	}
}
