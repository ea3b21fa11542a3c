// Package hubtest starts hubs for tests, on loopback, with TLS and all permissions as they are in earnest.
//
// It owns nothing: what it starts ends with the test, before the test's other cleanups of earlier date.
package hubtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
)

// Customer is the one that every hub begins with.
const Customer = hub.DefaultCustomer

// Service makes one of a node's services.
type Service func(*hub.Node) hub.Service

// Hub is a running hub of one node or three.
type Hub struct {
	Nodes    []*hub.Node
	Registry *hub.Registry // by the first node
	Dir      string        // with ca.key, and a folder for each of three nodes
	CAFile   string        // PEM
	CA       []byte
	Pin      string // 64 hex digits
	Host     string // of all nodes
	Ports    []int  // WebSocket in TLS, by node

	t        testing.TB
	engines  []hub.Engine
	services []Service
	running  []*running
}

type running struct {
	stop  func()
	done  chan error
	stock *exec.Cmd // nil: the engine is embedded
}

// Start runs a hub of one node and waits until its registry can be read.
func Start(t testing.TB, services ...Service) *Hub { return Cluster(t, 1, services...) }

// Cluster runs a hub of one node or three and waits until all have their users.
func Cluster(t testing.TB, nodes int, services ...Service) *Hub {
	t.Helper()
	return Engines(t, slices.Repeat([]hub.Engine{hub.Embedded}, nodes), services...)
}

// Engines is Cluster with nodes whose engine may be the machine's own nats-server.
func Engines(t testing.TB, engines []hub.Engine, services ...Service) *Hub {
	t.Helper()
	nodes := len(engines)
	dir := filepath.Join(t.TempDir(), "hub")
	h := &Hub{Dir: dir, Host: "127.0.0.1", t: t, engines: engines, services: services, running: make([]*running, nodes)}
	o := hub.Options{Name: h.Host}
	ports := FreePorts(t, 3*nodes)
	for i := range nodes {
		o.Nodes = append(o.Nodes, hub.Place{Name: fmt.Sprintf("node-%d", i+1), Address: h.Host, Listen: at(ports[3*i]), Client: at(ports[3*i+1]), Routes: at(ports[3*i+2])})
		h.Ports = append(h.Ports, ports[3*i])
	}
	dirs, err := hub.Init(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range nodes {
		n, err := hub.Open(dirs[i])
		if err != nil {
			t.Fatal(err)
		}
		h.Nodes = append(h.Nodes, n)
	}
	h.CAFile = filepath.Join(dirs[0], "ca.pem")
	if h.CA, err = h.Nodes[0].CA(); err != nil {
		t.Fatal(err)
	}
	if h.Pin, err = h.Nodes[0].Pin(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for i := range nodes {
			h.Stop(i)
		}
	})
	for i := range nodes {
		h.Run(i)
	}
	for i := range nodes {
		h.Wait(i)
	}
	if h.Registry, err = h.Nodes[0].Registry(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Registry.Close)
	return h
}

// Run starts a node that does not run.
func (h *Hub) Run(i int) {
	h.t.Helper()
	dir := h.Nodes[i].Dir()
	n, err := hub.Open(dir) // the one that has run before has been ready already
	if err != nil {
		h.t.Fatal(err)
	}
	h.Nodes[i] = n
	var services []hub.Service
	for _, s := range h.services {
		services = append(services, s(n))
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{stop: stop, done: make(chan error, 1)}
	h.running[i] = r
	if h.engines[i] == hub.External {
		r.stock = stock(h.t, dir)
	}
	go func() { r.done <- n.Run(ctx, h.engines[i], services...) }()
}

// stock starts the machine's own nats-server with the files of a node.
func stock(t testing.TB, dir string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("nats-server")
	if err != nil {
		t.Fatal("nats-server is missing: make peers installs it")
	}
	c := exec.Command(program, "-c", filepath.Join(dir, "nats.conf"))
	c.Stdout, c.Stderr = t.Output(), t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// Wait waits until a node has its users from the registry.
func (h *Hub) Wait(i int) {
	h.t.Helper()
	select {
	case <-h.Nodes[i].Ready():
	case err := <-h.running[i].done:
		h.running[i] = nil
		h.t.Fatalf("node %d has ended: %v", i, err)
	case <-time.After(time.Minute):
		h.t.Fatalf("node %d does not become ready", i)
	}
}

// Stop ends a node, if it runs.
func (h *Hub) Stop(i int) {
	h.t.Helper()
	r := h.running[i]
	if r == nil {
		return
	}
	h.running[i] = nil
	r.stop()
	if err := <-r.done; err != nil {
		h.t.Errorf("node %d: %v", i, err)
	}
	if r.stock != nil {
		r.stock.Process.Signal(syscall.SIGTERM)
		r.stock.Wait() // a signal is no success
	}
}

// URL is where boxes and operators dial a node.
func (h *Hub) URL(i int) string { return h.Nodes[i].Places()[i].URL() }

// TLS trusts the hub's own authority.
func (h *Hub) TLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(h.CA)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// Box makes a key, has the registry take it for a box of Customer, and waits until every running node knows it.
func (h *Hub) Box(name string, limits map[string]hub.Limit) nkeys.KeyPair {
	h.t.Helper()
	return h.BoxOf(Customer, name, limits)
}

// BoxOf is Box for another customer. The serial number of the box is Serial(name).
func (h *Hub) BoxOf(customer, name string, limits map[string]hub.Limit) nkeys.KeyPair {
	h.t.Helper()
	pair, public := NewKey(h.t)
	if err := h.Registry.AddBox(h.t.Context(), customer, fleet.KeyFile{Box: name, Serial: Serial(name), Key: public}, limits); err != nil {
		h.t.Fatal(err)
	}
	h.known(name, pair)
	return pair
}

// Operator makes a key and has the registry take it for an operator.
func (h *Hub) Operator(customer, name string) nkeys.KeyPair {
	h.t.Helper()
	pair, public := NewKey(h.t)
	if err := h.Registry.AddOperator(h.t.Context(), customer, name, public); err != nil {
		h.t.Fatal(err)
	}
	h.known(name, pair)
	return pair
}

// known waits until every running node lets a key in.
func (h *Hub) known(name string, pair nkeys.KeyPair) {
	h.t.Helper()
	public, err := pair.PublicKey()
	if err != nil {
		h.t.Fatal(err)
	}
	for i, r := range h.running {
		if r == nil {
			continue
		}
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
			if !h.Nodes[i].Knows(public) { // the engine has a data race between one that connects and a reload
				if time.Now().After(end) {
					h.t.Fatalf("node %d does not come to know %s", i, name)
				}
				continue
			}
			c, err := h.Dial(i, name, pair, nats.NoReconnect())
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(end) {
				h.t.Fatalf("node %d does not let %s in: %v", i, name, err)
			}
		}
	}
}

// Dial connects a box or an operator to a node with nothing but nats.go. It tries more than once: a node that takes new users just then ends whatever
// has not said yet who it is.
func (h *Hub) Dial(i int, name string, pair nkeys.KeyPair, options ...nats.Option) (c *nats.Conn, err error) {
	all := append([]nats.Option{hub.Nkey(pair), nats.Secure(h.TLS()), nats.CustomInboxPrefix(fleet.Inbox(name)), nats.IgnoreDiscoveredServers()}, options...)
	for range 3 {
		if c, err = nats.Connect(h.URL(i), all...); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return c, err
}

// Serial is the serial number of a box that Box makes, as the registry keeps it: in capitals, without marks.
func Serial(name string) string { return "SN" + strings.ToUpper(strings.ReplaceAll(name, "-", "")) }

// NewKey makes a key of a box or an operator.
func NewKey(t testing.TB) (nkeys.KeyPair, string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pair, public
}

func at(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// FreePorts finds ports that nobody has. They are held until all are found. Until the hub listens, nothing holds them: so they are from below the range that
// the kernel gives to those that ask for any, and each process looks in a part of its own, as tests of several packages run side by side.
func FreePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	const first, parts, size = 20000, 240, 50
	for range size {
		port := first + os.Getpid()%parts*size + int(nextPort.Add(1))%size
		if l, err := net.Listen("tcp", at(port)); err == nil {
			defer l.Close()
			if ports = append(ports, port); len(ports) == n {
				return ports
			}
		}
	}
	t.Fatalf("fewer than %d of %d ports are free", n, size)
	return nil
}

var nextPort atomic.Int32
