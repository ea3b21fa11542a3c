// Package doors opens TCP ports of the box to everybody for a while: an authority looks there whether a name is ours, and nobody knows from which
// addresses.
//
// It owns which sockets are open, and tells the firewall. It does not own the rules (package netcfg) or what is served (package acme). It has no goroutines.
package doors

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Doors are those of a box. They are safe for concurrent use.
type Doors struct {
	Log   *slog.Logger
	Admit func([]netip.AddrPort) error // lets everybody in at these sockets, and no longer at those of the call before

	mu   sync.Mutex
	open []netip.AddrPort // as often as it was opened
}

// Open opens all sockets, or none.
func (d *Doors) Open(ctx context.Context, sockets []netip.AddrPort) (list []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(list)
			d.leave(sockets)
			list = nil
		}
	}()
	if err := d.admit(sockets, nil); err != nil {
		return nil, err
	}
	for _, at := range sockets {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
		if err != nil {
			return list, err
		}
		list = append(list, l)
	}
	d.Log.Info("port opened for an authority", "name", fmt.Sprint(sockets))
	return list, nil
}

// Shut closes sockets again.
func (d *Doors) Shut(list []net.Listener) {
	var sockets []netip.AddrPort
	for _, l := range list {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			at := a.AddrPort()
			sockets = append(sockets, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
	}
	closeAll(list)
	d.leave(sockets)
}

func closeAll(list []net.Listener) {
	for _, l := range list {
		l.Close()
	}
}

// leave closes sockets in the firewall.
func (d *Doors) leave(sockets []netip.AddrPort) {
	if err := d.admit(nil, sockets); err != nil {
		d.Log.Error("port not closed in the firewall", "err", err)
	}
}

// admit tells the firewall which sockets are opened and which are closed. A renewal and a test may go on at once, and each closes only what it
// has opened.
func (d *Doors) admit(opened, closed []netip.AddrPort) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	open := append(slices.Clone(d.open), opened...)
	for _, a := range closed {
		if i := slices.Index(open, a); i >= 0 {
			open = slices.Delete(open, i, i+1)
		}
	}
	d.open = open
	return d.Admit(slices.Clone(open))
}
