package hep

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Chunks of a packet (HEP3, rev. 37), all of the vendor 0.
const (
	chunkFamily      = 1
	chunkProtocol    = 2
	chunkSource4     = 3
	chunkDest4       = 4
	chunkSource6     = 5
	chunkDest6       = 6
	chunkSourcePort  = 7
	chunkDestPort    = 8
	chunkSeconds     = 9
	chunkMicros      = 10
	chunkType        = 11
	chunkNode        = 12
	chunkAuthKey     = 14
	chunkPayload     = 15
	chunkCorrelation = 17
	chunkNodeName    = 19

	typeSIP    = 1
	typeReport = 34 // of an RTP agent, JSON

	familyIPv4, familyIPv6 = 2, 10 // as Linux numbers them
	protocolTCP            = 6
	protocolUDP            = 17

	// largest is the most octets of a packet, whose length has 16 bits: what a datagram over IPv4 holds. A longer payload is cut.
	largest = 65507
	// longestWord is the most of a text other than the payload.
	longestWord = 512
)

// packet is one SIP message or report for the server.
type packet struct {
	at                    time.Time
	source, dest          netip.AddrPort
	udp                   bool
	kind                  byte
	payload               []byte
	node                  uint32
	nodeName, key, callID string // callID is the correlation id
}

// append adds the packet to b.
func (p *packet) append(b []byte) []byte {
	start := len(b)
	b = append(b, "HEP3\x00\x00"...)
	source, dest := p.source.Addr().Unmap(), p.dest.Addr().Unmap()
	protocol := byte(protocolTCP)
	if p.udp {
		protocol = protocolUDP
	}
	if source.Is4() && dest.Is4() {
		b = chunk(b, chunkFamily, []byte{familyIPv4})
		b = chunk(b, chunkProtocol, []byte{protocol})
		s, d := source.As4(), dest.As4()
		b = chunk(chunk(b, chunkSource4, s[:]), chunkDest4, d[:])
	} else {
		b = chunk(b, chunkFamily, []byte{familyIPv6})
		b = chunk(b, chunkProtocol, []byte{protocol})
		s, d := source.As16(), dest.As16()
		b = chunk(chunk(b, chunkSource6, s[:]), chunkDest6, d[:])
	}
	b = chunk16(b, chunkSourcePort, p.source.Port())
	b = chunk16(b, chunkDestPort, p.dest.Port())
	b = chunk32(b, chunkSeconds, uint32(p.at.Unix()))
	b = chunk32(b, chunkMicros, uint32(p.at.Nanosecond()/1000))
	b = chunk(b, chunkType, []byte{p.kind})
	b = chunk32(b, chunkNode, p.node)
	for _, word := range []struct {
		kind uint16
		text string
	}{{chunkAuthKey, p.key}, {chunkCorrelation, p.callID}, {chunkNodeName, p.nodeName}} {
		if word.text != "" {
			b = chunk(b, word.kind, []byte(word.text[:min(len(word.text), longestWord)]))
		}
	}
	const header = 6
	b = chunk(b, chunkPayload, p.payload[:min(len(p.payload), largest-(len(b)-start)-header)])
	binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-start))
	return b
}

func chunk(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(6+len(value)))
	return append(b, value...)
}

func chunk16(b []byte, kind, value uint16) []byte {
	return binary.BigEndian.AppendUint16(chunkHead(b, kind, 2), value)
}

func chunk32(b []byte, kind uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(chunkHead(b, kind, 4), value)
}

func chunkHead(b []byte, kind uint16, size int) []byte {
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	return binary.BigEndian.AppendUint16(b, uint16(6+size))
}
