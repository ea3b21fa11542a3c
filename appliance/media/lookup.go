package media

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct bpf_sk_lookup.
const (
	ctxProtocol   = 12
	ctxRemoteIP4  = 16
	ctxRemoteIP6  = 20
	ctxRemotePort = 36 // network order
	ctxLocalIP4   = 40
	ctxLocalIP6   = 44
	ctxLocalPort  = 60 // host order
)

// write writes the program. Register 6 is its context, 7 the port's entry, 8 the place of the socket.
func (s *steering) write() *bpfProgram {
	const word, double = unix.BPF_W, unix.BPF_DW
	const key, index = -keySize, -keySize - 4 // on the stack
	p := &bpfProgram{jumps: map[string][]int{}}
	field := func(offset uintptr) int { return int(offset) }
	var e entry
	// address reads a word of an address: the last one is IPv4's when there is one.
	address := func(to, scratch uint8, ip4, ip6, i int) {
		p.load(word, to, 6, ip6+4*i)
		if i == 3 {
			p.load(word, scratch, 6, ip4)
			p.computeWith(unix.BPF_OR, to, scratch)
		}
	}

	p.move(6, 1)
	p.load(word, 1, 6, ctxProtocol)
	p.jumpIf(unix.BPF_JNE, 1, unix.IPPROTO_UDP, "ordinary")
	for i := range 4 {
		address(1, 2, ctxLocalIP4, ctxLocalIP6, i)
		p.store(word, 10, key+4*i, 1)
	}
	p.load(word, 1, 6, ctxLocalPort)
	p.store(word, 10, key+16, 1)
	p.find(s.byAddress, key)
	p.jumpIf(unix.BPF_JEQ, 0, 0, "ordinary")
	p.load(word, 1, 0, 0)
	p.store(word, 10, index, 1)
	p.find(s.gates, index)
	p.jumpIf(unix.BPF_JEQ, 0, 0, "ordinary")
	p.move(7, 0)
	p.load(word, 8, 7, field(unsafe.Offsetof(e.socket)))

	// Who sends it: register 9 becomes the address of due, by which its speed is judged.
	p.move(9, 7)
	p.compute(unix.BPF_ADD, 9, int32(unsafe.Offsetof(e.due)))
	p.load(word, 3, 7, field(unsafe.Offsetof(e.admits)))
	p.jumpIf(unix.BPF_JEQ, 3, admitsNobody, "stranger")
	for i := range 4 {
		address(1, 2, ctxRemoteIP4, ctxRemoteIP6, i)
		p.load(word, 2, 7, field(unsafe.Offsetof(e.host))+4*i)
		p.jumpIfWith(unix.BPF_JNE, 1, 2, "other host")
	}
	p.jumpIf(unix.BPF_JNE, 3, admitsPeer, "speed")
	p.load(word, 1, 6, ctxRemotePort)
	p.compute(unix.BPF_AND, 1, 0xffff)
	p.load(word, 2, 7, field(unsafe.Offsetof(e.port)))
	p.jumpIfWith(unix.BPF_JNE, 1, 2, "stranger")
	p.jump("speed")
	p.label("other host")
	p.jumpIf(unix.BPF_JNE, 3, admitsAnybody, "stranger")
	p.compute(unix.BPF_ADD, 9, 8)

	// How fast: each packet moves the time at which the next one is due.
	p.label("speed")
	p.call(bpfCoarseTime)
	p.load(double, 1, 9, 0)
	p.jumpIfWith(unix.BPF_JGE, 1, 0, "ahead")
	p.move(1, 0)
	p.label("ahead")
	p.compute(unix.BPF_ADD, 1, packetEvery)
	p.move(2, 1)
	p.computeWith(unix.BPF_SUB, 2, 0)
	p.jumpIf(unix.BPF_JGT, 2, packetBurst, "too fast")
	p.store(double, 9, 0, 1)
	p.jump("assign")

	p.label("too fast")
	p.set(1, 1)
	p.count(7, field(unsafe.Offsetof(e.excess)), 1)
	p.jump("drop")
	p.label("stranger")
	p.set(1, 1)
	p.count(7, field(unsafe.Offsetof(e.strangers)), 1)
	p.label("drop")
	p.compute(unix.BPF_AND, 8, families-1) // the socket of that family that drops

	p.label("assign")
	p.store(word, 10, index, 8)
	p.find(s.sockets, index)
	p.jumpIf(unix.BPF_JEQ, 0, 0, "ordinary")
	p.move(7, 0)
	p.move(1, 6)
	p.move(2, 0)
	p.set(3, 0)
	p.call(bpfAssign)
	p.move(1, 7)
	p.call(bpfRelease)
	p.label("ordinary")
	p.set(0, skPass)
	p.exit()
	return p
}

const skPass = 1 // SK_PASS
