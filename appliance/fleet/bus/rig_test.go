package bus

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	c := a.issue(name, func(c *x509.Certificate) { c.IsCA, c.KeyUsage, c.DNSNames = true, x509.KeyUsageCertSign, nil })
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue makes a certificate, of its own key when there is no authority yet.
func (a *authority) issue(name string, change ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true}
	for _, f := range change {
		f(template)
	}
	issuer, signer := template, key
	if a.cert != nil {
		issuer, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	must(a.t, err)
	leaf, err := x509.ParseCertificate(der)
	must(a.t, err)
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	if a.cert != nil {
		c.Certificate = append(c.Certificate, a.cert.Raw)
	}
	return c
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// hub is a node: a nats-server with an account, whose users are keys of boxes and operators.
type hub struct {
	t       testing.TB
	server  *server.Server
	options *server.Options
	port    uint16
}

// member is a user of a hub's account.
type member struct {
	name string
	key  *Key
	box  bool
}

func users(members []member) string {
	var b strings.Builder
	for _, m := range members {
		publish, subscribe := []string{"box." + m.name + ".>", "tunnel.>", "$JS.API.INFO"}, []string{"_INBOX_" + m.name + ".>", "to." + m.name + ".>", "test." + m.name + ".>"}
		if !m.box {
			publish, subscribe = []string{">"}, []string{"_INBOX_" + m.name + ".>", "box.>", "tunnel.>"}
		}
		fmt.Fprintf(&b, "{nkey: %s, permissions: {publish: [%s], subscribe: [%s], allow_responses: {max: 10, expires: \"1m\"}}}\n", m.key.Public(), quoted(publish), quoted(subscribe))
	}
	return b.String()
}

func quoted(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }

// configured reads a configuration as hubs have it.
func configured(t testing.TB, folder string, members []member, certificate tls.Certificate) *server.Options {
	t.Helper()
	text := fmt.Sprintf("accounts {\nDEMO: {jetstream: enabled, users: [%s]}\n}\njetstream {store_dir: %q, max_mem: 16MB, max_file: 64MB}\nmax_payload: 1MB\n", users(members), folder)
	file := filepath.Join(t.TempDir(), "nats.conf")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	o, err := server.ProcessConfigFile(file)
	must(t, err)
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	o.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	return o
}

func newHub(t testing.TB, certificate tls.Certificate, members ...member) *hub {
	t.Helper()
	h := &hub{t: t}
	h.options = configured(t, t.TempDir(), members, certificate)
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *hub) start() {
	h.t.Helper()
	var err error
	h.server, err = server.NewServer(h.options.Clone())
	must(h.t, err)
	h.server.Start()
	if !h.server.ReadyForConnections(hangs) {
		h.t.Fatal("the hub does not start")
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(h.server.WebsocketURL(), "wss://"))
	must(h.t, err)
	_, err = fmt.Sscan(port, &h.port)
	must(h.t, err)
	h.options.Websocket.Port = int(h.port)
}

func (h *hub) stop() {
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

// admit changes who is a member.
func (h *hub) admit(members ...member) {
	h.t.Helper()
	o := configured(h.t, h.options.StoreDir, members, tls.Certificate{})
	changed := h.options.Clone()
	changed.Accounts, changed.Users, changed.Nkeys = o.Accounts, o.Users, o.Nkeys
	must(h.t, h.server.ReloadOptions(changed))
}

// client is a Bus that runs, with its log.
type client struct {
	*Bus
	t   testing.TB
	log *text
}

// text is a log that may be read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) { t.mu.Lock(); defer t.mu.Unlock(); return t.b.Write(p) }
func (t *text) String() string              { t.mu.Lock(); defer t.mu.Unlock(); return t.b.String() }

func newClient(t testing.TB) *client {
	t.Helper()
	log := &text{}
	b := Open(Options{Log: slog.New(slog.NewTextHandler(log, nil)), Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}})
	return &client{b, t, log}
}

// start runs it until the test ends, when it must end, too.
func (c *client) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	c.t.Cleanup(func() { cancel(); run.Wait() })
}

// hangs is how long a test waits for what never comes.
const hangs = time.Minute

// until waits until the state is one.
func (c *client) until(what status.FleetState) State {
	c.t.Helper()
	deadline := time.After(hangs)
	for {
		c.mu.Lock()
		s, next := c.state, c.stated
		c.mu.Unlock()
		if s.State == what {
			return s
		}
		select {
		case <-next:
		case <-deadline:
			c.t.Fatalf("it is %s (%s), and not %s", s.State, s.Why, what)
		}
	}
}

func (c *client) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	c.t.Cleanup(cancel)
	return ctx
}

func newKeyOf(t testing.TB) *Key {
	t.Helper()
	k, err := Generate()
	must(t, err)
	return k
}

func nodes(ports ...uint16) (list []*config.HubNode) {
	for _, p := range ports {
		list = append(list, &config.HubNode{Host: "hub.example.com", Port: p})
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(hangs):
		t.Fatal("nothing comes")
		panic("unreachable")
	}
}
