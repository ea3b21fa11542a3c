package media

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch collects the packets of a tick and sends them.
type batch struct {
	n       int
	entries [slots]outbound
	unsent  uint64
}

type outbound struct {
	port   *port
	to     address
	packet []byte
	name   sockaddr
}

func newBatch() *batch { return &batch{} }

func (b *batch) add(from *port, to address, packet []byte) {
	if from == nil || b.n == len(b.entries) {
		b.unsent++
		return
	}
	e := &b.entries[b.n]
	e.port, e.to, e.packet = from, to, packet
	b.n++
}

func (b *batch) flush() {
	for i := range b.entries[:b.n] {
		e := &b.entries[i]
		length := e.name.set(e.to, e.port.family)
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(e.port.fd), uintptr(unsafe.Pointer(&e.packet[0])), uintptr(len(e.packet)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&e.name)), uintptr(length))
		if errno != 0 {
			b.unsent++
		}
	}
	b.n = 0
}
