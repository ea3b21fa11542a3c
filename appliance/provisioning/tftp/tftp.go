// Package tftp serves files by TFTP, to be read only (RFC 1350), with the options of RFC 2347 to 2349: block size, time-out, size.
//
// It owns packets and transfers. It does not own files, nor who may have which: a function gives or refuses them. Serve has one goroutine a
// transfer, of which there are maxTransfers at most, and waits for them.
package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/places"
)

// File returns the contents of a file for who asks, or false for a file that he does not get. The name is as it came, of at most maxName
// octets. It may take its time, but no longer than ctx.
type File func(ctx context.Context, name string, from netip.AddrPort) (content []byte, ok bool)

// Bounds of transfers.
const (
	maxTransfers = 32
	maxOfSource  = 4
	maxName      = 128
	maxRequest   = 512     // octets, as RFC 2347 has it
	maxFile      = 1 << 20 // octets; the longest settings have a hundredth of that

	standardBlock = 512
	minBlock      = 8
	maxBlock      = 1428 // fits into a frame of Ethernet with a VLAN and PPPoE, so that nothing is fragmented (RFC 2348 lets a server take less)
	patience      = time.Second
	maxPatience   = 5 * time.Second
	attempts      = 5
	transferTime  = time.Minute
)

// Codes of errors (RFC 1350).
const (
	undefined       = 0
	notFound        = 1
	accessViolation = 2
	illegal         = 4
	unknownTransfer = 5
)

// Kinds of packets.
const (
	readRequest  = 1
	writeRequest = 2
	data         = 3
	ack          = 4
	failure      = 5
	optionsAck   = 6
)

// Serve answers the requests that come to socket until ctx ends, and closes it. Transfers have sockets of their own at the same address.
func Serve(ctx context.Context, socket *net.UDPConn, file File) error {
	s := server{file: file, local: socket.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), places: places.Book{All: maxTransfers, OfSource: maxOfSource}, running: map[netip.AddrPort]bool{}}
	defer s.transfers.Wait()
	defer context.AfterFunc(ctx, func() { socket.Close() })()
	defer socket.Close()
	buffer := make([]byte, maxRequest+1)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if n <= maxRequest {
			s.take(ctx, bytes.Clone(buffer[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	}
}

type server struct {
	file      File
	local     netip.Addr
	places    places.Book
	transfers sync.WaitGroup

	mu      sync.Mutex
	running map[netip.AddrPort]bool // by who asked: a repeated request begins nothing
}

// take begins a transfer. Whoever finds no place asks again.
func (s *server) take(ctx context.Context, packet []byte, from netip.AddrPort) {
	r, refused := parse(packet)
	if r == nil && refused == nil {
		return // no request: nothing is owed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[from] {
		return
	}
	leave := s.places.Take(from.Addr())
	if leave == nil {
		return
	}
	s.running[from] = true
	s.transfers.Go(func() {
		defer func() {
			leave()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.running, from)
		}()
		ctx, cancel := context.WithTimeout(ctx, transferTime)
		defer cancel()
		s.transfer(ctx, r, refused, from)
	})
}

// transfer answers one request, from a port of its own.
func (s *server) transfer(ctx context.Context, r *request, refused []byte, to netip.AddrPort) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.local, 0)))
	if err != nil {
		return // who asked asks again
	}
	defer socket.Close()
	defer context.AfterFunc(ctx, func() { socket.Close() })()
	if refused == nil {
		content, ok := s.file(ctx, r.name, to)
		switch {
		case !ok:
			refused = problem(notFound, "File not found")
		case len(content) > maxFile:
			refused = problem(undefined, "File too large")
		default:
			t := transfer{socket: socket, to: to, request: *r}
			t.send(content)
			return
		}
	}
	socket.WriteToUDPAddrPort(refused, to)
}

// request is a read request with the options that are granted.
type request struct {
	name    string
	ascii   bool // mode netascii
	block   int
	wait    time.Duration
	granted []option
}

type option struct{ name, value string }

// parse reads a request. Of one that is understood and not served it returns the answer; of anything else, nothing.
func parse(packet []byte) (r *request, refused []byte) {
	if len(packet) < 2 {
		return nil, nil
	}
	switch binary.BigEndian.Uint16(packet) {
	case readRequest:
	case writeRequest:
		return nil, problem(accessViolation, "Read only")
	default:
		return nil, nil
	}
	var fields []string
	for rest := packet[2:]; len(rest) > 0; {
		field, after, ended := bytes.Cut(rest, []byte{0})
		if !ended {
			return nil, problem(illegal, "Not a request")
		}
		fields = append(fields, string(field))
		rest = after
	}
	if len(fields) < 2 || fields[0] == "" || len(fields[0]) > maxName {
		return nil, problem(illegal, "Not a request")
	}
	r = &request{name: fields[0], block: standardBlock, wait: patience}
	switch strings.ToLower(fields[1]) {
	case "octet":
	case "netascii":
		r.ascii = true
	default:
		return nil, problem(illegal, "Unknown mode")
	}
	seen := map[string]bool{}
	for o := fields[2:]; len(o) >= 2; o = o[2:] {
		name := strings.ToLower(o[0])
		if !seen[name] { // an option stands once (RFC 2347)
			seen[name] = true
			r.grant(name, o[1])
		}
	}
	return r, nil
}

// grant takes an option that is known and makes sense; others are left out of the answer, which says that they do not hold (RFC 2347).
func (r *request) grant(name, value string) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return
	}
	switch {
	case name == "blksize" && n >= minBlock && n <= 65464:
		r.block = min(n, maxBlock)
		value = strconv.Itoa(r.block)
	case name == "timeout" && n >= 1 && n <= 255:
		r.wait = min(time.Duration(n)*time.Second, maxPatience)
		if time.Duration(n)*time.Second > maxPatience {
			return // it must be taken as it is, or not at all (RFC 2349)
		}
	case name == "tsize": // the size stands there when it is known
	default:
		return
	}
	r.granted = append(r.granted, option{name, value})
}

func problem(code uint16, text string) []byte {
	p := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, failure), code)
	return append(append(p, text...), 0)
}

// transfer is a file on its way.
type transfer struct {
	request
	socket *net.UDPConn
	to     netip.AddrPort
}

// send sends a file, block by block, each when the one before it has been acknowledged.
func (t *transfer) send(content []byte) {
	if t.ascii {
		content = netascii(content)
	}
	if len(t.granted) > 0 && !t.deliver(t.optionsAck(len(content)), 0) {
		return
	}
	number := uint16(1) // goes round
	for {
		n := min(t.block, len(content))
		packet := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, data), number)
		if !t.deliver(append(packet, content[:n]...), number) || n < t.block {
			return
		}
		content = content[n:]
		number++
	}
}

func (t *transfer) optionsAck(size int) []byte {
	p := binary.BigEndian.AppendUint16(nil, optionsAck)
	for _, o := range t.granted {
		if o.name == "tsize" {
			o.value = strconv.Itoa(size)
		}
		p = append(append(append(append(p, o.name...), 0), o.value...), 0)
	}
	return p
}

// deliver sends a packet until it is acknowledged. Only time has it sent again, never a second acknowledgement, which would double all that
// follows (RFC 1123 4.2.3.1).
func (t *transfer) deliver(packet []byte, number uint16) bool {
	buffer := make([]byte, maxRequest)
	for range attempts {
		if _, err := t.socket.WriteToUDPAddrPort(packet, t.to); err != nil {
			return false
		}
		for deadline := time.Now().Add(t.wait); ; {
			t.socket.SetReadDeadline(deadline)
			n, from, err := t.socket.ReadFromUDPAddrPort(buffer)
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				break
			}
			if err != nil {
				return false
			}
			if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != t.to {
				t.socket.WriteToUDPAddrPort(problem(unknownTransfer, "Unknown transfer"), from)
				continue
			}
			if n < 4 {
				continue
			}
			switch kind := binary.BigEndian.Uint16(buffer); {
			case kind == failure:
				return false
			case kind == ack && binary.BigEndian.Uint16(buffer[2:]) == number:
				return true
			}
		}
	}
	return false
}

// netascii writes text as RFC 1350 wants it in this mode: lines end with CR LF, and another CR is followed by NUL.
func netascii(content []byte) []byte {
	out := make([]byte, 0, len(content)+len(content)/16)
	for _, c := range content {
		switch c {
		case '\n':
			out = append(out, '\r', '\n')
		case '\r':
			out = append(out, '\r', 0)
		default:
			out = append(out, c)
		}
	}
	return out
}
