package lab

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/status"

	"golang.org/x/net/dns/dnsmessage"
)

// check is `check OF json`.
func (r *running) check(of string) (c status.Checkup) {
	r.t.Helper()
	text := r.says("check " + of + " json")
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		r.t.Fatalf("%v: %s", err, text)
	}
	return c
}

// says is what the box says to a command.
func (r *running) says(line string) string {
	r.t.Helper()
	text, err := r.box.Exec(r.ctx, line)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// first is the first step that failed, and the others that did.
func first(c status.Checkup) (x status.CheckStep, others []string) {
	for _, s := range c.Steps {
		switch {
		case s.State != status.CheckFailed:
		case x.ID == "":
			x = s
		default:
			others = append(others, s.Title+": "+s.Problem)
		}
	}
	return x, others
}

func TestACheckOfASoundBoxFailsNowhereAndChangesNothing(t *testing.T) {
	r := runBox(t, Setup{Sessions: 4, Channels: 4})
	look := func() string {
		var contacts []string
		for _, c := range r.Starface.Registrations() {
			contacts = append(contacts, c.Account+" "+c.Contact)
		}
		return strings.Join(contacts, "\n") + r.says("show alarms") + r.says("show pki trusted") + r.says("show sip registrations | include State") + r.says("show context sip-gateway")
	}
	r.wait("the box has asked every peer", func() bool { return !strings.Contains(r.says("show sip penalty-box"), "none yet") })
	before := look()
	if text := r.says("check all"); !strings.Contains(text, "0 failed, 0 skipped") {
		t.Error(text)
	}
	for _, s := range r.check("all").Steps {
		if s.State != status.CheckOK && s.ID != "emergency" { // the reference configuration names no emergency numbers
			t.Errorf("%s %s: %s", s.State, s.Title, s.Problem)
		}
	}
	if text := r.says("check pbx"); strings.Contains(text, "TLS with") || !strings.Contains(text, "3 passwords taken") {
		t.Error(text)
	}
	if after := look(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// edge is the edge of a partner's domain: it answers each request of a connection with a code.
func (r *running) edge(name string, code int, names ...string) {
	r.t.Helper()
	r.DNS.Set(name, WANPeerAddr)
	certificate, err := r.PKI.IssueTeams(r.PKI.Teams.PrivateKey.(crypto.Signer), names...)
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := r.WAN.Listen(r.ctx, "tcp4", netip.AddrPortFrom(WANPeerAddr, 5061).String())
	if err != nil {
		r.t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert}
	var all sync.WaitGroup
	r.t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				secured := tls.Server(conn, conf)
				request, err := textproto.NewReader(bufio.NewReader(secured)).ReadLine()
				if err != nil || !strings.HasPrefix(request, "OPTIONS sip:"+name) {
					return
				}
				fmt.Fprintf(secured, "SIP/2.0 %d Said\x1b[31m so\r\nVia: SIP/2.0/TLS a;branch=z9hG4bKa\r\nFrom: <sip:a>;tag=a\r\nTo: <sip:b>;tag=b\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nms-diagnostics: 1034;reason=\"none\x1b]0;\"\r\nContent-Length: 0\r\n\r\n", code)
			})
		}
	})
}

func TestFederationWithADomain(t *testing.T) {
	r := runBox(t, Setup{})
	const record = "_sipfederationtls._tcp."
	srv := func(domain, target string) {
		r.DNS.SetSRV(record+domain, dnsmessage.SRVResource{Priority: 10, Weight: 5, Port: 5061, Target: dnsmessage.MustNewName(target + ".")})
	}
	srv("good.example", "sip.good.example")
	srv("deep.example", "sip.edge.deep.example")
	srv("wild.example", "sip.wild.example")
	srv("tenant.example", "sipfed.online.lync.com")
	r.DNS.Set("sipfed.online.lync.com", WANPeerAddr)
	r.DNS.Set("sip.edge.deep.example", WANPeerAddr)
	r.DNS.Set("sip.wild.example", WANPeerAddr)
	r.edge("sip.good.example", 200, "sip.good.example", "*.wild.example", "sip.edge.deep.example")
	for _, c := range []struct{ domain, step, problem string }{
		{"good.example", "", ""},
		{"none.example", "srv", "there is no _sipfederationtls._tcp.none.example"},
		{"deep.example", "target", "neither deep.example nor one label below"},
		{"wild.example", "edge-tls", "only by a wildcard"},
		{"tenant.example", "edge-tls", "not for sipfed.online.lync.com"},
	} {
		found := r.check("federation " + c.domain)
		x, _ := first(found)
		if x.ID != c.step || !strings.Contains(x.Problem, c.problem) {
			t.Errorf("%s: %s: %s; %+v", c.domain, x.ID, x.Problem, found)
		}
	}
	text := strings.Join(strings.Fields(r.says("check federation good.example")), " ")
	if !strings.Contains(text, "10 5 5061 sip.good.example") || !strings.Contains(text, "it asked for our certificate") || !strings.Contains(text, "ms-diagnostics: 1034") || strings.Contains(text, "\x1b") {
		t.Error(text)
	}
}
