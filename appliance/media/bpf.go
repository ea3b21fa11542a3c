package media

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system call bpf and as much of an assembler as one program of a hundred instructions needs (bpf(2), the kernel's
// Documentation/bpf/standardization/instruction-set.rst).

// bpfInstruction is struct bpf_insn.
type bpfInstruction struct {
	code   uint8
	regs   uint8 // destination in the low half, source in the high one
	offset int16
	imm    int32
}

// bpfProgram is a program under construction. Jumps name labels, which must come later.
type bpfProgram struct {
	code  []bpfInstruction
	jumps map[string][]int // places of jumps to a label that did not come yet
}

// Helper functions of the kernel (enum bpf_func_id).
const (
	bpfMapLookup  = 1
	bpfRelease    = 86  // sk_release
	bpfAssign     = 124 // sk_assign
	bpfCoarseTime = 160 // ktime_get_coarse_ns
)

func (p *bpfProgram) add(code int, to, from uint8, offset int, imm int32) {
	p.code = append(p.code, bpfInstruction{uint8(code), to | from<<4, int16(offset), imm})
}

// load reads memory at register from plus offset; size is BPF_W or BPF_DW.
func (p *bpfProgram) load(size int, to, from uint8, offset int) {
	p.add(unix.BPF_LDX|unix.BPF_MEM|size, to, from, offset, 0)
}

func (p *bpfProgram) store(size int, to uint8, offset int, from uint8) {
	p.add(unix.BPF_STX|unix.BPF_MEM|size, to, from, offset, 0)
}

// count adds a register to eight octets of memory, whoever else does so.
func (p *bpfProgram) count(to uint8, offset int, from uint8) {
	p.add(unix.BPF_STX|unix.BPF_ATOMIC|unix.BPF_DW, to, from, offset, unix.BPF_ADD)
}

func (p *bpfProgram) set(to uint8, value int32) {
	p.add(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_K, to, 0, 0, value)
}

func (p *bpfProgram) move(to, from uint8) {
	p.add(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_X, to, from, 0, 0)
}

// compute applies an operation (BPF_ADD and so on) to a register and a number.
func (p *bpfProgram) compute(operation int, to uint8, value int32) {
	p.add(unix.BPF_ALU64|operation|unix.BPF_K, to, 0, 0, value)
}

func (p *bpfProgram) computeWith(operation int, to, from uint8) {
	p.add(unix.BPF_ALU64|operation|unix.BPF_X, to, from, 0, 0)
}

// jumpIf goes to a label when register a and a number compare so (BPF_JEQ and so on).
func (p *bpfProgram) jumpIf(comparison int, a uint8, value int32, label string) {
	p.jumps[label] = append(p.jumps[label], len(p.code))
	p.add(unix.BPF_JMP|comparison|unix.BPF_K, a, 0, 0, value)
}

func (p *bpfProgram) jumpIfWith(comparison int, a, b uint8, label string) {
	p.jumps[label] = append(p.jumps[label], len(p.code))
	p.add(unix.BPF_JMP|comparison|unix.BPF_X, a, b, 0, 0)
}

func (p *bpfProgram) jump(label string) { p.jumpIf(unix.BPF_JA, 0, 0, label) }

// label is where the jumps to it lead: here.
func (p *bpfProgram) label(name string) {
	for _, from := range p.jumps[name] {
		p.code[from].offset = int16(len(p.code) - from - 1)
	}
	delete(p.jumps, name)
}

func (p *bpfProgram) call(helper int32) { p.add(unix.BPF_JMP|unix.BPF_CALL, 0, 0, 0, helper) }

// find looks an entry of a map up by the key at offset of the stack: register 0 is its address, or 0.
func (p *bpfProgram) find(fd, keyOffset int) {
	p.add(unix.BPF_LD|unix.BPF_IMM|unix.BPF_DW, 1, unix.BPF_PSEUDO_MAP_FD, 0, int32(fd))
	p.add(0, 0, 0, 0, 0) // upper half of the number
	p.move(2, 10)
	p.compute(unix.BPF_ADD, 2, int32(keyOffset))
	p.call(bpfMapLookup)
}

func (p *bpfProgram) exit() { p.add(unix.BPF_JMP|unix.BPF_EXIT, 0, 0, 0, 0) }

// bpf is the system call; attr is a pointer to the command's part of union bpf_attr.
func bpf(command int, attr unsafe.Pointer, size uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(attr), size)
	if errno != 0 {
		return -1, os.NewSyscallError("bpf", errno)
	}
	return int(n), nil
}

func newBPFMap(name string, kind, keySize, valueSize, entries, flags uint32) (int, error) {
	attr := struct {
		kind, keySize, valueSize, entries, flags, inner, node uint32
		name                                                  [16]byte
	}{kind: kind, keySize: keySize, valueSize: valueSize, entries: entries, flags: flags}
	copy(attr.name[:15], name)
	fd, err := bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return -1, fmt.Errorf("map %s: %w", name, err)
	}
	return fd, nil
}

// bpfElement names an element of a map. Value is nil to delete it.
type bpfElement struct {
	fd    uint64
	key   unsafe.Pointer
	value unsafe.Pointer
	flags uint64
}

func setBPFElement(fd int, key, value unsafe.Pointer) error {
	attr := bpfElement{fd: uint64(fd), key: key, value: value}
	command := unix.BPF_MAP_UPDATE_ELEM
	if value == nil {
		command = unix.BPF_MAP_DELETE_ELEM
	}
	_, err := bpf(command, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// handOver gives the program to the kernel. What its verifier says against it is part of the error.
func (p *bpfProgram) handOver(name string, kind, attach uint32) (int, error) {
	license := []byte("Apache-2.0\x00")
	attr := struct {
		kind, length            uint32
		code, license           unsafe.Pointer
		logLevel, logSize       uint32
		log                     unsafe.Pointer
		version, flags          uint32
		name                    [16]byte
		ifindex, expectedAttach uint32
	}{kind: kind, length: uint32(len(p.code)), code: unsafe.Pointer(&p.code[0]), license: unsafe.Pointer(&license[0]), expectedAttach: attach}
	copy(attr.name[:15], name)
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		log := make([]byte, 64<<10)
		attr.logLevel, attr.logSize, attr.log = 1, uint32(len(log)), unsafe.Pointer(&log[0])
		_, _ = bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
		return -1, fmt.Errorf("program %s: %w %s", name, err, unix.ByteSliceToString(log))
	}
	return fd, nil
}

// attachBPF gives a program its place. It holds until the descriptor that is returned is closed.
func attachBPF(program, target int, kind uint32) (int, error) {
	attr := struct{ program, target, kind, flags uint32 }{uint32(program), uint32(target), kind, 0}
	return bpf(unix.BPF_LINK_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}
