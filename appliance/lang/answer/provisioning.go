package answer

import (
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Provisioning shows what phones fetch here, and who did.
func (pg Page) Provisioning(p status.Provisioning, now time.Time) {
	if len(p.Services) == 0 {
		pg.Printf("no provisioning-service: docs/phones.md shows how phones fetch their settings\n")
		return
	}
	if p.Open.After(now) {
		pg.Printf("Phones may fetch for the first time for %s more, opened by %s\n", span(p.Open.Sub(now)), p.OpenedBy)
	} else {
		pg.Printf("Phones may not fetch for the first time: `provisioning open` lets them\n")
	}
	for _, s := range p.Services {
		pg.Printf("\nprovisioning-service %s\n  State: %s\n", s.Name, s.State)
		if s.Error != "" {
			pg.Folded("  Why: ", s.Error)
		}
		if s.URL != "" {
			pg.Printf("  Phones are told: %s\n", s.URL)
		}
		rows := [][]string{{"Phone", "Identity", "Model", "Address", "Fetched", "Says it is", "Refused"}}
		for _, x := range s.Phones {
			rows = append(rows, provisioned(x, now))
		}
		if len(s.Phones) > 0 {
			pg.Columns(rows)
		}
		for _, x := range s.Phones {
			if x.Why != "" {
				pg.Folded("", "% "+x.MAC+" was refused "+ago(x.Refused, now)+": "+x.Why)
			}
		}
	}
	if len(p.Strangers) > 0 {
		pg.Printf("\nPhones that are not configured\n")
		rows := [][]string{{"Phone", "Address", "Says it is", "Refused"}}
		for _, x := range p.Strangers {
			rows = append(rows, []string{x.MAC, x.From.String(), dash(strings.TrimSpace(x.Device + " " + x.Firmware)), ago(x.Refused, now)})
		}
		pg.Columns(rows)
	}
	for _, t := range p.Templates {
		if t.Own {
			pg.Printf("\nTemplate %s is an administrator's\n", t.Name)
		}
		if t.Fault != "" {
			pg.Folded("% ", "it is not used: "+t.Fault)
		}
	}
	for _, u := range p.Upstreams {
		pg.Printf("\nFiles of %s: %s passed on, %d failed\n", u.Host, plural.Of(int(u.Passed), "file"), u.Failed)
		if u.Error != "" {
			pg.Folded("% ", u.Error)
		}
	}
}

// provisioned is a phone in a row.
func provisioned(x status.ProvisionedPhone, now time.Time) []string {
	address := "-"
	if x.Address.IsValid() {
		address = x.Address.String()
	}
	return []string{x.MAC, strings.Join(x.Identities, ", "), x.Model, address, ago(x.Fetched, now), dash(strings.TrimSpace(x.Device + " " + x.Firmware)), ago(x.Refused, now)}
}

// ago says how long something is past.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return span(max(0, now.Sub(t))) + " ago"
}
