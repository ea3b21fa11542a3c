// Package proxy is an HTTP proxy as companies have them: CONNECT to port 443 only, with a password when it wants one, and, when it inspects,
// with certificates of its own authority in place of the servers'.
//
// It owns its authority and its tunnels. It does not own names and ways: Options.Dial does.
//
// Goroutines: those of net/http, and one more for each tunnel. Close ends them and waits.
package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say what a proxy wants.
type Options struct {
	User, Password string // Basic; "": anybody may
	// Dial opens the way to HOST:443.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Inspect makes it read what passes: these are the roots of the servers behind it. Nil: it passes on what it cannot read.
	Inspect *x509.CertPool
}

// Proxy is a running proxy. Its methods may be called from any goroutine.
type Proxy struct {
	options Options
	ca      *x509.Certificate // nil: it does not inspect
	key     *ecdsa.PrivateKey
	server  *http.Server
	served  sync.WaitGroup

	mu       sync.Mutex // protects the following
	tunnels  []string
	refusals []string
	read     []string // first lines of requests that it has read
	open     map[net.Conn]bool
	closed   bool
}

// New makes a proxy; Serve gives it a listener.
func New(o Options) (*Proxy, error) {
	p := &Proxy{options: o, open: map[net.Conn]bool{}}
	if o.Inspect != nil {
		var err error
		if p.ca, p.key, err = authority(); err != nil {
			return nil, err
		}
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	return p, nil
}

// CA is what clients of a proxy that inspects must trust.
func (p *Proxy) CA() *x509.Certificate { return p.ca }

// Serve answers at a listener until Close.
func (p *Proxy) Serve(l net.Listener) {
	p.served.Go(func() { _ = p.server.Serve(l) })
}

// Close ends all tunnels and waits for them.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for conn := range p.open {
		conn.Close()
	}
	p.mu.Unlock()
	err := p.server.Close()
	p.served.Wait()
	return err
}

// Tunnels are where clients have been let to, in order.
func (p *Proxy) Tunnels() []string { return p.list(&p.tunnels) }

// Refusals are what was not let through, with the reason.
func (p *Proxy) Refusals() []string { return p.list(&p.refusals) }

// Read are the first lines of the first requests in tunnels, which only a proxy that inspects can read.
func (p *Proxy) Read() []string { return p.list(&p.read) }

func (p *Proxy) list(of *[]string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(*of)
}

func (p *Proxy) add(to *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(*to) < 10_000 {
		*to = append(*to, text)
	}
}

// begin has Close wait for a request; false after it.
func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.served.Add(1)
	}
	return !p.closed
}

// hold keeps a connection for Close; false after it.
func (p *Proxy) hold(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[conn] = true
	return true
}

func (p *Proxy) release(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

// ServeHTTP takes a CONNECT.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.begin() { // a tunnel outlives what net/http knows of it
		return
	}
	defer p.served.Done()
	refuse := func(status int, why string) {
		p.add(&p.refusals, fmt.Sprintf("%s %s: %d: %s", r.Method, r.Host, status, why))
		http.Error(w, why, status)
	}
	host, port, err := net.SplitHostPort(r.Host)
	switch {
	case r.Method != http.MethodConnect:
		refuse(http.StatusMethodNotAllowed, "this proxy takes CONNECT only")
	case !p.knows(r.Header.Get("Proxy-Authorization")):
		w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
		refuse(http.StatusProxyAuthRequired, "this proxy wants a name and a password")
	case err != nil || port != "443":
		refuse(http.StatusForbidden, "this proxy lets through to port 443 only")
	default:
		there, err := p.options.Dial(r.Context(), "tcp", r.Host)
		if err != nil {
			refuse(http.StatusBadGateway, err.Error())
			return
		}
		if !p.hold(there) {
			there.Close()
			return
		}
		defer p.release(there)
		p.add(&p.tunnels, r.Host)
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil || !p.hold(here) {
			return
		}
		defer p.release(here)
		var from, to net.Conn = &ahead{here, buffered.Reader}, there
		if p.ca != nil {
			if from, to, err = p.inspect(from, to, host); err != nil {
				p.add(&p.refusals, fmt.Sprintf("CONNECT %s: %v", r.Host, err))
				return
			}
		}
		join(from, to)
	}
}

// knows checks Proxy-Authorization.
func (p *Proxy) knows(credentials string) bool {
	if p.options.User == "" {
		return true
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.options.User+":"+p.options.Password))
	return subtle.ConstantTimeCompare([]byte(credentials), []byte(want)) == 1
}

// join copies both ways until both have ended.
func join(a, b net.Conn) {
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(b, a); b.Close() })
	_, _ = io.Copy(a, b)
	a.Close()
	copies.Wait()
}

// ahead is a connection of which something was read already.
type ahead struct {
	net.Conn
	reader *bufio.Reader
}

func (a *ahead) Read(b []byte) (int, error) { return a.reader.Read(b) }

// inspect ends TLS on both sides, with HTTP/1.1 within, and reads the first line of the request.
func (p *Proxy) inspect(from, to net.Conn, host string) (net.Conn, net.Conn, error) {
	shown, err := p.certificate(host)
	if err != nil {
		return nil, nil, err
	}
	server := tls.Client(to, &tls.Config{RootCAs: p.options.Inspect, ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err := server.Handshake(); err != nil {
		return nil, nil, fmt.Errorf("inspect TLS of %s: %w", host, err)
	}
	client := tls.Server(from, &tls.Config{Certificates: []tls.Certificate{shown}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err := client.Handshake(); err != nil {
		return nil, nil, fmt.Errorf("inspect TLS for %s: the client: %w", host, err)
	}
	reader := bufio.NewReader(client)
	line, err := reader.Peek(1)
	for n := 2; err == nil && line[len(line)-1] != '\n'; n++ {
		line, err = reader.Peek(n)
	}
	if err == nil {
		p.add(&p.read, strings.TrimSpace(string(line)))
	}
	return &ahead{client, reader}, server, nil
}

// certificate makes one for a host.
func (p *Proxy) certificate(host string) (tls.Certificate, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, p.ca, p.key.Public(), p.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate of %s: %w", host, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: p.key}, nil
}

// authority makes the proxy's own.
func authority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key of the proxy: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Lab Inspecting Proxy"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate of the proxy: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}
