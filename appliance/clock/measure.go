package clock

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// Measure asks every configured server once and changes nothing: neither the clock nor what is known of the servers. A server that does not
// want to be asked is not asked; its entry is the one of Status.
func (c *Clock) Measure(ctx context.Context) []status.TimeServer {
	c.mu.Lock()
	var servers []config.SNTPServer
	if c.enabled {
		servers = slices.Clone(c.servers)
	}
	c.mu.Unlock()
	lists := make([][]status.TimeServer, len(servers))
	var all sync.WaitGroup
	for n, s := range servers {
		all.Go(func() { lists[n] = c.measure(ctx, s) })
	}
	all.Wait()
	return slices.Concat(lists...)
}

// measure asks all addresses of one server.
func (c *Clock) measure(ctx context.Context, s config.SNTPServer) []status.TimeServer {
	addrs, err := c.resolve(ctx, s.Host)
	if err != nil {
		return []status.TimeServer{{Role: s.Role, Host: s.Host, Error: err.Error()}}
	}
	list := make([]status.TimeServer, min(len(addrs), maxAddresses))
	var all sync.WaitGroup
	for n, a := range addrs[:len(list)] {
		list[n] = c.before(status.TimeServer{Role: s.Role, Host: s.Host, Address: netip.AddrPortFrom(a, s.Port)})
		if c.held(list[n].Address) {
			continue
		}
		all.Go(func() {
			x := &list[n]
			sample, err := c.o.Query(ctx, x.Address, int(s.Version))
			if err != nil {
				x.Error = err.Error()
				return
			}
			x.Stratum, x.Offset, x.Distance, x.Last, x.Error = sample.Stratum, sample.Offset, sample.Distance, time.Now(), ""
		})
	}
	all.Wait()
	return list
}
