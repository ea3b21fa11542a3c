package snmp

import (
	"time"

	"viaduct/appliance/status"
)

// standard adds the groups about the responder itself.
func (r *Responder) standard(t *tree, v View) {
	up := time.Since(r.engine.since)
	t.scalars(systemGroup, 1,
		text(v.System.Product+" "+v.System.Release+", "+v.System.Board), object(viaduct.and(2, 1)), ticks(up), text(r.now.Contact), text(r.now.Hostname), text(r.now.Location),
		number(72)) // sysServices: end-to-end and applications
	c := &r.counts
	t.scalar(snmpGroup.and(1), counter32(c.in.Load()))
	t.scalars(snmpGroup, 3, counter32(c.versions.Load()), counter32(c.communities.Load()), counter32(0), counter32(c.malformed.Load()))
	t.scalars(snmpGroup, 30, number(1), counter32(c.silent.Load()), counter32(0))
	t.scalars(engineGroup, 1, octets(r.engine.id), number(r.engine.boots), number(r.engine.time()), number(maxMessage))
	t.scalars(mpdStats, 1, counter32(c.models.Load()), counter32(c.invalid.Load()), counter32(0))
	for n := uint32(1); n < statsEnd; n++ {
		t.scalar(usmStats.and(n), counter32(c.usm[n].Load()))
	}
}

// ifIndex is the number of a port, which stays the same whatever else is configured: port ethernet 0 1 is 2, and VLAN 40 on it 20040.
func ifIndex(p status.Port) uint32 {
	return uint32(p.Port+1)*pow(p.VLAN) + uint32(p.VLAN)
}

func pow(vlan int) uint32 {
	if vlan == 0 {
		return 1
	}
	return 10000
}

func ifAdmin(p status.Port) value {
	if p.Enabled {
		return number(1)
	}
	return number(2)
}

// ifOper is ifOperStatus: up, down, notPresent, lowerLayerDown.
func ifOper(p status.Port) value {
	switch p.State {
	case status.LinkUp:
		return number(1)
	case status.LinkMissing:
		return number(6)
	case status.LinkNoCarrier:
		return number(7)
	}
	return number(2)
}

const (
	typeEthernet = 6   // ethernetCsmacd
	typeVLAN     = 135 // l2vlan
)

// ports adds IF-MIB.
func (r *Responder) ports(t *tree, v View) {
	t.scalar(interfaces.and(1), number(len(v.Ports)))
	for _, p := range v.Ports {
		kind := typeEthernet
		if p.VLAN != 0 {
			kind = typeVLAN
		}
		changed := time.Duration(0)
		if at := r.seen.links[p.Name]; at.After(r.engine.since) {
			changed = at.Sub(r.engine.since)
		}
		index := oid{ifIndex(p)}
		t.row(ifEntry, index, columns(1, number(index[0]), text(p.Name), number(kind), number(p.MTU), gauge(uint64(p.Speed)*1e6), octets(hardware(p.MAC)),
			ifAdmin(p), ifOper(p), ticks(changed), counter32(p.Rx.Octets), counter32(p.Rx.Packets))...)
		t.row(ifEntry, index, columns(13, counter32(p.Rx.Dropped), counter32(p.Rx.Errors), counter32(0), counter32(p.Tx.Octets), counter32(p.Tx.Packets))...)
		t.row(ifEntry, index, columns(19, counter32(p.Tx.Dropped), counter32(p.Tx.Errors))...)
		alias := p.Interface
		if alias != "" {
			alias = p.Context + " " + alias
		}
		t.row(ifXEntry, index, column{1, text(p.Name)})
		t.row(ifXEntry, index, columns(6, counter64(p.Rx.Octets), counter64(p.Rx.Packets))...)
		t.row(ifXEntry, index, columns(10, counter64(p.Tx.Octets), counter64(p.Tx.Packets))...)
		t.row(ifXEntry, index, columns(14, number(1), gauge(p.Speed), number(2), truth(p.VLAN == 0), short(alias, 64), ticks(0))...)
	}
}

// Objects of HOST-RESOURCES-MIB that name a kind of thing.
var (
	kindRAM       = hrStorage.and(1, 2)
	kindFlash     = hrStorage.and(1, 9)
	kindProcessor = hrDevices.and(1, 3)
)

const kib = 1024

// host adds HOST-RESOURCES-MIB: memory, flash and processors.
func (r *Responder) host(t *tree, v View) {
	s := v.System
	t.scalars(hrSystem, 1, ticks(s.Uptime), date(v.Clock.Now))
	t.scalar(hrSystem.and(5), gauge(v.Consoles))
	t.scalar(hrStorage.and(2), number(s.RAM.Total/kib))
	for n, x := range []struct {
		kind oid
		name string
		status.Space
	}{{kindRAM, "memory", s.RAM}, {kindFlash, "flash", s.Flash}} {
		if x.Total > 0 {
			index := oid{uint32(n + 1)}
			t.row(hrStorage.and(3, 1), index, columns(1, number(index[0]), object(x.kind), text(x.name), number(kib), number(x.Total/kib), number((x.Total-x.Free)/kib))...)
		}
	}
	for n, busy := range r.seen.busy {
		index := oid{uint32(n + 1)}
		t.row(hrDevices.and(2, 1), index, columns(1, number(index[0]), object(kindProcessor), text("processor"), object(oid{0, 0}), number(2))...)
		t.row(hrDevices.and(3, 1), index, columns(1, object(oid{0, 0}), number(busy))...)
	}
}
