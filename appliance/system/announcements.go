package system

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// edition is the calendar in force, and where it comes from.
type edition struct {
	*calendar.Calendar
	signer  string // "": it is built in
	refused error  // why an imported one is not in force
}

// calendarInForce is the built-in calendar until judgeCalendar has found another one.
func (s *System) calendarInForce() *edition {
	if e := s.edition.Load(); e != nil {
		return e
	}
	return &edition{Calendar: calendar.BuiltIn()}
}

// signers may sign a calendar: those who issue licenses for boxes of this kind.
func (s *System) signers() (list []calendar.Signer) {
	for _, a := range license.Authorities(s.Running().LicenseAuthorities) {
		list = append(list, calendar.Signer(a))
	}
	return list
}

// judgeCalendar chooses the calendar in force: the imported one, while its signer is trusted and no newer one is built in. One that is older
// than the firmware's is no fault, since updates of the firmware bring newer ones.
func (s *System) judgeCalendar() {
	e := &edition{Calendar: calendar.BuiltIn()}
	text, err := s.store.Calendar()
	if err == nil && text != nil {
		var c *calendar.Calendar
		var by string
		switch c, by, err = calendar.Open(text, s.signers()); {
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
	s.edition.Store(e)
	s.judge(health.CalendarRefused, why)
}

// ImportCalendar takes a signed calendar that is newer than the one in force. With an error nothing has changed.
func (s *System) ImportCalendar(block []byte) (string, error) {
	c, by, err := calendar.Open(block, s.signers())
	if err != nil {
		return "", err
	}
	if now := s.calendarInForce(); !c.Newer(now.Calendar) {
		return "", fmt.Errorf("it is of %s, and the one in force is of %s: it must be newer", c.Date, now.Date)
	}
	if err := s.store.SaveCalendar(block); err != nil {
		return "", err
	}
	s.judgeCalendar()
	s.watchAnnouncements()
	s.log.Warn("calendar imported", "name", by, "version", c.Date.String())
	return fmt.Sprintf("the calendar of %s, signed by %s, is in force: %s", c.Date, by, plural.Of(len(c.Entries), "entry")), nil
}

// EraseCalendar returns to the built-in calendar.
func (s *System) EraseCalendar() error {
	text, err := s.store.Calendar()
	if err == nil && text == nil {
		return errors.New("no calendar has been imported: the one of this firmware is in force")
	}
	if err := s.store.EraseCalendar(); err != nil {
		return err
	}
	s.judgeCalendar()
	s.watchAnnouncements()
	return nil
}

// watchAnnouncements raises the alarms about entries of the calendar that concern the box.
func (s *System) watchAnnouncements() {
	cfg, c := s.Running(), s.calendarInForce()
	var next, missing []health.Args
	for _, p := range cfg.TLS {
		chain, first := pki.Shown(p, s.store)
		if why := s.news(p, chain); why != "" {
			next = append(next, health.Args{"name": string(p.Own[first].Name), "subject": pki.Describe(chain[0]).Subject, "end": chain[0].NotAfter.UTC().Format(time.DateOnly), "why": why})
		}
		if !cfg.FacesTeams(p) {
			continue
		}
		// One that trusts none of these roots is for something else, such as a lab.
		if e, names := c.Missing(s.trustedBy(p)); len(names) > 0 && len(names) < len(e.Roots) {
			missing = append(missing, health.Args{"profile": cli.Quote(p.Name), "missing": strings.Join(names, ", "), "date": e.Date.String()})
		}
	}
	s.health.Replace(health.SuccessorDiffers, next)
	s.health.Replace(health.RootsMissing, missing)
}

// news says in one sentence what the calendar knows of the successor of a profile's certificate, "" when nothing.
func (s *System) news(p *config.TLSProfile, chain []*x509.Certificate) string {
	var list []string
	for _, n := range s.calendarInForce().Successor(chain, s.Running().FacesTeams(p)) {
		list = append(list, fmt.Sprintf("%s (%s: %s)", n.Means, n.Date, n.Text))
	}
	return strings.Join(list, ", and ")
}

// trustedBy returns the trusted certificates of a profile.
func (s *System) trustedBy(p *config.TLSProfile) (list []*x509.Certificate) {
	for _, n := range pki.TrustedNames(p) {
		certs, _ := s.store.Certificates(pki.Name(n)) // a missing one is a problem of the configuration
		list = append(list, certs...)
	}
	return list
}

// recently is how long an announcement of Microsoft concerns a box after its date.
const recently = 365 * 24 * time.Hour

// Calendar returns the calendar in force, sorted by what concerns this box.
func (s *System) Calendar() status.Calendar {
	cfg, c, now := s.Running(), s.calendarInForce(), time.Now()
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
		if chain, first := pki.Shown(p, s.store); len(chain) > 0 {
			for _, x := range chain {
				ends(string(p.Own[first].Name), x)
			}
			for _, n := range c.Successor(chain, cfg.FacesTeams(p)) {
				add(n.Entry, string(p.Own[first].Name), "its successor "+n.Means+" ("+n.Text+")")
			}
		}
		for _, n := range pki.TrustedNames(p) {
			certs, _ := s.store.Certificates(pki.Name(n))
			for _, x := range certs {
				ends(string(n), x)
			}
		}
		if cfg.FacesTeams(p) {
			teams = true
			e, missing := c.Missing(s.trustedBy(p))
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
