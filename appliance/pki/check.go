package pki

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
)

// Finding is a fact about a key or certificate of a profile that an administrator should know.
type Finding struct {
	Severity string // "warning" or "note", as in the list of problems
	Text     string
	Field    string // of the profile: "Own", "PrivateKey" or "Trusted"
	Index    int    // in Own or Trusted
	Err      error  // why it cannot be used; fs.ErrNotExist: it has not been imported
	Dated    bool   // it is about a date, and comes or goes by itself
	Coming   bool   // a warning of what comes: until then everything works
}

// Name returns what the line of a finding names.
func (f Finding) Name(t *config.TLSProfile) config.PKIName {
	switch f.Field {
	case "Own":
		return t.Own[f.Index].Name
	case "Trusted":
		return t.Trusted[f.Index]
	}
	return t.PrivateKey
}

// checker collects findings.
type checker struct {
	profile *config.TLSProfile
	store   Store
	teams   bool // the peer is Microsoft Teams
	now     time.Time
	missing bool // a part of the chain cannot be read
	list    []Finding
}

// line is the line that a finding is about.
type line struct {
	field string
	index int
}

func (k *checker) warn(l line, format string, args ...any) {
	k.list = append(k.list, Finding{Severity: "warning", Text: fmt.Sprintf(format, args...), Field: l.field, Index: l.index})
}

func (k *checker) note(l line, format string, args ...any) {
	k.list = append(k.list, Finding{Severity: "note", Text: fmt.Sprintf(format, args...), Field: l.field, Index: l.index})
}

func (k *checker) unusable(l line, name config.PKIName, err error) {
	k.warn(l, "%s cannot be used: %v", name, err)
	k.list[len(k.list)-1].Err = err
}

// Check looks at every certificate and key that a profile refers to. Teams says that the profile faces Microsoft Teams, which takes
// RSA only.
func Check(p *config.TLSProfile, s Store, teams bool, now time.Time) []Finding {
	k := &checker{profile: p, store: s, teams: teams, now: now}
	chain, lines := k.chain()
	key := k.key()
	if len(chain) > 0 {
		if key != nil {
			if err := Belongs(chain[0], key); err != nil {
				k.warn(line{"PrivateKey", 0}, "%v", err)
			}
		}
		k.leaf(lines[0], chain[0])
		k.order(lines, chain)
		k.whole(lines, chain)
		for i, c := range chain {
			k.dates(lines[i], "own-certificate", c)
		}
	}
	k.anchors()
	return k.list
}

// chain is the chain that we present, leaf first, with the line of each certificate.
func (k *checker) chain() (chain []*x509.Certificate, lines []line) {
	for _, o := range ordered(k.profile) {
		l := line{"Own", slices.Index(k.profile.Own, o)}
		list, err := k.store.Certificates(Name(o.Name))
		if err != nil {
			k.unusable(l, o.Name, err)
			k.missing = true
			if len(chain) == 0 {
				return nil, nil // the rest is no leaf
			}
			continue
		}
		for _, c := range list {
			if !slices.ContainsFunc(chain, c.Equal) { // as in own
				chain, lines = append(chain, c), append(lines, l)
			}
		}
	}
	return chain, lines
}

func (k *checker) key() crypto.Signer {
	if k.profile.PrivateKey == "" {
		return nil
	}
	key, err := k.store.PrivateKey(Name(k.profile.PrivateKey))
	if err != nil {
		k.unusable(line{"PrivateKey", 0}, k.profile.PrivateKey, err)
		return nil
	}
	return key
}

// leaf judges our own certificate.
func (k *checker) leaf(l line, c *x509.Certificate) {
	who := "the certificate of " + subject(c)
	if fault := KeyFault(c.PublicKey, k.teams); fault != "" {
		k.warn(l, "%s has a key %s", who, fault)
	}
	if k.teams && Internal(c) {
		k.warn(l, "%s comes from the internal CA of a box, which Microsoft Teams never accepts: it is for phones and web pages of the LAN; towards Teams show a certificate of a public authority", who)
	}
	if c.IsCA {
		k.warn(l, "%s is a certificate of an authority: own-certificate 1 must be this system's own", who)
	}
	if len(names(c)) == 0 {
		k.warn(l, "%s holds no names (SAN): peers of today do not look at the common name", who)
	}
	usage := func(u x509.ExtKeyUsage) bool {
		return len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, u) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	}
	if !usage(x509.ExtKeyUsageServerAuth) {
		k.warn(l, "%s does not carry the server usage: peers will refuse it", who)
	} else if !usage(x509.ExtKeyUsageClientAuth) {
		// teams.md A.6: public authorities no longer issue it (package calendar has the dates), and Microsoft takes certificates without.
		k.note(l, "%s carries the server usage only; Microsoft Teams takes it, another peer may want the client usage too", who)
	}
}

// order checks that each certificate was issued by the next.
func (k *checker) order(lines []line, chain []*x509.Certificate) {
	for i := 1; i < len(chain); i++ {
		if chain[i-1].CheckSignatureFrom(chain[i]) == nil {
			continue
		}
		l := lines[i]
		if at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return c != chain[i-1] && chain[i-1].CheckSignatureFrom(c) == nil }); at >= 0 {
			k.warn(l, "the own-certificates are in the wrong order: %s was issued by %s, which must come next", subject(chain[i-1]), subject(chain[at]))
		} else {
			k.warn(l, "the own-certificates do not form a chain: %s was not issued by %s but by %q", subject(chain[i-1]), subject(chain[i]), plainName(chain[i-1].Issuer.CommonName, chain[i-1].Issuer.String()))
		}
		return
	}
}

// whole checks that an intermediate authority is sent along. Those that Teams trusts never sign a certificate with their root; a private one
// may do so.
func (k *checker) whole(lines []line, chain []*x509.Certificate) {
	c, l := chain[0], lines[0]
	issuer := plainName(c.Issuer.CommonName, c.Issuer.String())
	switch {
	case len(chain) > 1 || k.missing || c.Issuer.String() == c.Subject.String() || Internal(c):
	case k.teams:
		k.warn(l, "the chain is incomplete: only the certificate of %s itself is sent, without that of %q, and peers will refuse it; add that as own-certificate 2, or to the same import", subject(c), issuer)
	default:
		k.note(l, "only the certificate of %s itself is sent: if %q is an intermediate authority, add its certificate as own-certificate 2", subject(c), issuer)
	}
}

func (k *checker) dates(l line, what string, c *x509.Certificate) {
	before := len(k.list)
	defer func() {
		for i := range k.list[before:] {
			k.list[before+i].Dated = true
		}
	}()
	switch left := c.NotAfter.Sub(k.now); {
	case k.now.Before(c.NotBefore):
		k.warn(l, "%s of %s is not good before %s: the clock is wrong, or it is too early", what, subject(c), c.NotBefore.UTC().Format(time.DateTime))
	case left < 0:
		k.warn(l, "%s of %s has expired on %s", what, subject(c), c.NotAfter.UTC().Format(time.DateOnly))
	case !k.now.Before(Announced(c)):
		k.warn(l, "%s of %s expires on %s, in %s", what, subject(c), c.NotAfter.UTC().Format(time.DateOnly), plural.Of(int(left.Hours()/24), "day"))
		k.list[len(k.list)-1].Coming = true
	}
}

// anchors judges the trust anchors.
func (k *checker) anchors() {
	for i, n := range k.profile.Trusted {
		l := line{"Trusted", i}
		list, err := k.store.Certificates(Name(n))
		if err != nil {
			k.unusable(l, n, err)
		}
		for _, c := range list {
			if !c.IsCA && strings.TrimSpace(c.Issuer.String()) != strings.TrimSpace(c.Subject.String()) {
				k.warn(l, "%s: %s is no certificate of an authority: only this very certificate will be trusted", n, subject(c))
			}
			k.dates(l, "trusted-certificate", c)
		}
	}
}
