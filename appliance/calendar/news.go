package calendar

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// News is an entry that concerns a certificate, and what it means there.
type News struct {
	Entry
	Means string // of the certificate's successor: "will live at most 100 days"
}

// successorAhead is how long before its end a root is news for a certificate that comes from it.
const successorAhead = 2 * 365 * 24 * time.Hour

// Public returns the authority that issued a chain, "" when it is none of the listed public ones.
func (c *Calendar) Public(chain []*x509.Certificate) string {
	for _, x := range chain {
		for _, a := range c.Authorities {
			if slices.ContainsFunc(x.Issuer.Organization, func(o string) bool { return slices.Contains(a.Organizations, o) }) {
				return a.Name
			}
		}
	}
	return ""
}

// Successor tells what will be different with the certificate that replaces the first of a chain when that one ends. public says that
// only a public authority can issue it, whether or not it is listed; other certificates of unlisted authorities follow rules of their own.
func (c *Calendar) Successor(chain []*x509.Certificate, public bool) (list []News) {
	if len(chain) == 0 {
		return nil
	}
	leaf, authority := chain[0], c.Public(chain)
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	var shortest, usage *News
	for _, e := range c.Entries {
		ruled := e.Authority == "" && (public || authority != "") || e.Authority != "" && e.Authority == authority
		if !ruled || e.Date.After(leaf.NotAfter) {
			continue
		}
		switch e.Kind {
		case Lifetime:
			// A day of grace: authorities stay below the limit by a second, and nobody above it by an hour.
			if days := time.Duration(e.Days) * day; life > days+day && (shortest == nil || e.Days < shortest.Days) {
				shortest = &News{e, fmt.Sprintf("will live at most %d days", e.Days)}
			}
		case ClientUsageEnd:
			if usage == nil && slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
				usage = &News{e, "will not carry the client usage"}
			}
		}
	}
	for _, n := range []*News{shortest, usage} {
		if n != nil {
			list = append(list, *n)
		}
	}
	if e, ok := c.rootOf(chain); ok && e.Date.Sub(leaf.NotAfter) < successorAhead {
		list = append(list, News{e, fmt.Sprintf("must come from another root, because %q ends on %s", e.Subject, e.Date)})
	}
	return list
}

const day = 24 * time.Hour

// rootOf finds the end of the root of a chain: the root itself, or the issuer of the last certificate where only one root has that name.
func (c *Calendar) rootOf(chain []*x509.Certificate) (found Entry, ok bool) {
	last := chain[len(chain)-1]
	sum := fmt.Sprintf("%X", sha256.Sum256(last.Raw))
	n := 0
	for _, e := range c.Entries {
		switch {
		case e.Kind != RootEnd:
		case e.Root == sum:
			return e, true
		case strings.EqualFold(e.Subject, last.Issuer.CommonName):
			found = e
			n++
		}
	}
	return found, n == 1
}

// End returns the entry about the end of a root.
func (c *Calendar) End(root *x509.Certificate) (Entry, bool) {
	sum := fmt.Sprintf("%X", sha256.Sum256(root.Raw))
	i := slices.IndexFunc(c.Entries, func(e Entry) bool { return e.Kind == RootEnd && e.Root == sum })
	if i < 0 {
		return Entry{}, false
	}
	return c.Entries[i], true
}

// Missing returns the newest entry about the roots of Teams, and which of these roots are not among the trusted certificates, by their names
// as far as the calendar knows them.
func (c *Calendar) Missing(trusted []*x509.Certificate) (e Entry, missing []string) {
	for _, x := range c.Entries {
		if x.Kind == Trust {
			e = x
		}
	}
	have := map[string]bool{}
	for _, t := range trusted {
		have[fmt.Sprintf("%X", sha256.Sum256(t.Raw))] = true
	}
	for _, sum := range e.Roots {
		if have[sum] {
			continue
		}
		name := sum
		if i := slices.IndexFunc(c.Entries, func(x Entry) bool { return x.Kind == RootEnd && x.Root == sum }); i >= 0 {
			name = c.Entries[i].Subject
		}
		missing = append(missing, name)
	}
	return e, missing
}
