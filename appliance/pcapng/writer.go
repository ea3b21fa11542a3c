package pcapng

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"viaduct/appliance/printable"
)

// Block types, options and link types of the format.
const (
	sectionHeader        = 0x0a0d0d0a
	interfaceDescription = 1
	enhancedPacket       = 6

	endOfOptions    = 0
	comment         = 1
	interfaceName   = 2 // in an interface block, as the next two
	description     = 3
	resolution      = 9
	application     = 4 // in a section header
	flags           = 2 // of a packet
	ethernet        = 1 // libpcap refuses interfaces of raw IP when there are several
	magic           = 0x1a2b3c4d
	nanoseconds     = 9
	unknownLength   = 0xffffffffffffffff
	longestOption   = 1 << 10 // octets of text
	longestSegment  = 16 << 10
	longestDatagram = 65535 - 40 - 8
)

// Packet is a payload that went from one place to another.
type Packet struct {
	Interface int // as Interface has numbered it
	Time      time.Time
	From, To  netip.AddrPort
	Sent      bool   // by the box
	Stream    bool   // TCP, else UDP
	Payload   []byte // all of it, or its beginning
	Length    int    // of the whole payload
	Comment   string
}

// Writer writes one capture.
type Writer struct {
	out        io.Writer
	err        error
	interfaces int
	sequences  map[direction]uint32
}

// direction is one way of a connection.
type direction struct{ from, to netip.AddrPort }

// New begins a capture: who writes it, and a comment about all of it.
func New(out io.Writer, program, about string) *Writer {
	w := &Writer{out: out, sequences: map[direction]uint32{}}
	body := binary.LittleEndian.AppendUint32(nil, magic)
	body = binary.LittleEndian.AppendUint16(body, 1)
	body = binary.LittleEndian.AppendUint16(body, 0)
	body = binary.LittleEndian.AppendUint64(body, unknownLength)
	body = text(text(body, application, program), comment, about)
	w.block(sectionHeader, end(body))
	return w
}

// Interface adds an interface and returns its number.
func (w *Writer) Interface(name, about string) int {
	body := binary.LittleEndian.AppendUint16(nil, ethernet)
	body = binary.LittleEndian.AppendUint16(body, 0)
	body = binary.LittleEndian.AppendUint32(body, 0) // packets of any length
	body = text(text(body, interfaceName, name), description, about)
	body = option(body, resolution, []byte{nanoseconds})
	w.block(interfaceDescription, end(body))
	w.interfaces++
	return w.interfaces - 1
}

// Packet adds a payload, in several packets if it does not fit into one.
func (w *Writer) Packet(p Packet) {
	p.Length = max(p.Length, len(p.Payload))
	from, to := p.From.Addr().Unmap(), p.To.Addr().Unmap()
	if from.Is4() != to.Is4() { // an address is not known
		from, to = in6(from), in6(to)
	}
	p.From, p.To = netip.AddrPortFrom(from, p.From.Port()), netip.AddrPortFrom(to, p.To.Port())
	if !p.Stream {
		p.Length = min(p.Length, longestDatagram)
		p.Payload = p.Payload[:min(len(p.Payload), p.Length)]
		w.packet(p, udp(p))
		return
	}
	there, back := direction{p.From, p.To}, direction{p.To, p.From}
	for left, rest := p.Length, p.Payload; left > 0; {
		part := p
		part.Length = min(left, longestSegment)
		part.Payload = rest[:min(len(rest), part.Length)]
		w.packet(part, tcp(part, w.sequence(there), w.sequence(back)))
		w.sequences[there] += uint32(part.Length)
		left, rest, p.Comment = left-part.Length, rest[len(part.Payload):], ""
	}
}

// Close returns the first error that there was.
func (w *Writer) Close() error { return w.err }

// sequence is the number of the next octet. It begins with 1, after a SYN that nobody saw.
func (w *Writer) sequence(d direction) uint32 {
	if w.sequences[d] == 0 {
		w.sequences[d] = 1
	}
	return w.sequences[d]
}

// packet puts headers in front of a payload.
func (w *Writer) packet(p Packet, transport []byte) {
	ip := append(ethernetHeader(p), ipHeader(p, len(transport))...)
	frame := append(append(ip, transport...), p.Payload...)
	w.frame(Frame{Interface: p.Interface, Time: p.Time, Sent: p.Sent, Data: frame, Length: len(frame) + p.Length - len(p.Payload)}, p.Comment)
}

// Frame is a packet with its Ethernet header, as it passed.
type Frame struct {
	Interface int
	Time      time.Time
	Sent      bool
	Data      []byte // all of it, or its beginning
	Length    int    // on the wire
}

// Frame adds a packet that was seen.
func (w *Writer) Frame(f Frame) { w.frame(f, "") }

// frame writes an enhanced packet block.
func (w *Writer) frame(f Frame, about string) {
	at := uint64(f.Time.UnixNano())
	body := binary.LittleEndian.AppendUint32(nil, uint32(f.Interface))
	body = binary.LittleEndian.AppendUint32(body, uint32(at>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(at))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(f.Data)))
	body = binary.LittleEndian.AppendUint32(body, uint32(max(f.Length, len(f.Data))))
	body = pad(append(body, f.Data...))
	way := uint32(1) // inbound
	if f.Sent {
		way = 2
	}
	body = option(body, flags, binary.LittleEndian.AppendUint32(nil, way))
	w.block(enhancedPacket, end(text(body, comment, about)))
}

func (w *Writer) block(kind uint32, body []byte) {
	if w.err != nil {
		return
	}
	length := uint32(len(body) + 12)
	b := binary.LittleEndian.AppendUint32(nil, kind)
	b = append(binary.LittleEndian.AppendUint32(b, length), body...)
	_, w.err = w.out.Write(binary.LittleEndian.AppendUint32(b, length))
}

// text appends an option with text of whomever, none for "".
func text(body []byte, code uint16, value string) []byte {
	if value == "" {
		return body
	}
	return option(body, code, []byte(printable.Short(value, longestOption)))
}

func option(body []byte, code uint16, value []byte) []byte {
	body = binary.LittleEndian.AppendUint16(body, code)
	body = binary.LittleEndian.AppendUint16(body, uint16(len(value)))
	return pad(append(body, value...))
}

// end ends the options of a block.
func end(body []byte) []byte { return option(body, endOfOptions, nil) }

// pad fills up to a multiple of four.
func pad(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }
