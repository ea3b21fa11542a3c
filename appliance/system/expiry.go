package system

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/plural"
)

// calendar announces each minute what comes to its end: certificates, and licenses, which give their channels back.
func (s *System) calendar(ctx context.Context) error {
	var certificates expiries
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	last := time.Now()
	for {
		certificates.check(s.log, s.Running(), s.store, time.Now())
		moved := false
		select {
		case <-ctx.Done():
			return nil
		case <-minute.C:
		case <-s.moved:
			moved = true
		}
		for _, l := range s.licenses.Expire(time.Now()) {
			s.log.Warn("license expired", "name", l.Kind, "serial", l.Serial)
		}
		now := time.Now()
		if moved || jumped(last, now) {
			s.judgeLicenses()
		}
		last = now
	}
}

// jumped reports whether somebody has set the clock between two moments: it went on by something else than the time that passed. What
// expired under a wrong time is in force again.
func jumped(last, now time.Time) bool {
	const slewed = time.Second // in a minute, and more
	return (now.Round(0).Sub(last.Round(0)) - now.Sub(last)).Abs() > slewed
}

// clockMoved hears that the clock was stepped.
func (s *System) clockMoved() {
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// clockDistrusted keeps the alarm that no time server is believed.
func (s *System) clockDistrusted(why string) {
	if why == "" {
		s.standing.clear("clock")
		return
	}
	s.standing.raise("clock", failure{text: "the time is not taken: " + why})
}

// expiries announces certificates that come to their end, each once at every threshold. It belongs to the calendar.
type expiries struct {
	told map[string]int // by SHA-256: the threshold, in days
}

// check looks at every certificate that the configuration uses. Of the built-in roots it tells only their end: they are replaced
// with the firmware, and Microsoft's own certificates move to a new one long before.
func (e *expiries) check(log *slog.Logger, cfg *config.Config, store pki.Store, now time.Time) {
	told := map[string]int{}
	look := func(name string, c *x509.Certificate, least int) {
		days, passed := pki.Threshold(c, now)
		if !passed || days > least {
			return
		}
		sum := pki.Fingerprint(c)
		told[sum] = days
		if before, known := e.told[sum]; known && before <= days {
			return
		}
		end := c.NotAfter.UTC().Format(time.DateTime)
		if days == 0 {
			log.Error("certificate has expired", "name", name, "err", fmt.Sprintf("%s ended on %s", pki.Describe(c).Subject, end))
			return
		}
		log.Warn("certificate expires soon", "name", name, "err", fmt.Sprintf("%s ends on %s, in %s or less", pki.Describe(c).Subject, end, plural.Of(days, "day")))
	}
	for _, p := range cfg.TLS {
		names := append([]config.PKIName(nil), p.Trusted...)
		for _, o := range p.Own {
			names = append(names, o.Name)
		}
		if len(p.Trusted) == 0 {
			names = append(names, "pki:certificate/"+pki.BuiltInName)
		}
		for _, n := range names {
			least := pki.Thresholds[0]
			if pki.Name(n) == pki.BuiltInName {
				least = 0
			}
			list, _ := store.Certificates(pki.Name(n)) // what is missing is a problem of the configuration, and listed there
			for _, c := range list {
				look(string(n), c, least)
			}
		}
	}
	e.told = told
}
