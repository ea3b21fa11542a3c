package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"viaduct/appliance/printable"
)

// kind is what a frame is for.
type kind byte

const (
	kindHello  kind = iota + 1 // the first of each side: the version, and how much may be under way to it
	kindData                   // octets of the connection
	kindCredit                 // so much more may be under way
	kindEnd                    // no data follows in this direction
	kindReset                  // the connection is over, and why
	kindAlive                  // nothing else was to be said
)

const (
	version  = 1
	headSize = 1 + 8    // kind and sequence number
	maxData  = 32 << 10 // octets of data in a frame
	maxWhy   = 300      // octets of a reason
)

// frame is one message of a connection. Sequence numbers begin with 0 in each direction, and go up by one.
type frame struct {
	kind     kind
	sequence uint64
	number   uint32 // hello: the window; credit: how much more
	data     []byte // data; it points into the message
	why      string // reset; printable
}

var errFrame = errors.New("a message that is none of this protocol")

// parse reads a message.
func parse(message []byte) (f frame, err error) {
	if len(message) < headSize {
		return f, errFrame
	}
	f.kind, f.sequence = kind(message[0]), binary.BigEndian.Uint64(message[1:])
	body := message[headSize:]
	switch f.kind {
	case kindHello:
		if len(body) < 5 {
			return f, errFrame
		}
		if body[0] != version {
			return f, fmt.Errorf("the other side has version %d of the protocol, not %d", body[0], version)
		}
		f.number = binary.BigEndian.Uint32(body[1:])
	case kindData:
		if len(body) == 0 || len(body) > maxData {
			return f, errFrame
		}
		f.data = body
	case kindCredit:
		if len(body) != 4 {
			return f, errFrame
		}
		f.number = binary.BigEndian.Uint32(body)
	case kindReset:
		if len(body) > maxWhy {
			return f, errFrame
		}
		f.why = printable.Short(string(body), maxWhy)
	case kindEnd, kindAlive:
		if len(body) > 0 {
			return f, errFrame
		}
	default:
		return f, errFrame
	}
	return f, nil
}

// head writes kind and sequence number before what is in a buffer from headSize on.
func head(buffer []byte, k kind, sequence uint64) {
	buffer[0] = byte(k)
	binary.BigEndian.PutUint64(buffer[1:], sequence)
}

// append adds the frame to a buffer.
func (f frame) append(to []byte) []byte {
	to = binary.BigEndian.AppendUint64(append(to, byte(f.kind)), f.sequence)
	switch f.kind {
	case kindHello:
		to = binary.BigEndian.AppendUint32(append(to, version), f.number)
	case kindData:
		to = append(to, f.data...)
	case kindCredit:
		to = binary.BigEndian.AppendUint32(to, f.number)
	case kindReset:
		to = append(to, f.why[:min(len(f.why), maxWhy)]...)
	}
	return to
}
