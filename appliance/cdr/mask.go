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
	free := freeOf(r, number)
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
		a.Text, a.Microsoft = free(a.Text), words(a.Microsoft, free)
	}
	r.Microsoft = words(r.Microsoft, free)
	return r
}

func words(m *status.MicrosoftText, free func(string) string) *status.MicrosoftText {
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

// runs are the digits of numbers, short ones too.
var runs = regexp.MustCompile(`\d{2,}`)

// Hide returns a text that came with the call of a record, as what a peer says to it, without the numbers in it.
func Hide(r status.Record, text string) string {
	return freeOf(r, func(s string) string { return strings.Repeat("x", len(s)) })(text)
}

// freeOf masks the numbers in free text: long ones, and those that the record names elsewhere, such as an extension that no table knows.
func freeOf(r status.Record, number func(string) string) func(string) string {
	known := map[string]bool{}
	note := func(list ...string) {
		for _, s := range list {
			for _, digits := range runs.FindAllString(s, -1) {
				known[digits] = true
			}
		}
	}
	note(r.Calling, r.Called, r.CallingMapped, r.CalledMapped)
	for _, s := range r.Route {
		note(s.Before, s.After)
	}
	for _, a := range r.Attempts {
		note(a.Calling, a.Called, a.Account)
	}
	return func(s string) string {
		s = numbers.ReplaceAllStringFunc(s, number)
		return runs.ReplaceAllStringFunc(s, func(digits string) string {
			if known[digits] {
				return number(digits)
			}
			return digits
		})
	}
}
