package system

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// transferTime and transferMax bound a copy over HTTP.
const (
	transferTime = time.Minute
	transferMax  = 4 << 20 // octets
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
	return &http.Client{Timeout: transferTime, CheckRedirect: stayPrivate, Transport: &http.Transport{
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

// stayPrivate refuses redirects from https to http: a configuration holds passwords, and anyone on the path could replace it.
func stayPrivate(q *http.Request, via []*http.Request) error {
	switch {
	case via[0].URL.Scheme == "https" && q.URL.Scheme != "https":
		return errors.New("the server redirects from https to http")
	case len(via) >= 10:
		return errors.New("the server redirects too often")
	}
	return nil
}

// Fetch gets a file over HTTP.
func (s *System) Fetch(ctx context.Context, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r, err := s.web().Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, errors.New(r.Status)
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, transferMax+1))
	if err == nil && len(text) > transferMax {
		err = fmt.Errorf("the file has more than %d bytes", transferMax)
	}
	return text, err
}

// Send puts a file over HTTP.
func (s *System) Send(ctx context.Context, url string, text []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", http.DetectContentType(text))
	r, err := s.web().Do(q)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode/100 != 2 {
		return errors.New(r.Status)
	}
	return nil
}
