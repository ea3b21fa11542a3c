package snmp

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/health"
)

// door is the open sockets.
type door struct {
	ctx     context.Context
	packets chan packet
	alarms  *health.Tracker
	sockets map[netip.AddrPort]*net.UDPConn
	readers sync.WaitGroup
}

func newDoor(ctx context.Context, alarms *health.Tracker) *door {
	return &door{ctx: ctx, packets: make(chan packet), alarms: alarms, sockets: map[netip.AddrPort]*net.UDPConn{}}
}

// open opens what the settings ask for, and closes the rest.
func (d *door) open(s *Settings) {
	wanted := map[netip.AddrPort]bool{}
	if s.on() {
		for _, a := range s.Local {
			wanted[netip.AddrPortFrom(a, s.Port)] = true
		}
	}
	for at, c := range d.sockets {
		if !wanted[at] {
			c.Close()
			delete(d.sockets, at)
		}
	}
	var refused []health.Args
	for at := range wanted {
		if d.sockets[at] != nil {
			continue
		}
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			refused = append(refused, health.Args{"address": at.String(), "why": err.Error()})
			continue
		}
		d.sockets[at] = c
		d.readers.Go(func() { d.read(c) })
	}
	d.alarms.Replace(health.SNMPRefused, refused)
}

// read hands on the messages of a socket until it closes.
func (d *door) read(c *net.UDPConn) {
	buf := make([]byte, maxMessage+1)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(100 * time.Millisecond) // a kernel that fails again and again must not cost a processor
			continue
		case n > maxMessage:
			continue
		}
		select {
		case d.packets <- packet{slices.Clone(buf[:n]), from, c}:
		case <-d.ctx.Done():
			return
		}
	}
}

func (d *door) listening() []netip.AddrPort {
	return slices.SortedFunc(maps.Keys(d.sockets), netip.AddrPort.Compare)
}

// close waits for the readers. The context has ended.
func (d *door) close() {
	for _, c := range d.sockets {
		c.Close()
	}
	d.readers.Wait()
	d.alarms.Replace(health.SNMPRefused, nil)
}
