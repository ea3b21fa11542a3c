package call_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/call"
	"viaduct/appliance/media"
	"viaduct/appliance/srtp"
)

// relay stands for the media relay: it opens no ports and notes what it is told.
type relay struct {
	mu       sync.Mutex
	next     uint16
	sessions []*mediaSession
}

type mediaSession struct {
	relay  *relay
	mu     sync.Mutex
	notify func(media.Event)
	sides  [2]mediaSide
	stats  [2]media.Stats // that a `counted` step has set
	closed bool
}

type mediaSide struct {
	ports     media.Ports
	within    string // the ports that it might have taken
	sets      []media.Params
	newKeys   int // Sets with another remote key than the one before
	newLocals int // the same of our key
	ringing   bool
	restored  bool     // and not told anything since
	digits    []string // DTMF events that were to be sent, "5/160ms"
}

func (r *relay) NewSession() call.MediaSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &mediaSession{relay: r}
	r.sessions = append(r.sessions, s)
	return s
}

// session is the n-th call's that had media, counted from 1; 0: the last.
func (r *relay) session(n int) *mediaSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n == 0 {
		n = len(r.sessions)
	}
	if n < 1 || n > len(r.sessions) {
		return nil
	}
	return r.sessions[n-1]
}

func (r *relay) open() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		if s.mu.Lock(); !s.closed {
			n++
		}
		s.mu.Unlock()
	}
	return n
}

func (s *mediaSession) Notify(f func(media.Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = f
}

func (s *mediaSession) Open(side media.Side, p media.PortOptions) (media.Ports, error) {
	s.relay.mu.Lock()
	s.relay.next += 2
	port := 16382 + s.relay.next
	s.relay.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sides[side].ports.RTP.IsValid() {
		return media.Ports{}, fmt.Errorf("side %s opened twice", side)
	}
	ports := media.Ports{RTP: netip.AddrPortFrom(p.Addr, port), RTCP: netip.AddrPortFrom(p.Addr, port+1)}
	s.sides[side].ports, s.sides[side].within = ports, fmt.Sprintf("%d-%d", p.First, p.Last)
	return ports, nil
}

func (s *mediaSession) Set(side media.Side, p media.Params) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &s.sides[side]
	again := x.restored && len(x.sets) > 0 && alike(x.sets[len(x.sets)-1], p)
	if x.restored = false; again {
		return nil
	}
	if n := len(x.sets); n > 0 {
		if !sameKey(x.sets[n-1].RemoteKey, p.RemoteKey) {
			x.newKeys++
		}
		if !sameKey(x.sets[n-1].LocalKey, p.LocalKey) {
			x.newLocals++
		}
	}
	x.sets = append(x.sets, p)
	x.ringing = x.ringing && p.Send
	return nil
}

// alike reports whether two Params say the same.
func alike(a, b media.Params) bool {
	a.Admit, b.Admit = nil, nil
	return reflect.DeepEqual(a, b)
}

func sameKey(a, b *srtp.Key) bool {
	return a == b || a != nil && b != nil && a.Suite == b.Suite && bytes.Equal(a.Master, b.Master)
}

// Restore goes on with a session of another box: what it was told until then counts.
func (r *relay) Restore(state media.State, _ media.Marks, _ time.Duration) (call.MediaSession, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, old := range r.sessions {
		old.mu.Lock()
		defer old.mu.Unlock()
		if !old.closed || old.sides[0].ports.RTP.Port() != state.Sides[0].Port || old.sides[1].ports.RTP.Port() != state.Sides[1].Port {
			continue
		}
		s := &mediaSession{relay: r, sides: old.sides, stats: old.stats}
		for n := range s.sides {
			s.sides[n].restored = true
		}
		r.sessions[n] = s
		return s, nil
	}
	return nil, fmt.Errorf("no session had the ports %d and %d", state.Sides[0].Port, state.Sides[1].Port)
}

// State is the session for another box.
func (s *mediaSession) State() (state media.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, x := range s.sides {
		side := &state.Sides[n]
		side.Port, side.Ports, side.SSRC = x.ports.RTP.Port(), media.PortOptions{Addr: x.ports.RTP.Addr(), First: 16384, Last: 32767, TOS: 0xb8}, 0x5eadbeef
		if len(x.sets) > 0 {
			side.Params = x.sets[len(x.sets)-1].State()
		}
	}
	return state
}

// Marks are those of no packets.
func (s *mediaSession) Marks() media.Marks { return media.Marks{} }

func (s *mediaSession) Listen(func(media.Heard)) {}

func (s *mediaSession) Press(to media.Side, event uint8, length time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sides[to].digits = append(s.sides[to].digits, fmt.Sprintf("%d/%v", event, length))
	return nil
}

func (s *mediaSession) Ring(to media.Side, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &s.sides[to]
	x.ringing = on && len(x.sets) > 0 && x.sets[len(x.sets)-1].Send // who cannot hear it gets none
	return nil
}

func (s *mediaSession) Stats(side media.Side) media.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.stats[side]
	if x.Last.IsZero() {
		x.Last = time.Now() // as long as a scenario says nothing, both talk
	}
	return x
}

func (s *mediaSession) Close() [2]media.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.stats
}

// counted sets what the relay has counted on a side until now: received, lost, jitter, round trip, mos, and for how long it has been
// silent.
func (s *mediaSession) counted(side media.Side, facts map[string]string) error {
	number := func(name string) (n float64) {
		n, _ = strconv.ParseFloat(facts[name], 64)
		return n
	}
	length := func(name string) (d time.Duration) {
		d, _ = time.ParseDuration(facts[name])
		return d
	}
	for name := range facts {
		if !slices.Contains([]string{"received", "lost", "jitter", "round trip", "mos", "silent"}, name) {
			return fmt.Errorf("%s is not counted", name)
		}
	}
	x := media.Stats{Received: uint64(number("received")), Lost: int64(number("lost")), Jitter: length("jitter"), RoundTrip: length("round trip"),
		Quality: audio.Quality{MOS: number("mos"), BurstRatio: 1}}
	if x.Received > 0 {
		x.LastRTP = time.Now().Add(-length("silent"))
		x.Last = x.LastRTP
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats[side] = x
	s.stats[1-side].Sent = x.Received
	return nil
}

// happen tells the call what the relay has noticed.
func (s *mediaSession) happen(e media.Event) {
	s.mu.Lock()
	f := s.notify
	s.mu.Unlock()
	if f != nil {
		f(e)
	}
}

// facts are what a `media` step may ask about a side.
func (s *mediaSession) facts(side media.Side) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &s.sides[side]
	f := map[string]string{
		"local": x.ports.RTP.String(), "sets": strconv.Itoa(len(x.sets)), "digits": fmt.Sprint(x.digits), "closed": yes(s.closed), "ringing": yes(x.ringing),
		"remote keys": "kept", "our keys": "kept", "remote": "none", "range": x.within,
	}
	if x.newKeys > 0 {
		f["remote keys"] = fmt.Sprintf("changed %d", x.newKeys)
	}
	if x.newLocals > 0 {
		f["our keys"] = fmt.Sprintf("changed %d", x.newLocals)
	}
	if len(x.sets) == 0 {
		return f
	}
	p := x.sets[len(x.sets)-1]
	f["remote"], f["mux"], f["send"], f["receive"] = p.Remote.String(), yes(p.Mux), yes(p.Send), yes(p.Receive)
	f["audio"], f["dtmf"], f["cn"] = strconv.Itoa(int(p.AudioPT)), strconv.Itoa(int(p.DTMFPT)), strconv.Itoa(int(p.CNPT))
	f["srtp"], f["ptime"] = yes(p.RemoteKey != nil), p.Ptime.String()
	var spare []string
	for _, s := range p.Spare {
		spare = append(spare, fmt.Sprintf("%d-%d", s.Received, s.Wanted))
	}
	f["spare"] = strings.Join(spare, " ")
	var claimed []string
	for n := range 32 {
		if p.Claimed>>n&1 != 0 {
			claimed = append(claimed, strconv.Itoa(96+n))
		}
	}
	f["claimed"] = strings.Join(claimed, " ")
	f["suppress"], f["latch"] = yes(p.Suppress), yes(p.Latch != media.LatchNone)
	if p.RemoteKey != nil {
		f["suite"] = p.RemoteKey.Suite
		f["remote key"] = base64.StdEncoding.EncodeToString(p.RemoteKey.Master)
		f["remote mki"] = fmt.Sprintf("%x", p.RemoteKey.MKI)
		f["lifetime"] = strconv.FormatUint(p.LocalKey.Lifetime, 10)
		f["our key"] = base64.StdEncoding.EncodeToString(p.LocalKey.Master)
	}
	return f
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
