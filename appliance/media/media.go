// Package media relays RTP and RTCP between the two sides of a call, with SRTP where a side wants it.
//
// It owns the local UDP ports, the packets on them, the SRTP state of each stream, and the figures that it counts. It does not own offers and
// answers (package sdp), codecs (audio), cryptography (srtp), the program in the kernel (steer), or which calls there are (call): a call
// tells a session what was agreed with Set.
//
// A thread reads the packets of all its ports from one socket, to which steer gives them. Where the kernel does not permit that, each port's
// own socket is read. Everything else is the same. receive (packet.go) is the way of one packet, from a socket to the batch that leaves.
//
// A session can go on in another box: State and Marks say what that box needs to Restore it.
//
// Goroutines: each relay thread is one goroutine, which alone owns its sockets and the state of its sessions. Others act in its place while
// it sleeps, and else give it commands through a queue (commands.go), so the path of a packet has no lock. One more goroutine delivers events
// to the calls and lines to the log, and asks the kernel for routes (direct.go). Relay.Run waits for all of them. A digit that is played has a
// timer, which Session.Close stops.
package media

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/marks"
	"viaduct/appliance/media/ports"
	"viaduct/appliance/pair"
	"viaduct/appliance/srtp"
)

// Side of a session: A is the caller's, B the callee's.
type Side int

const (
	A Side = iota
	B
)

func (s Side) String() string { return [...]string{"a", "b"}[s] }

// NoPT stands for "no such payload type".
const NoPT = audio.NoPT

// Options of a relay. The zero value is good.
type Options struct {
	Log        *slog.Logger  // nil: slog.Default
	Threads    int           // relay threads, default Threads; a session stays on one
	Quarantine time.Duration // a closed port rests so long before it is used again, default 10 s
	Timeout    time.Duration // no packet from a side that should send for so long: TimedOut; default 90 s, negative: off

	// Unfiltered reports whether packets may leave by a device without the kernel's firewall; nil: they may not. It is asked once a
	// second, and must not wait long.
	Unfiltered func(device string) bool

	// Term is how long the box may act: nothing leaves after it is over, and no event is told. nil: it never ends.
	Term *pair.Term

	lease      time.Duration // tests: how long a route serves, default defaultLease
	steered    int           // tests: ports that can be steered, default steeredPorts
	ownSockets bool          // tests: read each port's own socket, as where steering is not permitted
}

// PortOptions say where a side's ports are.
type PortOptions = ports.Options

// Ports of a side. They stay the same for the whole call. RTCP is bound even when it ends up multiplexed, because an offer must
// name it for a peer that does not multiplex.
type Ports struct{ RTP, RTCP netip.AddrPort }

// PayloadTypes are numbers of one direction, NoPT for none.
type PayloadTypes struct{ Audio, DTMF, CN uint8 }

// Format is a voice codec that a peer sends under the number Received, and wants to receive under Wanted.
type Format struct {
	Received, Wanted uint8
	Codec            string
	Voice            *audio.Codec // nil: packets pass as they are
}

// Latch says where a peer may send from, other than the signalled addresses.
type Latch uint8

const (
	LatchNone Latch = iota // nowhere else
	LatchHost              // another port of the signalled address
	LatchAny               // any address
)

// Keys of one side: we send with LocalKey and receive with RemoteKey. None of both is plain RTP.
type Keys struct{ LocalKey, RemoteKey *srtp.Key }

// Params are what offer and answer agreed on for a side.
type Params struct {
	Remote     netip.AddrPort // where RTP goes; invalid or unspecified: nowhere yet
	RemoteRTCP netip.AddrPort // invalid: Remote's port plus one. Not used with Mux
	Mux        bool           // RTP and RTCP on one port (RFC 5761)

	Keys

	Send, Receive bool // whether we may send to, and take packets from, this side

	AudioPT, DTMFPT, CNPT uint8         // numbers that the peer wants to receive, NoPT for none
	Received              *PayloadTypes // numbers that the peer sends, when they differ

	Rate  int              // clock rate of the RTP timestamps in Hz, 0 is 8000
	Codec string           // that AudioPT stands for, by any name: two sides have the same where the names are equal
	Voice *audio.Codec     // what that codec is, where the box can decode it; two sides with different ones have their voice converted
	Loss  audio.Impairment // what that codec takes from the rating of the peer's voice; zero: not known, and there is none

	// Spare are further formats that the peer may send at any time. They are passed on where the other side has the same codec, or one that
	// they can be converted into.
	Spare []Format
	// Claimed are the dynamic payload types that have a meaning. A telephone-event under any other one counts as one under the agreed number.
	Claimed audio.Numbers

	// Ptime is how much voice a packet to this side holds where the box can decode both sides: longer and shorter ones are cut and joined.
	// 10 to 60 ms, other values count as the nearest of these; 0: as much as in the packets that come.
	Ptime time.Duration

	// Suppress sends this side comfort noise in place of the other side's pauses, when CNPT was agreed and Voice is known there. A
	// side without CNPT hears noise of ours when the other side's peer describes its pauses.
	Suppress bool

	// Latch says whether the peer's source address is learnt, once, from its first packet. With a RemoteKey that is the first authentic
	// packet, from any address.
	Latch Latch

	// Admit is asked, in the relay's thread, before a source is learnt; nil admits every source. It must be quick and must not wait.
	Admit func(netip.AddrPort) bool
}

// Stats of one side. Packets and octets count RTP; octets are payload and header without UDP.
type Stats struct {
	Received, Sent             uint64
	ReceivedOctets, SentOctets uint64
	Lost                       int64         // of the peer's packets by RFC 3550 A.3; negative with duplicates
	Jitter                     time.Duration // RFC 3550 A.8
	RoundTrip                  time.Duration // to the peer and back, by its RTCP about reports that we sent (RFC 3550 6.4.1), 0 when unknown
	Quality                    audio.Quality // of the peer's voice
	PeerLost                   int64         // of our packets, by the peer's last report
	PeerJitter                 time.Duration // of our packets, by the peer's last report
	Drops
	RTCPReceived, RTCPSent uint64
	Last, LastRTP          time.Time      // when a packet, and one of RTP, was accepted last; zero: never
	Source                 netip.AddrPort // where the peer's RTP comes from; invalid while unknown
	SSRC                   uint32         // of the peer's stream
}

// Drops counts the packets of a side that were not passed on.
type Drops = marks.Drops

// EventKind says what happened on a side.
type EventKind int

const (
	Started  EventKind = iota // the first packet was accepted after Open or after a Set that changed the peer
	TimedOut                  // no packet within Options.Timeout although the side should send; once until packets come again
	KeyUsed                   // LocalKey has protected so many packets that it should be replaced
	Pressed                   // the peer sent a telephone-event, and the other side has agreed on no payload type for it
	Moved                     // the packets to the side have come far from the last Marks: another box should be told new ones
)

// Event is something that a call wants to know about its media.
type Event struct {
	Side   Side
	Kind   EventKind
	Digit  uint8         // of Pressed, numbered as Press does
	Length time.Duration // of Pressed
}

// Errors that callers tell apart.
var (
	ErrNoPort = ports.ErrNone
	ErrClosed = errors.New("media session closed")
	ErrStale  = errors.New("media state is too old to go on with") // of Restore
)
