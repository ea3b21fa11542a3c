package system

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
	"viaduct/appliance/transfer"
)

// webRoots are the roots of the system, if there are any, the built-in ones, and those in the key store.
func (s *System) webRoots() *x509.CertPool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, c := range pki.BuiltIn() {
		roots.AddCert(c)
	}
	for _, k := range s.store.Keys() {
		if chain, err := s.store.Certificates(k.Name); k.Kind == status.KeyCertificate && err == nil {
			for _, c := range chain {
				if c.IsCA {
					roots.AddCert(c)
				}
			}
		}
	}
	return roots
}

// web returns a client that finds hosts with the name servers of the box. It trusts webRoots.
func (s *System) web() *http.Client {
	return &http.Client{Timeout: transfer.Limit, CheckRedirect: transfer.StayPrivate, Transport: &http.Transport{
		DialContext: s.dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.webRoots()},
	}}
}

// dial connects to the first address of a host that answers.
func (s *System) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := s.resolver.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, a := range addrs {
		conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// Fetch gets a file over HTTP.
func (s *System) Fetch(ctx context.Context, url string) ([]byte, error) {
	return transfer.Fetch(ctx, s.web(), url)
}

// Send puts a file over HTTP.
func (s *System) Send(ctx context.Context, url string, text []byte) error {
	return transfer.Send(ctx, s.web(), url, text)
}

// Backup returns startup-config, key store and licenses as one block, encrypted under the pass phrase.
func (s *System) Backup(passphrase string) ([]byte, error) {
	b, err := s.store.Backup()
	if err != nil {
		return nil, err
	}
	b.Made, b.Serial = time.Now().UTC(), s.o.Board.SerialNumber()
	if s.o.Secrets != nil {
		b.SecretKey = s.o.Secrets.Key()
	}
	return b.Seal(passphrase)
}

// checkedBackup opens a backup that can be stored.
func checkedBackup(text []byte, passphrase string) (*store.Backup, error) {
	b, err := store.OpenBackup(text, passphrase)
	if err != nil {
		return nil, err
	}
	return b, b.Check()
}

// CheckBackup says what a backup holds, and stores nothing.
func (s *System) CheckBackup(text []byte, passphrase string) (string, error) {
	b, err := checkedBackup(text, passphrase)
	if err != nil {
		return "", err
	}
	return b.Summary(), nil
}

// Restore stores everything that a backup holds. Nothing is touched before all of it has been read and checked.
func (s *System) Restore(text []byte, passphrase string) (string, error) {
	b, err := checkedBackup(text, passphrase)
	if err != nil {
		return "", err
	}
	if s.o.Secrets != nil && b.SecretKey != nil {
		if err := s.o.Secrets.Adopt(b.SecretKey); err != nil {
			return "", err
		}
	}
	if err := s.store.Restore(b); err != nil {
		return "", err
	}
	if len(b.Startup) > 0 {
		s.rewritten(b.Startup)
	}
	s.republish()
	s.judgeLicenses()
	s.ends.Judge()
	return b.Summary(), nil
}
