package steer

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"
)

// Admits says who may send to a port.
type Admits uint32

const (
	Nobody  Admits = iota
	Peer           // one port of one host
	Host           // any port of the host
	Anybody        // and the host is preferred
)

// Limits of a port. Ports share a queue, and no sender may fill it: neither before the peer is known, when anybody may send to a port, nor with
// a forged source.
const (
	PacketEvery = 500 * time.Microsecond // between packets in the long run: forty times what a call needs
	PacketBurst = 512 * PacketEvery      // and how far they may be ahead
)

// Port is a port that is steered.
type Port struct {
	steering *Steering
	entry    *entry
	index    uint32 // in steering.entries
	key      key
}

// entry is what the program knows of a port. The kernel and this process share its memory.
type entry struct {
	host      [4]uint32 // who may send, in network order: an IPv6 address, or an IPv4 one in the last word
	port      uint32    // and from which port, in network order
	admits    Admits
	strangers uint64    // packets that were turned away
	excess    uint64    // packets that came too fast
	due       [2]uint64 // when the next packet is due, in the kernel's nanoseconds: of the host, and of others
	socket    uint32    // index in the map of sockets
	_         uint32
}

const entrySize = uint32(unsafe.Sizeof(entry{}))

// key is an address as in entry, and the port in host order.
type key [5]uint32

const keySize = uint32(unsafe.Sizeof(key{}))

func keyOf(local netip.AddrPort) (k key) {
	words, _ := wordsOf(local)
	copy(k[:], words[:])
	k[4] = uint32(local.Port())
	return k
}

// wordsOf is an address and port as the program sees them.
func wordsOf(a netip.AddrPort) (host [4]uint32, port uint32) {
	var b [16]byte
	if ip := a.Addr().Unmap(); ip.Is4() {
		four := ip.As4()
		copy(b[12:], four[:])
	} else if ip.Is6() {
		b = ip.As16()
	}
	for i := range host {
		host[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return host, uint32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, a.Port())))
}

// Admit tells the program who may send. While it writes, the program may admit a stranger: the thread checks each packet again.
func (p *Port) Admit(who Admits, from netip.AddrPort) {
	e := p.entry
	atomic.StoreUint32((*uint32)(&e.admits), uint32(Anybody))
	e.host, e.port = wordsOf(from)
	atomic.StoreUint32((*uint32)(&e.admits), uint32(who))
}

// Dropped is how many packets the program has turned away since Add: packets of strangers, and packets that came too fast.
func (p *Port) Dropped() (strangers, excess uint64) {
	return atomic.LoadUint64(&p.entry.strangers), atomic.LoadUint64(&p.entry.excess)
}
