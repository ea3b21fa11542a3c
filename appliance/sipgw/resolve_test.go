package sipgw

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A Contact or a Refer-To can name any host: what is remembered of them has a bound, and the peers' own names stay known.
func TestNamesThatPeersTellAreBounded(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		hosts, srv := fakeNames{}, map[string][]*net.SRV{}
		for i := range 3 * mostKept {
			host := fmt.Sprintf("h%d.example", i)
			hosts[host] = []netip.Addr{addr("192.0.2.100")}
			srv["_sip._udp."+host] = []*net.SRV{{Target: host + ".", Port: 5070}}
		}
		b.s.opts.Resolver = &slowNames{asked: map[string]bool{}, hosts: hosts, srv: srv}
		for i := range 3 * mostKept {
			b.g.lookup(t.Context(), target{fmt.Sprintf("h%d.example", i), 0, "udp"})
			b.g.failed(netip.AddrPortFrom(addr("192.0.2.100"), uint16(i+1)))
			time.Sleep(time.Millisecond)
		}
		if n := len(b.g.resolved); n > mostKept {
			t.Errorf("%d names", n)
		}
		if n := len(b.g.failing); n > mostKept {
			t.Errorf("%d addresses", n)
		}
	})
}
