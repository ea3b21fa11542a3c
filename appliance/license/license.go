// Package license verifies license keys and counts what they allow.
package license

import (
	"errors"
	"time"

	"viaduct/appliance/config"
)

// Kind is what a license is for.
type Kind string

const (
	SIPSessions  Kind = "sip-sessions"
	SRTPChannels Kind = "srtp-channels"
	IPRouter     Kind = "iprouter"
	SIPRegistrar Kind = "sip-registrar"
	SIPTLSSRTP   Kind = "sip-tls-srtp"
	Transcoding  Kind = "transcoding"
)

// License is one verified key.
type License struct {
	Key     string
	Kind    Kind
	Count   int
	Serial  uint32
	System  string    // twelve hex digits, "" for any
	Expires time.Time // last moment in UTC; zero: never
	Issuer  string    // "built-in" or the name of the configured authority
}

// Row is one pool of `show system licenses`.
type Row struct {
	Name                                            string
	BuiltIn, Installed, Leased, Total, Alloc, Free int
}

// Feature is one yes-or-no line of `show system licenses`.
type Feature struct {
	Name    string
	Enabled bool
}

// Exhausted says that a pool has no licenses left.
type Exhausted struct {
	Pool  string
	Total int
}

func (e *Exhausted) Error() string { return "" }

// Manager holds installed licenses and counts what is in use.
type Manager struct{}

// New returns a Manager with the built-in licenses only.
func New() *Manager { return &Manager{} }

// Install verifies a key and adds it.
func (m *Manager) Install(key, serial string, now time.Time, authorities []*config.LicenseAuthority) (License, error) {
	return License{}, errors.New("not a license key")
}

// Remove takes the license with this serial away.
func (m *Manager) Remove(serial uint32) bool { return false }

// Expire takes away what has expired and returns it.
func (m *Manager) Expire(now time.Time) []License { return nil }

// List returns the installed licenses in order of installation.
func (m *Manager) List() []License { return nil }

// Acquire takes from both pools in one step, or from none.
func (m *Manager) Acquire(sessions, channels int) (release func(), err error) { return func() {}, nil }

// Table returns the counted pools.
func (m *Manager) Table() []Row { return nil }

// Features returns the yes-or-no features.
func (m *Manager) Features() []Feature { return nil }

// Has reports whether a feature is enabled.
func (m *Manager) Has(k Kind) bool { return false }
