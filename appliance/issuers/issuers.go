package issuers

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

	"viaduct/appliance/chains"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// Options are what a Book works with.
type Options struct {
	Log      *slog.Logger
	Store    *store.Store
	Running  func() *config.Config
	Mutate   func(by status.Author, change func(*config.Config) (*config.Config, error)) error // of the running configuration
	Language Language                                                                          // reads and writes the startup-config
	Save     func(startup []byte) error
}

// Language is what a Book needs of the command language.
type Language interface {
	Parse(text []byte) (*config.Config, []check.Problem)
	Print(cfg *config.Config, masked bool) []byte
}

// Book remembers the untrusted certificates at which chains of peers ended.
type Book struct {
	o    Options
	mu   sync.Mutex
	seen map[string]issuer // by SHA-256
}

type issuer struct {
	*pki.UnknownIssuer
	gateway, peer string
	last          time.Time
	told          time.Time
}

// New makes an empty Book.
func New(o Options) *Book { return &Book{o: o, seen: map[string]issuer{}} }

const (
	mostIssuers = 16
	tellAgain   = time.Hour      // the log names the same issuer at most so often
	rememberFor = 24 * time.Hour // since the peer showed it last
)

// selfMade is the warning for a chain that ends in a certificate which is its own issuer: no authority has vouched for it.
const selfMade = "anybody can make such a root, so this may be an attack: compare the fingerprint with the one that the peer's " +
	"administrator gives you before you trust it"

// warning returns the advice for an administrator who is about to trust the issuer.
func (x issuer) warning() string {
	if x.Root {
		return selfMade
	}
	return "nobody here knows who made it: compare the fingerprint with the one that the peer's administrator gives you before you trust it"
}

// capital makes the first letter a capital.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// leaf describes the peer's certificate: its names and its dates.
func (x issuer) leaf() string {
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
func (x issuer) chain() (list []status.ChainLink) {
	for _, c := range x.Chain {
		list = append(list, chains.LinkOf(c))
	}
	return list
}

// Note remembers an issuer and logs it, with the command that trusts it.
func (b *Book) Note(gateway, peer string, e *pki.UnknownIssuer) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	x, known := b.seen[e.SHA256]
	if !known && len(b.seen) >= mostIssuers {
		oldest := ""
		for sum, y := range b.seen {
			if oldest == "" || y.last.Before(b.seen[oldest].last) {
				oldest = sum
			}
		}
		delete(b.seen, oldest)
	}
	x.UnknownIssuer, x.gateway, x.peer, x.last = e, gateway, peer, now
	if now.Sub(x.told) >= tellAgain {
		x.told = now
		b.o.Log.Error("issuer of a peer's certificate is not trusted; when it should be, enter the command in name", "gw", gateway, "peer", peer, "err", e,
			"name", "pki trust add "+e.SHA256)
	}
	b.seen[e.SHA256] = x
}

// find looks up an issuer by its fingerprint, in any case and with or without colons.
func (b *Book) find(sum string) (issuer, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := b.seen[strings.ToUpper(strings.ReplaceAll(sum, ":", ""))]
	return x, ok
}

func (b *Book) forget(sum string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.seen, sum)
}

// remembered returns the issuers, and forgets those that no peer has shown for a day.
func (b *Book) remembered() []issuer {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []issuer
	for sum, x := range b.seen {
		if time.Since(x.last) > rememberFor {
			delete(b.seen, sum)
			continue
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b issuer) int { return cmp.Compare(a.SHA256, b.SHA256) })
	return list
}

// untrusted returns the issuers that are still not trusted. It judges each one anew: the certificate may have been imported by hand, or
// its gateway may be gone.
func (b *Book) untrusted() (list []issuer) {
	cfg := b.o.Running()
	for _, x := range b.remembered() {
		if b.resolved(cfg, x) {
			b.forget(x.SHA256)
			continue
		}
		list = append(list, x)
	}
	return list
}

// resolved reports whether the gateway trusts the issuer now, or cannot meet it any more.
func (b *Book) resolved(cfg *config.Config, x issuer) bool {
	gw := config.Ref[config.Config, config.SIPGateway]{Name: x.gateway}.In(cfg)
	if gw == nil || gw.TLS.In(cfg) == nil {
		return true
	}
	p := gw.TLS.In(cfg)
	for _, name := range p.Trusted {
		certs, _ := b.o.Store.Certificates(pki.Name(name)) // a missing one is a problem of the configuration
		if slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return c.Equal(x.End) || x.End.CheckSignatureFrom(c) == nil }) {
			return true
		}
	}
	return false
}

// List returns the issuers of peers' certificates that are not trusted.
func (b *Book) List() []status.UnknownIssuer {
	var list []status.UnknownIssuer
	for _, x := range b.untrusted() {
		list = append(list, status.UnknownIssuer{
			SHA256: x.SHA256, Subject: pki.Describe(x.End).Subject, Issuer: x.Issuer, Root: x.Root,
			Peer: x.peer, Gateway: x.gateway, Last: x.last, NotAfter: x.End.NotAfter, Warning: x.warning(), Leaf: x.leaf(), Chain: x.chain(),
		})
	}
	return list
}

// Alarms returns the arguments of their alarms.
func (b *Book) Alarms() (list []health.Args) {
	for _, x := range b.untrusted() {
		list = append(list, health.Args{
			"sha": x.SHA256, "gateway": x.gateway, "peer": x.peer, "why": x.UnknownIssuer.Error(), "leaf": x.leaf(), "warning": capital(x.warning()) + ".",
		})
	}
	return list
}

// Trust imports the certificate of this fingerprint and adds it to the trusted certificates of the profile that met it, in the
// running configuration and in the startup-config: a box that restarts goes on to reach its peer.
func (b *Book) Trust(sum string, by status.Author) (string, error) {
	x, ok := b.find(sum)
	if !ok {
		return "", errors.New("no peer has shown a certificate with this fingerprint: see `show pki trusted`")
	}
	name, err := b.nameFor(x.End)
	if err != nil {
		return "", err
	}
	if _, err := b.o.Store.ImportCertificate(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.End.Raw})); err != nil {
		return "", err
	}
	item := config.PKIName("pki:certificate/" + name)
	profile := ""
	err = b.o.Mutate(by, func(old *config.Config) (*config.Config, error) {
		next, found, err := withTrusted(old, x.gateway, item)
		profile = found
		return next, err
	})
	if err != nil {
		return "", err
	}
	b.forget(x.SHA256)
	b.o.Log.Warn("issuer trusted", "gw", x.gateway, "name", name)
	kind := "root"
	if !x.Root {
		kind = "intermediate, whose own issuer stays unknown here"
	}
	kept := b.saveTrust([]string{profile}, func(list []config.PKIName) []config.PKIName { return adding(list, item) })
	return fmt.Sprintf("certificate %s (%s) is trusted in profile tls %s; %s", name, kind, profile, kept), nil
}

// Untrust takes a certificate out of all profiles that trust it, and out of the key store when nothing else uses it. A profile does
// not lose its last trusted certificate so: without any it would trust the built-in roots, which is another decision.
func (b *Book) Untrust(sum string, by status.Author) (string, error) {
	name, c := b.storedAs(sum)
	if c == nil {
		return "", errors.New("no imported certificate has this fingerprint")
	}
	item := config.PKIName("pki:certificate/" + name)
	var profiles []string
	err := b.o.Mutate(by, func(old *config.Config) (*config.Config, error) {
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
	b.o.Log.Warn("issuer not trusted any more", "name", name)
	kept := b.saveTrust(profiles, func(list []config.PKIName) []config.PKIName { return removing(list, item) })
	text := fmt.Sprintf("certificate %s is not trusted any more in profile tls %s; %s", name, strings.Join(profiles, ", "), kept)
	if slices.ContainsFunc(b.o.Running().TLS, func(p *config.TLSProfile) bool {
		return slices.ContainsFunc(p.Own, func(o config.OwnCertificate) bool { return o.Name == item })
	}) {
		return text + "; it stays imported, because a profile shows it as its own", nil
	}
	if err := b.o.Store.RemoveKey(status.KeyCertificate, name); err != nil {
		return text, err
	}
	return text, nil
}

// storedAs finds an imported certificate by its fingerprint.
func (b *Book) storedAs(sum string) (name string, c *x509.Certificate) {
	for _, k := range b.o.Store.Keys() {
		if k.Kind != status.KeyCertificate {
			continue
		}
		if list, err := b.o.Store.Certificates(k.Name); err == nil && len(list) == 1 && pki.Fingerprint(list[0]) == sum {
			return k.Name, list[0]
		}
	}
	return "", nil
}

// saveTrust changes the trusted certificates of profiles in the startup-config, and nothing else there. It returns what to tell of it.
func (b *Book) saveTrust(profiles []string, change func([]config.PKIName) []config.PKIName) string {
	const byHand = "`copy running-config startup-config` keeps it so"
	text, err := b.o.Store.Startup()
	if err != nil {
		return byHand
	}
	cfg, problems := b.o.Language.Parse(text)
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
	if err := b.o.Save(b.o.Language.Print(cfg, false)); err != nil {
		return fmt.Sprintf("the startup-config was not changed (%v): %s", err, byHand)
	}
	return "this is saved in the startup-config, too"
}

// adding adds a trusted certificate to a list. One that means the built-in roots, since it is empty, goes on to hold them.
func adding(list []config.PKIName, item config.PKIName) []config.PKIName {
	list = pki.TrustedNames(&config.TLSProfile{Trusted: list})
	if slices.Contains(list, item) {
		return list
	}
	return append(slices.Clone(list), item)
}

func removing(list []config.PKIName, item config.PKIName) []config.PKIName {
	return slices.DeleteFunc(slices.Clone(list), func(n config.PKIName) bool { return n == item })
}

// nameFor makes a name for the key store from the subject of a certificate, with its fingerprint when another certificate has that name.
func (b *Book) nameFor(c *x509.Certificate) (string, error) {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, pki.Describe(c).Subject)
	name = name[:min(len(name), 64)]
	for _, try := range []string{name, name + "-" + pki.Fingerprint(c)[:8]} {
		have, err := b.o.Store.Certificates(try)
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
