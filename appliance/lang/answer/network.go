package answer

import (
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/status"
)

// IPInterfaces lists IP interfaces.
func (pg Page) IPInterfaces(list []status.IPInterface) {
	rows := [][]string{{"Context", "Interface", "Port", "State", "Addresses", "MTU"}}
	for _, i := range list {
		var addrs []string
		for _, a := range i.Addresses {
			addrs = append(addrs, a.String())
		}
		rows = append(rows, []string{i.Context, i.Name, dash(i.Port), i.State.String(), dash(strings.Join(addrs, ", ")), fmt.Sprint(i.MTU)})
	}
	pg.Columns(rows)
}

// Routes lists routes.
func (pg Page) Routes(list []status.Route) {
	rows := [][]string{{"Network", "Gateway", "Interface", "Metric"}}
	for _, r := range list {
		gw := "-"
		if r.Gateway.IsValid() {
			gw = r.Gateway.String()
		}
		rows = append(rows, []string{r.Prefix.String(), gw, dash(r.Interface), fmt.Sprint(r.Metric)})
	}
	pg.Columns(rows)
}

// Ports lists the network ports.
func (pg Page) Ports(list []status.Port) {
	rows := [][]string{{"Port", "Name", "State", "Speed", "Rx packets", "Tx packets", "Errors"}}
	for _, p := range list {
		rows = append(rows, []string{fmt.Sprintf("%d %d", p.Slot, p.Port), p.Name, p.State.String(), dash(speed(p)),
			fmt.Sprint(p.Rx.Packets), fmt.Sprint(p.Tx.Packets), fmt.Sprint(p.Rx.Errors + p.Tx.Errors)})
	}
	pg.Columns(rows)
}

// Port shows one port with its counters.
func (pg Page) Port(p status.Port) {
	pg.Columns([][]string{
		{"Port:", fmt.Sprintf("ethernet %d %d, %s", p.Slot, p.Port, p.Name)}, {"State:", p.State.String()}, {"Speed:", dash(speed(p))}, {"MAC:", dash(p.MAC)},
		{"Received:", fmt.Sprintf("%d packets, %d errors", p.Rx.Packets, p.Rx.Errors)},
		{"Sent:", fmt.Sprintf("%d packets, %d errors", p.Tx.Packets, p.Tx.Errors)},
	})
}

// Neighbours lists the hosts of the attached networks.
func (pg Page) Neighbours(list []status.Neighbour) {
	rows := [][]string{{"Address", "MAC", "Port", "State"}}
	for _, n := range list {
		rows = append(rows, []string{n.Address.String(), dash(n.MAC), n.Port, n.State.String()})
	}
	if len(rows) == 1 {
		pg.Printf("No host of an attached network is known.\n")
		return
	}
	pg.Columns(rows)
}

// Leases shows the DHCP leases of interfaces.
func (pg Page) Leases(list []status.IPInterface, now time.Time) {
	found := false
	for _, i := range list {
		l := i.DHCP
		if l == nil {
			continue
		}
		found = true
		pg.Printf("Interface: %s on %s\n  State: %s\n", i.Name, dash(i.Port), l.State)
		if l.Address.IsValid() {
			router := "-"
			if l.Router.IsValid() {
				router = l.Router.String()
			}
			var servers []string
			for _, s := range l.NameServers {
				servers = append(servers, s.String())
			}
			pg.Printf("  Address: %s\n  Router: %s\n  Name servers: %s\n  DHCP server: %s\n", l.Address, router, dash(strings.Join(servers, ", ")), l.Server)
			for _, r := range l.Routes {
				to := "on the link"
				if r.Gateway.IsValid() {
					to = "gateway " + r.Gateway.String()
				}
				pg.Printf("  Route: %s %s\n", r.Prefix, to)
			}
			pg.Printf("  Renewed in: %s\n  Expires in: %s\n", span(max(0, l.Renew.Sub(now))), span(max(0, l.Expires.Sub(now))))
		}
		if l.Error != "" {
			pg.Printf("  Trouble: %s\n", l.Error)
		}
	}
	if !found {
		pg.Printf("No interface uses DHCP.\n")
	}
}

func speed(p status.Port) string {
	if p.Speed == 0 {
		return ""
	}
	return fmt.Sprintf("%d Mbit/s %s duplex", p.Speed, p.Duplex)
}
