package system

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"viaduct/appliance/lang"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/netcfg/dhcp"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// network is the kernel's state of the configured ports; an error leaves it empty and in the log.
func (s *System) network() netcfg.State {
	st, err := s.net.State(s.Running())
	if err != nil {
		s.log.Warn("network state not read", "err", err)
	}
	return st
}

// IPInterfaces lists the interfaces of every IP context with what the kernel has.
func (s *System) IPInterfaces() []lang.IPInterface {
	var list []lang.IPInterface
	st := s.network()
	for _, c := range s.Running().IP {
		for _, i := range c.Interfaces {
			x := lang.IPInterface{Context: c.Name, Name: i.Name, State: "not bound"}
			for _, p := range st.Ports {
				if p.Context == c.Name && p.Interface == i.Name {
					x.Port, x.State, x.Addresses, x.MTU = p.Device, state(p), p.Addresses, p.MTU
					x.DHCP = lease(p.DHCP)
				}
			}
			list = append(list, x)
		}
	}
	return list
}

func lease(d *dhcp.State) *lang.Lease {
	if d == nil {
		return nil
	}
	x := &lang.Lease{State: d.Step, Err: d.Problem}
	if l := d.Lease; l != nil {
		x.Address, x.Router, x.NameServers, x.Server, x.Renew, x.Expires = l.Prefix, l.Router, l.NameServers, l.Server, l.Renew, l.Expires
		for _, r := range l.Routes {
			x.Routes = append(x.Routes, lang.IPRoute{Prefix: r.Prefix, Gateway: r.Gateway})
		}
	}
	return x
}

// IPRoutes lists the kernel's routes.
func (s *System) IPRoutes() []lang.IPRoute {
	var list []lang.IPRoute
	for _, r := range s.network().Routes {
		list = append(list, lang.IPRoute{Prefix: r.Prefix, Gateway: r.Gateway, Interface: r.Device, Metric: r.Metric})
	}
	return list
}

// Ports lists the physical ports.
func (s *System) Ports() []lang.Port {
	var list []lang.Port
	for _, p := range s.network().Ports {
		if p.VLAN != 0 {
			continue
		}
		list = append(list, lang.Port{
			Slot: p.Slot, Port: p.Port, Name: p.Device, MAC: p.MAC, State: state(p), Speed: speed(p),
			RxPackets: p.Rx.Packets, TxPackets: p.Tx.Packets, RxErrors: p.Rx.Errors, TxErrors: p.Tx.Errors,
		})
	}
	return list
}

func state(p netcfg.PortState) string {
	switch {
	case !p.Present:
		return "missing"
	case !p.Up:
		return "down"
	case !p.Link:
		return "no carrier"
	}
	return "up"
}

func speed(p netcfg.PortState) string {
	if p.Speed == 0 {
		return ""
	}
	return fmt.Sprintf("%d Mbit/s %s duplex", p.Speed, p.Duplex)
}

// icmp finds a host's address and opens a socket for echo requests to it; the caller closes it.
func (s *System) icmp(ctx context.Context, host string) (netip.Addr, *icmp.PacketConn, error) {
	addrs, err := s.resolver.Lookup(ctx, host)
	if err != nil {
		return netip.Addr{}, nil, err
	}
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return netip.Addr{}, nil, fmt.Errorf("open icmp socket: %w", err)
	}
	return addrs[0], conn, nil
}

// networkAlarm keeps the lasting failures of the network. A box without its firewall does no work: its ports stay down.
func (s *System) networkAlarm(name, text string) {
	if text == "" {
		s.standing.clear("network: " + name)
		return
	}
	s.standing.raise("network: "+name, failure{text: text, unfit: name == netcfg.AlarmFirewall})
}

// Ping sends four ICMP echo requests, one a second.
func (s *System) Ping(ctx context.Context, host string, report func(string)) error {
	to, conn, err := s.icmp(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	id := os.Getpid() & 0xffff
	for seq := 1; seq <= 4; seq++ {
		rtt, err := echo(ctx, conn, to, id, seq)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			report(fmt.Sprintf("%s: %v", to, err))
		default:
			report(fmt.Sprintf("%s: reply %d in %.1f ms", to, seq, float64(rtt)/float64(time.Millisecond)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second - min(rtt, time.Second)):
		}
	}
	return nil
}

// echo sends one request and waits a second for its reply.
func echo(ctx context.Context, conn *icmp.PacketConn, to netip.Addr, id, seq int) (time.Duration, error) {
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq, Data: make([]byte, 56)}}
	b, err := request.Marshal(nil)
	if err != nil {
		return 0, err
	}
	sent := time.Now()
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return 0, err
	}
	if err := conn.SetReadDeadline(sent.Add(time.Second)); err != nil {
		return 0, err
	}
	for buf := make([]byte, 1500); ctx.Err() == nil; {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return time.Second, fmt.Errorf("no reply")
		}
		if m, err := icmp.ParseMessage(ipv4.ICMPTypeEcho.Protocol(), buf[:n]); err == nil && m.Type == ipv4.ICMPTypeEchoReply {
			if e, ok := m.Body.(*icmp.Echo); ok && e.ID == id && e.Seq == seq {
				return time.Since(sent), nil
			}
		}
	}
	return 0, ctx.Err()
}
