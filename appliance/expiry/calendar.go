// Package expiry knows when the certificates of the box end, and what is announced of them and of their successors: the calendar in force, and
// the alarms that follow.
//
// It does not own certificates (store), what a calendar's entries mean (package calendar), licenses, or when it is asked to look. It has no
// goroutines; any may use a Book.
package expiry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"viaduct/appliance/calendar"
	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/pki"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Store keeps certificates, and the calendar that was imported; without one Calendar returns nil.
type Store interface {
	pki.Store
	Calendar() ([]byte, error)
	SaveCalendar(text []byte) error
	EraseCalendar() error
}

// Options are what a Book works with.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Store  Store
	Config func() *config.Config // the running one
}

// Book knows when certificates end.
type Book struct {
	o       Options
	edition atomic.Pointer[edition]
}

// New returns a book with the built-in calendar, until Judge has found another one.
func New(o Options) *Book { return &Book{o: o} }

// edition is the calendar in force, and where it comes from.
type edition struct {
	*calendar.Calendar
	signer  string // "": it is built in
	refused error  // why an imported one is not in force
}

// inForce is the built-in calendar until Judge has found another one.
func (b *Book) inForce() *edition {
	if e := b.edition.Load(); e != nil {
		return e
	}
	return &edition{Calendar: calendar.BuiltIn()}
}

// InForce is the calendar in force.
func (b *Book) InForce() *calendar.Calendar { return b.inForce().Calendar }

// signers may sign a calendar: those who issue licenses for boxes of this kind.
func (b *Book) signers() (list []calendar.Signer) {
	for _, a := range license.Authorities(b.o.Config().LicenseAuthorities) {
		list = append(list, calendar.Signer(a))
	}
	return list
}

// Judge chooses the calendar in force: the imported one, while its signer is trusted and no newer one is built in. One that is older
// than the firmware's is no fault, since updates of the firmware bring newer ones.
func (b *Book) Judge() {
	e := &edition{Calendar: calendar.BuiltIn()}
	text, err := b.o.Store.Calendar()
	if err == nil && text != nil {
		var c *calendar.Calendar
		var by string
		switch c, by, err = calendar.Open(text, b.signers()); {
		case err == nil && c.Newer(e.Calendar):
			e.Calendar, e.signer = c, by
		case err == nil:
			e.refused = fmt.Errorf("it is of %s, and this firmware has a newer one", c.Date)
		}
	}
	why := ""
	if err != nil {
		e.refused, why = err, err.Error()
	}
	b.edition.Store(e)
	if why == "" {
		b.o.Health.Clear(health.CalendarRefused, "")
	} else {
		b.o.Health.Set(health.CalendarRefused, health.Args{"why": why})
	}
}

// Import takes a signed calendar that is newer than the one in force. With an error nothing has changed.
func (b *Book) Import(block []byte) (string, error) {
	c, by, err := calendar.Open(block, b.signers())
	if err != nil {
		return "", err
	}
	if now := b.inForce(); !c.Newer(now.Calendar) {
		return "", fmt.Errorf("it is of %s, and the one in force is of %s: it must be newer", c.Date, now.Date)
	}
	if err := b.o.Store.SaveCalendar(block); err != nil {
		return "", err
	}
	b.Judge()
	b.Announce()
	b.o.Log.Warn("calendar imported", "name", by, "version", c.Date.String())
	return fmt.Sprintf("the calendar of %s, signed by %s, is in force: %s", c.Date, by, plural.Of(len(c.Entries), "entry")), nil
}

// EraseCalendar returns to the built-in calendar.
func (b *Book) Erase() error {
	text, err := b.o.Store.Calendar()
	if err == nil && text == nil {
		return errors.New("no calendar has been imported: the one of this firmware is in force")
	}
	if err := b.o.Store.EraseCalendar(); err != nil {
		return err
	}
	b.Judge()
	b.Announce()
	return nil
}

// Announce raises the alarms about entries of the calendar that concern the box.
func (b *Book) Announce() {
	cfg, c := b.o.Config(), b.inForce()
	var next, missing []health.Args
	for _, p := range cfg.TLS {
		chain, first := pki.Shown(p, b.o.Store)
		if why := b.news(p, chain); why != "" {
			next = append(next, health.Args{"name": string(p.Own[first].Name), "subject": pki.Describe(chain[0]).Subject, "end": chain[0].NotAfter.UTC().Format(time.DateOnly), "why": why})
		}
		if !cfg.FacesTeams(p) {
			continue
		}
		// One that trusts none of these roots is for something else, such as a lab.
		if e, names := c.Missing(b.TrustedBy(p)); len(names) > 0 && len(names) < len(e.Roots) {
			missing = append(missing, health.Args{"profile": cli.Quote(p.Name), "missing": strings.Join(names, ", "), "date": e.Date.String()})
		}
	}
	b.o.Health.Replace(health.SuccessorDiffers, next)
	b.o.Health.Replace(health.RootsMissing, missing)
}

// news says in one sentence what the calendar knows of the successor of a profile's certificate, "" when nothing.
func (b *Book) news(p *config.TLSProfile, chain []*x509.Certificate) string {
	var list []string
	for _, n := range b.inForce().Successor(chain, b.o.Config().FacesTeams(p)) {
		list = append(list, fmt.Sprintf("%s (%s: %s)", n.Means, n.Date, n.Text))
	}
	return strings.Join(list, ", and ")
}

// TrustedBy returns the trusted certificates of a profile.
func (b *Book) TrustedBy(p *config.TLSProfile) (list []*x509.Certificate) {
	for _, n := range pki.TrustedNames(p) {
		certs, _ := b.o.Store.Certificates(pki.Name(n)) // a missing one is a problem of the configuration
		list = append(list, certs...)
	}
	return list
}

// recently is how long an announcement of Microsoft concerns a box after its date.
const recently = 365 * 24 * time.Hour

// Calendar returns the calendar in force, sorted by what concerns this box.
func (b *Book) Calendar() status.Calendar {
	cfg, c, now := b.o.Config(), b.inForce(), time.Now()
	out := status.Calendar{Date: c.Date.Time, Signer: c.signer, Sources: c.Sources}
	if c.refused != nil {
		out.Refused = c.refused.Error()
	}
	taken, seen := map[string]bool{}, map[string]bool{} // entries, certificates
	add := func(e calendar.Entry, about, text string) {
		taken[key(e)] = true
		out.Mine = append(out.Mine, status.CalendarEntry{Date: e.Date.Time, Kind: string(e.Kind), Text: text, About: about, Sources: e.Sources})
	}
	ends := func(name string, x *x509.Certificate) {
		if sum := pki.Fingerprint(x); !seen[sum] {
			seen[sum] = true
			e, _ := c.End(x)
			taken[key(e)] = true
			out.Mine = append(out.Mine, status.CalendarEntry{Date: x.NotAfter, Kind: string(calendar.RootEnd), About: name,
				Text: pki.Describe(x).Subject + " ends", Sources: e.Sources})
		}
	}
	teams := false
	for _, p := range cfg.TLS {
		if chain, first := pki.Shown(p, b.o.Store); len(chain) > 0 {
			for _, x := range chain {
				ends(string(p.Own[first].Name), x)
			}
			for _, n := range c.Successor(chain, cfg.FacesTeams(p)) {
				add(n.Entry, string(p.Own[first].Name), "its successor "+n.Means+" ("+n.Text+")")
			}
		}
		for _, n := range pki.TrustedNames(p) {
			certs, _ := b.o.Store.Certificates(pki.Name(n))
			for _, x := range certs {
				ends(string(n), x)
			}
		}
		if cfg.FacesTeams(p) {
			teams = true
			e, missing := c.Missing(b.TrustedBy(p))
			if len(e.Roots) == 0 {
				continue // this calendar does not speak of them
			}
			text := e.Text + ": all are trusted"
			if len(missing) > 0 {
				text = fmt.Sprintf("%s: not trusted are %s", e.Text, strings.Join(missing, ", "))
			}
			add(e, "profile tls "+p.Name, text)
		}
	}
	for _, e := range c.Entries {
		switch {
		case taken[key(e)]:
		case teams && e.Teams && now.Sub(e.Date.Time) < recently:
			add(e, "", e.Text)
		default:
			out.Others = append(out.Others, status.CalendarEntry{Date: e.Date.Time, Kind: string(e.Kind), Text: e.Text, Sources: e.Sources})
		}
	}
	slices.SortStableFunc(out.Mine, func(a, b status.CalendarEntry) int { return a.Date.Compare(b.Date) })
	return out
}

// key tells entries apart.
func key(e calendar.Entry) string { return e.Date.String() + e.Text }
