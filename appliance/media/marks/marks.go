// Package marks is how far the packets of a call have come, as a value that one box of a pair tells the other.
//
// It owns what that is and how it is written. It does not own how a box goes on from there: package media. It has no state and no goroutines.
package marks

import (
	"net/netip"
	"time"
)

// Marks are how far the packets of a call have come. They are a value, and small when written: 128 octets or so.
type Marks struct{ Sides [2]Side }

// Counts tell marks of one time from those of another.
type Counts struct {
	Sets uint64 // how often something was agreed
	Keys uint64 // how often one of the keys changed
}

// Drops counts the packets of a side that were not passed on.
type Drops struct {
	Duplicates, Late uint64 // they came twice, or out of any order
	Foreign          uint64 // from another source than the signalled or latched one
	AuthFailed       uint64 // SRTP or SRTCP tag wrong
	Replayed         uint64 // SRTP or SRTCP index seen before
	Invalid          uint64 // not RTP or RTCP, or a payload type that was not agreed
	Unsent           uint64 // the kernel refused to send them
	KernelDrops      uint64 // the kernel dropped them first: more than a port may get, or strangers during a flood of a port's own socket
}

// Side are the marks of one side.
type Side struct {
	Open    bool
	Started bool // the call knows: Started
	Noise   int  // level of the comfort noise that goes to the side, plus 1; 0: none does
	Counts
	Source [2]netip.AddrPort // learnt, of RTP and RTCP; invalid: none
	Out    Out
	In     [4]In // of the peer's streams under SRTP
	Tally  Tally
}

// Out are how far the stream to a side has come.
type Out struct {
	Started   bool
	Top       uint64 // the highest index sent; before the first, where the stream begins
	RTCP      uint32 // index of SRTCP
	UnderKey  uint64
	Timestamp uint32        // of a packet that would be sent now
	Idle      time.Duration // since the last packet
	Pace      uint64        // packets in a second
	From      uint32        // SSRC of the source; 0: the next packet begins a new one
	TSDelta   uint32
}

// In are how far a peer's stream has come.
type In struct {
	SSRC      uint32
	Used      bool
	RTP, RTCP uint64 // highest index plus 1; 0: none came
}

// Tally are the figures of a side that another box adds to.
type Tally struct {
	Drops
	Received, Sent                          uint64
	ReceivedOctets, SentOctets, SentPayload uint64
	RTCPReceived, RTCPSent                  uint64

	SSRC       uint32 // of the peer's stream
	Lost       int64
	Heard      int64
	Gaps       int64
	Missing    int64
	Jitter     int64
	RoundTrip  int64 // in microseconds
	PeerLost   int64
	PeerJitter int64
}
