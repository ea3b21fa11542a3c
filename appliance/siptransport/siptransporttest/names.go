// Package siptransporttest has what tests of gateways give to package siptransport.
//
// It owns a resolver without name servers. It has no goroutines.
package siptransporttest

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Literals is a resolver that knows addresses only.
type Literals struct{}

// Lookup returns the address that host is; the error says that it is none.
func (Literals) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	a, err := netip.ParseAddr(host)
	return []netip.Addr{a}, err
}

// LookupSRV finds nothing.
func (Literals) LookupSRV(context.Context, string, string, string) ([]*net.SRV, error) {
	return nil, errors.New("no such name")
}

// Cached knows nothing.
func (Literals) Cached(string) []netip.Addr { return nil }
