package system

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/license"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

const otherBox = "6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

// boxInPair is box 2 of a pair, with a gateway at the pair's address. It does not run.
func boxInPair(t *testing.T, more string) *System {
	t.Helper()
	dir := t.TempDir()
	s := boxOf(t, named(t, "sim"), dir, "")
	own, err := s.RedundancyKey()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`context ip ROUTER
  interface LAN
    ipaddress LAN 127.0.0.41/24
  interface DIRECT
port ethernet 0 0
  bind interface ROUTER LAN
  no shutdown
port ethernet 0 2
  bind interface ROUTER DIRECT
  no shutdown
context sip-gateway GW
  interface GW
    bind interface LAN context ROUTER port 41060
  no shutdown
redundancy
  virtual-router 51
  box 1 key %s
  box 2 key %s
  interface ROUTER LAN
    box 1 127.0.0.42/24
    box 2 127.0.0.43/24
  interface ROUTER DIRECT
    box 1 10.99.0.1/30
    box 2 10.99.0.2/30
    direct
%s`, otherBox, own, more)
	if err := s.WriteFile(store.StartupFile, []byte(text)); err != nil {
		t.Fatal(err)
	}
	again := boxOf(t, named(t, "sim"), dir, "")
	if again.Running().Pair() == nil {
		t.Fatal("the configuration is none of a pair")
	}
	return again
}

// goesBy are the addresses in the LAN by which the box goes, and whether its gateway is on.
func (s *System) goesBy() (addresses []string, gateway bool) {
	cfg := s.Effective()
	for _, a := range cfg.IP[0].Interfaces[0].Addresses {
		addresses = append(addresses, a.Prefix.Addr().String())
	}
	return addresses, cfg.Gateways[0].Enabled
}

func TestWhatABoxOfAPairGoesBy(t *testing.T) {
	s := boxInPair(t, "")
	is := func(when string, wantAddresses string, wantGateway bool) {
		t.Helper()
		if addresses, gateway := s.goesBy(); strings.Join(addresses, " ") != wantAddresses || gateway != wantGateway {
			t.Errorf("%s: addresses %v, gateway %v", when, addresses, gateway)
		}
		if at := s.place(s.Running()); at != (netcfg.Place{Pair: s.Running().Redundancy, Box: 2}) {
			t.Errorf("%s: %+v", when, at)
		}
	}
	is("at its start", "127.0.0.43", false)
	if err := s.issues(); err != errStandby {
		t.Errorf("the standby issues certificates: %v", err)
	}
	(inPair{s}).Await()
	is("about to take over", "127.0.0.43", false)
	conn, err := net.Dial("tcp", "127.0.0.41:41060")
	if err != nil {
		t.Errorf("a peer is refused while the box takes over: %v", err)
	} else {
		conn.Close()
	}
	if err := (inPair{s}).TakeOver(t.Context(), "a test"); err != nil {
		t.Error(err)
	}
	is("active", "127.0.0.41 127.0.0.43", true)
	if l := s.Gateways()[0].Interfaces[0].Listeners; len(l) == 0 || l[0].State != status.ListenerOpen {
		t.Errorf("its sockets: %+v", l)
	}
	if err := (inPair{s}).TakeOver(t.Context(), "once more"); err != nil {
		t.Error(err)
	}
	if err := (inPair{s}).HandOver(t.Context()); err != nil {
		t.Error(err)
	}
	for range 2 {
		(inPair{s}).Drop("a test")
		is("dropped", "127.0.0.43", false)
	}
	if l := s.Gateways()[0].Interfaces[0].Listeners; len(l) > 0 && l[0].State == status.ListenerOpen {
		t.Errorf("its sockets: %+v", l)
	}
}

// Keys of either box count once, while the other one has been seen, and over a restart.
func TestLicensesOfAPair(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := boxInPair(t, "license-authority lab "+license.FormatIssuer(public)+"\n")
	sign := func(system string, serial uint32, count int) string {
		key, err := license.Sign(private, license.License{Kind: license.SIPSessions, Count: count, Serial: serial, System: system})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	sessions := func(s *System, want int) {
		t.Helper()
		if got := s.licenses.Table()[0].Installed; got != want {
			t.Errorf("%d sessions, want %d", got, want)
		}
	}
	const other = "00A0BA000002"
	theirs := sign(other, 2, 30)
	if _, err := s.InstallLicense(sign(s.Serial(), 1, 20)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InstallLicense(theirs); err == nil {
		t.Error("a license of a box that was never seen was taken")
	}
	sessions(s, 20)
	s.partner.Saw(otherBox, other, time.Now())
	s.seePartner()
	if _, err := s.InstallLicense(theirs); err != nil {
		t.Error(err)
	}
	sessions(s, 50)
	if keys := s.Licenses().Keys; len(keys) != 2 || !keys[1].InForce {
		t.Errorf("%+v", keys)
	}
	again := boxOf(t, named(t, "sim"), s.o.StateDir, "")
	sessions(again, 50)
	s.partner.Saw(otherBox, other, time.Now().Add(-31*24*time.Hour))
	s.seePartner()
	sessions(s, 20)
	s.partner.Saw(otherBox, other, time.Now())
	s.seePartner()
	sessions(s, 50)
}

func TestABoxThatStandsAloneHasNothingOfAPair(t *testing.T) {
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	if !s.acts.Load() || s.acting(s.Running()) != s.Running() || s.place(s.Running()) != (netcfg.Place{}) || s.Redundancy().State != status.PairOff {
		t.Errorf("%+v", s.Redundancy())
	}
}
