package vrrp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// renewal is how often addresses are renewed. The kernel counts their life in seconds, and removes them at most a tenth of a second late (measured with
// 6.18: 1.03 to 1.12 s for 1 s).
const renewal = 250 * time.Millisecond

// retrial is how soon addresses that are not there are tried again.
const retrial = 20 * time.Millisecond

// quiet is how long addresses are not announced, if nobody asks for it: the sockets behind them are to be there first, or who speaks to them is refused.
const quiet = 300 * time.Millisecond

// again is when announcements are repeated, by the time since the first one. Some are lost, and a box that hung answers for its addresses until the
// kernel has removed them, a second or so after the other box has taken them.
var again = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 1200 * time.Millisecond, 2 * time.Second, 5 * time.Second}

// addresses are the virtual ones as the kernel has them. They belong to run.
type addresses struct {
	want    bool
	present bool      // the kernel may have them, from us
	renewed time.Time // last; zero: not since they were removed
	public  bool      // they are announced, or were
	taken   time.Time // when they were announced first, or are to be
	told    int       // announcements made since, of again
}

// life is how long the kernel keeps an address that nobody renews: not longer than the other box waits for a word, but the kernel knows no less than 1 s.
func (p *port) life() time.Duration {
	return max(time.Second, (3 * p.o.Interval).Truncate(time.Second))
}

var errTermOver = errors.New("the term of the box is over")

// keep brings the kernel to what is wanted. While the box's term does not run the addresses are given up; a box that was slow, and goes on to be active,
// has them again when it does.
func (p *port) keep(s *station, now time.Time) error {
	a := &p.addresses
	switch runs := p.o.Term.Runs(); {
	case len(p.Virtual) == 0:
		return nil
	case !a.want && !a.present:
		return nil // what an earlier sbcd, or a box that stood alone, has left goes by itself, or is taken on
	case !a.want:
		return p.remove(s)
	case !runs && !a.present:
		return errTermOver
	case !runs:
		return errors.Join(errTermOver, p.remove(s))
	}
	gone := a.renewed.IsZero() || now.Sub(a.renewed) >= p.life()
	a.present = true
	err := p.replace(s, p.life())
	if !p.o.Term.Runs() { // the box hung meanwhile
		return errors.Join(errTermOver, err, p.remove(s))
	}
	if err != nil {
		return err
	}
	a.renewed = now
	switch {
	case gone && a.public:
		p.announceFrom(now)
	case gone:
		p.announceFrom(now.Add(quiet))
	}
	return nil
}

// remove has the kernel forget the addresses.
func (p *port) remove(s *station) error {
	var errs []error
	for _, v := range p.Virtual {
		if err := s.kernel.AddrDel(s.link, kernelAddress(v, 0)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fmt.Errorf("remove address %v from %s: %w", v, p.Device, err))
		}
	}
	p.addresses.renewed, p.addresses.present = time.Time{}, len(errs) > 0
	return errors.Join(errs...)
}

// leaving is how long the kernel keeps addresses that Leave has left: what takes them on has to find them.
const leaving = 10 * time.Second

// leave gives the addresses that much time, and forgets them.
func (p *port) leave(s *station) error {
	if !p.holds() {
		return nil
	}
	p.addresses = addresses{}
	return p.replace(s, leaving)
}

// replace has the kernel keep the addresses for a while from now.
func (p *port) replace(s *station, life time.Duration) error {
	var errs []error
	for _, v := range p.Virtual {
		if err := s.kernel.AddrReplace(s.link, kernelAddress(v, life)); err != nil {
			errs = append(errs, fmt.Errorf("add address %v to %s: %w", v, p.Device, err))
		}
	}
	return errors.Join(errs...)
}

func kernelAddress(a netip.Addr, life time.Duration) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}, ValidLft: int(life / time.Second), PreferedLft: int(life / time.Second)}
}

// announceFrom has the addresses announced now, and again.
func (p *port) announceFrom(now time.Time) { p.addresses.taken, p.addresses.told = now, 0 }

// announcement makes the announcements that are due, and returns when the next one is; false: none is.
func (p *port) announcement(s *station, now time.Time) (time.Duration, bool) {
	a := &p.addresses
	if !p.holds() {
		return 0, false
	}
	for a.told < len(again) {
		if wait := again[a.told] - now.Sub(a.taken); wait > 0 {
			return wait, true
		}
		a.told++
		a.public = true
		for _, v := range p.Virtual {
			// Routers that ignore announcements still learn from who asks them.
			for _, target := range append([]netip.Addr{v}, p.Witnesses...) {
				p.ask4(s, v, target)
			}
		}
	}
	return 0, false
}
