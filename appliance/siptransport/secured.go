package siptransport

import (
	"crypto/tls"
	"net"
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
