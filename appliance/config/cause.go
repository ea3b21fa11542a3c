package config

import (
	"maps"
	"slices"
	"strconv"
)

// Cause is a Q.850 cause by the name that the original's manual has for it, for example "temporary-failure".
type Cause string

// causes are the names of the language and their Q.850 numbers.
var causes = map[Cause]int{
	"unallocated-number":                1,
	"no-route-to-network":               2,
	"no-route-to-destination":           3,
	"channel-unacceptable":              6,
	"call-awarded":                      7,
	"normal-call-clearing":              16,
	"user-busy":                         17,
	"no-user-responding":                18,
	"no-answer-from-user":               19,
	"subscriber-absent":                 20,
	"call-rejected":                     21,
	"number-changed":                    22,
	"redirection-to-new-destination":    23,
	"exchange-routing-error":            25,
	"non-selected-user-clearing":        26,
	"destination-out-of-order":          27,
	"invalid-number-format":             28,
	"facility-rejected":                 29,
	"response-to-status-enquiry":        30,
	"normal-unspecified":                31,
	"no-circuit-channel-available":      34,
	"network-out-of-order":              38,
	"temporary-failure":                 41,
	"switching-equipment-congestion":    42,
	"access-info-discarded":             43,
	"circuit-channel-not-available":     44,
	"resources-unavailable":             47,
	"qos-unavailable":                   49,
	"facility-not-subscribed":           50,
	"incoming-calls-barred":             55,
	"bearer-capability-not-authorized":  57,
	"bearer-capability-not-available":   58,
	"service-not-available":             63,
	"bearer-capability-not-implemented": 65,
	"channel-type-not-implemented":      66,
	"facility-not-implemented":          69,
	"only-restricted-digital-available": 70,
	"service-not-implemented":           79,
	"invalid-call-reference":            81,
	"channel-not-existing":              82,
	"call-identity-not-existing":        83,
	"call-identity-in-use":              84,
	"no-call-suspended":                 85,
	"call-has-been-cleared":             86,
	"user-not-member-of-cug":            87,
	"incompatible-destination":          88,
	"invalid-transit-network":           91,
	"invalid-message":                   95,
	"mandatory-ie-missing":              96,
	"message-type-not-implemented":      97,
	"message-type-not-state-compatible": 98,
	"ie-not-implemented":                99,
	"invalid-ie-contents":               100,
	"message-not-state-compatible":      101,
	"recovery-on-timer-expiry":          102,
	"protocol-error":                    111,
	"interworking":                      127,
}

// otherNames are spellings of older configurations.
var otherNames = map[string]Cause{"no-answer": "no-answer-from-user", "unassigned-number": "unallocated-number"}

// DefaultDropCauses hunt unless a hunt group says otherwise of one of them (table of the original's manual).
var DefaultDropCauses = []Cause{
	"no-circuit-channel-available", "network-out-of-order", "temporary-failure", "switching-equipment-congestion",
	"access-info-discarded", "circuit-channel-not-available", "resources-unavailable",
}

// Number returns the Q.850 number, 0 for an unknown name.
func (c Cause) Number() int { return causes[c] }

// ParseCause reads a name, a spelling of older configurations, or a Q.850 number.
func ParseCause(text string) (Cause, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return causeOf(n)
	}
	if c, ok := otherNames[text]; ok {
		return c, true
	}
	return Cause(text), causes[Cause(text)] != 0
}

func causeOf(number int) (Cause, bool) {
	for name, n := range causes {
		if n == number {
			return name, true
		}
	}
	return "", false
}

// Causes returns all names in alphabetical order.
func Causes() []Cause { return slices.Sorted(maps.Keys(causes)) }
