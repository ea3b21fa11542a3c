package cdr

import (
	"regexp"
	"slices"
	"strings"

	"viaduct/appliance/status"
)

// hidden is how many of the last digits of a number are masked.
const hidden = 3

// Mask returns a record whose numbers lack their last three digits. What the tables saw of the call is left out, because it holds the numbers
// and parts of them in many forms.
func Mask(r status.Record) status.Record {
	for _, s := range []*string{&r.Calling, &r.Called, &r.CallingMapped, &r.CalledMapped} {
		*s = number(*s)
	}
	r.Reason = free(r.Reason)
	r.Asked = status.Properties{}
	r.Route = slices.Clone(r.Route)
	for n := range r.Route {
		r.Route[n].Entry, r.Route[n].Before, r.Route[n].After = "", "", ""
	}
	r.Attempts = slices.Clone(r.Attempts)
	for n := range r.Attempts {
		a := &r.Attempts[n]
		a.Calling, a.Called, a.Account = number(a.Calling), number(a.Called), number(a.Account)
		a.Text, a.Microsoft = free(a.Text), words(a.Microsoft)
	}
	r.Microsoft = words(r.Microsoft)
	return r
}

func words(m *status.MicrosoftText) *status.MicrosoftText {
	if m == nil {
		return nil
	}
	masked := *m
	masked.Text = free(m.Text)
	return &masked
}

// number masks the last digits of a number, or of the part of an address in front of the @.
func number(s string) string {
	user, host, at := strings.Cut(s, "@")
	b := []byte(user)
	for n, left := len(b)-1, hidden; n >= 0 && left > 0; n-- {
		if b[n] >= '0' && b[n] <= '9' {
			b[n] = 'x'
			left--
		}
	}
	if at {
		return string(b) + "@" + host
	}
	return string(b)
}

// numbers are those in free text. The codes of Microsoft have six digits.
var numbers = regexp.MustCompile(`\d(?:[ /()-]?\d){6,}`)

// free masks the last digits of the numbers in free text.
func free(s string) string { return numbers.ReplaceAllStringFunc(s, number) }
