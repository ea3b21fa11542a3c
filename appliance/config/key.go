package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Lengths of what a property holds, in octets. A table that doubles a number, run often enough, would otherwise take all memory.
const (
	MaxNumber = 64   // E.164 has 15 digits, a PBX's prefixes and accounts some more
	MaxURI    = 1024 // and everything else that tables write
)

// MaxLength is the longest value of a property.
func (p Property) MaxLength() int {
	if p.IsNumber() {
		return MaxNumber
	}
	return MaxURI
}

// IsNumber reports whether a property is a telephone number, without host and parameters.
func (p Property) IsNumber() bool { return p == CalledE164 || p == CallingE164 || p == E164 }

// IsAddress reports whether a property is an IP address: its keys are addresses and networks.
func (p Property) IsAddress() bool { return p == CalledIP || p == CallingIP }

// IsURI reports whether a property is a URI.
func (p Property) IsURI() bool { return p == CalledURI || p == CallingURI || p == URI }

// Values are the words that a property may have, the one that calls have which say nothing first; nil when it may be any text.
func (p Property) Values() []string {
	switch p {
	case CallingPI:
		return presentations
	case CallingSI:
		return screenings
	}
	return nil
}

// Words of the original's manual. Calls over SIP bring no other than the first and the second of presentations, and the first and the
// last of screenings; a mapping may write any.
var (
	presentations = []string{"allowed", "restricted", "interworking"}
	screenings    = []string{"user-not-screened", "user-passed", "user-failed", "network-provided"}
)

// ParseKey reads the key of a table of this property. A key that no value of the property can ever match is an error, which is
// a *PatternError: it looks as if it did something.
func ParseKey(p Property, text string) (Pattern, error) {
	if text != "default" && strings.EqualFold(text, "default") {
		return Pattern{}, &PatternError{text, 0, "the word for all other values is written default"}
	}
	if p.IsClock() {
		if _, err := ParsePeriod(p, text); err != nil {
			return Pattern{}, err
		}
	}
	if p.IsAddress() {
		if k, ok := networkKey(text); ok {
			return k, nil
		}
	}
	k, err := ParsePattern(text)
	switch {
	case err != nil:
		return k, err
	case p.IsNumber() && text == "T":
		k.fixed, k.literals, k.tail = "", 0, tailOpen // any number: T takes the digits that follow, and none need be before it
	case p.IsAddress():
		err = addressKey(text)
	case p.Values() != nil && !slices.ContainsFunc(p.Values(), func(v string) bool { _, ok := k.Match(v); return ok }):
		err = &PatternError{text, 0, "is no " + string(p) + ": " + strings.Join(p.Values(), ", ")}
	}
	return k, err
}

// networkKey reads a key that is an address or a network.
func networkKey(text string) (Pattern, bool) {
	n, err := netip.ParsePrefix(text)
	if a, e := netip.ParseAddr(text); e == nil && a.Zone() == "" {
		n, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil {
		return Pattern{}, false
	}
	n = n.Masked()
	return Pattern{text: text, network: &n}, true
}

// addressKey says what is wrong with the pattern of addresses, for example 192\.0\.2\.
func addressKey(text string) error {
	bare := strings.NewReplacer(`\d`, "", `\.`, "", "%", "").Replace(text)
	if i := strings.IndexFunc(bare, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:.*+?()[]{}|^$,-T", r) }); i >= 0 {
		return notAnAddress(text, max(strings.IndexByte(text, bare[i]), 0))
	}
	outside := sets.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("0", len(s)) })
	if i := strings.IndexAny(outside, ",-"); i >= 0 {
		return notAnAddress(text, i) // a list or a range: no address has such a sign
	}
	if cutAddress.MatchString(text) {
		return notAnAddress(text, 0)
	}
	return nil
}

var (
	sets = regexp.MustCompile(`\[[^\]]*\]|\{[^}]*\}`)
	// cutAddress is an address that is none, or the beginning of one as other systems write a network. As a pattern it would match
	// whatever begins so: 10.1. also 10.17.0.1 and 10.123.0.1.
	cutAddress = regexp.MustCompile(`^(?:\*\.)*[0-9a-fA-F:]+(?:\.[0-9a-fA-F:]+)*(?:\.\*)*\.?$`)
)

func notAnAddress(text string, at int) error {
	return &PatternError{text, at, "is no address such as 192.0.2.7, and no network such as 192.0.2.0/24"}
}

// ValueError says why a mapping cannot write a value.
type ValueError struct{ Value, Text string }

func (e *ValueError) Error() string { return fmt.Sprintf("value %.80q: %s", e.Value, e.Text) }

// CheckValue says why a mapping cannot write text into a property; groups are not looked at. The error is a *ValueError.
func (p Property) CheckValue(text string) error {
	switch {
	case len(text) > p.MaxLength():
		return &ValueError{text, fmt.Sprintf("%s has at most %d characters", p, p.MaxLength())}
	case strings.Contains(text, `\`) || text == "":
		return nil
	case p.IsAddress():
		if _, err := netip.ParseAddr(text); err != nil {
			return &ValueError{text, "is no address, which " + string(p) + " must be"}
		}
	case p.Values() != nil && !slices.Contains(p.Values(), p.canonical(text)):
		return &ValueError{text, "is no " + string(p) + ": " + strings.Join(p.Values(), ", ")}
	}
	return nil
}

// canonical is a value as calls have it: the manual says network where SIP calls have network-provided.
func (p Property) canonical(v string) string {
	if p == CallingSI && v == "network" {
		return "network-provided"
	}
	return v
}

// Settled is a value of the property as tables see it: what a call does not say is what the manual says of calls that cannot say it.
func (p Property) Settled(v string) string {
	if words := p.Values(); words != nil {
		return cmp.Or(p.canonical(v), words[0])
	}
	return v
}
