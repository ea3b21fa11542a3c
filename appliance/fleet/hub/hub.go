// Package hub is the machine that the boxes of a fleet dial home to: a NATS server with JetStream, one account for each customer, and the registry
// that says who may use it.
//
// It owns the folder of a node (keys, certificates, nats.conf, accounts.conf), the engine, embedded or a stock nats-server, the registry, and what
// each user may do. It does not own what is said in a customer's account: package fleet has its words, and services beside the engine (leases,
// streams, the page) are given to Run. Run has one goroutine for the engine's registry, which it follows into accounts.conf, and one for each
// service, and one that has an eye on connections; it ends when all have ended. A Node is safe for concurrent use, and so is a Registry; Run is called
// once.
package hub

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
	"viaduct/appliance/license"
)

// Files of a node's folder.
const (
	fileHub      = "hub.json"
	fileAdmin    = "admin.seed"
	fileLease    = "lease.key"
	fileCA       = "ca.pem"
	fileCAKey    = "ca.key"
	fileNode     = "node.pem"
	fileNodeKey  = "node.key"
	fileCert     = "public.pem" // the given certificate, when there is one
	fileCertKey  = "public.key"
	fileConf     = "nats.conf"
	fileAccounts = "accounts.conf"
	filePID      = "nats.pid"
	fileAudit    = "audit.log"
	fileMaking   = "making" // is there until all else is
	dirStore     = "jetstream"
)

// DefaultCustomer is made with the hub; DefaultOperator is the name of whoever works on the hub's own machine, in each customer's account.
const (
	DefaultCustomer = "default"
	DefaultOperator = "hub"
)

// settings are what hub.json holds.
type settings struct {
	Name  string  `json:"name"`  // what boxes dial, of a hub with one node
	Node  string  `json:"node"`  // which of Nodes this is
	Nodes []Place `json:"nodes"` // one or three
	Store int64   `json:"store"` // octets that all customers share, on each node
	// Authorities are the issuers of licenses that a new registry begins with, by name.
	Authorities map[string]string `json:"authorities,omitempty"`
}

// Place is where a node listens.
type Place struct {
	Name    string `json:"name"`
	Address string `json:"address"` // host name or address, for boxes and for the other nodes
	Listen  string `json:"listen"`  // boxes and operators: WebSocket in TLS
	Client  string `json:"client"`  // programs on the node's own machine
	Routes  string `json:"routes"`  // the other nodes
}

// URL is where boxes and operators dial.
func (p Place) URL() string {
	_, port, _ := net.SplitHostPort(p.Listen)
	return "wss://" + net.JoinHostPort(p.Address, port)
}

// Node is a node of the hub, as its folder describes it.
type Node struct {
	dir   string
	set   settings
	place Place
	admin []byte // raw seed, from which the keys of all local users come
	lease ed25519.PrivateKey
	ready chan struct{}

	taken atomic.Pointer[string] // accounts.conf as the engine has it
}

// Open reads the folder of a node.
func Open(dir string) (*Node, error) {
	if _, err := os.Stat(filepath.Join(dir, fileMaking)); err == nil {
		return nil, fmt.Errorf("the hub in %s is not complete: run `hub init` again, which begins anew", dir)
	}
	return open(dir)
}

func open(dir string) (*Node, error) {
	if absolute, err := filepath.Abs(dir); err == nil { // it stands in nats.conf
		dir = absolute
	}
	n := &Node{dir: dir, ready: make(chan struct{})}
	text, err := os.ReadFile(n.path(fileHub))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the folder of a hub's node: `hub init -dir %s -name HOST` makes one", dir, dir)
	} else if err != nil {
		return nil, fmt.Errorf("read the hub's folder: %w", err)
	}
	if err := json.Unmarshal(text, &n.set); err != nil {
		return nil, fmt.Errorf("read %s: %w", n.path(fileHub), err)
	}
	for _, p := range n.set.Nodes {
		if p.Name == n.set.Node {
			n.place = p
		}
	}
	if n.place.Name == "" {
		return nil, fmt.Errorf("%s does not say where node %q listens", n.path(fileHub), n.set.Node)
	}
	if n.admin, err = readSeed(n.path(fileAdmin)); err != nil {
		return nil, err
	}
	n.lease, err = readLeaseKey(n.path(fileLease))
	return n, err
}

func (n *Node) path(file string) string { return filepath.Join(n.dir, file) }

// Dir is the folder of the node.
func (n *Node) Dir() string { return n.dir }

// Name is that of the node.
func (n *Node) Name() string { return n.place.Name }

// URL is where boxes and operators dial the node.
func (n *Node) URL() string { return n.place.URL() }

// Places are those of all nodes of the hub.
func (n *Node) Places() []Place { return n.set.Nodes }

// Replicas is how many nodes keep each stream.
func (n *Node) Replicas() int { return len(n.set.Nodes) }

// Ready is closed when the engine runs and the registry could be read for the first time.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Knows reports whether the engine was told of a user's public key. A stock server may take it a little later.
func (n *Node) Knows(key string) bool {
	taken := n.taken.Load()
	return taken != nil && strings.Contains(*taken, key)
}

// LeaseKey signs leases.
func (n *Node) LeaseKey() ed25519.PrivateKey { return n.lease }

// ID is the hub as license keys of its pools name it: twelve hex digits.
func (n *Node) ID() string { return license.HubID(n.lease.Public().(ed25519.PublicKey)) }

// CA is the certificate of the hub's own authority, as PEM; it has issued what the hub shows unless a certificate was given.
func (n *Node) CA() ([]byte, error) { return os.ReadFile(n.path(fileCA)) }

// Given reports whether the hub shows a certificate that was given to it.
func (n *Node) Given() bool {
	_, err := os.Stat(n.path(fileCert))
	return err == nil
}

// Pin is by what a box knows the hub without a CA: the SHA-256 of the public key of the hub's own authority, which all nodes show in their chains, or of
// the certificate that was given; 64 hex digits.
func (n *Node) Pin() (string, error) {
	file := fileCA
	if n.Given() {
		file = fileCert
	}
	text, err := os.ReadFile(n.path(file))
	if err != nil {
		return "", fmt.Errorf("read the hub's certificate: %w", err)
	}
	return pinOf(text)
}

func pinOf(text []byte) (string, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("the hub's certificate is no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("read the hub's certificate: %w", err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:]), nil
}

// local makes the key of a user that works on the hub's machines alone. All nodes have the same admin's seed, so each knows all of these, and none is kept.
func (n *Node) local(role, customer string) nkeys.KeyPair {
	mac := hmac.New(sha256.New, n.admin)
	fmt.Fprintf(mac, "viaduct hub 1\x00%s\x00%s", role, customer)
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, mac.Sum(nil))
	if err != nil {
		panic(err) // the seed has its 32 octets
	}
	return pair
}

func (n *Node) adminKey() nkeys.KeyPair                     { return n.local("admin", "") }
func (n *Node) stewardKey(customer string) nkeys.KeyPair    { return n.local("steward", customer) }
func (n *Node) localOperator(customer string) nkeys.KeyPair { return n.local("operator", customer) }

func publicOf(pair nkeys.KeyPair) string {
	public, err := pair.PublicKey()
	if err != nil {
		panic(err) // only wiped keys have none
	}
	return public
}

// Admin connects to the node as the user of the registry.
func (n *Node) Admin(options ...nats.Option) (*nats.Conn, error) {
	return n.dial(n.adminKey(), "the admin", options)
}

// Steward connects to the node as the one user of a customer's account that may do everything there.
func (n *Node) Steward(customer string, options ...nats.Option) (*nats.Conn, error) {
	return n.dial(n.stewardKey(customer), "the steward of "+customer, options)
}

// Operator connects to the node as DefaultOperator of a customer, for somebody at the hub's own machine.
func (n *Node) Operator(customer string, options ...nats.Option) (*nats.Conn, error) {
	return n.dial(n.localOperator(customer), "the operator "+DefaultOperator+" of "+customer, append([]nats.Option{nats.CustomInboxPrefix(fleet.Inbox(DefaultOperator))}, options...))
}

// dial connects, and then again for ever: a user whom a node does not know yet, or an engine that starts anew, is no reason to give up. It tries a few
// times, because an engine that takes new users just then ends whatever has not said yet who it is.
func (n *Node) dial(pair nkeys.KeyPair, who string, options []nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{Nkey(pair), nats.MaxReconnects(-1), nats.ReconnectWait(reconnect), nats.IgnoreAuthErrorAbort(), nats.IgnoreDiscoveredServers()}, options...)
	c, err := nats.Connect("nats://"+n.place.Client, all...)
	for range 4 {
		if err == nil {
			break
		}
		time.Sleep(reconnect)
		c, err = nats.Connect("nats://"+n.place.Client, all...)
	}
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("the hub does not know %s", who)
	case err != nil:
		return nil, fmt.Errorf("the node does not answer at %s: is `hub run -dir %s` running? %w", n.place.Client, n.dir, err)
	}
	return c, nil
}

// Nkey has a connection use a key.
func Nkey(pair nkeys.KeyPair) nats.Option {
	return nats.Nkey(publicOf(pair), pair.Sign)
}
