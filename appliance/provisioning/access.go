package provisioning

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/bans"
	"viaduct/appliance/config"
	"viaduct/appliance/handset"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Why a file is refused. All of them look alike to who asks.
var (
	errUnknownPhone  = errors.New("no phone of this hardware address is configured")
	errOtherDevice   = errors.New("another device asked for its file")
	errWrongAddress  = errors.New("it asked from another address than the configured one")
	errOtherAddress  = errors.New("it asked from another address than the one that its first fetch fixed; `provisioning open` lets it fix a new one")
	errClosed        = errors.New("nothing is opened: `provisioning open` lets phones fetch for the first time")
	errNoNeighbour   = errors.New("its hardware address cannot be seen from here, so its line needs an address")
	errUnseen        = errors.New("it did not answer when it was asked for its hardware address")
	errWrongMaker    = errors.New("phones of its model fetch other files")
	errBanned        = errors.New("too many files of other phones were asked for from there")
	errUnknownFile   = errors.New("there is no such file")
	errUnknownSource = errors.New("the neighbours cannot be read")
)

// maxStrangers is how many phones that are not configured are kept, the latest ones.
const maxStrangers = 64

// access decides who gets which file, and keeps who did.
type access struct {
	o    Options
	bans *bans.List

	mu        sync.Mutex
	window    window
	opened    int // windows so far
	fixed     map[config.MAC]fixed
	seen      map[config.MAC]*status.ProvisionedPhone // what is not of the configuration
	strangers []*status.ProvisionedPhone              // the latest last
}

// window is the time in which phones may fetch for the first time.
type window struct {
	until time.Time
	by    string
	shut  *time.Timer
}

// fixed is the address of a phone.
type fixed struct {
	address netip.Addr
	window  int // in which it was fixed; 0: in one before the start
}

func newAccess(o Options) *access {
	a := &access{o: o, bans: bans.NewFor(o.Log, "file of another phone asked for", "too many files of other phones asked for, none is given from there"),
		fixed: map[config.MAC]fixed{}, seen: map[config.MAC]*status.ProvisionedPhone{}}
	if err := o.Load(a.restore); err != nil {
		o.Log.Warn("addresses of phones lost", "err", err)
	}
	return a
}

// restore reads the addresses that phones have fixed.
func (a *access) restore(text []byte) error {
	kept := map[config.MAC]netip.Addr{}
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	for m, address := range kept {
		if len(m) != 12 || !address.IsValid() {
			return fmt.Errorf("%q is no phone", printable.Text(string(m)))
		}
		a.fixed[m] = fixed{address: address}
	}
	return nil
}

// save keeps the addresses of configured phones. The caller holds the lock.
func (a *access) save() {
	cfg := a.o.Config()
	kept := map[config.MAC]netip.Addr{}
	for _, p := range cfg.Provisioning {
		for _, x := range p.Phones {
			if f, is := a.fixed[x.MAC]; is {
				kept[x.MAC] = f.address
			}
		}
	}
	text, err := json.Marshal(kept)
	if err == nil {
		err = a.o.Save(text)
	}
	if err != nil {
		a.o.Log.Warn("addresses of phones not saved", "err", err)
	}
}

// open lets phones fetch for the first time for a while. Phones that have an address already may fix another one.
func (a *access) open(d time.Duration, by string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.window.shut != nil {
		a.window.shut.Stop()
	}
	a.opened++
	which := a.opened
	a.window = window{until: time.Now().Add(d), by: by}
	a.window.shut = time.AfterFunc(d, func() { a.close(which, "") })
	a.o.Log.Warn("phones may fetch their settings for the first time", "by", by, "for", d)
	return a.window.until
}

// close ends the present window, or the one of this number; false: none was open. by is "" when its time is over.
func (a *access) close(which int, by string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.window.shut == nil || which != 0 && which != a.opened {
		return false
	}
	a.window.shut.Stop()
	a.window = window{}
	a.o.Log.Info("phones may not fetch their settings for the first time any more", "by", by)
	return true
}

// ask is who asks for a file.
type ask struct {
	from      netip.Addr
	file      string
	protocol  string // "http" or "tftp"
	userAgent string
}

// admit decides whether a request for the file of a phone is served; x is nil where none is configured. What it finds out is the same in every
// case, so that the time tells nothing.
func (a *access) admit(m config.MAC, x *phone, q ask) error {
	now := time.Now()
	banned := a.bans.Left(q.from, now) > 0
	hardware, near, err := a.neighbour(q)
	if banned {
		return errBanned
	}
	if hardware != "" && hardware != m || hardware == "" && x == nil {
		// A phone that nobody has configured asks for its own file: that is no guess.
		a.bans.Wrong(q.from, m.String(), now)
	}
	switch {
	case err != nil && x != nil:
		return errUnknownSource
	case near && hardware == "" && x != nil: // who takes the address of a phone that is off need not answer until its file is sent
		return errUnseen
	case hardware != "" && hardware != m:
		return errOtherDevice
	}
	if x == nil {
		return errUnknownPhone
	}
	if want, has := x.address(); has {
		if !want.Holds(q.from) {
			return errWrongAddress
		}
		return nil
	}
	if hardware == "" {
		return errNoNeighbour
	}
	return a.fix(m, q.from)
}

// fix lets the phone of m fetch from an address: the one that it has, or in an opened window its first one.
func (a *access) fix(m config.MAC, from netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, has := a.fixed[m]
	open := a.window.shut != nil
	switch {
	case has && f.address == from:
		if open && f.window != a.opened {
			a.fixed[m] = fixed{from, a.opened}
		}
		return nil
	case !open && has || open && has && f.window == a.opened:
		return errOtherAddress
	case !open:
		return errClosed
	}
	a.fixed[m] = fixed{from, a.opened}
	a.o.Log.Info("address of a phone fixed", "mac", m.String(), "peer", from)
	a.save()
	return nil
}

// neighbour is the hardware address behind the address of who asks; "" where it cannot be known: he does not answer, or, unless near, is not on a
// network of ours.
func (a *access) neighbour(q ask) (m config.MAC, near bool, err error) {
	// Over TCP he has received what we sent. By UDP anybody can have asked, and what the kernel knew may be long over.
	old := q.protocol == "http"
	m, near, err = a.look(q.from, old)
	if m != "" || err != nil {
		return m, near, err
	}
	if near {
		err = a.o.Ask(q.from)
	} else {
		// He may not have been asked for his hardware address yet. A packet that nobody waits for has the kernel do so.
		a.o.Knock(q.from)
	}
	for range knockLooks {
		if err != nil {
			return "", near, err
		}
		time.Sleep(knockEvery)
		var seen bool
		if m, seen, err = a.look(q.from, old); m != "" {
			return m, true, nil
		}
		near = near || seen
	}
	return "", near, err
}

const (
	knockEvery = 20 * time.Millisecond
	knockLooks = 25
)

// look is what the kernel knows of an address; near: it knows that the host is on a network of ours. old takes what it knew a while ago, too.
func (a *access) look(from netip.Addr, old bool) (m config.MAC, near bool, err error) {
	list, err := a.o.Neighbours()
	if err != nil {
		return "", false, err
	}
	for _, n := range list {
		if n.Address != from {
			continue
		}
		near = true
		if n.MAC != "" && (n.State == status.NeighbourReachable || n.State == status.NeighbourFixed || old && n.State == status.NeighbourStale) {
			if m, ok := parseMAC(n.MAC); ok {
				return m, true, nil
			}
		}
	}
	return "", near, nil
}

// parseMAC reads twelve hex digits, with colons between them or without.
func parseMAC(s string) (config.MAC, bool) {
	m := make([]byte, 0, 12)
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'F':
			c += 'a' - 'A'
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		case c == ':' || c == '-':
			continue
		default:
			return "", false
		}
		if len(m) == 12 {
			return "", false
		}
		m = append(m, c)
	}
	return config.MAC(m), len(m) == 12
}

// note keeps what became of a request for the file of a phone, and says it in the log.
func (a *access) note(m config.MAC, configured bool, q ask, refused error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	s := a.entry(m, configured)
	s.From = q.from
	if q.userAgent != "" {
		s.UserAgent = printable.Text(q.userAgent)
		d := handset.Identify(q.userAgent)
		s.Firmware, d.Firmware = d.Firmware, ""
		s.Device = d.String()
	}
	file := printable.Text(q.file)
	if refused == nil {
		s.Fetched, s.File, s.Why = now, file, ""
		s.Fetches++
		a.o.Log.Info("phone fetched its settings", "mac", m.String(), "peer", q.from, "file", file, "protocol", q.protocol)
		return
	}
	s.Refused, s.Why = now, refused.Error()
	s.Refusals++
	if !errors.Is(refused, errBanned) { // that was said when it began
		a.o.Log.Warn("settings of a phone refused", "mac", m.String(), "peer", q.from, "file", file, "protocol", q.protocol, "err", refused)
	}
}

// entry is what is kept of a phone. The caller holds the lock.
func (a *access) entry(m config.MAC, configured bool) *status.ProvisionedPhone {
	if configured {
		s := a.seen[m]
		if s == nil {
			s = &status.ProvisionedPhone{MAC: m.String()}
			a.seen[m] = s
		}
		return s
	}
	i := slices.IndexFunc(a.strangers, func(s *status.ProvisionedPhone) bool { return s.MAC == m.String() })
	if i >= 0 {
		s := a.strangers[i]
		a.strangers = append(slices.Delete(a.strangers, i, i+1), s)
		return s
	}
	if len(a.strangers) == maxStrangers {
		a.strangers = slices.Delete(a.strangers, 0, 1)
	}
	s := &status.ProvisionedPhone{MAC: m.String()}
	a.strangers = append(a.strangers, s)
	return s
}

// forget drops what is kept of phones that are configured no more.
func (a *access) forget(cfg *config.Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.seen, func(m config.MAC, _ *status.ProvisionedPhone) bool { return !isConfigured(cfg, m) })
	a.strangers = slices.DeleteFunc(a.strangers, func(s *status.ProvisionedPhone) bool {
		m, _ := parseMAC(s.MAC)
		return isConfigured(cfg, m)
	})
}

func isConfigured(cfg *config.Config, m config.MAC) bool {
	return slices.ContainsFunc(cfg.Provisioning, func(p *config.ProvisioningService) bool {
		return slices.ContainsFunc(p.Phones, func(x config.ProvisionedPhone) bool { return x.MAC == m })
	})
}

// describe fills in what is known of a phone.
func (a *access) describe(x phone) status.ProvisionedPhone {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := status.ProvisionedPhone{}
	if seen := a.seen[x.mac]; seen != nil {
		s = *seen
	}
	s.MAC, s.Model, s.Label = x.mac.String(), x.model, x.label()
	for _, l := range x.lines {
		s.Identities = append(s.Identities, l.Identity)
	}
	if want, has := x.address(); !has {
		s.Address = a.fixed[x.mac].address
	} else if len(want.Networks()) == 1 && want.Networks()[0].IsSingleIP() {
		s.Address = want.Networks()[0].Addr()
	}
	return s
}

// known are the window and the strangers.
func (a *access) known() (until time.Time, by string, strangers []status.ProvisionedPhone) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Backward(a.strangers) {
		strangers = append(strangers, *s)
	}
	return a.window.until, a.window.by, strangers
}

// userAgent is what the phone at an address said of itself when it last asked for its own file; "" if none did.
func (a *access) userAgent(from netip.Addr) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Concat(slices.Collect(maps.Values(a.seen)), a.strangers) {
		if s.From == from && s.UserAgent != "" {
			return s.UserAgent
		}
	}
	return ""
}
