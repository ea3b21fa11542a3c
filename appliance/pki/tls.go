package pki

import (
	"cmp"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"viaduct/appliance/config"
)

// ServerConfig returns the TLS settings for connections that peers open to us. Keys and certificates are read now: after a change of
// either, make a new one and close the connections that used the old (teams.md A.10).
//
// With `authentication incoming` a peer must show a certificate, and it is verified here and not by crypto/tls, whose own check wants
// the client usage in it: Microsoft's certificates carry the server usage only (teams.md A.8).
func ServerConfig(p *config.TLSProfile, s Store) (*tls.Config, error) {
	chain, key, err := own(p, s)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, fmt.Errorf("profile tls %s: a server needs an own-certificate and its private-key", p.Name)
	}
	c, err := common(p)
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{certificate(chain, key)}
	if p.AuthIncoming {
		pool, err := anchors(p, s)
		if err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAnyClientCert
		c.VerifyConnection = verifier(p, pool)
		c.SessionTicketsDisabled = true // a resumed session would stand for a verification under trust anchors of long ago
	}
	return c, nil
}

// ClientConfig returns the TLS settings for a connection that we open to serverName, which is sent (SNI) and, with `authentication
// outgoing`, must stand in the peer's certificate, or one of the other names in its place. Our own certificate is shown whenever the
// peer asks for one.
func ClientConfig(p *config.TLSProfile, s Store, serverName string, others ...string) (*tls.Config, error) {
	chain, key, err := own(p, s)
	if err != nil {
		return nil, err
	}
	c, err := common(p)
	if err != nil {
		return nil, err
	}
	c.ServerName = serverName
	c.InsecureSkipVerify = true // VerifyConnection below verifies, for the sake of the usage check and of errors that help
	if p.AuthOutgoing {
		pool, err := anchors(p, s)
		if err != nil {
			return nil, err
		}
		if serverName == "" {
			return nil, fmt.Errorf("profile tls %s: no name to verify the server by", p.Name)
		}
		c.VerifyConnection = verifier(p, pool, append([]string{serverName}, others...)...)
	}
	if key != nil {
		shown := certificate(chain, key)
		// Not Certificates: crypto/tls would show nothing when none of the authorities that the server lists is ours, and then Teams
		// ends the handshake (teams.md A.4).
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	}
	return c, nil
}

func certificate(chain []*x509.Certificate, key crypto.Signer) tls.Certificate {
	c := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, x := range chain {
		c.Certificate = append(c.Certificate, x.Raw)
	}
	return c
}

// common sets the versions for both roles; the suites are Go's choice.
func common(p *config.TLSProfile) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}
	switch {
	case !p.V12 && !p.V13:
		return nil, fmt.Errorf("profile tls %s: neither TLS 1.2 nor 1.3 is on", p.Name)
	case !p.V12:
		c.MinVersion = tls.VersionTLS13
	case !p.V13:
		c.MaxVersion = tls.VersionTLS12
	}
	return c, nil
}

// ordered returns the own certificates by index.
func ordered(p *config.TLSProfile) []config.OwnCertificate {
	return slices.SortedStableFunc(slices.Values(p.Own), func(a, b config.OwnCertificate) int { return cmp.Compare(a.Index, b.Index) })
}

// TrustedNames returns the names of the trusted certificates of a profile: of the built-in ones where it names none.
func TrustedNames(p *config.TLSProfile) []config.PKIName {
	if len(p.Trusted) == 0 {
		return []config.PKIName{"pki:certificate/" + BuiltInName}
	}
	return p.Trusted
}

// Shown returns the chain that a profile shows, leaf first, as far as it has been imported, and where the leaf stands in p.Own.
func Shown(p *config.TLSProfile, s Store) (chain []*x509.Certificate, first int) {
	for n, o := range ordered(p) {
		list, err := s.Certificates(Name(o.Name))
		if n == 0 {
			first = slices.Index(p.Own, o)
			if err != nil {
				return nil, first // the rest is no leaf
			}
		}
		chain = append(chain, list...)
	}
	return chain, first
}

// verifier verifies a peer's certificate, which must hold one of the names; without names, any name in it will do (CheckNames asks for
// more).
func verifier(p *config.TLSProfile, anchors *x509.CertPool, names ...string) func(tls.ConnectionState) error {
	usage := x509.ExtKeyUsageAny
	if p.RequireType == "server" {
		usage = x509.ExtKeyUsageServerAuth
	}
	return func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return errors.New("the peer showed no certificate")
		}
		leaf, rest := cs.PeerCertificates[0], cs.PeerCertificates[1:]
		o := x509.VerifyOptions{Roots: anchors, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{usage}}
		for _, c := range rest {
			o.Intermediates.AddCert(c)
		}
		if _, err := leaf.Verify(o); err != nil {
			return explain(err, leaf, rest)
		}
		if len(names) > 0 {
			return checkNames(leaf, names...)
		}
		return nil
	}
}

// CheckNames reports an error when the peer's certificate holds none of the names. For connections that Teams opens, the name is
// the one we dial, sip.pstnhub.microsoft.com (teams.md A.9).
func CheckNames(cs tls.ConnectionState, names ...string) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the peer showed no certificate")
	}
	return checkNames(cs.PeerCertificates[0], names...)
}
