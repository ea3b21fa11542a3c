package config

import (
	"slices"
	"strings"
)

// SwitchOf returns the context cs that holds a SIP interface, nil when none does.
func (c *Config) SwitchOf(i *SIPInterface) *Switch {
	for _, s := range c.CS {
		if slices.Contains(s.Interfaces, i) {
			return s
		}
	}
	return nil
}

// IsEmergency reports whether a number is one of the context's emergency numbers. Peers write them bare (112), with a plus (+112)
// or with the country code in front (+49112).
func (s *Switch) IsEmergency(number string) bool {
	if s == nil || len(s.Emergency) == 0 {
		return false
	}
	number, plus := strings.CutPrefix(number, "+")
	if slices.Contains(s.Emergency, number) {
		return true
	}
	rest, ok := strings.CutPrefix(number, s.CountryCode)
	return plus && ok && s.CountryCode != "" && slices.Contains(s.Emergency, rest)
}
