package lang

import (
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/status"
)

// Ports, addresses, routes, and the time.

func showIPInterfaces(c *call, _ *none) error {
	rows := [][]string{{"Context", "Interface", "Port", "State", "Addresses", "MTU"}}
	for _, i := range c.box.IPInterfaces() {
		var addrs []string
		for _, a := range i.Addresses {
			addrs = append(addrs, a.String())
		}
		rows = append(rows, []string{i.Context, i.Name, dash(i.Port), i.State.String(), dash(strings.Join(addrs, ", ")), fmt.Sprint(i.MTU)})
	}
	c.page().Columns(rows)
	return nil
}

func showIPRoutes(c *call, _ *none) error {
	rows := [][]string{{"Network", "Gateway", "Interface", "Metric"}}
	for _, r := range c.box.IPRoutes() {
		gw := "-"
		if r.Gateway.IsValid() {
			gw = r.Gateway.String()
		}
		rows = append(rows, []string{r.Prefix.String(), gw, dash(r.Interface), fmt.Sprint(r.Metric)})
	}
	c.page().Columns(rows)
	return nil
}

func showPorts(c *call, _ *none) error {
	rows := [][]string{{"Port", "Name", "State", "Speed", "Rx packets", "Tx packets", "Errors"}}
	for _, p := range c.box.Ports() {
		rows = append(rows, []string{fmt.Sprintf("%d %d", p.Slot, p.Port), p.Name, p.State.String(), dash(speed(p)),
			fmt.Sprint(p.Rx.Packets), fmt.Sprint(p.Tx.Packets), fmt.Sprint(p.Rx.Errors + p.Tx.Errors)})
	}
	c.page().Columns(rows)
	return nil
}

type portArgs struct{ Slot, Port int }

func showPort(c *call, a *portArgs) error {
	for _, p := range c.box.Ports() {
		if p.Slot == a.Slot && p.Port == a.Port {
			c.printPort(p)
			return nil
		}
	}
	return fmt.Errorf("there is no port ethernet %d %d in the configuration", a.Slot, a.Port)
}

func (c *call) printPort(p status.Port) {
	c.page().Columns([][]string{
		{"Port:", fmt.Sprintf("ethernet %d %d, %s", p.Slot, p.Port, p.Name)}, {"State:", p.State.String()}, {"Speed:", dash(speed(p))}, {"MAC:", dash(p.MAC)},
		{"Received:", fmt.Sprintf("%d packets, %d errors", p.Rx.Packets, p.Rx.Errors)},
		{"Sent:", fmt.Sprintf("%d packets, %d errors", p.Tx.Packets, p.Tx.Errors)},
	})
}

func speed(p status.Port) string {
	if p.Speed == 0 {
		return ""
	}
	return fmt.Sprintf("%d Mbit/s %s duplex", p.Speed, p.Duplex)
}

// showARP lists the hosts of the attached networks.
func showARP(c *call, _ *none) error {
	list, err := c.box.Neighbours()
	if err != nil {
		return fmt.Errorf("neighbours: %w", err)
	}
	rows := [][]string{{"Address", "MAC", "Port", "State"}}
	for _, n := range list {
		rows = append(rows, []string{n.Address.String(), dash(n.MAC), n.Port, n.State.String()})
	}
	if len(rows) == 1 {
		c.printf("No host of an attached network is known.\n")
		return nil
	}
	c.page().Columns(rows)
	return nil
}

func showDHCP(c *call, _ *none) error {
	found := false
	now := c.box.Clock().Now
	for _, i := range c.box.IPInterfaces() {
		l := i.DHCP
		if l == nil {
			continue
		}
		found = true
		c.printf("Interface: %s on %s\n  State: %s\n", i.Name, dash(i.Port), l.State)
		if l.Address.IsValid() {
			router := "-"
			if l.Router.IsValid() {
				router = l.Router.String()
			}
			var servers []string
			for _, s := range l.NameServers {
				servers = append(servers, s.String())
			}
			c.printf("  Address: %s\n  Router: %s\n  Name servers: %s\n  DHCP server: %s\n", l.Address, router, dash(strings.Join(servers, ", ")), l.Server)
			for _, r := range l.Routes {
				to := "on the link"
				if r.Gateway.IsValid() {
					to = "gateway " + r.Gateway.String()
				}
				c.printf("  Route: %s %s\n", r.Prefix, to)
			}
			c.printf("  Renewed in: %s\n  Expires in: %s\n", span(max(0, l.Renew.Sub(now))), span(max(0, l.Expires.Sub(now))))
		}
		if l.Error != "" {
			c.printf("  Trouble: %s\n", l.Error)
		}
	}
	if !found {
		c.printf("No interface gets its address from DHCP.\n")
	}
	return nil
}

// local prints a time as a clock on the wall shows it.
func (c *call) local(t time.Time) string {
	return t.In(c.box.Running().Clock.Location()).Format("2006-01-02 15:04:05 -07:00 MST")
}

func showClock(c *call, _ *none) error {
	now := c.box.Clock()
	c.printf("%s\n", c.local(now.Now))
	if !now.Synced {
		c.printf("Not synchronised.\n")
	}
	return nil
}

func showSNTP(c *call, _ *none) error {
	k := c.box.Clock()
	c.printf("Synchronised: %s\n", yesNo(k.Synced))
	if k.Server != "" {
		c.printf("Server: %s, stratum %d\n", k.Server, k.Stratum)
	}
	if !k.Last.IsZero() {
		c.printf("Last answer: %s ago, offset %s\n", span(k.Now.Sub(k.Last)), k.Offset.Round(time.Microsecond))
	}
	if k.Error != "" {
		c.printf("Trouble: %s\n", k.Error)
	}
	if !k.Next.IsZero() {
		c.printf("Next query in: %s, every %s\n", span(max(0, k.Next.Sub(k.Now))), k.Interval)
	}
	if k.Adjustable {
		c.printf("Drift: %+.3f ppm\n", k.Drift)
	} else {
		c.printf("The clock is kept by somebody else, and only compared.\n")
	}
	if len(k.Servers) == 0 {
		return nil
	}
	rows := [][]string{{"", "Role", "Server", "Address", "Stratum", "Offset", "Distance", "Last answer", "Trouble"}}
	for _, s := range k.Servers {
		row := []string{map[bool]string{true: "*", false: " "}[s.Used], s.Role, s.Host, endpoint(s.Address), "-", "-", "-", "-", dash(s.Error)}
		if !s.Last.IsZero() {
			row[4], row[5], row[6] = fmt.Sprint(s.Stratum), s.Offset.Round(time.Microsecond).String(), s.Distance.Round(time.Microsecond).String()
			row[7] = span(k.Now.Sub(s.Last)) + " ago"
		}
		rows = append(rows, row)
	}
	c.page().Columns(rows)
	return nil
}

func clockSync(c *call, _ *none) error {
	if err := c.box.SyncClock(c.ctx); err != nil {
		return fmt.Errorf("clock sync: %w", err)
	}
	return showClock(c, nil)
}
