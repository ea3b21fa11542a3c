// Package license verifies license keys offline and counts the licenses in use.
//
// It owns the form of a key and of a hub's lease, the issuers it trusts, the pools of sip-sessions and srtp-channels and the yes-or-no features. It
// does not own where keys are stored, nor the comment lines beside them, nor when leases are asked for and given back, and reads no clock. A Manager
// is used by all calls at once and starts no goroutines; a call that waits for a license has a timer.
package license

import (
	"fmt"
	"time"

	"viaduct/appliance/status"
)

// Kind is a kind of license.
type Kind string

const (
	SIPSessions  Kind = status.SessionPool
	SRTPChannels Kind = status.ChannelPool
	IPRouter     Kind = "iprouter"
	SIPRegistrar Kind = "sip-registrar"
	SIPTLSSRTP   Kind = "sip-tls-srtp"
	Transcoding  Kind = "transcoding"
)

// kind is one line of the table of kinds. The number stands in keys and never changes.
type kind struct {
	name    Kind
	number  byte
	counted bool
	builtIn int // in every box; 1 for a feature
}

var kinds = []kind{
	{SIPSessions, 1, true, 4},
	{SRTPChannels, 2, true, 8},
	{IPRouter, 16, false, 1},
	{SIPRegistrar, 17, false, 0},
	{SIPTLSSRTP, 18, false, 1},
	{Transcoding, 19, false, 0},
}

func kindOf(same func(kind) bool) (kind, bool) {
	for _, k := range kinds {
		if same(k) {
			return k, true
		}
	}
	return kind{}, false
}

// License is one verified key.
type License struct {
	Key     string // one line
	Kind    Kind
	Count   int // 1 to 65535; 1 for a feature
	Serial  uint32
	System  string    // serial number of the only system that may use it, twelve hex digits; "" for any
	Expires time.Time // the last day (UTC) on which it is good; zero: for ever
	Issuer  string    // name of the issuer, built-in or configured

	issuer [2]byte // serials are unique with each issuer
}

// Expired reports whether the license has expired.
func (l License) Expired(now time.Time) bool {
	return !l.Expires.IsZero() && !now.Before(l.Expires.AddDate(0, 0, 1))
}

// String describes a license in one line, as the comment beside its key does.
func (l License) String() string {
	s := fmt.Sprintf("license %d: %s", l.Serial, l.Kind)
	if k, _ := kindOf(func(k kind) bool { return k.name == l.Kind }); k.counted {
		s = fmt.Sprintf("license %d: %d %s", l.Serial, l.Count, l.Kind)
	}
	if l.System == "" {
		s += ", any system"
	} else {
		s += ", system " + l.System
	}
	if !l.Expires.IsZero() {
		s += ", until " + l.Expires.Format(time.DateOnly)
	}
	return s
}

// Exhausted says that all licenses of a pool are in use.
type Exhausted struct {
	Pool  string
	Total int
}

func (e *Exhausted) Error() string {
	return fmt.Sprintf("no free license: all %d %s are in use", e.Total, e.Pool)
}
