package media

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shieldAt is how many strangers in one reading of a port call for a filter in the kernel. A few are a late packet of an earlier
// call or a peer that moved; they are dropped and counted one by one.
const shieldAt = budget / 2

// tellAt is how many strangers in a second are told of where the kernel turns them away anyhow.
const tellAt = 100

// checkFlood says when strangers come to a steered port in masses, or what cannot be told from the peer comes too fast.
func (t *thread) checkFlood(l *leg) {
	for _, p := range l.ports {
		if p.entry == nil {
			continue
		}
		strangers, excess := p.dropped()
		if strangers-p.strangers >= tellAt && !p.flooded {
			p.flooded = true
			t.warnOfFlood(p, nil)
		}
		if excess > p.excess && !p.hurried {
			p.hurried = true
			addr, packets := p.local.netip(), excess-p.excess
			t.relay.events.post(func() {
				t.log.Warn("media port gets more packets than a call has: the rest is dropped", "addr", addr, "packets", packets)
			})
		}
		p.strangers, p.excess = strangers, excess
	}
}

// shield lets the kernel drop strangers at a port's own socket, so that a flood costs no system call and cannot fill its buffer. It
// needs the source to be known; the filter goes when signalling changes it.
func (t *thread) shield(p *port) {
	l := p.leg
	source := l.source[l.sourceOf(p.which)]
	if p.which == rtcp && l.mux {
		return // nothing is expected here, its buffer may be full
	}
	if p.flooded || !source.known() {
		return
	}
	p.flooded = true // also when it fails: trying again would cost more than the flood
	t.warnOfFlood(p, attachFilter(p.fd, source))
}

func (t *thread) warnOfFlood(p *port, err error) {
	l := p.leg
	peer, addr := l.source[l.sourceOf(p.which)].netip(), p.local.netip()
	t.relay.events.post(func() {
		t.log.Warn("media port is flooded: only packets of the call's peer are let in", "addr", addr, "peer", peer, "err", err)
	})
}

func (p *port) unshield() {
	if p.flooded {
		p.flooded = false
		_ = unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // fails only when none is attached
	}
}

// netOffset is SKF_NET_OFF: offsets from there count from the IP header. Others count from the UDP header here.
const netOffset = -0x100000

// attachFilter makes a socket take packets from one address and port only.
func attachFilter(fd int, source address) error {
	words := []struct {
		offset int32
		value  uint32
	}{{netOffset + 12, uint32(source.low)}}
	if !source.isV4() {
		words = words[:0]
		for i, v := range []uint32{uint32(source.high >> 32), uint32(source.high), uint32(source.low >> 32), uint32(source.low)} {
			words = append(words, struct {
				offset int32
				value  uint32
			}{netOffset + 8 + 4*int32(i), v})
		}
	}
	const load, half, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_LD | unix.BPF_H | unix.BPF_ABS,
		unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	var program []unix.SockFilter
	left := uint8(2*len(words) + 1) // instructions from the first comparison to "take"
	for _, w := range words {
		program = append(program, unix.SockFilter{Code: load, K: uint32(w.offset)}, unix.SockFilter{Code: equal, Jf: left, K: w.value})
		left -= 2
	}
	program = append(program, unix.SockFilter{Code: half, K: 0}, unix.SockFilter{Code: equal, Jf: 1, K: uint32(source.port)},
		unix.SockFilter{Code: ret, K: 0xffff}, unix.SockFilter{Code: ret, K: 0})
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f))
}

// kernelDrops is how many packets the kernel dropped at a socket: filtered, or no room.
func kernelDrops(fd int) uint64 {
	const drops = 8 // SK_MEMINFO_DROPS
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return uint64(info[drops])
}
