package lab

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v2"
)

// Audio is the media of one call at a simulated peer: it sends a tone and listens to another.
// It has one goroutine that sends and one a socket that reads.
type Audio struct {
	addr  netip.Addr
	port  uint16        // RTP; RTCP is on the next one or, muxed, on the same
	ptime time.Duration // of what is sent

	rtpConn, rtcpConn *net.UDPConn
	cancel            context.CancelFunc
	wg                sync.WaitGroup

	mu   sync.Mutex // protects the following
	plan audioPlan
	tone []byte // two seconds, A-law: a packet is cut out wherever it begins in the first
	out  struct {
		ctx             *srtp.Context
		key             []byte
		ssrc, timestamp uint32
		sequence        uint16
		position        int // in tone
		packets, octets uint32
		symmetric       netip.AddrPort // learned: the source of what comes
		symmetricRTCP   netip.AddrPort
		started         time.Time // when sending began, and
		ticks           int64     // how many packets were due since
		markNext        bool
	}
	in struct {
		ctx       *srtp.Context
		old       *srtp.Context // of the key before, until a packet under the new one comes
		key       []byte
		ssrc      uint32
		highest   uint16
		cycles    uint32
		heard     []int16 // the last second
		stats     AudioStats
		lastHeard time.Time
		gap       time.Duration // the longest since Watch
	}
	changed chan struct{} // closed and replaced when something was heard
}

// audioPlan is what offer and answer have agreed.
type audioPlan struct {
	remote, remoteRTCP netip.AddrPort
	mux                bool
	payload            int // of A-law, both ways
	event              int
	send               bool
	localKey           []byte // nil: RTP
	remoteKey          []byte
	// learn: send to where the peer's packets come from, whatever its SDP says (symmetric RTP).
	// Otherwise packets from elsewhere are foreign and are not listened to.
	learn bool
}

// AudioStats counts what came in and went out.
type AudioStats struct {
	Sent     int
	Received int // decrypted and of the agreed payload type
	Lost     int // missing in the sequence
	Foreign  int // from another address than the agreed one
	Bad      int // not RTP, not authentic, replayed, or of another payload type
	OldKey   int // of those received, under the key before: on the way when it changed. One after the first under the new key is bad
	Reports  int // RTCP packets that came
	Events   int // telephone-event packets
	Noise    int // comfort noise packets
	// FirstForeign is the source of the first foreign packet.
	FirstForeign netip.AddrPort
	SSRCs        int // how many different streams came, one after the other
}

// newAudio opens a pair of ports on addr inside the namespace, to send packets of ptime.
func newAudio(ctx context.Context, n *Namespace, addr netip.Addr, pair uint16, ptime time.Duration) (*Audio, error) {
	a := &Audio{addr: addr, port: pair, ptime: ptime, changed: make(chan struct{})}
	open := func(port uint16) (*net.UDPConn, error) {
		conn, err := n.ListenPacket(ctx, "udp4", netip.AddrPortFrom(addr, port).String())
		if err != nil {
			return nil, fmt.Errorf("open media port %v:%d: %w", addr, port, err)
		}
		return conn.(*net.UDPConn), nil
	}
	var err error
	if a.rtpConn, err = open(pair); err != nil {
		return nil, err
	}
	if a.rtcpConn, err = open(pair + 1); err != nil {
		a.rtpConn.Close()
		return nil, err
	}
	run, cancel := context.WithCancel(ctx)
	a.cancel = cancel
	var random [10]byte
	_, _ = rand.Read(random[:])
	a.out.ssrc = binary.BigEndian.Uint32(random[0:])
	a.out.timestamp = binary.BigEndian.Uint32(random[4:])
	a.out.sequence = binary.BigEndian.Uint16(random[8:])
	a.wg.Go(func() { a.send(run) })
	a.wg.Go(func() { readPacketsRaw(a.rtpConn, a.receive) })
	a.wg.Go(func() { readPacketsRaw(a.rtcpConn, a.receiveControl) })
	return a, nil
}

// Close ends the media and waits for it.
func (a *Audio) Close() {
	a.cancel()
	a.rtpConn.Close()
	a.rtcpConn.Close()
	a.wg.Wait()
}

func readPacketsRaw(conn *net.UDPConn, take func([]byte, netip.AddrPort)) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			// A peer that closed its port first answers with ICMP, which is no end of ours.
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		take(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// setTone chooses what is sent: hz at a level in dBm0.
func (a *Audio) setTone(hz int, dBm0 float64) {
	table := slices.Repeat(toneTable(hz, dBm0), 2)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tone = table
}

// apply takes what offer and answer have agreed. A key that stays keeps its context: the roll-over
// counter goes on; a new one starts at 0.
func (a *Audio) apply(p audioPlan) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	context := func(old *srtp.Context, oldKey, key []byte) (*srtp.Context, error) {
		if key == nil {
			return nil, nil
		}
		if old != nil && slices.Equal(oldKey, key) {
			return old, nil
		}
		if len(key) != 30 {
			return nil, fmt.Errorf("use SRTP key: %d octets instead of 30", len(key))
		}
		return srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.SRTPReplayProtection(64), srtp.SRTCPReplayProtection(64))
	}
	var err error
	if a.out.ctx, err = context(a.out.ctx, a.out.key, p.localKey); err != nil {
		return err
	}
	before := a.in.ctx
	if a.in.ctx, err = context(before, a.in.key, p.remoteKey); err != nil {
		return err
	}
	if a.in.ctx != before {
		a.in.old = before
	}
	a.out.key, a.in.key = p.localKey, p.remoteKey
	if p.send && !a.plan.send {
		a.out.started, a.out.ticks, a.out.markNext = time.Time{}, 0, true
	}
	a.plan = p
	return nil
}

// send paces the tone by the clock, not by ticks: a late tick is made up for, so that a busy
// machine does not thin out the stream.
func (a *Audio) send(ctx context.Context) {
	ticker := time.NewTicker(a.ptime)
	defer ticker.Stop()
	report := time.NewTicker(time.Second)
	defer report.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			a.sendDue(now)
		case <-report.C:
			a.sendReport()
		}
	}
}

func (a *Audio) sendDue(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.plan.send || !a.plan.remote.IsValid() || a.tone == nil {
		return
	}
	if a.out.started.IsZero() {
		a.out.started = now
	}
	due := int64(now.Sub(a.out.started)/a.ptime) + 1
	if time.Duration(due-a.out.ticks)*a.ptime > time.Second/2 { // half a second behind: the machine slept, don't flood
		a.out.ticks = due - 1
	}
	frame := int(a.ptime.Milliseconds()) * sampleRate / 1000
	for ; a.out.ticks < due; a.out.ticks++ {
		h := rtp.Header{Version: 2, Marker: a.out.markNext, PayloadType: uint8(a.plan.payload), SequenceNumber: a.out.sequence, Timestamp: a.out.timestamp, SSRC: a.out.ssrc}
		payload := a.tone[a.out.position : a.out.position+frame]
		packet, err := h.Marshal()
		if err != nil {
			return
		}
		packet = append(packet, payload...)
		if a.out.ctx != nil {
			if packet, err = a.out.ctx.EncryptRTP(nil, packet, &h); err != nil {
				return
			}
		}
		to := a.plan.remote
		if a.plan.learn && a.out.symmetric.IsValid() {
			to = a.out.symmetric
		}
		_, _ = a.rtpConn.WriteToUDPAddrPort(packet, to)
		a.out.markNext = false
		a.out.sequence++
		a.out.timestamp += uint32(frame)
		a.out.position = (a.out.position + frame) % sampleRate
		a.out.packets++
		a.out.octets += uint32(frame)
		a.in.stats.Sent++
	}
}

func (a *Audio) sendReport() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.plan.remoteRTCP.IsValid() || a.out.packets == 0 {
		return
	}
	now := time.Now()
	sr := rtcp.SenderReport{
		SSRC: a.out.ssrc, RTPTime: a.out.timestamp, PacketCount: a.out.packets, OctetCount: a.out.octets,
		NTPTime: uint64(now.Unix()+2208988800)<<32 | uint64(now.Nanosecond())<<32/1e9,
	}
	if a.in.stats.Received > 0 {
		sr.Reports = []rtcp.ReceptionReport{{SSRC: a.in.ssrc, LastSequenceNumber: a.in.cycles + uint32(a.in.highest), TotalLost: uint32(a.in.stats.Lost)}}
	}
	packet, err := rtcp.Marshal([]rtcp.Packet{&sr, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: a.out.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "lab"}},
	}}}})
	if err != nil {
		return
	}
	if a.out.ctx != nil {
		if packet, err = a.out.ctx.EncryptRTCP(nil, packet, nil); err != nil {
			return
		}
	}
	if a.plan.mux {
		to := a.plan.remote
		if a.plan.learn && a.out.symmetric.IsValid() {
			to = a.out.symmetric
		}
		_, _ = a.rtpConn.WriteToUDPAddrPort(packet, to)
		return
	}
	to := a.plan.remoteRTCP
	if a.plan.learn && a.out.symmetricRTCP.IsValid() {
		to = a.out.symmetricRTCP
	}
	_, _ = a.rtcpConn.WriteToUDPAddrPort(packet, to)
}

func (a *Audio) receive(packet []byte, from netip.AddrPort) {
	// RFC 5761 4: RTCP packet types lie where no RTP payload type with its marker bit does.
	if len(packet) >= 2 && packet[1] >= 192 && packet[1] <= 223 {
		a.receiveControl(packet, from)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.plan.remote.IsValid() {
		return // before the answer: nothing is known about the peer
	}
	if from != a.plan.remote {
		a.in.stats.Foreign++
		if !a.in.stats.FirstForeign.IsValid() {
			a.in.stats.FirstForeign = from
		}
		if !a.plan.learn {
			return
		}
	}
	if a.in.ctx != nil {
		clear, err := a.in.ctx.DecryptRTP(nil, packet, nil)
		if err == nil {
			a.in.old = nil
		} else if a.in.old != nil {
			if clear, err = a.in.old.DecryptRTP(nil, packet, nil); err == nil {
				a.in.stats.OldKey++
			}
		}
		if err != nil {
			a.in.stats.Bad++
			return
		}
		packet = clear
	}
	var p rtp.Packet
	if err := p.Unmarshal(packet); err != nil {
		a.in.stats.Bad++
		return
	}
	a.out.symmetric = from
	switch int(p.PayloadType) {
	case a.plan.event:
		a.in.stats.Events++
	case 13:
		a.in.stats.Noise++
	case a.plan.payload:
		a.hear(p.Payload)
	default:
		a.in.stats.Bad++
		return
	}
	a.count(p.SSRC, p.SequenceNumber)
}

// count keeps the loss figures (RFC 3550 A.3, without the report's fractions).
func (a *Audio) count(ssrc uint32, sequence uint16) {
	in := &a.in
	if in.stats.Received == 0 || in.ssrc != ssrc {
		in.stats.SSRCs++
		in.ssrc, in.highest, in.cycles = ssrc, sequence, 0
		in.stats.Received++
		return
	}
	in.stats.Received++
	switch ahead := sequence - in.highest; {
	case ahead == 0: // a duplicate
	case ahead < 1<<15:
		in.stats.Lost += int(ahead) - 1
		if sequence < in.highest {
			in.cycles += 1 << 16
		}
		in.highest = sequence
	default: // late: it was counted as lost
		in.stats.Lost = max(in.stats.Lost-1, 0)
	}
}

func (a *Audio) hear(payload []byte) {
	for _, code := range payload {
		a.in.heard = append(a.in.heard, alawDecode(code))
	}
	if over := len(a.in.heard) - sampleRate; over > 0 {
		a.in.heard = append(a.in.heard[:0], a.in.heard[over:]...)
	}
	now := time.Now()
	a.in.gap = max(a.in.gap, now.Sub(a.in.lastHeard))
	a.in.lastHeard = now
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *Audio) receiveControl(packet []byte, from netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.in.ctx != nil {
		clear, err := a.in.ctx.DecryptRTCP(nil, packet, nil)
		if err != nil {
			a.in.stats.Bad++
			return
		}
		packet = clear
	}
	if _, err := rtcp.Unmarshal(packet); err != nil {
		a.in.stats.Bad++
		return
	}
	a.out.symmetricRTCP = from
	a.in.stats.Reports++
}

// Stats returns what was counted so far.
func (a *Audio) Stats() AudioStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.in.stats
}

// Forget drops what was heard, so that the next measurement hears only what comes from now on.
func (a *Audio) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.in.heard = a.in.heard[:0]
}

// Listen measures the tone in the next window of audio (at most a second, at least 0.1 s).
func (a *Audio) Listen(ctx context.Context, window time.Duration) (Tone, error) {
	want := min(int(window.Seconds()*sampleRate), sampleRate)
	a.Forget()
	for {
		a.mu.Lock()
		heard, changed := slices.Clone(a.in.heard), a.changed
		stats := a.in.stats
		a.mu.Unlock()
		if len(heard) >= want {
			tone, ok := measure(heard)
			if !ok {
				return Tone{}, errors.New("listen: only silence")
			}
			return tone, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Tone{}, fmt.Errorf("listen: %d of %d samples came (%+v): %w", len(heard), want, stats, ctx.Err())
		}
	}
}

// Quiet says whether no audio came for at least d.
func (a *Audio) Quiet(d time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.in.lastHeard) >= d
}
