// Package tunnel carries TCP connections over the hub: from an operator to the box's own SSH and to its web page.
//
// It owns both ends: the frames, how much may be under way, when a connection is over, and on the box which services are open, who may have how many
// connections, and the address from which each operator's come. It does not own the connection to the hub (fleet.Link), the services, nor what is said
// to them, which is encrypted from end to end: the hub carries it and cannot read it. Who the operator is, the hub says.
//
// Core NATS may lose messages when a node is lost. The frames are numbered, so a connection that misses one ends; nothing is sent again.
//
// Goroutines: Acceptor.Run, and three for each connection. Run waits for them. Connect has three and waits for all but one that reads stdin.
package tunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Services of a box.
const (
	SSH   = "ssh"
	HTTPS = "https"
)

// Settings are what operators may do. The zero value is nothing.
type Settings struct {
	SSH, HTTPS bool
	Idle       time.Duration // a connection on which nothing passes ends after this
}

// allow reports whether a service is open.
func (s Settings) allow(service string) bool {
	return service == SSH && s.SSH || service == HTTPS && s.HTTPS
}

// DialFunc connects to a service of the box itself. from is a loopback address that stands for the operator.
type DialFunc func(ctx context.Context, service string, from netip.Addr) (Side, error)

// dialTime is for a connection within the box.
const dialTime = 5 * time.Second

// Local connects from the operator's loopback address to where a service listens on this machine. The services count wrong passwords and connections
// by address, so no operator shuts another out, nor anybody in the LAN.
func Local(address func(service string) (netip.AddrPort, error)) DialFunc {
	return func(ctx context.Context, service string, from netip.Addr) (Side, error) {
		at, err := address(service)
		if err != nil {
			return nil, err
		}
		d := net.Dialer{Timeout: dialTime}
		if at.Addr().Unmap().Is4() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c, err := d.DialContext(ctx, "tcp", at.String())
		if err != nil {
			return nil, fmt.Errorf("connect to the box's own %s: %w", service, err)
		}
		return c.(*net.TCPConn), nil // as was asked for
	}
}
