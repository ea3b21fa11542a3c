package system

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/chains"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/issuers"
	"viaduct/appliance/keyring"
	"viaduct/appliance/lang"
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// hub names a peer in the comparison: two gateways may trust different issuers.
func hub(peer, gateway string) string { return strings.ToLower(peer) + " on " + gateway }

// asks reports whether an interface has this peer. The box also dials names that peers ask for (Record-Route), which are not compared.
func (s *System) asks(name string) bool {
	for _, sw := range s.Running().CS {
		for _, i := range sw.Interfaces {
			if strings.EqualFold(hub(i.Remote.Host, i.Gateway.Name), name) {
				return true
			}
		}
	}
	return false
}

// noteChain takes the certificates of a peer that was dialled just now.
func (s *System) noteChain(gateway, peer string, certs []*x509.Certificate, refused error) {
	if len(certs) == 0 || !s.asks(hub(peer, gateway)) {
		return
	}
	const most = 80 // characters of a name that is kept
	var shown status.ShownChain
	for _, c := range pki.Chain(certs[0], certs[1:]) {
		l := chains.LinkOf(c)
		l.Subject, l.Issuer = printable.Short(l.Subject, most), printable.Short(l.Issuer, most)
		shown.Links = append(shown.Links, l)
	}
	why := ""
	if refused != nil {
		why = printable.Text(refused.Error())
	}
	s.chains.Note(hub(peer, gateway), shown, why, func(x *status.ShownChain) {
		x.Root = shown.Links[len(shown.Links)-1].Issuer
		cfg := s.Running()
		if gw := (config.Ref[config.Config, config.SIPGateway]{Name: gateway}).In(cfg); gw != nil && gw.TLS.In(cfg) != nil {
			if root := pki.RootOf(certs, s.ends.TrustedBy(gw.TLS.In(cfg)), time.Now()); root != nil {
				x.Root = printable.Short(pki.Describe(root).Subject, most)
			}
		}
		var unknown *pki.UnknownIssuer
		if errors.As(refused, &unknown) {
			x.Issuer = unknown.SHA256
		}
	})
}

// PeerChains are the certificates that dialled peers have shown.
func (s *System) PeerChains() status.PeerChains { return s.chains.Chains() }

// chainsChanged raises the alarms about peers that show other certificates than the week before.
func (s *System) chainsChanged(list []status.PeerChanges) {
	var changed []health.Args
	for _, p := range list {
		todo := "Nothing is to be done: the box trusts the new certificates."
		for _, c := range p.New {
			switch {
			case c.Refused != "" && c.Issuer != "":
				todo = fmt.Sprintf("The box refuses the new certificates. Compare the fingerprint with the one that the peer's administrator gives you, then enter `pki trust add %s`.", c.Issuer)
			case c.Refused != "":
				todo = "The box refuses the new certificates: " + c.Refused + "."
			}
		}
		changed = append(changed, health.Args{"peer": p.Peer, "what": p.Change, "todo": todo})
	}
	s.health.Replace(health.ChainChanged, changed)
}

// newIssuers makes what knows whom peers may be trusted by.
func (s *System) newIssuers() *issuers.Book {
	return issuers.New(issuers.Options{
		Log: s.log, Store: s.store, Running: s.Running, Mutate: s.Mutate, Language: s.o.Language,
		Save: func(startup []byte) error { return s.WriteFile(store.StartupFile, startup) },
	})
}

// UnknownIssuers lists the issuers of peers' certificates that are not trusted.
func (s *System) UnknownIssuers() []status.UnknownIssuer { return s.unknown.List() }

// TrustIssuer trusts one of them by its fingerprint.
func (s *System) TrustIssuer(sum string, by status.Author) (string, error) {
	return s.unknown.Trust(sum, by)
}

// UntrustIssuer takes the trust in an imported certificate back.
func (s *System) UntrustIssuer(sum string, by status.Author) (string, error) {
	return s.unknown.Untrust(sum, by)
}

// newKeyring makes what people change certificates and keys with.
func (s *System) newKeyring() *keyring.Ring {
	return keyring.New(keyring.Options{
		Store: s.store, Internal: s.internal, Running: s.Running, Interfaces: s.IPInterfaces, Changed: s.republish,
		Hostname: func(cfg *config.Config) string { return lang.Hostname(cfg, s.Serial) },
	})
}
