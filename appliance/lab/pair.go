package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
)

// Cable is what a box of a pair is joined by.
type Cable string

// The cables of a box: to the switch of the LAN, to that of the WAN, and to the other box.
const (
	CableLAN    Cable = "lan"
	CableWAN    Cable = "wan"
	CableDirect Cable = "direct"
)

// end is where a cable goes to: the port of the box, and where its switch is.
func (w *World) end(c Cable) (port string, at *Namespace) {
	switch c {
	case CableWAN:
		return "eth01", w.WAN
	case CableDirect:
		return "eth02", w.LAN // beside the LAN: a switch of its own
	}
	return "eth00", w.LAN
}

// pairNetwork makes the second box, and a switch at the end of each cable. Links of the boxes stay down.
func (w *World) pairNetwork() error {
	var err error
	if w.Second, err = newNamespace("box2"); err != nil {
		return err
	}
	w.closers = append(w.closers, w.Second.close)
	for _, c := range []Cable{CableLAN, CableWAN, CableDirect} {
		port, at := w.end(c)
		if err := at.edit(func(h *netlink.Handle) error {
			return errors.Join(h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: string(c) + "0"}}), up(h, string(c)+"0"))
		}); err != nil {
			return err
		}
		for n, box := range []*Namespace{w.Box, w.Second} {
			far := fmt.Sprintf("%s-%d", c, n+1)
			if err := box.edit(func(h *netlink.Handle) error {
				return errors.Join(up(h, "lo"), h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: far, PeerNamespace: netlink.NsFd(at.file.Fd())}))
			}); err != nil {
				return err
			}
			if err := at.edit(func(h *netlink.Handle) error { return errors.Join(master(h, far, string(c)+"0"), up(h, far)) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// master puts a link into a switch; "": takes it out.
func master(h *netlink.Handle, name, bridge string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	if bridge == "" {
		return h.LinkSetNoMaster(link)
	}
	b, err := h.LinkByName(bridge)
	if err != nil {
		return err
	}
	return h.LinkSetMaster(link, b)
}

// Unplug takes a cable out of box 1 or 2: its port has no carrier any more. The far end of the direct one keeps its own.
func (w *World) Unplug(box int, c Cable) error { return w.plug(box, c, (*netlink.Handle).LinkSetDown) }

// Plug puts it in again.
func (w *World) Plug(box int, c Cable) error { return w.plug(box, c, (*netlink.Handle).LinkSetUp) }

func (w *World) plug(box int, c Cable, set func(*netlink.Handle, netlink.Link) error) error {
	_, at := w.end(c)
	return at.edit(func(h *netlink.Handle) error {
		link, err := h.LinkByName(fmt.Sprintf("%s-%d", c, box))
		if err != nil {
			return err
		}
		return set(h, link)
	})
}

// Divide takes a box's cable out of the switch at its far end: the port keeps its carrier, and hears nobody.
func (w *World) Divide(box int, c Cable) error { return w.divide(box, c, "") }

// Unite undoes Divide.
func (w *World) Unite(box int, c Cable) error { return w.divide(box, c, string(c)+"0") }

func (w *World) divide(box int, c Cable, to string) error {
	_, at := w.end(c)
	return at.edit(func(h *netlink.Handle) error { return master(h, fmt.Sprintf("%s-%d", c, box), to) })
}

// Part has no box hear the other one on any path, while the networks hear both.
func (w *World) Part() error { return w.isolate(true) }

// Rejoin undoes Part.
func (w *World) Rejoin() error { return w.isolate(false) }

func (w *World) isolate(apart bool) error {
	for _, c := range []Cable{CableLAN, CableWAN, CableDirect} {
		for box := 1; box <= 2; box++ {
			if err := w.plug(box, c, func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetIsolated(link, apart) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// Has reports whether a port of the namespace has an address.
func (n *Namespace) Has(addr netip.Addr) (has bool, err error) {
	err = n.edit(func(h *netlink.Handle) error {
		list, err := h.AddrList(nil, netlink.FAMILY_V4)
		has = slices.ContainsFunc(list, func(a netlink.Addr) bool { return a.IP.Equal(addr.AsSlice()) })
		return err
	})
	return has, err
}

// Watch begins to look for gaps in what is heard.
func (a *Audio) Watch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.in.gap, a.in.lastHeard = 0, time.Now()
}

// Gap is the longest time without voice since Watch, the present one among them.
func (a *Audio) Gap() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(a.in.gap, time.Since(a.in.lastHeard))
}

// Age has the stream go on as one that has sent 65,536 packets more, in steps that a receiver can follow. It takes a tenth of a second.
func (a *Audio) Age() {
	const steps = 1 << 14
	for range 1 << 16 / steps {
		a.mu.Lock()
		a.out.sequence += steps - 1
		was := a.in.stats.Sent
		a.mu.Unlock()
		for range 50 { // until a packet has gone
			time.Sleep(a.ptime / 2)
			a.mu.Lock()
			gone := a.in.stats.Sent != was
			a.mu.Unlock()
			if gone {
				break
			}
		}
	}
}
