// Package egress is how the box asks servers on the internet over HTTPS: names by its own resolver, by a proxy where one is configured; and what is wrong
// when that fails, in a sentence.
//
// It owns the way and nothing that goes it. It has no goroutines but those of net/http.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"viaduct/appliance/config"
)

const (
	dialTime   = 5 * time.Second // to one address
	secureTime = 8 * time.Second // a handshake
	headerMax  = 64 << 10        // octets of an answer's header
	idleTime   = 90 * time.Second
)

// Way is how a server is reached.
type Way struct {
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Proxy  config.HTTPProxy // zero: none
	Roots  *x509.CertPool   // whom certificates may come from: the issuers of the server, or the CA of a proxy that inspects TLS
}

// Transport makes connections that way.
func (w Way) Transport() *http.Transport {
	t := &http.Transport{
		DialContext:            w.dial,
		TLSClientConfig:        &tls.Config{RootCAs: w.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    secureTime,
		MaxResponseHeaderBytes: headerMax,
		MaxIdleConnsPerHost:    2, IdleConnTimeout: idleTime,
	}
	if w.Proxy.Host != "" {
		t.Proxy = http.ProxyURL(w.proxy())
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				return &ProxyRefusal{r.StatusCode}
			}
			return nil
		}
	}
	return t
}

func (w Way) proxy() *url.URL {
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(w.Proxy.Host, strconv.Itoa(int(w.Proxy.Port)))}
	if w.Proxy.User != "" {
		u.User = url.UserPassword(w.Proxy.User, string(w.Proxy.Password))
	}
	return u
}

// unresolved says that a name was not found.
type unresolved struct {
	host string
	err  error
}

func (e *unresolved) Error() string {
	return fmt.Sprintf("the name %s is not resolved: %v", e.host, e.err)
}
func (e *unresolved) Unwrap() error { return e.err }

// dial connects to the first address of a host that answers.
func (w Way) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := w.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var first error
	for _, a := range addrs {
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	if len(addrs) > 1 {
		first = fmt.Errorf("none of %d addresses answers: %w", len(addrs), first)
	}
	return nil, first
}

// resolve is the addresses of a host, which may be one itself.
func (w Way) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := w.Lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("it has no address")
	}
	traced(ctx, addrs, err)
	if err != nil {
		return nil, &unresolved{host, err}
	}
	return addrs, nil
}

// traced tells whoever follows a request that a name was looked up: net.Resolver would have.
func traced(ctx context.Context, addrs []netip.Addr, err error) {
	t := httptrace.ContextClientTrace(ctx)
	if t == nil || t.DNSDone == nil {
		return
	}
	found := httptrace.DNSDoneInfo{Err: err}
	for _, a := range addrs {
		found.Addrs = append(found.Addrs, net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()})
	}
	t.DNSDone(found)
}
