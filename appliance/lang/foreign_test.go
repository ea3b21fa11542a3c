package lang

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// hostile is what a peer can put into a name, a number or a reason: it clears the screen, forges a line of the problem list, turns text
// around and holds octets that are no UTF-8.
const hostile = "x\x1b[2J\n  fix:\n    reload\r\u009b31m\u202e\u2028\xff\ty"

// hostileBox is a box whose peers are called so.
type hostileBox struct{ busyBox }

func (hostileBox) Calls() []status.Call {
	return []status.Call{{ID: "17", State: status.CallConnected, From: "a", To: "b", Calling: hostile, Called: hostile, Started: noon,
		Legs: []status.Leg{{Interface: "a", Peer: hostile, CallID: hostile, Codec: hostile}}}}
}

func (hostileBox) CallRecords(int) ([]status.Record, error) {
	return []status.Record{{ID: "15", CallID: hostile, From: "a", To: "b", Calling: hostile, Called: hostile, By: "caller", Code: 486, Reason: hostile,
		Peer: hostile, CallingMapped: hostile, CalledMapped: hostile, Microsoft: &status.MicrosoftText{Text: hostile, ID: hostile},
		Route: []status.RouteStep{{Table: hostile, Entry: hostile, Action: "go", Before: hostile, After: hostile}},
		Attempts: []status.Attempt{{Interface: "b", Peer: hostile, CallID: hostile, Calling: hostile, Called: hostile, Account: hostile, Outcome: status.Refused, Code: 486, Text: hostile,
			Microsoft: &status.MicrosoftText{Text: hostile, ID: hostile}}}}}, nil
}

func (hostileBox) Registrations() []status.Registration {
	return []status.Registration{{Identity: "user.01", AOR: hostile, Registrar: hostile, State: status.RegistrationFailed, Code: 403, Reason: hostile}, {Error: hostile}}
}

func (hostileBox) Peers() []status.Peer {
	return []status.Peer{{Interface: "a", Peer: hostile, State: status.PeerDown, Answer: hostile}}
}

func (hostileBox) Connections() []status.Connection {
	return []status.Connection{{Interface: "a", Transport: "TLS", TLS: &status.TLS{Version: "TLS 1.3", Suite: "s", Subject: hostile, Issuer: hostile}}}
}

func (hostileBox) Gateways() []status.Gateway {
	return []status.Gateway{{Name: "g", Interfaces: []status.GatewayInterface{{Name: "i", Error: hostile}}}}
}

var anySum = strings.Repeat("AB", 32)

func (hostileBox) UnknownIssuers() []status.UnknownIssuer {
	return []status.UnknownIssuer{{SHA256: anySum, Subject: hostile, Issuer: hostile, Peer: hostile, Gateway: "g", Leaf: hostile, Warning: hostile,
		Chain: []status.ChainLink{{Subject: hostile, Issuer: hostile, KeyType: hostile, SHA256: hostile}}}}
}

func (hostileBox) PKI() []status.Key {
	return []status.Key{{Kind: status.KeyCertificate, Name: "a", Subject: hostile, Issuer: hostile, Names: []string{hostile}}}
}

func (hostileBox) CallTrace(string) (status.CallTrace, error) {
	return status.CallTrace{ID: hostile, Calling: hostile, Called: hostile, Legs: []status.TraceLeg{{Interface: hostile, CallID: hostile}},
		Messages: []status.TraceMessage{{Time: noon, Transport: hostile, Method: hostile, Text: hostile}, {Time: noon, Method: "INVITE", Code: 400, Reason: hostile}}}, nil
}

func (hostileBox) Clock() status.Clock {
	return status.Clock{Now: noon, Server: hostile, Error: hostile, Servers: []status.TimeServer{{Role: "primary", Host: "h", Error: hostile}}}
}

func (hostileBox) Audit(int, func(status.Audit) bool) ([]status.Audit, error) {
	return []status.Audit{{What: status.AuditRefused, Account: hostile, From: hostile, Mode: hostile, Line: hostile, Error: hostile}}, nil
}

func (hostileBox) AlarmHistory(int) []health.Episode {
	return []health.Episode{{ID: "x", Subject: hostile, Text: hostile, Raised: noon, Times: 1}}
}

func (hostileBox) Log(int) []string { return []string{hostile} }

func (hostileBox) FollowLog(_ context.Context, each func(string) error) error { return each(hostile) }

func (hostileBox) Ping(_ context.Context, _ device.Ping, each func(string)) error {
	each(hostile)
	return errors.New(hostile)
}

func (hostileBox) Lookup(context.Context, string) ([]string, error) {
	return []string{hostile}, errors.New(hostile)
}

func (hostileBox) Fetch(context.Context, string) ([]byte, error) { return nil, errors.New(hostile) }

func (hostileBox) Sessions() []status.Session {
	return []status.Session{{User: hostile, TTY: hostile, Since: noon}}
}

func (hostileBox) Trace(device.TraceStart, []device.PropertyValue) (device.Trace, error) {
	return device.Trace{Steps: []string{hostile}, Attempts: []string{hostile}, Notes: []string{hostile}, Result: hostile}, nil
}

func (hostileBox) PeerChains() status.PeerChains {
	chain := []status.ShownChain{{Links: []status.ChainLink{{Subject: hostile, Issuer: hostile, KeyType: hostile, SHA256: hostile}}, Root: hostile, Refused: hostile, Issuer: hostile}}
	return status.PeerChains{Next: noon, Peers: []status.PeerChanges{{Peer: hostile, Now: chain, Before: chain, Change: hostile, Changed: noon}}}
}

func (hostileBox) Calendar() status.Calendar {
	return status.Calendar{Date: noon, Signer: hostile, Refused: hostile, Sources: map[string]string{hostile: hostile},
		Mine:   []status.CalendarEntry{{Date: noon, Text: hostile, About: hostile, Sources: []string{hostile}}},
		Others: []status.CalendarEntry{{Date: noon.Add(time.Hour), Text: hostile}, {Date: noon, Text: hostile}}}
}

func (hostileBox) InternalCA() status.InternalCA {
	return status.InternalCA{Subject: hostile, Problem: hostile, PEM: hostile, Issued: []status.InternalCertificate{{Name: hostile, Key: hostile, Names: []string{hostile}, Problem: hostile}}}
}

func (hostileBox) TrustIssuer(string) (string, error)   { return hostile, nil }
func (hostileBox) UntrustIssuer(string) (string, error) { return hostile, nil }

// Check: the package that makes steps has them printable already, but the layout must not rely on it.
func (hostileBox) Check(_ context.Context, _ string, each func(status.CheckStep)) status.Checkup {
	var c status.Checkup
	for state := status.CheckOK; state <= status.CheckSkipped; state++ {
		x := status.CheckStep{Title: hostile, State: state, Because: hostile, Seen: []string{hostile, hostile}, Problem: hostile, Advice: hostile, Cure: []string{hostile}}
		if c.Steps = append(c.Steps, x); each != nil {
			each(x)
		}
	}
	return c
}

func (hostileBox) Alarms() []health.Alarm {
	return []health.Alarm{{ID: "x", Severity: health.Warning, Text: hostile, Advice: hostile, Cure: []string{"pki trust " + hostile}}}
}

func TestPeersCannotSteerTheConsole(t *testing.T) {
	l := New()
	b := hostileBox{busyBox{newBox()}}
	b.cfg, _ = l.Parse([]byte("context cs S\nrouting-table called-e164 T\nroute default dest-table T2\n"))
	s := &Session{Class: config.Superuser, Mode: []string{"enable"}}
	for _, line := range []string{
		"show calls", "show calls detail 4", "show calls history", "show calls record 15", "show calls explain 15", "show sip registrations", "show sip penalty-box", "show peer", "check all",
		"show calls ladder 15", "show calls ladder 15 detail",
		"show context sip-gateway", "show pki", "show pki trusted", "show pki calendar", "show pki peers", "show pki internal-ca", "show sntp-client", "show log", "show log follow", "show audit", "show alarms history", "ping h", "nslookup h",
		"copy http://h/x startup-config", "who", "show call-router trace T called-e164 1", "show config problems", "show alarms", "pki trust add " + anySum, "pki trust add " + anySum + " force",
		"no pki trust " + anySum,
	} {
		var out strings.Builder
		l.Exec(t.Context(), b, s, line, nil, &out)
		if !strings.Contains(out.String(), `x\x1b[2J`) {
			t.Errorf("%s does not show the text:\n%s", line, out.String())
		}
		for text := range strings.Lines(out.String()) {
			text = strings.TrimSuffix(text, "\n")
			if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%s prints %q", line, text)
			}
			if strings.TrimSpace(text) == "reload" {
				t.Errorf("%s prints a line of the peer's: %q", line, text)
			}
		}
	}
}

func TestAForeignFixIsNotOffered(t *testing.T) {
	p := check.Problem{Severity: check.Warning, Text: "the certificate of " + hostile, Fix: "pki trust " + hostile}
	if got, want := p.String(), `warning: the certificate of x\x1b[2J\x0a  fix:\x0a    reload\x0d\u009b31m\u202e\u2028\xff\x09y`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
