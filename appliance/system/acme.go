package system

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"viaduct/appliance/acme"
	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
	"viaduct/appliance/watch"
)

// newACME makes the engine of certificates that renew themselves.
func (s *System) newACME() *acme.Engine {
	return acme.New(acme.Options{
		Log: s.log, Health: &s.health, Store: s.store, Agent: "Viaduct SBC " + s.o.Release.Version, Config: func() *config.Config { return s.acting(s.Running()) }, Clock: s.clock.Sane,
		HTTP: s.directoryClient, Roots: s.ownRoots, Open: s.openDoors, Shut: s.doors.Shut, TXT: s.resolver.LookupTXT,
		Use: s.useNow, Peers: s.shownTo,
	})
}

// ACME lists the certificates that the box obtains by itself.
func (s *System) ACME() []status.ACME { return s.acme.Status() }

// profileACME finds a profile; the error is for the console.
func (s *System) profileACME(name string) (*config.ACMEProfile, error) {
	if p := (config.Ref[config.Config, config.ACMEProfile]{Name: name}).In(s.Running()); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("there is no profile acme %s: `show acme` lists them", name)
}

// RenewACME orders a certificate now.
func (s *System) RenewACME(name string) error {
	p, err := s.profileACME(name)
	if err != nil {
		return err
	}
	if len(p.Names) == 0 {
		return fmt.Errorf("profile acme %s has no name line", p.Name)
	}
	if until, ok := s.acme.Renew(p.Name); !ok {
		return fmt.Errorf("the authority wants to be left alone until %s UTC", until.UTC().Format(time.DateTime))
	}
	return nil
}

// TestACME goes through the steps of an order without taking anything into use.
func (s *System) TestACME(ctx context.Context, name string, report func(line string)) error {
	p, err := s.profileACME(name)
	if err != nil {
		return err
	}
	return s.acme.Test(ctx, p, report)
}

// directoryClient is the client for the directory of a profile. With a CA of its own it trusts that one alone.
func (s *System) directoryClient(p *config.ACMEProfile) (*http.Client, error) {
	roots := s.ownRoots()
	if p.DirectoryCA != "" {
		list, err := s.store.Certificates(pki.Name(p.DirectoryCA))
		if err != nil {
			return nil, err
		}
		roots = x509.NewCertPool()
		for _, c := range list {
			roots.AddCert(c)
		}
	}
	c := s.web()
	t := &http.Transport{DialContext: s.dial, TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 1, IdleConnTimeout: 10 * time.Second}
	if p.Proxy != "" {
		proxy, err := url.Parse(p.Proxy)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	c.Transport = t
	return c, nil
}

// ownRoots are the roots at which the chain of a certificate of ours may end: those that web trusts, and those of Let's Encrypt.
func (s *System) ownRoots() *x509.CertPool {
	roots := s.webRoots()
	for _, c := range pki.Public() {
		roots.AddCert(c)
	}
	return roots
}

// openDoors opens a TCP port on the addresses under which peers know the box by a certificate; on all ports but that of the LAN while no
// gateway shows it yet.
func (s *System) openDoors(ctx context.Context, certificate config.PKIName, port uint16) ([]net.Listener, error) {
	var sockets []netip.AddrPort
	for _, a := range s.effective.Load().ChallengeAddresses(certificate) {
		sockets = append(sockets, netip.AddrPortFrom(a, port))
	}
	if len(sockets) == 0 {
		return nil, errors.New("the box has no address towards the internet")
	}
	return s.doors.Open(ctx, sockets)
}

const applyTime = 30 * time.Second

// useNow has the gateways show what the key store holds, waits until they do, and returns since when.
func (s *System) useNow(ctx context.Context) (time.Time, error) {
	s.republish()
	return s.awaitApplied(ctx)
}

// awaitApplied waits until the newest configuration is in use, and returns since when.
func (s *System) awaitApplied(ctx context.Context) (time.Time, error) {
	wanted := s.Running()
	limit := time.Now().Add(applyTime)
	every := time.NewTicker(settle / 4)
	defer every.Stop()
	for {
		if a := s.applied.Load(); a != nil && (a.cfg == wanted || a.cfg == s.Running()) {
			return a.at, nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case now := <-every.C:
			if now.After(limit) {
				return time.Time{}, fmt.Errorf("the gateways did not take it within %s", plural.Of(int(applyTime/time.Second), "second"))
			}
		}
	}
}

// shownTo lists the peers that are shown a certificate.
func (s *System) shownTo(certificate config.PKIName) []status.Peer {
	cfg := s.Running()
	return slices.DeleteFunc(s.Peers(), func(p status.Peer) bool {
		g := config.Ref[config.Config, config.SIPGateway]{Name: watch.GatewayOf(cfg, p.Interface)}.In(cfg)
		if g == nil {
			return true
		}
		t := g.TLS.In(cfg)
		return t == nil || !t.Shows(certificate)
	})
}
