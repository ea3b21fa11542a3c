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

// amount is so much of the counted pools: sip-sessions and srtp-channels.
type amount [2]int

var pools = [2]Kind{SIPSessions, SRTPChannels}

func (a amount) plus(b amount) amount  { return amount{a[0] + b[0], a[1] + b[1]} }
func (a amount) minus(b amount) amount { return amount{a[0] - b[0], a[1] - b[1]} }
func (a amount) most(b amount) amount  { return amount{max(a[0], b[0]), max(a[1], b[1])} }

// Manager holds the installed licenses and counts those in use. It is safe for concurrent use.
type Manager struct {
	mu       sync.Mutex
	licenses []License
	leased   amount // by a hub, see growth.go
	total    amount // that may be in use: count keeps it
	used     amount
	peak     amount // most that was in use at once
	refused  amount // how often more was wanted than was free
	growth
}

// New returns a Manager with the built-in licenses only.
func New() *Manager {
	m := &Manager{growth: growth{wanted: make(chan struct{}, 1)}}
	m.count()
	return m
}

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
	if slices.ContainsFunc(m.licenses, func(o License) bool { return o.Serial == l.Serial && o.issuer == l.issuer }) {
		m.mu.Unlock()
		return License{}, fmt.Errorf("license %d is installed already", l.Serial)
	}
	m.licenses = append(m.licenses, l)
	m.count()
	m.unlock()
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

// Unbind removes and returns the licenses for systems that have none of these serial numbers. Calls go on.
func (m *Manager) Unbind(serials ...string) []License {
	return m.remove(func(l License) bool {
		return l.System != "" && !slices.ContainsFunc(serials, func(s string) bool { return systemID(s) == systemID(l.System) })
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
	m.count()
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
	m   *Manager
	has amount
}

// Acquire takes sessions and channels in one step, or nothing at all: then the error is an *Exhausted.
func (m *Manager) Acquire(sessions, channels int) (Share, error) {
	if sessions < 0 || channels < 0 {
		return nil, errors.New("license: cannot acquire less than nothing")
	}
	want := amount{sessions, channels}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.lacks(want); e != nil {
		m.refuse(e)
		return nil, e
	}
	m.take(want)
	return &share{m, want}, nil
}

// Resume takes sessions and channels for a call that has had them at the other box of a pair, even beyond what there is.
func (m *Manager) Resume(sessions, channels int) Share {
	want := amount{max(sessions, 0), max(channels, 0)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.take(want)
	return &share{m, want}
}

// Free says whether Acquire would give so much now: an *Exhausted when not.
func (m *Manager) Free(sessions, channels int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.lacks(amount{sessions, channels}); e != nil {
		return e
	}
	return nil
}

// lacks is the pool that does not have so much; nil: all have. After a loss of licenses more may be in use than there are, and who wants nothing of
// that pool is not concerned. The caller holds mu.
func (m *Manager) lacks(want amount) *Exhausted {
	for i, n := range want {
		if n > 0 && n > m.total[i]-m.used[i] {
			return &Exhausted{string(pools[i]), m.total[i]}
		}
	}
	return nil
}

// take counts what is in use from now on, and tells whoever can bring more when little is left. The caller holds mu.
func (m *Manager) take(more amount) {
	m.used = m.used.plus(more)
	m.peak = m.peak.most(m.used)
	if m.attached {
		m.taken()
	}
}

func (s *share) Channels(n int) error {
	more := amount{0, n - s.has[1]}
	s.m.mu.Lock()
	defer s.m.unlock()
	if e := s.m.lacks(more); e != nil {
		s.m.refuse(e)
		return e
	}
	s.m.take(more)
	s.has[1] = n
	return nil
}

func (s *share) Release() {
	s.m.mu.Lock()
	s.m.used = s.m.used.minus(s.has)
	s.has = amount{}
	s.m.unlock()
}

// row is a pool; the caller holds mu.
func (m *Manager) row(i int) status.Pool {
	k, _ := kindOf(func(k kind) bool { return k.name == pools[i] })
	r := status.Pool{Name: string(k.name), BuiltIn: k.builtIn, Leased: m.leased[i], Alloc: m.used[i]}
	for _, l := range m.licenses {
		switch {
		case l.Kind != k.name:
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

// count adds the licenses up, when they have changed. The caller holds mu.
func (m *Manager) count() {
	for i := range pools {
		m.total[i] = m.row(i).Total
	}
}

// refuse counts a refusal. The caller holds mu.
func (m *Manager) refuse(e *Exhausted) { m.refused[indexOf(Kind(e.Pool))]++ }

// indexOf is the place of a counted pool; -1: there is no such pool.
func indexOf(name Kind) int { return slices.Index(pools[:], name) }

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
	return []status.Pool{m.row(0), m.row(1)}
}

// InUse is how many of both pools are in use.
func (m *Manager) InUse() status.LicensesInUse {
	m.mu.Lock()
	defer m.mu.Unlock()
	return status.LicensesInUse{Sessions: m.used[0], SessionsTotal: m.total[0], Channels: m.used[1], ChannelsTotal: m.total[1]}
}

// Sessions is how many calls the licenses allow at once.
func (m *Manager) Sessions() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total[0]
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
