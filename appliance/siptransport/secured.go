package siptransport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"

	"viaduct/appliance/pki"
)

// logSecured logs the result of a handshake and the peer's name, for `debug tls`.
func (g *Gate) logSecured(conn net.Conn, how string) {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return
	}
	s := t.ConnectionState()
	name := "no certificate"
	if len(s.PeerCertificates) > 0 {
		name = s.PeerCertificates[0].Subject.String()
	}
	g.log.Debug("TLS connection", "topic", "tls", "gw", g.name, "peer", conn.RemoteAddr().String(), "how", how, "name", name,
		"version", tls.VersionName(s.Version), "suite", tls.CipherSuiteName(s.CipherSuite))
}

// refusals are the alerts with which a peer refuses our certificate (RFC 8446 6.2).
var refusals = map[tls.AlertError]string{42: "bad_certificate", 43: "unsupported_certificate", 45: "certificate_expired", 46: "certificate_unknown", 48: "unknown_ca"}

// alerted tells of a peer whose connection has ended with such an alert: in the handshake, or after it, which in TLS 1.3 is over for us before
// the peer has judged our certificate.
func (g *Gate) alerted(from netip.AddrPort, err error) {
	var alert *net.OpError
	if g.opts.OnAlert == nil || !errors.As(err, &alert) || alert.Op != "remote error" { // what crypto/tls calls an alert of the peer
		return
	}
	for code, name := range refusals {
		if alert.Err.Error() == code.Error() { // its type is crypto/tls's own
			g.opts.OnAlert(g.name, from, name, g.shown())
		}
	}
}

// shown are the certificates that we show, leaf first. When others take their place all connections are opened anew.
func (g *Gate) shown() (chain []*x509.Certificate) {
	c := g.conf.Load()
	if c.tlsProfile == nil {
		return nil
	}
	conf, err := pki.ServerConfig(c.tlsProfile, g.opts.PKI)
	if err != nil {
		return nil
	}
	for _, der := range conf.Certificates[0].Certificate {
		if x, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, x)
		}
	}
	return chain
}
