package starface

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"slices"
	"time"
)

// Transport makes connections to a STARFACE: two at most that nobody uses, and bounds on what is read before an answer. No proxy is between the box
// and the PBX. A compressed answer would be larger than what has been read of it: none is asked for.
func Transport(dial func(ctx context.Context, network, address string) (net.Conn, error), trust *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext: dial, TLSClientConfig: trust, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: requestTime,
		MaxIdleConns: 2, MaxConnsPerHost: workers, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 32 << 10, DisableCompression: true,
	}
}

// Trust trusts a STARFACE at host whose certificate has its name and comes from roots, or from one of those that an administrator has imported for
// it; and one that shows such a certificate itself, whatever name it has. A STARFACE comes with a certificate of its own making, for a name that is
// not the one by which it is reached. What is imported is asked at each handshake, so that an import puts things right at once; nil: nothing is.
func Trust(host string, roots *x509.CertPool, imported func() ([]*x509.Certificate, error)) *tls.Config {
	verify := func(shown []*x509.Certificate) error {
		var list []*x509.Certificate
		roots := roots.Clone()
		if imported != nil {
			var err error
			if list, err = imported(); err != nil {
				return err
			}
			for _, c := range list {
				roots.AddCert(c)
			}
		}
		between := x509.NewCertPool()
		for _, c := range shown[1:] {
			between.AddCert(c)
		}
		if _, err := shown[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
			return err
		}
		if slices.ContainsFunc(list, shown[0].Equal) {
			return nil
		}
		return shown[0].VerifyHostname(host) // only now: that nobody trusts it is the graver fault
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it, for resumed sessions, too
		VerifyConnection:   func(c tls.ConnectionState) error { return verify(c.PeerCertificates) },
	}
}
