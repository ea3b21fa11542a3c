package snmp

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"

	"github.com/gosnmp/gosnmp"
)

// trap is a notification on its way: written for each target, because the answers to questions of the network take time.
type trap struct {
	to   config.SNMPTarget
	text []byte
}

// trapsKept is how many traps may wait. Who needs to know of each alarm polls viaductAlarmTable, too: a trap may be lost anywhere.
const trapsKept = 256

// variable is a variable of a trap.
type variable struct {
	at oid
	value
}

// trap sends a notification to all targets.
func (r *Responder) trap(what oid, more ...variable) {
	for _, to := range r.now.Targets {
		m := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: string(r.now.Community)}
		if to.User != "" {
			u := r.users[to.User]
			if u == nil {
				r.counts.lost.Add(1)
				continue
			}
			m = r.message(u)
			r.number++
			m.MsgID = r.number
		} else if r.now.Community == "" {
			r.counts.lost.Add(1)
			continue
		}
		r.number++
		m.PDUType, m.RequestID = gosnmp.SNMPv2Trap, r.number&0x7fffffff
		all := append([]variable{{upTime, ticks(time.Since(r.engine.since))}, {trapOID, object(what)}}, more...)
		for _, v := range all {
			m.Variables = append(m.Variables, gosnmp.SnmpPDU{Name: v.at.String(), Type: v.kind, Value: v.is})
		}
		text, err := m.MarshalMsg()
		if err != nil {
			r.counts.lost.Add(1)
			continue
		}
		select {
		case r.queue <- trap{to, text}:
		default:
			r.counts.lost.Add(1)
		}
	}
}

// send sends what is queued until ctx ends.
func (r *Responder) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-r.queue:
			if r.sendTo(ctx, t) != nil {
				r.counts.lost.Add(1)
			} else {
				r.counts.traps.Add(1)
			}
		}
	}
}

func (r *Responder) sendTo(ctx context.Context, t trap) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	addrs, err := r.o.Lookup(ctx, t.to.Host)
	if err != nil || len(addrs) == 0 {
		return cmp.Or(err, errNothing)
	}
	// A socket of its own: one that stays open and unconnected would take packets from anyone.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrs[0], t.to.Port)))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write(t.text)
	return err
}

// listen hands on the events of the alarms until ctx ends.
func listen(ctx context.Context, from *health.Events, to chan<- health.Event) {
	for {
		e, err := from.Next(ctx)
		if err != nil {
			return
		}
		select {
		case to <- e:
		case <-ctx.Done():
			return
		}
	}
}

// alarmTrap tells that an alarm begins or ends.
func (r *Responder) alarmTrap(e health.Event) {
	what := alarmRaised
	if e.What == health.IsCleared {
		what = alarmCleared
	}
	var list []variable
	for n, v := range alarmValues(e.Alarm) {
		list = append(list, variable{alarmNow.and(uint32(n)+1, 0), v})
	}
	r.trap(what, list...)
}

// linkTrap tells that a port has lost its link, or has one again.
func (r *Responder) linkTrap(l link) {
	if len(r.now.Targets) == 0 {
		return
	}
	ports := r.o.View().Ports
	n := slices.IndexFunc(ports, func(p portStatus) bool { return p.Name == l.device })
	if n < 0 {
		return
	}
	what, oper := linkDown, number(2)
	if l.up {
		what, oper = linkUp, number(1)
	}
	i := ifIndex(ports[n])
	r.trap(what, variable{ifEntry.and(1, i), number(i)}, variable{ifEntry.and(7, i), ifAdmin(ports[n])}, variable{ifEntry.and(8, i), oper})
}
