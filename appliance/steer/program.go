package steer

import (
	"unsafe"

	"github.com/cilium/ebpf"
	. "github.com/cilium/ebpf/asm" // the words of an assembler
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

// Offsets in entry.
const (
	inHost      = int16(unsafe.Offsetof(entry{}.host))
	inPort      = int16(unsafe.Offsetof(entry{}.port))
	inAdmits    = int16(unsafe.Offsetof(entry{}.admits))
	inStrangers = int16(unsafe.Offsetof(entry{}.strangers))
	inExcess    = int16(unsafe.Offsetof(entry{}.excess))
	inDue       = int32(unsafe.Offsetof(entry{}.due))
	inSocket    = int16(unsafe.Offsetof(entry{}.socket))
)

// Offsets on the stack.
const (
	keyAt   = -int16(keySize)
	indexAt = keyAt - 4
)

const skPass = 1 // SK_PASS

// instructions are the program. R6 is its context, R7 the port's entry, R8 the index of the socket, R9 the time by which the sender's
// speed is judged.
func (s *Steering) instructions() (p Instructions) {
	add := func(more ...Instruction) { p = append(p, more...) }
	// at names the next instruction.
	at := func(label string, first Instruction, more ...Instruction) {
		add(append([]Instruction{first.WithSymbol(label)}, more...)...)
	}
	// find looks an entry of a map up by the key on the stack: R0 is its address, or 0.
	find := func(m *ebpf.Map, where int16) []Instruction {
		return []Instruction{LoadMapPtr(R1, m.FD()), Mov.Reg(R2, RFP), Add.Imm(R2, int32(where)), FnMapLookupElem.Call()}
	}
	// address reads a word of an address: the last one is IPv4's when there is one.
	address := func(to, scratch Register, ip4, ip6, i int16) {
		add(LoadMem(to, R6, ip6+4*i, Word))
		if i == 3 {
			add(LoadMem(scratch, R6, ip4, Word), Or.Reg(to, scratch))
		}
	}

	add(Mov.Reg(R6, R1), LoadMem(R1, R6, ctxProtocol, Word), JNE.Imm(R1, unix.IPPROTO_UDP, "ordinary"))
	for i := range int16(4) {
		address(R1, R2, ctxLocalIP4, ctxLocalIP6, i)
		add(StoreMem(RFP, keyAt+4*i, R1, Word))
	}
	add(LoadMem(R1, R6, ctxLocalPort, Word), StoreMem(RFP, keyAt+16, R1, Word))
	add(find(s.byAddress, keyAt)...)
	add(JEq.Imm(R0, 0, "ordinary"), LoadMem(R1, R0, 0, Word), StoreMem(RFP, indexAt, R1, Word))
	add(find(s.gates, indexAt)...)
	add(JEq.Imm(R0, 0, "ordinary"), Mov.Reg(R7, R0), LoadMem(R8, R7, inSocket, Word))

	// Who sends it.
	add(Mov.Reg(R9, R7), Add.Imm(R9, inDue))
	add(LoadMem(R3, R7, inAdmits, Word), JEq.Imm(R3, int32(Nobody), "stranger"))
	for i := range int16(4) {
		address(R1, R2, ctxRemoteIP4, ctxRemoteIP6, i)
		add(LoadMem(R2, R7, inHost+4*i, Word), JNE.Reg(R1, R2, "other host"))
	}
	add(JNE.Imm(R3, int32(Peer), "speed"))
	add(LoadMem(R1, R6, ctxRemotePort, Word), And.Imm(R1, 0xffff), LoadMem(R2, R7, inPort, Word), JNE.Reg(R1, R2, "stranger"), Ja.Label("speed"))
	at("other host", JNE.Imm(R3, int32(Anybody), "stranger"), Add.Imm(R9, 8))

	// How fast: each packet moves the time at which the next one is due.
	at("speed", FnKtimeGetCoarseNs.Call(), LoadMem(R1, R9, 0, DWord), JGE.Reg(R1, R0, "ahead"), Mov.Reg(R1, R0))
	at("ahead", Add.Imm(R1, int32(PacketEvery)), Mov.Reg(R2, R1), Sub.Reg(R2, R0), JGT.Imm(R2, int32(PacketBurst), "too fast"))
	add(StoreMem(R9, 0, R1, DWord), Ja.Label("assign"))

	at("too fast", Mov.Imm(R1, 1), AddAtomic.Mem(R7, R1, DWord, inExcess), Ja.Label("drop"))
	at("stranger", Mov.Imm(R1, 1), AddAtomic.Mem(R7, R1, DWord, inStrangers))
	at("drop", And.Imm(R8, Families-1)) // the socket of that family that drops

	at("assign", StoreMem(RFP, indexAt, R8, Word))
	add(find(s.bySocket, indexAt)...)
	add(JEq.Imm(R0, 0, "ordinary"), Mov.Reg(R7, R0), Mov.Reg(R1, R6), Mov.Reg(R2, R0), Mov.Imm(R3, 0), FnSkAssign.Call())
	add(Mov.Reg(R1, R7), FnSkRelease.Call())
	at("ordinary", Mov.Imm(R0, skPass), Return())
	return p
}
