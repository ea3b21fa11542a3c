package vrrp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Why an open port is left.
var (
	errGone      = errors.New("the device went away")
	errUnwatched = errors.New("the kernel tells no news of devices any more")
)

// watch subscribes to the kernel's news of devices, beginning with all that there are. The channel is closed when ctx has ended, or the subscription
// failed.
func (p *port) watch(ctx context.Context) (<-chan netlink.LinkUpdate, error) {
	links := make(chan netlink.LinkUpdate, 16)
	err := p.o.Within(func() error {
		return netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{
			ListExisting:  true,
			ErrorCallback: func(error) {}, // it ends the subscription, which linked sees
		})
	})
	if err != nil {
		return nil, fmt.Errorf("watch device %s: %w", p.Device, err)
	}
	return links, nil
}

// linked takes news of a device. An error ends the station.
func (p *port) linked(s *station, u netlink.LinkUpdate, ok bool) error {
	if !ok {
		return errUnwatched
	}
	a := u.Link.Attrs()
	if a.Index != s.index {
		return nil
	}
	if u.Header.Type == unix.RTM_DELLINK || a.Name != p.Device {
		return errGone
	}
	s.link = u.Link // its hardware address may be another
	carrier := a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_LOWER_UP != 0 && a.RawFlags&unix.IFF_RUNNING != 0
	old := p.State().Carrier
	p.update(func(st *State) { st.Carrier = carrier })
	if carrier != old {
		p.o.Log.Info("the link of a port of the pair changed", "port", p.Name, "device", p.Device, "carrier", carrier)
	}
	if carrier && !old && p.holds() {
		p.announceFrom(time.Now()) // at another switch, maybe
	}
	return nil
}
