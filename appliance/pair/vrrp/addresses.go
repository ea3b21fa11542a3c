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

// again is when announcements are repeated, by the time since the addresses came. Some are lost, and a box that hung answers for its addresses until the
// kernel has removed them, a second or so after the other box has taken them.
var again = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 1200 * time.Millisecond, 2 * time.Second, 5 * time.Second}

// addresses are the virtual ones as the kernel has them. They belong to run.
type addresses struct {
	want    bool
	present bool      // the kernel may have them
	renewed time.Time // last; zero: not since they were removed
	taken   time.Time // when they came
	told    int       // announcements made since, of again
}

// life is how long the kernel keeps an address that nobody renews: not longer than the other box waits for a word, but the kernel knows no less than 1 s.
func (p *port) life() time.Duration {
	return max(time.Second, (3 * p.o.Interval).Truncate(time.Second))
}

// keep brings the kernel to what is wanted. It gives up the addresses when the box's term is over.
func (p *port) keep(s *station, now time.Time) error {
	a := &p.addresses
	if len(p.Virtual) == 0 {
		return nil
	}
	if a.want && !p.o.Term.Runs() {
		a.want = false
	}
	if !a.want {
		return p.remove(s)
	}
	gone := a.renewed.IsZero() || now.Sub(a.renewed) >= p.life()
	var errs []error
	a.present = true
	for _, v := range p.Virtual {
		if err := s.kernel.AddrReplace(s.link, p.kernelAddress(v)); err != nil {
			errs = append(errs, fmt.Errorf("add address %v to %s: %w", v, p.Device, err))
		}
	}
	if !p.o.Term.Runs() { // the box hung meanwhile
		a.want = false
		return errors.Join(append(errs, p.remove(s))...)
	}
	if a.renewed = now; gone {
		p.announceFrom(now)
	}
	return errors.Join(errs...)
}

// remove has the kernel forget the addresses, also those that an earlier sbcd has left.
func (p *port) remove(s *station) error {
	if !p.addresses.present {
		return nil
	}
	var errs []error
	for _, v := range p.Virtual {
		if err := s.kernel.AddrDel(s.link, p.kernelAddress(v)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fmt.Errorf("remove address %v from %s: %w", v, p.Device, err))
		}
	}
	p.addresses.renewed, p.addresses.present = time.Time{}, len(errs) > 0
	return errors.Join(errs...)
}

func (p *port) kernelAddress(a netip.Addr) *netlink.Addr {
	life := int(p.life() / time.Second)
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}, ValidLft: life, PreferedLft: life}
}

// announceFrom has the addresses announced now, and again.
func (p *port) announceFrom(now time.Time) { p.addresses.taken, p.addresses.told = now, 0 }

// announcement makes the announcements that are due, and returns when the next one is; false: none is.
func (p *port) announcement(s *station, now time.Time) (time.Duration, bool) {
	a := &p.addresses
	if a.renewed.IsZero() {
		return 0, false
	}
	for a.told < len(again) {
		if wait := again[a.told] - now.Sub(a.taken); wait > 0 {
			return wait, true
		}
		a.told++
		for _, v := range p.Virtual {
			// Routers that ignore announcements still learn from who asks them.
			for _, target := range append([]netip.Addr{v}, p.Witnesses...) {
				p.ask4(s, v, target)
			}
		}
	}
	return 0, false
}
