package answer

import (
	"strings"
	"time"

	"viaduct/appliance/status"
)

// ACME shows the certificates that the box obtains by itself.
func (pg Page) ACME(list []status.ACME, now time.Time) {
	if len(list) == 0 {
		pg.Printf("no profile acme: docs/certificates.md shows how to begin\n")
	}
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
	for _, x := range list {
		pg.Printf("profile acme %s\n", x.Name)
		pg.Printf("  State: %s\n", x.State.String())
		pg.Printf("  Certificate: %s, for %s\n", x.Certificate, dash(strings.Join(x.Names, ", ")))
		switch {
		case x.NotAfter.IsZero():
			pg.Printf("  Valid until: -\n")
		case now.After(x.NotAfter):
			pg.Printf("  Valid until: %s (EXPIRED)\n", at(x.NotAfter))
		default:
			pg.Printf("  Valid until: %s\n", at(x.NotAfter))
		}
		switch {
		case x.Failures > 0:
			pg.Printf("  Next attempt: %s, after failure %d in a row\n", at(x.Next), x.Failures)
		case x.Renew.IsZero() || x.NotAfter.IsZero():
		case x.Advised:
			pg.Printf("  Renewal: %s, as the authority advises\n", at(x.Renew))
		default:
			pg.Printf("  Renewal: %s\n", at(x.Renew))
		}
		if x.Error != "" {
			pg.Folded("  Last failure: ", x.Error)
		}
		if !x.Held.IsZero() {
			pg.Printf("  The authority wants to be left alone until %s\n", at(x.Held))
		}
		pg.Printf("  Directory: %s\n", x.Directory)
		pg.Printf("  Account: %s\n", dash(x.Account))
		pg.Printf("  Challenge: %s\n", x.Challenge)
		for _, r := range x.Records {
			pg.Printf("  Record to set: %s\n", r)
		}
	}
}
