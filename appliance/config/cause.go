package config

import (
	"maps"
	"slices"
)

// Cause is a Q.850 cause by the name that the language uses, for example "temporary-failure".
type Cause string

// causes are the names of the language and their Q.850 numbers.
var causes = map[Cause]int{
	"unallocated-number":                1,
	"no-route-to-destination":           3,
	"normal-call-clearing":              16,
	"user-busy":                         17,
	"no-user-responding":                18,
	"no-answer":                         19,
	"call-rejected":                     21,
	"number-changed":                    22,
	"exchange-routing-error":            25,
	"destination-out-of-order":          27,
	"invalid-number-format":             28,
	"normal-unspecified":                31,
	"no-circuit-channel-available":      34,
	"network-out-of-order":              38,
	"temporary-failure":                 41,
	"switching-equipment-congestion":    42,
	"access-info-discarded":             43,
	"circuit-channel-not-available":     44,
	"resources-unavailable":             47,
	"bearer-capability-not-available":   58,
	"bearer-capability-not-implemented": 65,
	"service-not-available":             63,
	"service-not-implemented":           79,
	"incompatible-destination":          88,
	"recovery-on-timer-expiry":          102,
	"interworking":                      127,
}

// DefaultDropCauses hunt when a hunt group names none (Trinity's defaults).
var DefaultDropCauses = []Cause{
	"no-circuit-channel-available", "network-out-of-order", "temporary-failure", "switching-equipment-congestion",
	"access-info-discarded", "circuit-channel-not-available", "resources-unavailable",
}

// Number returns the Q.850 number, 0 for an unknown name.
func (c Cause) Number() int { return causes[c] }

// CauseOf returns the name of a Q.850 number, "" when the language has none.
func CauseOf(number int) Cause {
	for name, n := range causes {
		if n == number {
			return name
		}
	}
	return ""
}

// Causes returns all names in alphabetical order.
func Causes() []Cause { return slices.Sorted(maps.Keys(causes)) }
