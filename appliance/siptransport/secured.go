package siptransport

import (
	"crypto/tls"
	"net"
)

// logSecured tells, for `debug tls`, what a handshake has agreed on and who is at the other end.
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
