package answer

import (
	"fmt"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// HEP shows the client of a capture server.
func (pg Page) HEP(s status.HEP, now time.Time) {
	if s.State == status.HEPOff {
		pg.Printf("Nothing is sent: hep-client has no remote.\n")
		return
	}
	pg.Printf("Server: %s\n", s.Server)
	pg.Printf("State: %s for %s\n", s.State.String(), span(now.Sub(s.Since)))
	pg.Printf("Waiting: %s\n", plural.Of(s.Waiting, "packet"))
	pg.Printf("Sent: %d, shed: %d\n", s.Sent, s.Shed)
	if s.Error != "" {
		pg.Folded("Last error: ", fmt.Sprintf("%s ago: %s", span(now.Sub(s.Failed)), s.Error))
	}
}
