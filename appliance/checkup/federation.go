package checkup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/names"
	"viaduct/appliance/pki"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// microsoftEdge is the target of the record of every domain of Microsoft 365 (federation.md B).
const microsoftEdge = "sipfed.online.lync.com"

// federationSteps are those of `check federation DOMAIN`.
var federationSteps = []step{
	{id: "srv", title: "SRV record", run: checkSRV, about: "The domain has a record `_sipfederationtls._tcp`, by which others find its edge."},
	{id: "target", title: "Name of the edge", after: []string{"srv"}, run: checkTarget, about: "The target is the domain itself or one label below it: others refuse any other name. Microsoft's own is an exception."},
	{id: "edge-address", title: "Address of the edge", after: []string{"srv"}, run: checkEdgeAddress, about: "The target has an A record of its own, and is no alias (CNAME)."},
	{id: "edge-tcp", title: "TCP to the edge", after: []string{"edge-address"}, run: checkEdgeTCP, about: "The edge takes connections at the port of the record.",
		advice: "Let the port out at the firewalls on both sides, and look whether the edge runs."},
	{id: "edge-tls", title: "TLS with the edge", after: []string{"edge-tcp"}, run: checkEdgeTLS, about: "The certificate is for exactly the name of the edge, without a wildcard, of an authority that is known, and in date."},
	{id: "edge-options", title: "OPTIONS to the edge", after: []string{"edge-tls"}, run: checkEdgeOptions, about: "The edge answers OPTIONS."},
}

// federation is what a check of a domain has found so far. A step writes it before those that depend on it read it.
type federation struct {
	domain  string
	records []net.SRV
	edges   []*edge
	way     *peer // towards Teams: its network and certificate serve here, too; nil: there is none
}

// edge is one target.
type edge struct {
	name    string
	port    uint16
	addrs   []netip.Addr
	reached netip.AddrPort

	conn   *tls.Conn
	chain  []*x509.Certificate
	wanted bool // it asked for the box's certificate
}

// mostEdges are looked at.
const mostEdges = 4

// CheckFederation goes through what somebody needs to federate with a domain by SIP.
func (c *Checker) CheckFederation(ctx context.Context, domain string, report func(status.CheckStep)) status.Checkup {
	s := c.survey()
	s.partner = &federation{domain: strings.ToLower(strings.TrimSuffix(domain, "."))}
	for _, p := range s.peers {
		if p.teams && p.side != nil && s.partner.way == nil {
			s.partner.way = p
		}
	}
	defer s.partner.close()
	return s.goThrough(ctx, "federation "+printable.Text(domain), plan(s, federationSteps, all), report)
}

func (f *federation) close() {
	for _, e := range f.edges {
		if e.conn != nil {
			e.conn.Close()
		}
	}
}

// checkSRV asks for the record.
func checkSRV(ctx context.Context, s *survey, _ subject) finding {
	d := s.partner
	record := "_sipfederationtls._tcp." + d.domain
	var got names.Reply
	err := error(names.ErrNoServers)
	for _, server := range s.servers {
		if got, err = s.c.o.Resolver.AskServer(ctx, server, names.SRV, record); err == nil || errors.Is(err, names.ErrNotFound) {
			break
		}
	}
	should := fmt.Sprintf("A domain of Microsoft 365 has `%s SRV 100 1 5061 %s`; a server of its own has `... SRV 0 0 5061 sip.%s`.", record, microsoftEdge, d.domain)
	switch {
	case errors.Is(err, names.ErrNotFound), err == nil && len(got.SRVs) == 0:
		return finding{}.fails("there is no %s: the domain takes part in no open federation", record).
			by("Ask the partner for the name of its edge, or have the administrator of the domain set the record. %s", should)
	case err != nil:
		return finding{}.fails("%v", err).by("Look at `dns-client server`: `check all` asks each name server.")
	}
	var f finding
	for _, r := range got.SRVs[:min(len(got.SRVs), mostEdges)] {
		f = f.saw("%d %d %d %s", r.Priority, r.Weight, r.Port, r.Target)
		d.records = append(d.records, r)
		d.edges = append(d.edges, &edge{name: strings.ToLower(strings.TrimSuffix(r.Target, ".")), port: r.Port})
	}
	if d.microsoft() {
		f = f.saw("this is a domain of Microsoft 365: Teams reaches it without SIP, and ignores a record that leads elsewhere")
	}
	if n := slices.IndexFunc(d.records, func(r net.SRV) bool { return r.Port != 5061 }); n >= 0 {
		f = f.warns("port %d is not 5061: many firewalls let 5061 out only", d.records[n].Port).by("%s", should)
	}
	return f
}

// microsoft reports whether the record leads to Microsoft 365.
func (f *federation) microsoft() bool {
	return slices.ContainsFunc(f.edges, func(e *edge) bool {
		return e.name == microsoftEdge || strings.HasSuffix(e.name, ".online.lync.com") || strings.HasSuffix(e.name, ".online.partner.lync.cn")
	})
}

// checkTarget compares the names of the targets with the domain.
func checkTarget(_ context.Context, s *survey, _ subject) finding {
	d := s.partner
	var f finding
	for _, e := range d.edges {
		label, below := strings.CutSuffix(e.name, "."+d.domain)
		switch {
		case d.microsoft():
			f = f.saw("%s is Microsoft's", e.name)
		case e.name == d.domain, below && !strings.Contains(label, "."):
			f = f.saw("%s", e.name)
		default:
			f = f.fails("%s is neither %s nor one label below it: partners with open federation refuse it", e.name, d.domain).
				by("Have the administrator of the domain name the edge sip.%s, in the record and in the certificate; or let each partner enter the name by hand.", d.domain)
		}
	}
	return f
}

// checkEdgeAddress looks the targets up.
func checkEdgeAddress(ctx context.Context, s *survey, _ subject) finding {
	var f finding
	for _, e := range s.partner.edges {
		var got names.Reply
		err := error(names.ErrNoServers)
		for _, server := range s.servers {
			if got, err = s.c.o.Resolver.AskServer(ctx, server, names.A, e.name); err == nil || errors.Is(err, names.ErrNotFound) {
				break
			}
		}
		if err != nil {
			f = f.fails("%s: %v", e.name, err).by("Have the administrator of the domain set an A record for %s.", e.name)
			continue
		}
		e.addrs = got.Addrs
		f = f.saw("%s: %s", e.name, listed(got.Addrs))
		if got.Alias != "" && !s.partner.microsoft() {
			f = f.warns("%s is an alias of %s: the target of an SRV record must be no CNAME (RFC 2782)", e.name, got.Alias).by("Have the administrator of the domain set an A record in place of the CNAME.")
		}
	}
	return f
}

// checkEdgeTCP connects to the targets.
func checkEdgeTCP(ctx context.Context, s *survey, _ subject) finding {
	var f finding
	reached := 0
	for _, e := range s.partner.edges {
		for _, a := range e.addrs[:min(len(e.addrs), mostAddrs)] {
			to := netip.AddrPortFrom(a, e.port)
			start := time.Now()
			conn, err := s.partner.connect(ctx, to)
			if err != nil {
				f = f.saw("%s: %s", to, why(err))
				continue
			}
			conn.Close()
			f = f.saw("%s in %s", to, ms(time.Since(start)))
			if !e.reached.IsValid() {
				e.reached = to
				reached++
			}
		}
	}
	switch total := len(s.partner.edges); {
	case reached == 0:
		return f.fails("no edge of %s can be reached", s.partner.domain)
	case reached < total:
		return f.warns("%d of %d edges can be reached", reached, total)
	}
	return f
}

func (f *federation) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	way := f.way
	if way == nil {
		way = &peer{}
	}
	return connect(ctx, way, to)
}

// checkEdgeTLS judges the certificates of the targets.
func checkEdgeTLS(ctx context.Context, s *survey, _ subject) finding {
	var f finding
	for _, e := range s.partner.edges {
		if !e.reached.IsValid() {
			continue
		}
		if err := s.secureEdge(ctx, e); err != nil {
			f = f.fails("%s: %s", e.name, why(err)).by("The edge may want a certificate that the box does not have, or speaks no TLS at port %d.", e.port)
			continue
		}
		f = s.judgeEdge(f, e)
	}
	return f
}

// secureEdge begins TLS with an edge. Its certificate is judged afterwards.
func (s *survey) secureEdge(ctx context.Context, e *edge) error {
	raw, err := s.partner.connect(ctx, e.reached)
	if err != nil {
		return err
	}
	conf := &tls.Config{ServerName: e.name, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} // judgeEdge verifies, and says all that is wrong
	if way := s.partner.way; way != nil && way.profile(s.cfg) != nil {
		if ours, err := pki.ClientConfig(way.profile(s.cfg), s.c.o.Box, e.name); err == nil {
			conf.GetClientCertificate = ours.GetClientCertificate
		}
	}
	show := conf.GetClientCertificate
	conf.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		e.wanted = true
		if show == nil {
			return &tls.Certificate{}, nil
		}
		return show(r)
	}
	ctx, cancel := context.WithTimeout(ctx, secureTime)
	defer cancel()
	conn := tls.Client(raw, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return err
	}
	e.conn = conn
	certs := conn.ConnectionState().PeerCertificates
	e.chain = pki.Chain(certs[0], certs[1:])
	return nil
}

// judgeEdge says all that is wrong with a certificate.
func (s *survey) judgeEdge(f finding, e *edge) finding {
	leaf, now := e.chain[0], time.Now()
	d := pki.Describe(leaf)
	asked := "it did not ask for our certificate"
	if e.wanted {
		asked = "it asked for our certificate"
	}
	f = f.saw("%s: %s; %s, %s, until %s; %s", e.name, tls.VersionName(e.conn.ConnectionState().Version), strings.Join(d.Names[:min(len(d.Names), shown)], ", "), d.Key, d.NotAfter.UTC().Format(time.DateOnly), asked)
	renew := func(f finding) finding {
		return f.by("The administrator of the edge needs a certificate of a public authority for exactly %s.", e.name)
	}
	switch {
	case leaf.VerifyHostname(e.name) != nil:
		f = renew(f.fails("the certificate is for %s, not for %s", strings.Join(d.Names[:min(len(d.Names), shown)], ", "), e.name))
	case !slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, e.name) }):
		f = renew(f.fails("the certificate holds %s only by a wildcard, which edges do not take from each other", e.name))
	}
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore) || left < 0:
		f = renew(f.fails("the certificate is good from %s to %s only", leaf.NotBefore.UTC().Format(time.DateOnly), leaf.NotAfter.UTC().Format(time.DateOnly)))
	case left < 14*day:
		f = renew(f.warns("the certificate ends in %s", plural.Of(int(left/day), "day")))
	}
	if usages := leaf.ExtKeyUsage; len(usages) > 0 && !slices.Contains(usages, x509.ExtKeyUsageServerAuth) && !slices.Contains(usages, x509.ExtKeyUsageAny) {
		f = renew(f.fails("the certificate does not carry the server usage"))
	}
	if root := s.knownRoot(e.chain); root != "" {
		return f.saw("root: %s", root)
	}
	end := e.chain[len(e.chain)-1]
	return f.warns("the chain ends at %s, issued by %s, which this box does not know; it knows few roots, and a partner may know it", pki.Describe(end).Subject, pki.Describe(end).Issuer).
		by("If the authority is a public one, nothing is to be done. A private one must be trusted at every partner.")
}

// knownRoot is the root of a chain among all that the box has.
func (s *survey) knownRoot(chain []*x509.Certificate) string {
	return s.rootAmong(chain, append(pki.BuiltIn(), pki.Public()...), s.cfg.TLS...)
}

// rootAmong is the root of a chain among anchors, and what TLS profiles trust; "": it is none of them.
func (s *survey) rootAmong(chain, anchors []*x509.Certificate, profiles ...*config.TLSProfile) string {
	for _, t := range profiles {
		for _, name := range t.Trusted {
			list, _ := s.c.o.Box.Certificates(pki.Name(name))
			anchors = append(anchors, list...)
		}
	}
	if root := pki.RootOf(chain, anchors, time.Now()); root != nil {
		return pki.Describe(root).Subject
	}
	return ""
}

// checkEdgeOptions asks the edges.
func checkEdgeOptions(ctx context.Context, s *survey, _ subject) finding {
	way := s.partner.way
	if way == nil {
		return ok("no gateway towards Teams is configured, whose name the box could ask with")
	}
	var f finding
	for _, e := range s.partner.edges {
		if e.conn == nil {
			continue
		}
		t := talk{addr: e.reached}
		s.exchange(ctx, &peer{conf: way.conf, host: e.name}, &t, e.conn)
		switch {
		case t.answer == nil && t.tlsErr != nil:
			f = f.fails("%s ends TLS: it does not take the certificate of the box (%s)", e.name, why(t.tlsErr)).by("Edges want a certificate of a public authority for exactly the name of the own edge.")
			continue
		case t.answer == nil:
			f = f.fails("%s does not answer OPTIONS: %s", e.name, why(t.err)).by("An edge answers those only whom it lets federate: the administrators on both sides must allow the domain of the other.")
			continue
		}
		f = f.saw("%s: %s in %s", e.name, said(t.answer), ms(t.took))
		if diagnostics := t.answer.Header("ms-diagnostics"); diagnostics != "" {
			f = f.saw("ms-diagnostics: %s", diagnostics)
		}
		if t.answer.StatusCode/100 != 2 {
			f = f.warns("%s answers %s", e.name, said(t.answer)).by("The edge is there, and does not take the domain in From (%s): the administrator there must allow it, and its own SRV record must lead back.", way.ownName())
		}
	}
	return f
}
