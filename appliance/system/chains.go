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
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
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
