package view

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/places"
	"viaduct/appliance/web/assets"
)

// PageOptions say where and how the page is served.
type PageOptions struct {
	Address string // HOST:PORT. One that other machines reach needs the three files

	Certificate, Key string // PEM; both are read anew when they have changed
	Passwords        string // see readPasswords

	Log *slog.Logger
}

const (
	connections = 64
	headTime    = 10 * time.Second
	answerFor   = 30 * time.Second
	idleFor     = 2 * time.Minute
	endFor      = time.Second // for answers that have begun, at the end
	maxHead     = 16 << 10
	retryAfter  = time.Second
)

// Page is the page of a node as a service of it. The error says what in the options is not safe or cannot be read.
func Page(n *hub.Node, o PageOptions) (hub.Service, error) {
	d, err := newDoor(o)
	if err != nil {
		return nil, err
	}
	return &page{node: n, door: d}, nil
}

type page struct {
	node *hub.Node
	door *door
}

// Run implements hub.Service.
func (p *page) Run(ctx context.Context) error {
	for {
		h, err := Open(ctx, p.node)
		if err == nil {
			defer h.Close()
			return p.door.serve(ctx, newPages(h, p.node.Name(), p.door.o.Log))
		}
		if ctx.Err() == nil {
			p.door.o.Log.Warn("page not served yet", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryAfter):
		}
	}
}

// door decides who gets the pages.
type door struct {
	o           PageOptions
	certificate *file[*tls.Certificate] // nil: without TLS
	passwords   *file[map[string][sha256.Size]byte]
	wrong       chan struct{} // one token for each wrong password that waits for its answer
}

// newDoor checks the options.
func newDoor(o PageOptions) (*door, error) {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("%q is no address for the page: it has the form 127.0.0.1:8080", o.Address)
	}
	a, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && a.IsLoopback()
	d := &door{o: o, wrong: make(chan struct{}, 8)}
	files := 0
	for _, name := range []string{o.Certificate, o.Key, o.Passwords} {
		if name != "" {
			files++
		}
	}
	switch {
	case files == 0 && local: // whoever may log in to this machine
		return d, nil
	case files == 0:
		return nil, fmt.Errorf("other machines reach %s, so the page needs a certificate, its key and a file of passwords there; 127.0.0.1:8080 needs none, and `ssh -L` leads there", o.Address)
	case files < 3:
		return nil, errors.New("a certificate, its key and a file of passwords go together: the page has all three or none")
	}
	d.certificate = &file[*tls.Certificate]{names: []string{o.Certificate, o.Key}, read: func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
		return &c, err
	}}
	d.passwords = &file[map[string][sha256.Size]byte]{names: []string{o.Passwords}, read: func() (map[string][sha256.Size]byte, error) { return readPasswords(o.Passwords) }}
	if _, err := d.certificate.get(); err != nil {
		return nil, fmt.Errorf("read the certificate of the page: %w", err)
	}
	_, err = d.passwords.get()
	return d, err
}

// serve answers until ctx ends.
func (d *door) serve(ctx context.Context, inside http.Handler) error {
	socket, err := net.Listen("tcp", d.o.Address)
	if err != nil {
		return fmt.Errorf("serve the page: %w", err)
	}
	return d.serveOn(ctx, socket, inside)
}

func (d *door) serveOn(ctx context.Context, socket net.Listener, inside http.Handler) error {
	s := &http.Server{
		Handler: d.guard(inside), ReadTimeout: headTime, ReadHeaderTimeout: headTime, WriteTimeout: answerFor, IdleTimeout: idleFor, MaxHeaderBytes: maxHead,
		DisableGeneralOptionsHandler: true, ErrorLog: slog.NewLogLogger(d.o.Log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 16},
	}
	d.o.Log.Info("page served", "address", socket.Addr().String(), "tls", d.certificate != nil)
	ended := make(chan error, 1)
	socket = places.Limit(socket, &places.Book{All: connections, OfSource: connections / 4})
	go func() {
		if d.certificate == nil {
			ended <- s.Serve(socket)
			return
		}
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return d.certificate.get() }}
		ended <- s.ServeTLS(socket, "", "")
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the page: %w", err)
	case <-ctx.Done():
	}
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), endFor)
	defer cancel()
	if s.Shutdown(soon) != nil {
		s.Close()
	}
	<-ended
	return nil
}

// guard lets requests in that only look, from those who may, by a name that is the hub's.
func (d *door) guard(inside http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		assets.Guard(h)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "The page only shows.", http.StatusMethodNotAllowed)
		case !d.knows(r.Host):
			http.Error(w, "This hub is not asked for by this name.", http.StatusMisdirectedRequest)
		case d.passwords != nil && !d.admits(r):
			d.refuse(w, r)
		default:
			inside.ServeHTTP(w, r)
		}
	})
}

// knows reports whether a host is the hub: another name that leads here is that of an attacker's page. An address is no name.
func (d *door) knows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if a, err := netip.ParseAddr(host); err == nil {
		return d.certificate != nil || a.IsLoopback()
	}
	if host = strings.ToLower(strings.TrimSuffix(host, ".")); host == "localhost" {
		return true
	}
	if d.certificate == nil {
		return false
	}
	c, err := d.certificate.get()
	return err == nil && c.Leaf.VerifyHostname(host) == nil
}

// admits reports whether a request has the password of somebody.
func (d *door) admits(r *http.Request) bool {
	all, err := d.passwords.get()
	if err != nil {
		d.o.Log.Error("nobody is let in to the page", "err", err)
		return false
	}
	name, password, has := r.BasicAuth()
	want, known := all[name]
	got := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && known && has
}

// refuse asks for a password. A wrong one is answered late, and few of them at once.
func (d *door) refuse(w http.ResponseWriter, r *http.Request) {
	if _, _, has := r.BasicAuth(); has {
		select {
		case d.wrong <- struct{}{}:
			defer func() { <-d.wrong }()
		default:
			http.Error(w, "Too many wrong passwords.", http.StatusTooManyRequests)
			return
		}
		d.o.Log.Warn("wrong password at the page", "source", r.RemoteAddr)
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Viaduct fleet", charset="UTF-8"`)
	http.Error(w, "The page wants a name and a password.", http.StatusUnauthorized)
}

// shortest is the length of a password: so many characters that nobody guesses them, as they are made and kept by programs.
const shortest = 16

// readPasswords reads a file with a line for each person: a name, a space, and a password of 16 characters or more. It is a file like those
// with the hub's own keys, which are beside it and open more: only its owner may read it, so the passwords stand in it as they are.
func readPasswords(name string) (map[string][sha256.Size]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read the passwords of the page: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read the passwords of the page: chmod 600 %s", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the passwords of the page: %w", err)
	}
	all := map[string][sha256.Size]byte{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		who, password, _ := strings.Cut(line, " ")
		password = strings.TrimSpace(password)
		switch {
		case fleet.CheckName(who) != nil:
			return nil, fmt.Errorf("line %d of %s: a line is a name, as of an operator, a space and a password", i+1, name)
		case len(password) < shortest:
			return nil, fmt.Errorf("line %d of %s: the password has %d characters, and needs %d: `openssl rand -base64 18` makes one", i+1, name, len(password), shortest)
		}
		all[who] = sha256.Sum256([]byte(password))
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lets nobody in: a line is a name, a space and a password", name)
	}
	return all, nil
}
