package system

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	hubs "viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/fleet/tunnel"
	"viaduct/appliance/lang"
	"viaduct/appliance/license"
	"viaduct/appliance/logs"
	"viaduct/appliance/status"
	"viaduct/board"
)

// pooled is a hub with a pool of sip-sessions, and the issuer that the hub and its boxes believe.
type pooled struct {
	*hubtest.Hub
	authority string
}

func startHub(t *testing.T, sessions int) *pooled {
	t.Helper()
	h := &pooled{Hub: hubtest.Start(t, func(n *hubs.Node) hubs.Service { return steward.Service(n, slog.New(slog.DiscardHandler)) })}
	public, issuer, _ := ed25519.GenerateKey(nil)
	h.authority = license.FormatIssuer(public)
	await(t, "the registry", func() bool { return h.Registry.AddAuthority(t.Context(), "lab", h.authority) == nil })
	key, err := license.Sign(issuer, license.License{Kind: license.SIPSessions, Count: sessions, Serial: 7, System: h.Nodes[0].ID()})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the registry", func() bool {
		_, err := h.Registry.AddLicense(t.Context(), hubtest.Customer, key)
		return err == nil
	})
	return h
}

// lines are those of a box that belongs to the hub.
func (h *pooled) lines(name string) string {
	return fmt.Sprintf("license-authority lab %s\nfleet\n  name %s\n  hub 127.0.0.1 %d\n  pin %s\n  lease licenses\n  remote-management ssh\n", h.authority, name, h.Ports[0], h.Pin)
}

// labelled is a board with a serial number.
type labelled struct{ board.Board }

func (labelled) SerialNumber() string { return "00A0BA0F2439" }

// side is an operator's end.
type side struct{ net.Conn }

func (s side) CloseWrite() error { return nil }

// fleetBox is a box of a fleet while it runs.
type fleetBox struct {
	s    *System
	stop func()
}

func startBox(t *testing.T, state string, ssh netip.AddrPort) *fleetBox {
	t.Helper()
	s, err := Open(Options{Board: labelled{named(t, "sim")}, StateDir: state, Log: slog.New(slog.DiscardHandler), Ring: logs.NewRing(10), Language: lang.New(), SSH: ssh})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	b := &fleetBox{s: s}
	b.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(b.stop)
	return b
}

// types runs lines as at the console of an administrator.
func (b *fleetBox) types(t *testing.T, lines string) string {
	t.Helper()
	var out strings.Builder
	s := &lang.Session{Class: config.Superuser, Mode: []string{"enable"}}
	for line := range strings.Lines(lines) {
		r, err := b.s.o.Language.Exec(t.Context(), b.s, s, strings.TrimSpace(line), nil, &out)
		if err != nil {
			t.Fatalf("%s says %s", line, out.String())
		}
		s.Mode = r.Mode
	}
	return out.String()
}

func (b *fleetBox) state() status.FleetState { return b.s.Fleet().State }

// call takes a session as a call does.
func (b *fleetBox) call() (license.Share, error) {
	share, err := b.s.licenses.Acquire(1, 0)
	if err == nil {
		return share, nil
	}
	got := make(chan error, 1)
	if _, waits := b.s.licenses.Await(1, 0, func(s license.Share, why error) { share = s; got <- why }); !waits {
		return nil, err
	}
	return share, <-got
}

func (b *fleetBox) leased() int { return b.s.Licenses().Pools[0].Leased }

// TestABoxInItsFleet goes through the life of a box at its hub.
func TestABoxInItsFleet(t *testing.T) {
	h := startHub(t, 10)
	ssh, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ssh.Close()
	go func() {
		for {
			c, err := ssh.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); fmt.Fprint(c, "SSH-2.0-box\r\n"); io.Copy(c, c) }()
		}
	}()
	dir := t.TempDir()
	b := startBox(t, dir, netip.MustParseAddrPort(ssh.Addr().String()))
	if _, err := os.Stat(filepath.Join(dir, "fleet")); err == nil {
		t.Error("without a fleet there is something of it")
	}
	b.types(t, "configure\n"+h.lines("berlin")+"exit\n")
	await(t, "a refusal", func() bool { return b.state() == status.FleetRefused })
	if said := b.types(t, "show fleet\n"); !strings.Contains(said, "Name: berlin\nState: refused") || !strings.Contains(said, "Cure: ") {
		t.Errorf("show fleet: %s", said)
	}
	await(t, "the alarm", func() bool { return raised(b, "fleet-refused") })

	file, err := fleet.ParseKeyFile(b.types(t, "show fleet key\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Registry.AddBox(t.Context(), hubtest.Customer, file, map[string]hubs.Limit{"sip-sessions": {Max: 6}}); err != nil {
		t.Fatal(err)
	}
	await(t, "the connection", func() bool { b.s.online(); return b.state() == status.FleetConnected })
	await(t, "the end of the alarm", func() bool { return !raised(b, "fleet-refused") })

	// Four sessions are in the box, six come from the hub.
	await(t, "readiness to bring more", func() bool {
		_, waits := b.s.licenses.Await(0, 0, func(s license.Share, _ error) { s.Release() })
		return waits
	})
	for n := range 10 {
		if _, err := b.call(); err != nil {
			t.Fatalf("call %d: %v, leased %d", n, err, b.leased())
		}
	}
	if _, err := b.call(); err == nil || b.leased() != 6 {
		t.Errorf("the eleventh call: %v, leased %d", err, b.leased())
	}
	if said := b.types(t, "show fleet\nshow system licenses\n"); !strings.Contains(said, "sip-sessions   held   6") {
		t.Errorf("it says %s", said)
	}

	// An operator comes through the hub.
	anna := h.Operator(hubtest.Customer, "anna")
	seed, _ := anna.Seed()
	key, err := bus.ParseKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	link := bus.Open(bus.Options{Log: slog.New(slog.DiscardHandler), Lookup: b.s.resolver.Lookup})
	ctx, cancel := context.WithCancel(t.Context())
	linked := make(chan error, 1)
	go func() { linked <- link.Run(ctx) }()
	link.Apply(bus.Settings{Name: "anna", Key: key, Hubs: []*config.HubNode{{Host: "127.0.0.1", Port: uint16(h.Ports[0])}}, Pin: h.Pin})
	if err := link.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	tip := side{far}
	connected := make(chan error, 1)
	go func() {
		connected <- tunnel.Connect(ctx, link, tunnel.Target{Operator: "anna", Box: "berlin", Service: tunnel.SSH}, tip)
	}()
	if line, err := bufio.NewReader(near).ReadString('\n'); err != nil || line != "SSH-2.0-box\r\n" {
		t.Errorf("through the hub came %q, %v", line, err)
	}
	if said := b.types(t, "show fleet\n"); !strings.Contains(said, "anna      ssh") {
		t.Errorf("show fleet: %s", said)
	}
	near.Close()
	<-connected

	// The hub goes and comes back. What was leased holds, also over a restart of the box.
	h.Stop(0)
	await(t, "the loss", func() bool { return b.state() != status.FleetConnected })
	if b.leased() != 6 {
		t.Errorf("without the hub it has %d", b.leased())
	}
	b.types(t, "copy running-config startup-config\n")
	b.stop()
	b = startBox(t, dir, netip.MustParseAddrPort(ssh.Addr().String()))
	await(t, "the leases of before", func() bool { return b.leased() == 6 })
	h.Run(0)
	await(t, "the hub", func() bool { b.s.online(); return b.state() == status.FleetConnected })

	// A key that cannot be kept ends none.
	taken := filepath.Join(b.s.store.FleetDir(), "key.next")
	if err := os.MkdirAll(filepath.Join(taken, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if ended, err := b.s.GenerateFleetKey(t.Context()); ended || err == nil || b.state() != status.FleetConnected {
		t.Errorf("ended %v, %v, and the box is %v", ended, err, b.state())
	}
	if err := os.RemoveAll(taken); err != nil {
		t.Fatal(err)
	}

	// A new key ends the old one, and is taken once the hub has its file.
	if said := b.types(t, "fleet key generate force\n"); !strings.Contains(said, "the hub has ended the key before") {
		t.Errorf("it says %s", said)
	}
	await(t, "a refusal", func() bool { return b.state() == status.FleetRefused })
	next, err := fleet.ParseKeyFile(b.types(t, "show fleet key\n"))
	if err != nil || next.Key == file.Key {
		t.Errorf("%+v, %v", next, err)
	}
	if expected, err := h.Registry.ReplaceKey(t.Context(), hubtest.Customer, next); err != nil || !expected {
		t.Errorf("the hub takes the new key: expected %v, %v", expected, err)
	}
	await(t, "the connection", func() bool { b.s.online(); return b.state() == status.FleetConnected })

	// A box that is revoked is cut off. What it has leased it keeps to the end of the lease.
	began := time.Now()
	if err := h.Registry.RevokeBox(t.Context(), hubtest.Customer, "berlin"); err != nil {
		t.Fatal(err)
	}
	await(t, "the end", func() bool { return b.state() == status.FleetRefused })
	t.Logf("cut off after %v", time.Since(began).Round(time.Millisecond))
	if b.leased() == 0 {
		t.Error("it has lost its lease at once")
	}
	cancel()
	<-linked
}

// A box that leaves its fleet gives back what it has leased, and keeps its key.
func TestABoxLeavesItsFleet(t *testing.T) {
	h := startHub(t, 10)
	dir := t.TempDir()
	b := startBox(t, dir, netip.AddrPort{})
	b.types(t, "configure\n"+h.lines("berlin")+"exit\n")
	file, err := b.s.FleetKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Registry.AddBox(t.Context(), hubtest.Customer, file, nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the connection", func() bool { b.s.online(); return b.state() == status.FleetConnected })
	for range 4 {
		if _, err := b.call(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "a lease", func() bool { return b.leased() > 0 })
	b.types(t, "configure\nno fleet\n")
	await(t, "its end", func() bool {
		list, _ := os.ReadDir(filepath.Join(dir, "fleet"))
		list = slices.DeleteFunc(list, func(f os.DirEntry) bool { return f.Name() == "key" || f.Name() == "ids" }) // which tell the box from others
		return b.leased() == 0 && len(list) == 0
	})
	b.stop()
	if err := os.Remove(filepath.Join(dir, "startup-config")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	startBox(t, dir, netip.AddrPort{}).stop()
	if _, err := os.Stat(filepath.Join(dir, "fleet")); err == nil {
		t.Error("a start without a startup-config leaves the key")
	}
}

func raised(b *fleetBox, id string) bool {
	for _, a := range b.s.Alarms() {
		if a.ID == id {
			return true
		}
	}
	return false
}
