package answer

import (
	"fmt"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// SNMP shows the SNMP responder.
func (pg Page) SNMP(s status.SNMP) {
	if !s.Community && s.V3Users == 0 {
		pg.Printf("Nothing listens: snmp-server has neither a community nor a user.\n")
		return
	}
	v2c := "off"
	if s.Community {
		v2c = "on"
	}
	pg.Printf("Versions: v2c %s, v3 with %s\n", v2c, plural.Of(s.V3Users, "user"))
	pg.Printf("Engine ID: %s, started %s\n", dash(s.Engine), plural.Of(int(s.Boots), "time"))
	for _, a := range s.Listeners {
		pg.Printf("Listens on: %s\n", a)
	}
	if len(s.Listeners) == 0 {
		pg.Printf("Listens on: -\n")
	}
	pg.Printf("Requests: %d\n", s.Requests)
	rows := [][]string{{"Refused", "Messages"}}
	for _, x := range []struct {
		why string
		n   uint64
	}{
		{"Wrong community", s.Communities}, {"Unknown user", s.Users}, {"Wrong password", s.Passwords}, {"Without authentication or encryption", s.Levels},
		{"Out of time", s.Untimely}, {"Not readable", s.Malformed}, {"From networks without access", s.Strangers}, {"Too many a second", s.Surplus},
	} {
		rows = append(rows, []string{x.why, fmt.Sprint(x.n)})
	}
	pg.Columns(rows)
	if s.Refused != "" {
		pg.Printf("Last refusal: %s\n", s.Refused)
	}
	pg.Printf("Traps: %d sent, %d lost\n", s.Traps, s.TrapsLost)
}

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
