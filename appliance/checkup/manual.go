package checkup

import (
	"fmt"
	"strings"
)

// Manual is docs/checks.md: all steps in their order.
func Manual() string {
	var out strings.Builder
	out.WriteString(`# Checks

<!-- Generated from appliance/checkup/table.go: make docs -->

` + "`check teams`, `check pbx` and `check all`" + ` find out whether calls can work, in steps. Each step is ok, a warning, failed, or skipped because a step that it
depends on has failed; begin with the first that failed. A step says what it has seen, and how to cure what is wrong: in lines to paste where the box can do it, else in
words for the administrator of the network or of the tenant. A check takes half a minute at most and changes nothing: it uses connections of its own, asks every name server itself, and touches
no registration and no penalty box.

` + "`check all json`" + ` prints the outcome in one line, ` + "`GET /v1/status/check`" + ` has the last one. The box checks everything once a day by itself; the alarm
` + "`check-worse`" + ` names each step that was well the day before.

| step | of | what it finds out | after |
|---|---|---|---|
`)
	for _, d := range steps {
		of := d.part
		if of == all {
			of = "teams, pbx"
		}
		after := strings.Join(d.after, ", ")
		if after == "" {
			after = "-"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", d.id, of, d.about, after)
	}
	out.WriteString(`
## Federation

` + "`check federation DOMAIN`" + ` looks at what a partner needs who wants to reach a domain by SIP federation (Skype for Business Server, XPhone, ProCall, and Teams between clouds):
the record, the name, the certificate and the answer of its edge. Whether the own edge can be reached from outside cannot be seen from inside.

| step | what it finds out | after |
|---|---|---|
`)
	for _, d := range federationSteps {
		after := strings.Join(d.after, ", ")
		if after == "" {
			after = "-"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", d.id, d.about, after)
	}
	fmt.Fprintf(&out, `
A domain of Microsoft 365 has this record, and no other; Teams ignores one that leads elsewhere:

    _sipfederationtls._tcp.DOMAIN  SRV  100 1 5061 %s
`, microsoftEdge)
	return out.String()
}
