// Package handset tells what a phone says of itself: its maker, model and firmware, from its User-Agent.
//
// It owns the forms in which makers write them. It does not own who a phone is: anybody can say anything. It has no state and no goroutines.
package handset

import (
	"regexp"
	"strings"
	"sync"

	"viaduct/appliance/printable"
)

// Device is what a phone says of itself. Fields that it does not say are empty. They are printable, and of a bounded length.
type Device struct {
	Maker    string // as people write it: "Yealink", "Snom", ...; "": of none that is known here
	Model    string // "T46S", "D735", "N670 IP PRO"
	Firmware string // "66.86.0.15"
}

// String is for people: "Yealink T46S 66.86.0.15"; "" for a device that says nothing.
func (d Device) String() string {
	return strings.Join(strings.Fields(d.Maker+" "+d.Model+" "+d.Firmware), " ")
}

// forms are those of HTTP and of SIP, which makers write alike: "Yealink SIP-T46S 66.86.0.15 00:15:65:00:00:01",
// "Mozilla/4.0 (compatible; snomD735-SIP 10.1.64.14 2010.12 000413000001)", "snomD735/10.1.64.14", "Gigaset N670 IP PRO/83.V2.48.0+build.1;7C2F80000001",
// "PolycomVVX-VVX_411-UA/5.9.5", "FileTransport PolycomVVX-VVX_411-UA/5.9.5", "AUDC-IPPhone/3.4.6.537 (430HD; ...)", "Cisco/CP-8841-3PCC",
// "Grandstream GXP2170 1.0.11.35". They are compiled when the first phone is looked at: a start without phones does not wait for them.
var forms = sync.OnceValue(func() []form {
	return []form{
		{"Yealink", regexp.MustCompile(`(?i)^yealink[ -](?:SIP(?: VP)?-)?(?P<model>[\w-]+)(?: (?P<firmware>\d[\w.]*))?`)},
		{"Snom", regexp.MustCompile(`(?i)(?:^|[ ;(])snom ?(?P<model>[a-z]{0,2}\d{1,4}\w{0,3})(?:-SIP)?(?:[ /](?P<firmware>\d[\w.]*))?`)},
		{"Gigaset", regexp.MustCompile(`(?i)^"?(?:gigaset )?(?P<model>[NC]\d{3}[\w ]*?)(?:/(?P<firmware>[\w.]+))?(?:[+;"]|$)`)},
		{"Poly", regexp.MustCompile(`(?i)(?:^|FileTransport )Poly(?:com)?\w*-(?P<model>\w+)-UA/(?P<firmware>\d[\w.]*)`)},
		{"AudioCodes", regexp.MustCompile(`(?i)^AUDC-IPPhone(?:-(?P<model>\w+))?/(?P<firmware>[\w.]+)`)},
		{"Cisco", regexp.MustCompile(`(?i)^Cisco[/-](?P<model>CP-\w+(?:-3PCC)?)(?:[/-](?P<firmware>\d[\w.-]*))?`)},
		{"Grandstream", regexp.MustCompile(`(?i)^Grandstream (?P<model>\w+)(?: (?P<firmware>\d[\w.]*))?`)},
	}
})

// form is how a maker writes.
type form struct {
	maker string
	form  *regexp.Regexp
}

// longest is how much of a User-Agent is looked at.
const longest = 256

// Identify reads a User-Agent of HTTP or SIP. A zero Device is of none that is known here.
func Identify(userAgent string) Device {
	userAgent = strings.TrimSpace(userAgent[:min(len(userAgent), longest)])
	for _, f := range forms() {
		m := f.form.FindStringSubmatch(userAgent)
		if m == nil {
			continue
		}
		part := func(name string) string { return printable.Short(strings.TrimSpace(m[f.form.SubexpIndex(name)]), 40) }
		return Device{f.maker, part("model"), part("firmware")}
	}
	return Device{}
}
