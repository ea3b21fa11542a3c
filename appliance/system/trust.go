package system

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// unknownIssuers remembers the untrusted certificates at which chains of peers ended, so that an administrator can check one and trust
// it by its fingerprint. The box never trusts one by itself.
type unknownIssuers struct {
	mu   sync.Mutex
	seen map[string]unknownIssuer // by SHA-256
}

type unknownIssuer struct {
	*pki.UnknownIssuer
	gateway, peer string
	last          time.Time
	told          time.Time
}

const (
	mostIssuers = 16
	tellAgain   = time.Hour      // the log names the same issuer at most so often
	rememberFor = 24 * time.Hour // since the peer showed it last
)

// selfMade is the warning for a chain that ends in a certificate which is its own issuer: no authority has vouched for it.
const selfMade = "anybody can make such a root, so this may be an attack: compare the fingerprint with the one that the peer's " +
	"administrator gives you before you trust it"

// warning returns the advice for an administrator who is about to trust the issuer.
func (x unknownIssuer) warning() string {
	if x.Root {
		return selfMade
	}
	return "nobody here knows who made it: compare the fingerprint with the one that the peer's administrator gives you before you trust it"
}

// capital makes the first letter a capital.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// leaf describes the peer's certificate: its names and its dates.
func (x unknownIssuer) leaf() string {
	if len(x.Chain) == 0 {
		return described(x.End)
	}
	return described(x.Chain[0])
}

// described is a certificate in one line: subject, dates and names.
func described(c *x509.Certificate) string {
	d := pki.Describe(c)
	text := fmt.Sprintf("subject %s, good from %s to %s", d.Subject, d.NotBefore.UTC().Format(time.DateOnly), d.NotAfter.UTC().Format(time.DateOnly))
	if len(d.Names) > 0 {
		text += ", for " + strings.Join(d.Names, ", ")
	}
	return printable.Text(text)
}

// chain describes each certificate that the peer sent, its own first.
func (x unknownIssuer) chain() (list []status.ChainLink) {
	for _, c := range x.Chain {
		list = append(list, linkOf(c))
	}
	return list
}

func linkOf(c *x509.Certificate) status.ChainLink {
	d := pki.Describe(c)
	return status.ChainLink{Subject: d.Subject, Issuer: d.Issuer, KeyType: d.Key, NotBefore: d.NotBefore, NotAfter: d.NotAfter, SHA256: d.SHA256}
}

// note remembers an issuer and logs it, with the command that trusts it.
func (s *unknownIssuers) note(log *slog.Logger, gateway, peer string, e *pki.UnknownIssuer) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]unknownIssuer{}
	}
	x, known := s.seen[e.SHA256]
	if !known && len(s.seen) >= mostIssuers {
		oldest := ""
		for sum, y := range s.seen {
			if oldest == "" || y.last.Before(s.seen[oldest].last) {
				oldest = sum
			}
		}
		delete(s.seen, oldest)
	}
	x.UnknownIssuer, x.gateway, x.peer, x.last = e, gateway, peer, now
	if now.Sub(x.told) >= tellAgain {
		x.told = now
		log.Error("issuer of a peer's certificate is not trusted; when it should be, enter the command in name", "gw", gateway, "peer", peer, "err", e,
			"name", "pki trust add "+e.SHA256)
	}
	s.seen[e.SHA256] = x
}

// find looks up an issuer by its fingerprint, in any case and with or without colons.
func (s *unknownIssuers) find(sum string) (unknownIssuer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.seen[strings.ToUpper(strings.ReplaceAll(sum, ":", ""))]
	return x, ok
}

func (s *unknownIssuers) forget(sum string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, sum)
}

// list returns the remembered issuers, and forgets those that no peer has shown for a day.
func (s *unknownIssuers) list() []unknownIssuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []unknownIssuer
	for sum, x := range s.seen {
		if time.Since(x.last) > rememberFor {
			delete(s.seen, sum)
			continue
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b unknownIssuer) int { return cmp.Compare(a.SHA256, b.SHA256) })
	return list
}

// untrusted returns the issuers that are still not trusted. It judges each one anew: the certificate may have been imported by hand, or
// its gateway may be gone.
func (s *System) untrusted() (list []unknownIssuer) {
	cfg := s.Running()
	for _, x := range s.unknown.list() {
		if s.resolved(cfg, x) {
			s.unknown.forget(x.SHA256)
			continue
		}
		list = append(list, x)
	}
	return list
}

// resolved reports whether the gateway trusts the issuer now, or cannot meet it any more.
func (s *System) resolved(cfg *config.Config, x unknownIssuer) bool {
	gw := config.Ref[config.Config, config.SIPGateway]{Name: x.gateway}.In(cfg)
	if gw == nil || gw.TLS.In(cfg) == nil {
		return true
	}
	p := gw.TLS.In(cfg)
	for _, name := range p.Trusted {
		certs, _ := s.store.Certificates(pki.Name(name)) // a missing one is a problem of the configuration
		if slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return c.Equal(x.End) || x.End.CheckSignatureFrom(c) == nil }) {
			return true
		}
	}
	return false
}

// UnknownIssuers lists the issuers of peers' certificates that are not trusted.
func (s *System) UnknownIssuers() []status.UnknownIssuer {
	var list []status.UnknownIssuer
	for _, x := range s.untrusted() {
		list = append(list, status.UnknownIssuer{
			SHA256: x.SHA256, Subject: pki.Describe(x.End).Subject, Issuer: x.Issuer, Root: x.Root,
			Peer: x.peer, Gateway: x.gateway, Last: x.last, NotAfter: x.End.NotAfter, Warning: x.warning(), Leaf: x.leaf(), Chain: x.chain(),
		})
	}
	return list
}

// TrustIssuer imports the certificate of this fingerprint and adds it to the trusted certificates of the profile that met it, in the
// running configuration and in the startup-config: a box that restarts goes on to reach its peer.
func (s *System) TrustIssuer(sum string) (string, error) {
	x, ok := s.unknown.find(sum)
	if !ok {
		return "", errors.New("no peer has shown a certificate with this fingerprint: see `show pki trusted`")
	}
	name, err := s.nameFor(x.End)
	if err != nil {
		return "", err
	}
	if _, err := s.store.ImportCertificate(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.End.Raw})); err != nil {
		return "", err
	}
	item := config.PKIName("pki:certificate/" + name)
	profile := ""
	err = s.Mutate(func(old *config.Config) (*config.Config, error) {
		next, found, err := withTrusted(old, x.gateway, item)
		profile = found
		return next, err
	})
	if err != nil {
		return "", err
	}
	s.unknown.forget(x.SHA256)
	s.log.Warn("issuer trusted", "gw", x.gateway, "name", name)
	kind := "root"
	if !x.Root {
		kind = "intermediate, whose own issuer stays unknown here"
	}
	kept := s.saveTrust([]string{profile}, func(list []config.PKIName) []config.PKIName { return adding(list, item) })
	return fmt.Sprintf("certificate %s (%s) is trusted in profile tls %s; %s", name, kind, profile, kept), nil
}

// UntrustIssuer takes a certificate out of all profiles that trust it, and out of the key store when nothing else uses it. A profile does
// not lose its last trusted certificate so: without any it would trust the built-in roots, which is another decision.
func (s *System) UntrustIssuer(sum string) (string, error) {
	name, c := s.storedAs(sum)
	if c == nil {
		return "", errors.New("no imported certificate has this fingerprint")
	}
	item := config.PKIName("pki:certificate/" + name)
	var profiles []string
	err := s.Mutate(func(old *config.Config) (*config.Config, error) {
		profiles = nil
		changed := *old
		changed.TLS = slices.Clone(old.TLS)
		for i, p := range old.TLS {
			if !slices.Contains(p.Trusted, item) {
				continue
			}
			less := *p
			if less.Trusted = removing(p.Trusted, item); len(less.Trusted) == 0 {
				return nil, fmt.Errorf("it is the last certificate that profile tls %s trusts: enter another `trusted-certificate` there first", p.Name)
			}
			changed.TLS[i] = &less
			profiles = append(profiles, p.Name)
		}
		if len(profiles) == 0 {
			return nil, fmt.Errorf("no profile tls trusts %s", item)
		}
		return &changed, nil
	})
	if err != nil {
		return "", err
	}
	s.log.Warn("issuer not trusted any more", "name", name)
	kept := s.saveTrust(profiles, func(list []config.PKIName) []config.PKIName { return removing(list, item) })
	text := fmt.Sprintf("certificate %s is not trusted any more in profile tls %s; %s", name, strings.Join(profiles, ", "), kept)
	if slices.ContainsFunc(s.Running().TLS, func(p *config.TLSProfile) bool { return slices.Contains(certificatesOf(p), item) }) {
		return text + "; it stays imported, because a profile shows it as its own", nil
	}
	if err := s.store.RemoveKey(status.KeyCertificate, name); err != nil {
		return text, err
	}
	return text, nil
}

// storedAs finds an imported certificate by its fingerprint.
func (s *System) storedAs(sum string) (name string, c *x509.Certificate) {
	for _, k := range s.store.Keys() {
		if k.Kind != status.KeyCertificate {
			continue
		}
		if list, err := s.store.Certificates(k.Name); err == nil && len(list) == 1 && pki.Fingerprint(list[0]) == sum {
			return k.Name, list[0]
		}
	}
	return "", nil
}

// saveTrust changes the trusted certificates of profiles in the startup-config, and nothing else there. It returns what to tell of it.
func (s *System) saveTrust(profiles []string, change func([]config.PKIName) []config.PKIName) string {
	const byHand = "`copy running-config startup-config` keeps it so"
	text, err := s.store.Startup()
	if err != nil || s.o.Language == nil {
		return byHand
	}
	cfg, problems := s.o.Language.Parse(text)
	if slices.ContainsFunc(problems, func(p check.Problem) bool { return p.Severity == check.Error }) {
		return byHand // the lines that are not understood would be lost
	}
	for _, name := range profiles {
		i := slices.IndexFunc(cfg.TLS, func(p *config.TLSProfile) bool { return config.SameName(p.Name) == config.SameName(name) })
		if i < 0 {
			return byHand
		}
		changed := *cfg.TLS[i]
		changed.Trusted = change(changed.Trusted)
		if len(changed.Trusted) == 0 {
			return byHand
		}
		cfg.TLS[i] = &changed
	}
	if err := s.WriteFile(store.StartupFile, s.o.Language.Print(cfg, false)); err != nil {
		return fmt.Sprintf("the startup-config was not changed (%v): %s", err, byHand)
	}
	return "this is saved in the startup-config, too"
}

// adding adds a trusted certificate to a list. One that means the built-in roots, since it is empty, goes on to hold them.
func adding(list []config.PKIName, item config.PKIName) []config.PKIName {
	list = trustedNames(&config.TLSProfile{Trusted: list})
	if slices.Contains(list, item) {
		return list
	}
	return append(slices.Clone(list), item)
}

func removing(list []config.PKIName, item config.PKIName) []config.PKIName {
	return slices.DeleteFunc(slices.Clone(list), func(n config.PKIName) bool { return n == item })
}

// nameFor makes a name for the key store from the subject of a certificate, with its fingerprint when another certificate has that name.
func (s *System) nameFor(c *x509.Certificate) (string, error) {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, pki.Describe(c).Subject)
	name = name[:min(len(name), 64)]
	for _, try := range []string{name, name + "-" + pki.Fingerprint(c)[:8]} {
		have, err := s.store.Certificates(try)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(have) == 1 && bytes.Equal(have[0].Raw, c.Raw) {
			return try, nil
		}
	}
	return "", fmt.Errorf("there is another certificate %s already", name)
}

// withTrusted adds a trusted certificate to the TLS profile of a gateway. A profile that trusted the built-in roots keeps them.
func withTrusted(old *config.Config, gateway string, name config.PKIName) (next *config.Config, profile string, err error) {
	gw := config.Ref[config.Config, config.SIPGateway]{Name: gateway}.In(old)
	if gw == nil || gw.TLS.In(old) == nil {
		return nil, "", fmt.Errorf("context sip-gateway %s has no profile tls any more", gateway)
	}
	p := *gw.TLS.In(old)
	p.Trusted = adding(p.Trusted, name)
	changed := *old
	changed.TLS = slices.Clone(old.TLS)
	for i, x := range changed.TLS {
		if x == gw.TLS.In(old) {
			changed.TLS[i] = &p
		}
	}
	return &changed, p.Name, nil
}
