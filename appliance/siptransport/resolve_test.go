package siptransport

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A Contact or a Refer-To can name any host: what is remembered of them has a bound, and the peers' own names stay known.
func TestNamesThatPeersTellAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts, srv := map[string][]netip.Addr{}, map[string][]*net.SRV{}
		for i := range 3 * mostKept {
			host := fmt.Sprintf("h%d.example", i)
			hosts[host] = []netip.Addr{ip("192.0.2.100")}
			srv["_sip._udp."+host] = []*net.SRV{{Target: host + ".", Port: 5070}}
		}
		g := testGate(t, Options{Resolver: tableNames{hosts, srv}}, nil)
		for i := range 3 * mostKept {
			g.lookup(t.Context(), Target{Host: fmt.Sprintf("h%d.example", i), Transport: UDP})
			g.Failed(netip.AddrPortFrom(ip("192.0.2.100"), uint16(i+1)))
			time.Sleep(time.Millisecond)
		}
		if n := len(g.resolutions.known); n > mostKept {
			t.Errorf("%d names", n)
		}
		if n := len(g.addresses.failing); n > mostKept {
			t.Errorf("%d addresses", n)
		}
	})
}
