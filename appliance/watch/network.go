package watch

import (
	"net/netip"

	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// Ports checks the links of the ports. The owner also calls it when a link or the configuration changes.
func (w *Watch) Ports(n status.Network) {
	var down, half []health.Args
	for _, p := range n.Ports {
		if p.VLAN != 0 || !p.Enabled {
			continue
		}
		if p.State == status.LinkNoCarrier {
			down = append(down, health.Args{"port": p.Name})
		}
		if p.State == status.LinkUp && p.Duplex == status.DuplexHalf {
			half = append(half, health.Args{"port": p.Name})
		}
	}
	w.health.Replace(health.LinkDown, down)
	w.health.Replace(health.HalfDuplex, half)
}

// gateways checks that the next hops of all routes answer ARP. The kernel asks when something is sent: to Teams that is OPTIONS, each minute.
// What it does not know now stays as it was.
func (w *Watch) gateways(n status.Network, neighbours []status.Neighbour) {
	routed := map[netip.Addr]string{}
	for _, r := range n.Routes {
		if r.Gateway.IsValid() {
			routed[r.Gateway] = r.Interface
		}
	}
	known := map[netip.Addr]bool{}
	var silent []health.Args
	for _, x := range neighbours {
		device, is := routed[x.Address]
		if !is || known[x.Address] {
			continue
		}
		known[x.Address] = true
		// The kernel goes back to asking with each packet that is to be sent, and still has no address.
		if x.MAC == "" && (x.State == status.NeighbourSilent || x.State == status.NeighbourAsked) {
			silent = append(silent, gatewayArgs(x.Address, device))
		}
	}
	for gateway := range w.closed { // of which nothing is known now
		if device, is := routed[gateway]; is && !known[gateway] {
			silent = append(silent, gatewayArgs(gateway, device))
		}
	}
	clear(w.closed)
	for _, args := range silent {
		w.closed[netip.MustParseAddr(args["gateway"])] = true
	}
	w.health.Replace(health.GatewaySilent, silent)
}

func gatewayArgs(gateway netip.Addr, device string) health.Args {
	return health.Args{"gateway": gateway.String(), "port": device}
}
