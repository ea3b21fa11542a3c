package answer

import (
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Phones lists the identities as which phones may register, with those that have.
func (pg Page) Phones(list []status.Phone, now time.Time) {
	rows := [][]string{{"Identity", "Name", "State", "For", "Address", "By", "Phone"}}
	here := 0
	for _, p := range list {
		if len(p.Bindings) == 0 {
			rows = append(rows, []string{p.Identity, dash(p.DisplayName), "not registered", "-", "-", "-", ""})
		}
		for n, b := range p.Bindings {
			row := []string{p.Identity, dash(p.DisplayName), b.State.String(), span(max(0, now.Sub(b.Since))), b.Source.String(), b.Transport, dash(b.UserAgent)}
			if n > 0 {
				row[0], row[1] = "", ""
			}
			rows = append(rows, row)
		}
		if len(p.Bindings) > 0 {
			here++
		}
	}
	if len(rows) == 1 {
		pg.Folded("", "no identity has registration inbound: docs/phones.md shows how the first phone rings")
		return
	}
	pg.Columns(rows)
	pg.Printf("%s, %d of them with a phone\n", plural.Of(len(list), "identity"), here)
}

// Phone shows everything about one identity and its phones.
func (pg Page) Phone(p status.Phone, now time.Time) {
	pg.Printf("identity %s of location-service %s\n", p.Identity, p.Location)
	pg.Printf("  Also called: %s\n", dash(strings.Join(p.Aliases, ", ")))
	pg.Printf("  Calls show: %s, name %s\n", p.CallerID, dash(p.DisplayName))
	pg.Printf("  Phones: %d, at most %d\n", len(p.Bindings), p.Most)
	for _, b := range p.Bindings {
		pg.Printf("\n  Phone: %s\n", dash(b.UserAgent))
		pg.Printf("    State: %s for %s\n", b.State, span(max(0, now.Sub(b.Since))))
		pg.Printf("    Address: %s by %s\n", b.Source.String(), b.Transport)
		pg.Printf("    Contact: %s\n", b.Contact)
		if b.Instance != "" {
			pg.Printf("    Instance: %s\n", b.Instance)
		}
		pg.Printf("    Last REGISTER: %s ago, expires in %s\n", span(max(0, now.Sub(b.Refreshed))), span(max(0, b.Expires.Sub(now))))
	}
}

// Bindings lists the phones that have registered.
func (pg Page) Bindings(list []status.Binding, now time.Time) {
	rows := [][]string{{"Identity", "State", "Source", "By", "Expires in", "Contact"}}
	for _, b := range list {
		rows = append(rows, []string{b.Identity, b.State.String(), b.Source.String(), b.Transport, span(max(0, b.Expires.Sub(now))), b.Contact})
	}
	if len(rows) > 1 {
		pg.Columns(rows)
	}
	pg.Printf("%s\n", plural.Of(len(list), "phone"))
}

// PhoneRestarts says which phones start again.
func (pg Page) PhoneRestarts(list []status.PhoneRestart) {
	for _, p := range list {
		phone := p.Identity + " at " + p.Phone
		if p.Model != "" {
			phone += " (" + p.Model + ")"
		}
		switch {
		case p.Error != "":
			pg.Folded("", fmt.Sprintf("%s has not taken it: %s", phone, p.Error))
		default:
			pg.Folded("", fmt.Sprintf("%s has taken it (%d)", phone, p.Code))
		}
	}
}

// Survivals shows whether calls go other ways because a peer is gone, and which.
func (pg Page) Survivals(list []status.Survival, now time.Time) {
	if len(list) == 0 {
		pg.Printf("no survival: docs/phones.md shows how calls go on without the PBX\n")
	}
	for n, s := range list {
		if n > 0 {
			pg.Printf("\n")
		}
		pg.Printf("survival %s\n  Peer: interface sip %s\n", s.Name, s.Watch)
		state := s.State.String()
		if !s.Since.IsZero() {
			state += " for " + span(now.Sub(s.Since))
		}
		pg.Printf("  State: %s\n", state)
		if s.Why != "" && s.State != status.SurvivalWell {
			pg.Folded("  Why: ", "the peer "+s.Why)
		}
		switch s.State {
		case status.SurvivalLosing:
			pg.Printf("  Calls go other ways in: %s\n", span(max(0, s.Next.Sub(now))))
		case status.SurvivalReturning:
			pg.Printf("  Calls go their usual ways in: %s\n", span(max(0, s.Next.Sub(now))))
		}
		if !s.Active.IsZero() {
			pg.Printf("  In force for: %s\n", span(now.Sub(s.Active)))
		}
		pg.Printf("  In force since the start: %s\n", times(s.Times))
		for _, r := range s.Routes {
			to := r.To
			if r.Over != "" {
				to += ", but survival " + r.Over + " has the say"
			}
			pg.Printf("  Calls from %s go to %s\n", r.From, to)
		}
	}
}

// times says how often something has happened.
func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return plural.Of(n, "time")
}
