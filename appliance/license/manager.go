package license

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

//go:embed issuers.txt
var issuersFile string

// builtInIssuers reads issuers.txt; a test keeps it readable.
func builtInIssuers() (list []issuer) {
	for line := range strings.Lines(issuersFile) {
		name, key, _ := strings.Cut(strings.TrimSpace(line), " ")
		if public, err := ParseIssuer(strings.TrimSpace(key)); err == nil && name != "#" {
			list = append(list, issuer{name, public, hint(public)})
		}
	}
	return list
}

// Manager holds the installed licenses and counts those in use. It is safe for concurrent use.
type Manager struct {
	mu       sync.Mutex
	licenses []License
	sessions int // in use
	channels int
	peak     [2]int // most of sessions and channels that were in use at once
	refused  [2]int // how often more were wanted than were free
}

// New returns a Manager with the built-in licenses only.
func New() *Manager { return &Manager{} }

// Verify reads a key. Serial is the system's own serial number. Errors are sentences that say why the key is refused.
func Verify(key, serial string, now time.Time, authorities []*config.LicenseAuthority) (License, error) {
	l, err := verify(key, issuers(authorities))
	if err != nil {
		return License{}, err
	}
	if l.System != "" && systemID(l.System) != systemID(serial) {
		return License{}, fmt.Errorf("license %d is for system %s, and this is system %s; one for the pool of a hub is added at the hub, with `hub license add`", l.Serial, l.System, serial)
	}
	if l.Expired(now) {
		return License{}, fmt.Errorf("license %d expired on %s", l.Serial, l.Expires.Format(time.DateOnly))
	}
	return l, nil
}

// Install verifies a key, as Verify does, and adds its license. With an error nothing has changed.
func (m *Manager) Install(key, serial string, now time.Time, authorities []*config.LicenseAuthority) (License, error) {
	l, err := Verify(key, serial, now, authorities)
	if err != nil {
		return License{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.licenses, func(o License) bool { return o.Serial == l.Serial && o.issuer == l.issuer }) {
		return License{}, fmt.Errorf("license %d is installed already", l.Serial)
	}
	m.licenses = append(m.licenses, l)
	return l, nil
}

// Remove takes the license of a key away and reports whether it was there. Calls go on.
func (m *Manager) Remove(key string) bool {
	return len(m.remove(func(l License) bool { return l.Key == key })) > 0
}

// Distrust removes and returns the licenses of issuers that are neither built in nor among these. Calls go on.
func (m *Manager) Distrust(authorities []*config.LicenseAuthority) []License {
	trusted := issuers(authorities)
	return m.remove(func(l License) bool {
		_, err := verify(l.Key, trusted)
		return err != nil
	})
}

// Expire removes and returns expired licenses. Calls go on.
func (m *Manager) Expire(now time.Time) []License {
	return m.remove(func(l License) bool { return l.Expired(now) })
}

func (m *Manager) remove(gone func(License) bool) (removed []License) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.licenses = slices.DeleteFunc(m.licenses, func(l License) bool {
		if gone(l) {
			removed = append(removed, l)
			return true
		}
		return false
	})
	return removed
}

// List returns the installed licenses in the order of installation.
func (m *Manager) List() []License {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.licenses)
}

// Share is a call's share of the pools.
type Share interface {
	// Channels changes the number of channels of the share. When not enough are free, it returns an *Exhausted and changes nothing.
	Channels(n int) error
	// Release gives everything back; calling it again does nothing.
	Release()
}

// None is the share that holds nothing and is refused nothing.
var None Share = none{}

type none struct{}

func (none) Channels(int) error { return nil }
func (none) Release()           {}

// share is a Share of a Manager's pools.
type share struct {
	m                  *Manager
	sessions, channels int
}

// Acquire takes sessions and channels in one step, or nothing at all: then the error is an *Exhausted.
func (m *Manager) Acquire(sessions, channels int) (Share, error) {
	if sessions < 0 || channels < 0 {
		return nil, errors.New("license: cannot acquire less than nothing")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.free(sessions, channels); err != nil {
		m.refuse(err)
		return nil, err
	}
	m.sessions += sessions
	m.channels += channels
	m.peaks()
	return &share{m, sessions, channels}, nil
}

// Free says whether Acquire would give so much now: an *Exhausted when not.
func (m *Manager) Free(sessions, channels int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free(sessions, channels)
}

// free is Free; the caller holds mu.
func (m *Manager) free(sessions, channels int) error {
	if r := m.row(SIPSessions, m.sessions); sessions > r.Free {
		return &Exhausted{r.Name, r.Total}
	}
	if r := m.row(SRTPChannels, m.channels); channels > r.Free {
		return &Exhausted{r.Name, r.Total}
	}
	return nil
}

func (s *share) Channels(n int) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if r := s.m.row(SRTPChannels, s.m.channels); n-s.channels > r.Free {
		err := &Exhausted{r.Name, r.Total}
		s.m.refuse(err)
		return err
	}
	s.m.channels += n - s.channels
	s.channels = n
	s.m.peaks()
	return nil
}

func (s *share) Release() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.sessions -= s.sessions
	s.m.channels -= s.channels
	s.sessions, s.channels = 0, 0
}

// row adds up a pool; the caller holds mu.
func (m *Manager) row(name Kind, alloc int) status.Pool {
	k, _ := kindOf(func(k kind) bool { return k.name == name })
	r := status.Pool{Name: string(name), BuiltIn: k.builtIn, Alloc: alloc}
	for _, l := range m.licenses {
		switch {
		case l.Kind != name:
		case l.Expires.IsZero():
			r.Installed += l.Count
		default:
			r.Leased += l.Count
		}
	}
	r.Total = r.BuiltIn + r.Installed + r.Leased
	r.Free = max(0, r.Total-r.Alloc)
	return r
}

// peaks updates the peaks, and refuse counts a refusal. The caller holds mu.
func (m *Manager) peaks() {
	m.peak = [2]int{max(m.peak[0], m.sessions), max(m.peak[1], m.channels)}
}

func (m *Manager) refuse(err error) {
	var e *Exhausted
	switch {
	case !errors.As(err, &e):
	case e.Pool == string(SIPSessions):
		m.refused[0]++
	default:
		m.refused[1]++
	}
}

// Peaks returns the peaks of the counted pools.
func (m *Manager) Peaks() []status.Peak {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []status.Peak{
		{Name: string(SIPSessions), Most: m.peak[0], Refused: m.refused[0]},
		{Name: string(SRTPChannels), Most: m.peak[1], Refused: m.refused[1]},
	}
}

// Table returns the counted pools.
func (m *Manager) Table() []status.Pool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []status.Pool{m.row(SIPSessions, m.sessions), m.row(SRTPChannels, m.channels)}
}

// InUse is how many of both pools are in use.
func (m *Manager) InUse() status.LicensesInUse {
	m.mu.Lock()
	defer m.mu.Unlock()
	sessions, channels := m.row(SIPSessions, m.sessions), m.row(SRTPChannels, m.channels)
	return status.LicensesInUse{Sessions: sessions.Alloc, SessionsTotal: sessions.Total, Channels: channels.Alloc, ChannelsTotal: channels.Total}
}

// Sessions is how many calls the licenses allow at once.
func (m *Manager) Sessions() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.row(SIPSessions, m.sessions).Total
}

// Features returns the yes-or-no features.
func (m *Manager) Features() (list []status.Feature) {
	for _, k := range kinds {
		if !k.counted {
			list = append(list, status.Feature{Name: string(k.name), Enabled: m.Has(k.name)})
		}
	}
	return list
}

// Has reports whether a feature is enabled.
func (m *Manager) Has(name Kind) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := kindOf(func(k kind) bool { return k.name == name })
	return ok && (k.builtIn > 0 || slices.ContainsFunc(m.licenses, func(l License) bool { return l.Kind == name }))
}
