package hub

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"viaduct/appliance/flash"
	"viaduct/appliance/fleet"
	"viaduct/appliance/license"
)

// Options are how a hub is to be.
type Options struct {
	Name        string  // what boxes dial, of a hub with one node
	Nodes       []Place // three of them; empty for one node. Listen, Client and Routes may be empty
	Listen      string  // of every node that says nothing else; default :443
	Client      string  // default 127.0.0.1:4222
	Routes      string  // default :6222
	Certificate []byte  // PEM, and its Key: shown to boxes in place of one of the hub's own authority
	Key         []byte
	Store       int64             // octets that all customers share; default 16 GB
	Authorities map[string]string // issuers of licenses that the hub believes, by name, as license.ParseIssuer reads them
}

// defaults completes the places.
func (o *Options) defaults() error {
	if !validHost(o.Name) {
		return fmt.Errorf("%q is not what boxes could dial: give a host name or an address", o.Name)
	}
	if len(o.Nodes) == 0 {
		o.Nodes = []Place{{Name: "hub", Address: o.Name}}
	}
	if len(o.Nodes) != 1 && len(o.Nodes) != 3 {
		return fmt.Errorf("a hub has one node or three, not %d", len(o.Nodes))
	}
	if (o.Certificate == nil) != (o.Key == nil) {
		return errors.New("a certificate needs its key, and a key its certificate")
	}
	o.Store = cmp.Or(o.Store, defaultTotal)
	if o.Store < registryStore+minStore {
		return fmt.Errorf("a hub needs %s of storage at least", Size(registryStore+minStore))
	}
	for name, key := range o.Authorities {
		if err := fleet.CheckName(name); err != nil {
			return err
		}
		if _, err := license.ParseIssuer(key); err != nil {
			return fmt.Errorf("the authority %s: %w", name, err)
		}
	}
	seen := map[string]bool{}
	for i := range o.Nodes {
		p := &o.Nodes[i]
		if err := fleet.CheckName(p.Name); err != nil {
			return err
		}
		if seen[p.Name] {
			return fmt.Errorf("two nodes have the name %s", p.Name)
		}
		seen[p.Name] = true
		if !validHost(p.Address) {
			return fmt.Errorf("%q is not where the node %s could be reached: give a host name or an address", p.Address, p.Name)
		}
		p.Listen = cmp.Or(p.Listen, o.Listen, ":443")
		p.Client = cmp.Or(p.Client, o.Client, "127.0.0.1:4222")
		p.Routes = cmp.Or(p.Routes, o.Routes, ":6222")
		for _, at := range []*string{&p.Listen, &p.Client, &p.Routes} {
			host, port, err := net.SplitHostPort(*at)
			if err != nil {
				return fmt.Errorf("%q is not where a node could listen: write HOST:PORT or :PORT", *at)
			}
			if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
				return fmt.Errorf("%q has no port on which a node could listen", *at)
			}
			*at = net.JoinHostPort(cmp.Or(host, "0.0.0.0"), port)
		}
		if ip := net.ParseIP(hostOf(p.Client)); ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("%s is not an address of this machine alone: what listens there has no TLS", p.Client)
		}
	}
	return nil
}

func hostOf(at string) string { host, _, _ := net.SplitHostPort(at); return host }

// validHost is deliberately narrow: the name stands in certificates, URLs and nats.conf.
func validHost(name string) bool {
	if net.ParseIP(name) != nil {
		return true
	}
	return len(name) > 0 && len(name) <= 253 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == "" && name[0] != '-' && name[0] != '.'
}

// dialled is where programs of the node's own machine reach what boxes dial.
func (p Place) dialled() string {
	host, port, _ := net.SplitHostPort(p.Listen)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// route is where the other nodes reach this one.
func (p Place) route() string {
	_, port, _ := net.SplitHostPort(p.Routes)
	return net.JoinHostPort(p.Address, port)
}

// Init makes the folder of a hub with one node, or one folder for each of three in it, and returns their names. It changes nothing that is there. When
// it fails (the disk is full), nothing of it stays; when it is killed, it can be run again.
func Init(dir string, o Options) (dirs []string, err error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	dir, err = begin(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, clearFolder(dir))
		}
	}()
	var dialled []string
	for _, p := range o.Nodes {
		dialled = append(dialled, p.Address)
	}
	if o.Certificate != nil {
		if err := checkGiven(o.Certificate, o.Key, dialled); err != nil {
			return nil, err
		}
	}
	made, err := secrets(o)
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority(o.Name, time.Now())
	if err != nil {
		return nil, err
	}
	made[fileCA] = certPEM(ca.cert.Raw)
	for _, p := range o.Nodes {
		d := dir
		if len(o.Nodes) > 1 {
			d = filepath.Join(dir, p.Name)
		}
		if err := makeNode(d, p, o, ca, made); err != nil {
			return nil, err
		}
		dirs = append(dirs, d)
	}
	key, err := keyPEM(ca.key)
	if err != nil {
		return nil, err
	}
	if err := write(dir, fileCAKey, key); err != nil { // the nodes do not need it
		return nil, err
	}
	return dirs, flash.Remove(filepath.Join(dir, fileMaking))
}

// begin takes an empty folder, or makes it, and marks it as one that is being made. What an init that was killed has left there goes.
func begin(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("make the hub's folder: %w", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("make the hub's folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileMaking)); err == nil {
		if err := clearFolder(dir); err != nil {
			return "", err
		}
	} else if len(list) > 0 {
		return "", fmt.Errorf("%s is not empty: a hub is made in a folder of its own", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the hub's folder: %w", err)
	}
	return dir, write(dir, fileMaking, nil)
}

// clearFolder empties a folder that was being made. The mark goes last: who is killed here begins again, too.
func clearFolder(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clear the hub's folder: %w", err)
	}
	for _, e := range list {
		if e.Name() == fileMaking {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("clear the hub's folder: %w", err)
		}
	}
	if err := flash.Remove(filepath.Join(dir, fileMaking)); err != nil {
		return fmt.Errorf("clear the hub's folder: %w", err)
	}
	return nil
}

// secrets are the files that all nodes have alike.
func secrets(o Options) (map[string][]byte, error) {
	admin, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make the admin's seed: %w", err)
	}
	seed, err := admin.Seed()
	if err != nil {
		return nil, fmt.Errorf("make the admin's seed: %w", err)
	}
	_, lease, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the lease key: %w", err)
	}
	key, err := keyPEM(lease)
	if err != nil {
		return nil, err
	}
	made := map[string][]byte{fileAdmin: append(seed, '\n'), fileLease: key}
	if o.Certificate != nil {
		made[fileCert], made[fileCertKey] = o.Certificate, o.Key
	}
	return made, nil
}

func makeNode(dir string, p Place, o Options, ca *authority, made map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a node's folder: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("make a node's folder: %w", err)
	}
	names := []string{p.Address, o.Name, hostOf(p.dialled())} // the last one is for the operator at this machine
	slices.Sort(names[1:])
	names = slices.Compact(names)
	chain, key, err := ca.issue(names, time.Now())
	if err != nil {
		return err
	}
	for file, content := range made {
		if err := write(dir, file, content); err != nil {
			return err
		}
	}
	for file, content := range map[string][]byte{fileNode: chain, fileNodeKey: key, fileAudit: nil} {
		if err := write(dir, file, content); err != nil {
			return err
		}
	}
	if err := writeSettings(dir, settings{Name: o.Name, Node: p.Name, Nodes: o.Nodes, Store: o.Store, Authorities: o.Authorities}); err != nil {
		return err
	}
	n, err := open(dir)
	if err != nil {
		return err
	}
	if err := n.writeConf(); err != nil {
		return err
	}
	return n.writeAccounts(&Listing{})
}

func write(dir, file string, content []byte) error {
	if err := flash.Write(filepath.Join(dir, file), content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

func writeSettings(dir string, set settings) error {
	text, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return err
	}
	return write(dir, fileHub, append(text, '\n'))
}

func (n *Node) writeAccounts(l *Listing) error {
	return write(n.dir, fileAccounts, []byte(n.accounts(l)))
}

func trimmed(text []byte) []byte { return bytes.TrimSpace(text) }

func (n *Node) writeConf() error { return write(n.dir, fileConf, []byte(n.conf())) }
