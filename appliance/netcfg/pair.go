package netcfg

import (
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/pair"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Place is how the box stands to the addresses of a pair. The zero Place is that of a box that stands alone: all addresses are its own.
type Place struct {
	Pair *config.Redundancy // its interfaces' addresses are the pair's: package vrrp has them in the kernel, and Apply leaves them alone
	Box  uint8              // 1 or 2; 0: neither
	Out  bool               // nobody has them here: Apply takes away what is left of them
}

// seat is a port's place in a pair.
type seat struct {
	own, other netip.Prefix // of this box, and of the other one; invalid when the box is neither
	direct     bool         // the path between the boxes
	out        bool
}

// seat returns that of the port of an IP interface; nil: its addresses are the box's own.
func (j *job) seat(i *config.IPInterface) *seat {
	at := j.o.Place(j.cfg)
	if at.Pair == nil || i == nil {
		return nil
	}
	for _, x := range at.Pair.Interfaces {
		if j.cfg.IPInterface(x.Context, x.Interface) == i {
			s := &seat{direct: x.Direct, out: at.Out}
			if at.Box != 0 {
				s.own, s.other = x.Own(at.Box), x.Own(3-at.Box)
			}
			return s
		}
	}
	return nil
}

// lasting are the addresses that Apply gives the port: all of a port of the box's own, and at one of the pair the box's own address.
func (p *port) lasting() []netip.Prefix {
	switch {
	case p.seat == nil:
		return p.addresses()
	case p.up && p.seat.own.IsValid():
		return []netip.Prefix{p.seat.own}
	}
	return nil
}

// networks are those of the port's addresses, up or not.
func (p *port) networks() (list []netip.Prefix) {
	if p.conf != nil {
		for _, a := range p.conf.Addresses {
			list = append(list, a.Prefix)
		}
	}
	if p.seat != nil {
		list = append(list, p.seat.own)
	}
	return list
}

// shared reports whether an address of the port is the pair's, and in its hands.
func (p *port) shared(a netip.Addr) bool {
	return p.seat != nil && !p.seat.out && p.seat.own.IsValid() && p.up &&
		slices.ContainsFunc(p.conf.Addresses, func(x config.IPAddress) bool { return x.Prefix.IsValid() && x.Prefix.Addr() == a })
}

// handOver is how long an address that the box had for itself stays when it becomes the pair's: until then the box has found out whether it goes on
// having it. By then nobody's word is needed to take it away.
const handOver = 10 // seconds

// lend makes an address of the box the pair's. As a host address it does not hold the network: the box's own address does. The kernel is to lose neither
// meanwhile.
func (j *job) lend(p *port, a netlink.Addr) {
	prefix := prefixOf(a.IPNet)
	host := single(prefix.Addr())
	if err := j.kernel.AddrReplace(p.link, &netlink.Addr{IPNet: ipNet(host), ValidLft: handOver, PreferedLft: handOver}); err != nil {
		j.fail("%s: hand address %s over to the pair: %w", p.name, prefix, err)
		return
	}
	if prefix != host {
		if err := j.kernel.AddrDel(p.link, &a); err != nil {
			j.fail("%s: remove address %s: %w", p.name, prefix, err)
			return
		}
	}
	j.change("%s: address %s is the pair's", p.device, prefix.Addr())
}

// promote has the kernel keep the other addresses of a network when the first one is removed.
func (j *job) promote(p *port) {
	j.setting(p, "ipv4", "promote_secondaries", "1")
}

func permanent(a netlink.Addr) bool { return a.Flags&unix.IFA_F_PERMANENT != 0 }

// paired lets through what the other box of a pair sends: VRRP on each of the pair's ports, and on the path between them what they copy. Routers that are
// not the other box are heard, too, so that it is known that there is one with the pair's number. Answers to the box's own questions to a witness come when
// connection tracking has forgotten who asked, after an address has moved.
func (w *wall) paired(p *port, in *chain) {
	if p.seat == nil || !p.seat.own.IsValid() {
		return
	}
	group, other := address("daddr", single(vrrpGroup)), address("saddr", single(p.seat.other.Addr()))
	in.add(other, group, protocol("vrrp"), accept)
	in.add(group, protocol("vrrp"), rate(20), accept)
	in.add(group, protocol("vrrp"), counter, drop)
	if p.seat.direct {
		in.add(other, address("daddr", single(p.seat.own.Addr())), ports("tcp", "dport", pair.LinkPort, pair.LinkPort), accept)
		return
	}
	in.add(icmp("icmp", "echo-reply"), rate(100), accept)
}

// orphans lets segments of connections come through that the other box had: the kernel knows none of them, and answers each with a reset. Peers open new
// connections then, instead of waiting for minutes. Nobody is let in: what has no SYN opens nothing.
func (w *wall) orphans(p *port, in *chain) {
	if p.seat == nil || p.seat.out {
		return
	}
	for _, a := range p.conf.Addresses {
		if a.Prefix.IsValid() {
			in.add(address("daddr", single(a.Prefix.Addr())), midstream, rate(100), accept)
		}
	}
}

// midstream matches segments of TCP that begin no connection.
var midstream = part{text: "tcp flags & syn == 0", exprs: append(meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}),
	payload(expr.PayloadBaseTransportHeader, 13, 1),
	&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{0x02}, Xor: []byte{0}},
	&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{0}})}

var vrrpGroup = netip.AddrFrom4([4]byte{224, 0, 0, 18})
