package media

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/nexthop"

	"golang.org/x/sys/unix"
)

// Most packets leave through a packet socket: the thread says by which device, and to which hardware address. That spares each of them the
// kernel's look-up of a route and the hooks of its firewall, which cost as much as relaying it (docs/performance.md).
//
// The kernel still decides. What the thread knows of a way is the kernel's own answer, and serves for a second. Then a packet goes the
// kernel's way, which keeps its neighbour's address up to date, while the next answer is fetched. Where the kernel has no answer, or
// the firewall wants to see what leaves by the device, all packets go the kernel's way.

// defaultLease is how long the kernel's answer serves.
const defaultLease = time.Second

// directMost is the longest packet that is sent so, with its headers: what hosts must accept (RFC 791), so that the limit of the path hardly ever
// matters. Voice of 20 ms has 200 to 240 octets.
const directMost = 576

// route is where packets from an address of ours to another one leave.
type route struct {
	flow  flow
	name  unix.RawSockaddrLinklayer
	until time.Duration // the answer serves; 0: there is none
	again time.Duration // when to ask again
	asked bool          // the answer is awaited
}

// flow is nexthop.Flow as a thread compares it: two IPv4 addresses.
type flow uint64

func flowOf(from, to wire.Address) flow { return flow(from.Low<<32 | to.Low&0xffffffff) }

func (f flow) hop() nexthop.Flow {
	of := func(v uint32) netip.Addr { return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v))) }
	return nexthop.Flow{From: of(uint32(f >> 32)), To: of(uint32(f))}
}

// direct is what a thread needs to send packets without the kernel's routing.
type direct struct {
	socket int             // -1: not permitted
	finder *nexthop.Finder // the event goroutine's
	routes map[flow]*route
	asked  []*route // to be looked up
	asking bool     // the last question is not answered yet
}

// packetSocket makes a socket that sends IPv4 packets to hardware addresses, in the network namespace of the calling thread. It receives nothing.
func packetSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("media packet socket: %w", os.NewSyscallError("socket", err))
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, rawBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, rawBuffer)
	}
	return fd, nil
}

// openDirect prepares a thread for direct sending, in the network namespace of the caller.
func (t *thread) openDirect() error {
	finder, err := nexthop.New()
	if err != nil {
		return fmt.Errorf("media routes: %w", err)
	}
	fd, err := packetSocket()
	if err != nil {
		finder.Close()
		return err
	}
	t.do(func() { t.direct = direct{socket: fd, finder: finder, routes: map[flow]*route{}}; t.batch.packet = fd })
	return nil
}

func (d *direct) close() {
	if d.socket >= 0 {
		unix.Close(d.socket)
		d.finder.Close()
	}
}

// routeOf is the way of a packet from a port, nil for the kernel's own.
func (t *thread) routeOf(from *port, to wire.Address) *route {
	if t.direct.socket < 0 || from == nil || from.family != unix.AF_INET {
		return nil
	}
	if w := from.route; w != nil && t.now < w.until && w.flow == flowOf(from.local, to) {
		return w
	}
	return t.findRoute(from, to)
}

func (t *thread) findRoute(from *port, to wire.Address) *route {
	if !to.IsV4() {
		return nil
	}
	d, key := &t.direct, flowOf(from.local, to)
	w := d.routes[key]
	if w == nil {
		w = &route{flow: key}
		d.routes[key] = w
	}
	from.route = w
	if t.now < w.until {
		return w
	}
	if !w.asked && t.now >= w.again {
		w.asked = true
		d.asked = append(d.asked, w)
	}
	return nil
}

// askRoutes has the ways looked up that have been asked for since the last question, by the event goroutine.
func (t *thread) askRoutes() {
	d := &t.direct
	if d.asking || len(d.asked) == 0 {
		return
	}
	asked := d.asked
	d.asked, d.asking = nil, true
	t.relay.events.post(func() {
		flows := make([]nexthop.Flow, len(asked))
		for i, w := range asked {
			flows[i] = w.flow.hop()
		}
		hops := d.finder.Find(flows)
		permitted := map[string]bool{}
		for i, h := range hops {
			if h == nil {
				continue
			}
			ok, seen := permitted[h.Device]
			if !seen {
				ok = t.relay.options.Unfiltered(h.Device)
				permitted[h.Device] = ok
			}
			if !ok {
				hops[i] = nil
			}
		}
		t.do(func() { t.answerRoutes(asked, hops) })
	})
}

func (t *thread) answerRoutes(asked []*route, hops []*nexthop.Hop) {
	t.direct.asking = false
	for i, w := range asked {
		w.asked, w.again = false, t.now+t.relay.options.lease
		if h := hops[i]; h != nil && (h.MTU == 0 || h.MTU >= directMost) {
			w.name = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: ethertypeIPv4, Ifindex: int32(h.Index), Halen: uint8(len(h.MAC))}
			copy(w.name.Addr[:], h.MAC[:])
			w.until = t.now + t.relay.options.lease
		}
	}
}

// ethertypeIPv4 is ETH_P_IP in network order.
var ethertypeIPv4 = binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})

// forgetRoutes forgets the ways that nobody has used for a while.
func (t *thread) forgetRoutes() {
	for key, w := range t.direct.routes {
		if !w.asked && t.now > w.again+10*t.relay.options.lease {
			delete(t.direct.routes, key)
		}
	}
}

// sockaddr of a way, for the kernel.
func (w *route) sockaddr() (name *byte, length uint32) {
	return (*byte)(unsafe.Pointer(&w.name)), unix.SizeofSockaddrLinklayer
}
