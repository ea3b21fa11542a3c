package checkup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// testHost has certificates of the new roots: OPTIONS only, no calls (teams-2026.md B.2).
const testHost = "sip.g1.pstnhub.microsoft.com"

// addTest adds Microsoft's test to the peers, where a hub of the world-wide cloud is one.
func (s *survey) addTest() {
	for _, p := range s.peers {
		if p.teams && p.at != nil && strings.HasSuffix(strings.ToLower(strings.TrimSuffix(p.host, ".")), ".pstnhub.microsoft.com") {
			conf := *p.conf
			conf.Remote = config.HostPort{Host: testHost, Port: 5061}
			s.peers = append(s.peers, &peer{conf: &conf, gateway: p.gateway, at: p.at, side: p.side, teams: true, host: testHost, test: true})
			return
		}
	}
}

// checkReach looks whether any hub can be reached.
func checkReach(ctx context.Context, s *survey, x subject) finding {
	var hubs, reached int
	var f finding
	for _, p := range s.peers {
		if !p.teams || p.side != x.side || p.test || s.find(ctx, p).err != nil {
			continue
		}
		hubs++
		for _, d := range s.dial(ctx, p) {
			if d.err == nil {
				reached++
				break
			}
		}
	}
	if f = f.saw("%d of %d hubs can be reached", reached, hubs); hubs > 0 && reached == 0 {
		return f.fails("no hub of Teams answers: the way to the internet is cut, a firewall drops TCP 5061, or all hubs are down").
			by("Have the network's administrator let TCP 5061 out to 52.112.0.0/14 and 52.122.0.0/15. `traceroute sip.pstnhub.microsoft.com` shows how far packets come.")
	}
	return f
}

// checkTCP connects to one hub.
func checkTCP(ctx context.Context, s *survey, x subject) finding {
	var f finding
	list := s.dial(ctx, x.peer)
	silent := 0
	for _, d := range list {
		if d.err != nil {
			silent++
			f = f.saw("%s: %s", d.addr, why(d.err))
			continue
		}
		f = f.saw("%s in %s", d.addr, ms(d.took))
	}
	switch {
	case silent == len(list):
		f = f.fails("%s cannot be reached: %s", x.peer.host, why(list[0].err))
	case silent > 0:
		f = f.warns("%d of %d addresses of %s cannot be reached", silent, len(list), x.peer.host)
	}
	return f
}

// why is an error of a connection in words.
func why(err error) string {
	var operation *net.OpError
	switch {
	case err == nil:
		return "no address"
	case isTimeout(err):
		return "no answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route leads there"
	case errors.As(err, &operation):
		return operation.Err.Error()
	}
	return err.Error()
}

// checkTLS speaks TLS with one hub.
func checkTLS(ctx context.Context, s *survey, x subject) finding {
	p := x.peer
	t := s.talk(ctx, p)
	var f finding
	if t.version != 0 {
		f = f.saw("%s in %s%s", tls.VersionName(t.version), ms(t.handshake), after("; ", t.other))
	}
	for n, c := range t.chain {
		d := pki.Describe(c)
		if n == 0 {
			f = f.saw("it shows %s, %s, until %s", d.Subject, d.Key, c.NotAfter.UTC().Format(time.DateOnly))
		} else {
			f = f.saw("issued by %s", d.Subject)
		}
	}
	if root := s.rootOf(p, t.chain); root != "" {
		f = f.saw("root: %s", root)
	}
	return s.judgeTLS(p, t, f)
}

func after(with, text string) string {
	if text == "" {
		return ""
	}
	return with + text
}

// rootOf is the anchor at which a peer's chain ends.
func (s *survey) rootOf(p *peer, chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	if t := p.profile(s.cfg); t != nil {
		return s.rootAmong(chain, pki.BuiltIn(), t)
	}
	return s.rootAmong(chain, pki.BuiltIn())
}

func (s *survey) judgeTLS(p *peer, t talk, f finding) finding {
	var unknown *pki.UnknownIssuer
	switch err := t.tlsErr; {
	case err == nil && t.classic:
		return f.fails("the handshake succeeds without the post-quantum key exchange only: something on the way does not take a ClientHello of 1.5 kB in two segments").
			by("Have the network's administrator update, or take out of the way, the firewall or proxy that looks into TLS to TCP 5061.")
	case err == nil:
		return f
	case errors.As(err, &unknown):
		return f.fails("%v", err).paste("pki trust add " + unknown.SHA256 + " force").
			by("Compare the fingerprint with the one that Microsoft publishes, then trust the issuer. Without `force` the box shows the chain and asks.")
	case alert(err), errors.Is(err, syscall.ECONNRESET), strings.HasSuffix(err.Error(), "EOF"):
		return f.fails("%s ends TLS: it does not take the box's certificate (%s)", p.host, why(err)).
			by("Teams takes certificates of Microsoft's Trusted Root Program, with an RSA key, for the name that the tenant knows, and with the whole chain. See the step about the certificate, and have one issued by such an authority.")
	case isTimeout(err):
		return f.fails("%s takes the connection, and then does not answer within %s", p.host, secureTime).
			by("Large packets may get lost on the way (`ping %s size 1472 df`), or a firewall looks into TLS: have the network's administrator look.", p.host)
	}
	return f.fails("%v", t.tlsErr).by("The certificate that %s shows is not good here. If the clock of the box is right, something stands between the box and Teams.", p.host)
}

// checkOptions judges the answer of one hub to OPTIONS.
func checkOptions(ctx context.Context, s *survey, x subject) finding {
	p := x.peer
	t := s.talk(ctx, p)
	if t.answer == nil {
		return finding{}.fails("%s does not answer OPTIONS: %s", p.host, why(t.err)).
			by("Something on the way may read SIP: switch off every SIP ALG.")
	}
	f := ok(fmt.Sprintf("%s in %s", said(t.answer), ms(t.took)))
	switch code := t.answer.StatusCode; {
	case code == 403:
		f = f.fails("%s answers %s: the tenant does not know the name %s", p.host, said(t.answer), p.ownName()).
			by("The tenant's administrator: verify the domain of %s in Microsoft 365, with a licensed user in it, then `New-CsOnlinePSTNGateway -Fqdn %s -SipSignalingPort %d -Enabled $true`. Up to a day passes until Teams knows it. If another name is registered there, set that one: `spoofed contact-header manual NAME port PORT`.",
				p.ownName(), p.ownName(), p.at.TLS)
	case code == 503:
		f = f.fails("%s answers %s: it takes no calls now", p.host, said(t.answer)).by("Calls go to the other hubs. If it lasts, look at the service health of Microsoft 365.")
	case code/100 != 2:
		f = f.warns("%s answers %s instead of 200", p.host, said(t.answer)).by("Calls may work. Compare the name and the port in Contact with the tenant's.")
	}
	return f
}

// quiet is how long Teams may be silent: it asks once a minute.
const quiet = 5 * time.Minute

// checkHeard looks for requests of Teams.
func checkHeard(_ context.Context, s *survey, x subject) finding {
	var f finding
	var last time.Time
	now := time.Now()
	for _, p := range s.c.o.Box.Peers() {
		if !slices.ContainsFunc(s.peers, func(q *peer) bool {
			return q.teams && !q.test && q.gateway == x.owner.gateway && q.conf.ID().String() == p.Interface
		}) {
			continue
		}
		if p.Heard.IsZero() {
			continue
		}
		f = f.saw("%s: %s ago, from %s", p.Interface, now.Sub(p.Heard).Round(time.Second), p.HeardFrom)
		if p.Heard.After(last) {
			last = p.Heard
		}
	}
	advice := fmt.Sprintf("Let TCP %d in from 52.112.0.0/14 and 52.122.0.0/15, and forward it to %s if there is NAT. The tenant's administrator: SipSignalingPort must be %d, and SendSipOptions on.", x.owner.at.TLS, s.localOf(x.owner), x.owner.at.TLS)
	switch {
	case now.Sub(last) <= quiet:
		return f
	case last.IsZero() && now.Sub(s.c.started) < quiet:
		return f.warns("Teams has not asked yet; the box runs for %s, and Teams needs some minutes", now.Sub(s.c.started).Round(time.Second)).by("%s", advice)
	case last.IsZero():
		return f.fails("Teams has sent nothing since the start: its OPTIONS do not arrive, and neither will calls").by("%s", advice)
	}
	return f.fails("Teams has sent nothing for %s", now.Sub(last).Round(time.Second)).by("%s", advice)
}

func (s *survey) localOf(p *peer) string {
	if p.side == nil {
		return "the box"
	}
	return p.side.local.String()
}

// teamsGateways are the gateways towards Teams.
func teamsGateways(s *survey, of string) (list []subject) {
	for _, x := range gateways(s, of) {
		if x.owner.teams && x.owner.at != nil {
			list = append(list, x)
		}
	}
	return list
}
