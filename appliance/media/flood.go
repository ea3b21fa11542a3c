package media

import (
	"unsafe"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/sockfilter"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// shieldAt is how many packets of strangers in one reading of a port call for a filter in the kernel. Fewer come from an earlier call or from a
// peer that moved; the thread drops and counts them one by one.
const shieldAt = budget / 2

// tellAt is how many packets of strangers in a second are logged where the kernel drops them anyhow.
const tellAt = 100

// checkFlood logs when masses of packets from strangers come to a steered port, or when packets from the peer's address come too fast.
func (t *thread) checkFlood(l *leg) {
	for _, p := range l.local.ports {
		if p.steered != nil {
			strangers, excess := p.dropped()
			t.compareDrops(p, strangers, excess)
		}
	}
}

// compareDrops logs what the kernel has dropped at a steered port since the last look, when it is much.
func (t *thread) compareDrops(p *port, strangers, excess uint64) {
	if strangers-p.strangers >= tellAt && !p.flooded {
		p.flooded = true
		t.warnOfFlood(p, nil)
	}
	if excess > p.excess && !p.hurried {
		p.hurried = true
		addr, packets := p.local.Netip(), excess-p.excess
		t.relay.events.post(func() {
			t.log.Warn("media port gets more packets than a call has: the rest is dropped", "addr", addr, "packets", packets)
		})
	}
	p.strangers, p.excess = strangers, excess
}

// shield lets the kernel drop strangers at a port's own socket, so that a flood costs no system call and cannot fill its buffer. It
// needs a known source. The filter is removed when signalling changes the source.
func (t *thread) shield(p *port) {
	l := p.leg
	source := l.remote.source[l.remote.sourceOf(p.which)]
	if p.flooded || !source.Known() || p.which == rtcp && l.remote.mux { // with mux no packet is expected there, its buffer may be full
		return
	}
	p.flooded = true // also when it fails: trying again would cost more than the flood
	t.warnOfFlood(p, attachFilter(p.fd, source))
}

func (t *thread) warnOfFlood(p *port, err error) {
	l := p.leg
	peer, addr := l.remote.source[l.remote.sourceOf(p.which)].Netip(), p.local.Netip()
	t.relay.events.post(func() {
		t.log.Warn("media port is flooded: only packets of the call's peer are let in", "addr", addr, "peer", peer, "err", err)
	})
}

func (p *port) unshield() {
	if p.flooded {
		p.flooded = false
		sockfilter.Detach(p.fd)
	}
}

// netOffset is SKF_NET_OFF: offsets from there count from the IP header. Others count from the UDP header here.
const netOffset = ^uint32(0x100000) + 1

// attachFilter makes a socket take packets from one address and port only.
func attachFilter(fd int, source wire.Address) error {
	type word struct{ offset, value uint32 }
	words := []word{{netOffset + 12, uint32(source.Low)}}
	if !source.IsV4() {
		words = words[:0]
		for i, v := range []uint32{uint32(source.High >> 32), uint32(source.High), uint32(source.Low >> 32), uint32(source.Low)} {
			words = append(words, word{netOffset + 8 + 4*uint32(i), v})
		}
	}
	var program []bpf.Instruction
	skip := uint8(2*len(words) + 1) // from the first comparison to the last instruction
	for _, w := range words {
		program = append(program, bpf.LoadAbsolute{Off: w.offset, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: w.value, SkipFalse: skip})
		skip -= 2
	}
	program = append(program, bpf.LoadAbsolute{Off: 0, Size: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(source.Port), SkipFalse: 1},
		bpf.RetConstant{Val: 0xffff}, bpf.RetConstant{Val: 0})
	return sockfilter.Attach(fd, program)
}

// kernelDrops is how many packets the kernel dropped at a socket, by its filter or for lack of room.
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
