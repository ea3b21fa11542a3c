package netcfg

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// part is one word of a rule, for people (in the syntax of nft) and for the kernel.
type part struct {
	text  string
	exprs []expr.Any
	set   *set // that an expression looks into; nil: none
}

// rule has matches, and an action for packets to which all of them apply.
type rule []part

func (r rule) String() string {
	words := make([]string, len(r))
	for i, p := range r {
		words[i] = p.text
	}
	return strings.Join(words, " ")
}

func (r rule) exprs() (list []expr.Any) {
	for _, p := range r {
		list = append(list, p.exprs...)
	}
	return list
}

// reg is the register that every match loads and compares.
const reg = 1

func meta(key expr.MetaKey, value []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: reg}, &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: value}}
}

func payload(base expr.PayloadBase, offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: base, Offset: offset, Len: length}
}

// device matches where a packet came from or goes to: "iifname" or "oifname". Names are compared with all their 16 octets.
func device(direction, name string) part {
	key := expr.MetaKeyIIFNAME
	if direction == "oifname" {
		key = expr.MetaKeyOIFNAME
	}
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return part{text: fmt.Sprintf("%s %q", direction, name), exprs: meta(key, padded)}
}

func family(a netip.Addr) []expr.Any {
	if a.Is4() {
		return meta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV4})
	}
	return meta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV6})
}

// address matches "saddr" or "daddr".
func address(side string, p netip.Prefix) part {
	a := p.Masked().Addr()
	word, exprs := addressField(side, a)
	text := fmt.Sprintf("%s %s", word, p.Masked())
	if p.IsSingleIP() {
		text = fmt.Sprintf("%s %s", word, a)
	} else {
		mask := ipNet(p).Mask
		exprs = append(exprs, &expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))})
	}
	return part{text: text, exprs: append(exprs, &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: a.AsSlice()})}
}

// addressField loads "saddr" or "daddr" of packets of the address's family.
func addressField(side string, a netip.Addr) (word string, load []expr.Any) {
	word, offset, length := "ip", uint32(12), uint32(4)
	if a.Is6() {
		word, offset, length = "ip6", 8, 16
	}
	if side == "daddr" {
		offset += length
	}
	return word + " " + side, append(family(a), payload(expr.PayloadBaseNetworkHeader, offset, length))
}

var protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "icmp": unix.IPPROTO_ICMP, "icmpv6": unix.IPPROTO_ICMPV6, "igmp": unix.IPPROTO_IGMP, "vrrp": 112}

func number(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// ports matches "sport" or "dport" of tcp or udp, from first to last.
func ports(protocol, side string, first, last uint16) part {
	exprs := portField(protocol, side)
	if first == last {
		return part{text: fmt.Sprintf("%s %s %d", protocol, side, first), exprs: append(exprs, &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: number(first)})}
	}
	return part{text: fmt.Sprintf("%s %s %d-%d", protocol, side, first, last), exprs: append(exprs,
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg, Data: number(first)},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg, Data: number(last)})}
}

// portField loads "sport" or "dport" of tcp or udp.
func portField(protocol, side string) []expr.Any {
	offset := uint32(0)
	if side == "dport" {
		offset = 2
	}
	return append(meta(expr.MetaKeyL4PROTO, []byte{protocols[protocol]}), payload(expr.PayloadBaseTransportHeader, offset, 2))
}

var icmpTypes = map[string]byte{
	"icmp echo-request": 8, "icmp destination-unreachable": 3, "icmp time-exceeded": 11, "icmp parameter-problem": 12,
	"icmpv6 echo-request": 128, "icmpv6 destination-unreachable": 1, "icmpv6 packet-too-big": 2, "icmpv6 time-exceeded": 3, "icmpv6 parameter-problem": 4,
	"icmpv6 nd-neighbor-solicit": 135, "icmpv6 nd-neighbor-advert": 136,
}

// icmp matches one type of "icmp" or "icmpv6".
func icmp(protocol, kind string) part {
	return part{text: protocol + " type " + kind, exprs: append(meta(expr.MetaKeyL4PROTO, []byte{protocols[protocol]}),
		payload(expr.PayloadBaseTransportHeader, 0, 1),
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{icmpTypes[protocol+" "+kind]}})}
}

// connection matches the state that the kernel has tracked: bits of linux/netfilter/nf_conntrack_common.h.
func connection(text string, states uint32) part {
	return part{text: "ct state " + text, exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: binary.NativeEndian.AppendUint32(nil, states), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
	}}
}

// rate holds for so many packets a second, with a burst of as many.
func rate(packets int) part {
	return part{text: fmt.Sprintf("limit rate %d/second burst %d packets", packets, packets), exprs: []expr.Any{
		&expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(packets), Unit: expr.LimitTimeSecond, Burst: uint32(packets)},
	}}
}

// segment lowers the maximum segment size that a SYN announces, never raises it.
func segment(size uint16) part {
	const flags, syn, option = 13, 0x02, 2 // offset in the TCP header, bit, kind of the option; its value is at octet 2
	return part{text: fmt.Sprintf("tcp flags syn tcp option maxseg size > %d tcp option maxseg size set %d", size, size),
		exprs: append(meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}),
			payload(expr.PayloadBaseTransportHeader, flags, 1),
			&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{syn}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: []byte{0}},
			&expr.Exthdr{Op: expr.ExthdrOpTcpopt, Type: option, Offset: 2, Len: 2, DestRegister: reg},
			&expr.Cmp{Op: expr.CmpOpGt, Register: reg, Data: number(size)},
			&expr.Immediate{Register: reg, Data: number(size)},
			&expr.Exthdr{Op: expr.ExthdrOpTcpopt, Type: option, Offset: 2, Len: 2, SourceRegister: reg})}
}

func jump(chain string) part {
	return part{text: "jump " + chain, exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}}
}

// Actions of rules.
var (
	accept  = part{text: "accept", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}}
	drop    = part{text: "drop", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}}
	counter = part{text: "counter", exprs: []expr.Any{&expr.Counter{}}}
	refuse  = part{text: "goto " + droppedChain, exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: droppedChain}}}
	notrack = part{text: "notrack", exprs: []expr.Any{&expr.Notrack{}}}
)
