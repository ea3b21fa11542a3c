package answer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Keys shows items of the key store. Users are the blocks of the configuration that use each item.
func (pg Page) Keys(list []status.Key, users map[string][]string, now time.Time) {
	for _, k := range list {
		name := "pki:" + string(k.Kind) + "/" + k.Name
		if k.Kind == status.KeyTrusted {
			name = "built-in root " + k.Name
		}
		pg.Printf("%s\n", name)
		pg.Printf("  Key: %s\n", dash(k.KeyType))
		if k.Subject != "" {
			pg.Printf("  Subject: %s\n", k.Subject)
			if len(k.Names) > 0 {
				pg.Folded("  Names: ", strings.Join(k.Names, ", "))
			}
			pg.Printf("  Issuer: %s\n", k.Issuer)
			expiry := k.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC")
			if now.After(k.NotAfter) {
				expiry += " (EXPIRED)"
			} else if !now.Before(k.Announced) {
				expiry += fmt.Sprintf(" (in %s)", plural.Of(int(k.NotAfter.Sub(now).Hours()/24), "day"))
			}
			pg.Printf("  Valid until: %s\n", expiry)
			if k.Chain > 1 {
				pg.Printf("  Chain: %s\n", plural.Of(k.Chain, "certificate"))
			}
		}
		if k.Kind != status.KeyTrusted {
			pg.Folded("  Used by: ", dash(strings.Join(users[name], "; ")))
		}
	}
}

// UnknownIssuers shows untrusted issuers that peers have presented.
func (pg Page) UnknownIssuers(list []status.UnknownIssuer) {
	for _, u := range list {
		pg.Printf("not trusted: %s\n", u.Subject)
		pg.Printf("  Issuer: %s\n", u.Issuer)
		pg.Printf("  Valid until: %s\n", u.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
		pg.Printf("  SHA-256: %s\n", u.SHA256)
		pg.Folded("  Shown by: ", fmt.Sprintf("%s on %s, last %s", u.Peer, u.Gateway, u.Last.UTC().Format("2006-01-02 15:04:05 UTC")))
		if u.Leaf != "" {
			pg.Printf("  Peer's certificate: %s\n", u.Leaf)
		}
		pg.chain(u.Chain)
		if u.Warning != "" {
			pg.Folded("  Warning: ", u.Warning)
		}
		pg.Printf("  To trust it: pki trust add %s\n", u.SHA256)
	}
}

// chain shows the certificates of a chain, two lines each.
func (pg Page) chain(list []status.ChainLink) {
	for n, l := range list {
		pg.Folded(fmt.Sprintf("  Chain %d: ", n), fmt.Sprintf("%s (%s), until %s, issued by %s", l.Subject, l.KeyType, l.NotAfter.UTC().Format(time.DateOnly), l.Issuer))
		pg.Printf("    SHA-256: %s\n", l.SHA256)
	}
}

// PeerChains shows the chains of each peer: this week's in full, a line for each of the week before.
func (pg Page) PeerChains(l status.PeerChains) {
	if len(l.Peers) == 0 {
		pg.Printf("No peer has shown a certificate yet.\n")
		return
	}
	pg.Printf("Weeks are compared next on %s\n", pg.time(l.Next))
	for _, p := range l.Peers {
		pg.Printf("%s\n", p.Peer)
		if p.Change != "" {
			pg.Folded("  Changed: ", p.Change)
		}
		if !p.Changed.IsZero() {
			pg.Printf("  Last change: found on %s\n", pg.time(p.Changed))
		}
		for _, c := range p.Now {
			pg.Printf("  This week, from %s to %s\n", pg.time(c.First), pg.time(c.Last))
			pg.chain(c.Links)
			pg.Printf("  Root: %s\n", c.Root)
			if c.Refused != "" {
				pg.Folded("  Refused: ", c.Refused)
			}
			if c.Issuer != "" && c.Refused != "" {
				pg.Printf("  To trust it: pki trust add %s\n", c.Issuer)
			}
		}
		for _, c := range p.Before {
			pg.Folded("  Week before: ", fmt.Sprintf("%s (%s), until %s, root %s", c.Links[0].Subject, c.Links[0].KeyType, c.Links[0].NotAfter.UTC().Format(time.DateOnly), c.Root))
		}
	}
}

// InternalCA shows the internal CA, with its root to hand out, and what it has issued.
func (pg Page) InternalCA(ca status.InternalCA) {
	if ca.Subject != "" {
		pg.Printf("Internal CA: %s\n", ca.Subject)
		pg.Printf("  Key: %s\n", ca.KeyType)
		pg.Printf("  Valid: from %s until %s\n", ca.NotBefore.UTC().Format(time.DateTime), ca.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
		pg.Printf("  SHA-256: %s\n", ca.SHA256)
	}
	if ca.Problem != "" {
		pg.Printf("%% %s\n", ca.Problem)
	}
	for _, c := range ca.Issued {
		pg.Printf("pki:certificate/%s\n", c.Name)
		pg.Printf("  Names: %s\n", dash(strings.Join(c.Names, ", ")))
		if c.Key != "" {
			pg.Printf("  Key: pki:private-key/%s\n", c.Key)
		}
		pg.Printf("  Valid until: %s\n", c.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
		switch {
		case c.Problem != "":
			pg.Printf("  Not renewed: %s\n", c.Problem)
		case c.Renewal.IsZero():
			pg.Printf("  Not renewed: it ends with the root\n")
		default:
			pg.Printf("  Renewed: %s\n", c.Renewal.UTC().Format(time.DateOnly))
		}
	}
	for line := range strings.Lines(ca.PEM) {
		pg.Printf("%s\n", strings.TrimRight(line, "\n"))
	}
}

// Calendar shows what is announced: what concerns the box, then what is to come, then what has been.
func (pg Page) Calendar(l status.Calendar, now time.Time) {
	origin := "built in"
	if l.Signer != "" {
		origin = "imported, signed by " + l.Signer
	}
	pg.Printf("Calendar of %s, %s\n", l.Date.Format(time.DateOnly), origin)
	if l.Refused != "" {
		pg.Printf("The imported one is not in force: %s\n", l.Refused)
	}
	future := func(e status.CalendarEntry) bool { return e.Date.After(now) }
	past := func(e status.CalendarEntry) bool { return !future(e) }
	pg.entries("Concerns this box", l.Mine, func(status.CalendarEntry) bool { return true })
	pg.entries("To come", l.Others, future)
	pg.entries("Past", l.Others, past)
	pg.Printf("\nSources\n")
	for _, name := range slices.Sorted(maps.Keys(l.Sources)) {
		pg.Folded("  "+name+": ", l.Sources[name])
	}
}

func (pg Page) entries(title string, list []status.CalendarEntry, wanted func(status.CalendarEntry) bool) {
	pg.Printf("\n%s\n", title)
	none := true
	for _, e := range list {
		if !wanted(e) {
			continue
		}
		none = false
		text := e.Text
		if e.About != "" {
			text = e.About + ": " + text
		}
		if len(e.Sources) > 0 {
			text += " [" + strings.Join(e.Sources, ", ") + "]"
		}
		pg.Folded("  "+e.Date.UTC().Format(time.DateOnly)+"  ", text)
	}
	if none {
		pg.Printf("  -\n")
	}
}

// Licenses prints the table of the vendor's guide, with all six figures in every row. After it come the keys as lines to paste, which are
// hidden if masked is set.
func (pg Page) Licenses(l status.Licenses, keys, masked bool) {
	pg.Printf("Local Licenses\n\nSerial Number: %s\n\n", l.Serial)
	pg.Printf("%-16s %6s + %6s + %6s = %6s = %6s + %6s\n", "", "Blt-In", "Inst.", "Leased", "Total", "Alloc", "Free")
	for _, p := range l.Pools {
		pg.Printf("%-16s %6d   %6d   %6d   %6d   %6d   %6d\n", p.Name, p.BuiltIn, p.Installed, p.Leased, p.Total, p.Alloc, p.Free)
	}
	for _, p := range l.Peaks {
		pg.Printf("%s: at most %d at once since the start, %d refused\n", p.Name, p.Most, p.Refused)
	}
	pg.Printf("\n")
	for _, f := range l.Features {
		pg.Printf("%-16s %6s\n", f.Name, yesNo(f.Enabled))
	}
	for _, k := range l.Keys {
		if !keys {
			break
		}
		pg.Printf("\n# %s (ID %s)\n", k.About, k.ID)
		if !masked {
			pg.Printf("install license %s\n", k.Key)
		}
	}
}
