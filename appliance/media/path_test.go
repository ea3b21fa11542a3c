package media

import (
	"net/netip"
	"os"
	"testing"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/mediatest"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

// path is a thread's way of a packet without the system calls: SRTP comes in on A, RTP on B.
type path struct {
	t       *thread
	s       *Session
	peer    *srtp.Crypter
	send    *srtp.Keys
	a, b    wire.Address
	seq     uint64
	packets int
}

func newPath(t testing.TB) *path {
	t.Helper()
	r := New(Options{})
	p := &path{t: r.threads[0], s: r.NewSession(), peer: srtp.NewCrypter()}
	t.Cleanup(func() { p.s.Close() })
	r.prepared = true
	p.t.batch.raw = 1 << 30 // no raw socket: nothing leaves
	for side, host := range []string{"127.0.0.3", "127.0.0.4"} {
		if _, err := p.s.Open(Side(side), PortOptions{Addr: netip.MustParseAddr(host), First: 20000, Last: 29999}); err != nil {
			t.Fatal(err)
		}
	}
	local, remote := srtptest.Key(srtp.AES80), srtptest.Key(srtp.AES80)
	a, b := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.2:9")
	p.a, p.b = wire.AddressOf(a), wire.AddressOf(b)
	pa := Params{Remote: a, Mux: true, Keys: Keys{&local, &remote}, Latch: LatchHost, Send: true, Receive: true, AudioPT: 8, DTMFPT: 101, CNPT: 13}
	if err := p.s.Set(A, pa); err != nil {
		t.Fatal(err)
	}
	pa.Remote, pa.LocalKey, pa.RemoteKey, pa.Latch = b, nil, nil, LatchNone
	if err := p.s.Set(B, pa); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.send, err = srtp.NewKeys(remote); err != nil {
		t.Fatal(err)
	}
	return p
}

// both relays one packet each way.
func (p *path) both() {
	p.seq++
	p.t.now += 20_000_000
	slot := p.t.input.slot(0)[headroom:]
	mediatest.Fill(slot, 7, p.seq, 0)
	n := p.peer.Protect(p.send, slot, 172, 12, p.seq)
	p.t.slot = 0
	p.t.receive(p.s.legs[A].local.ports[rtp], slot[:n], p.a)
	slot = p.t.input.slot(1)[headroom:]
	mediatest.Fill(slot, 8, p.seq, 0)
	p.t.slot = 1
	p.t.receive(p.s.legs[B].local.ports[rtp], slot[:172], p.b)
	p.packets += p.t.batch.n
	p.t.batch.n = 0
}

func TestNoAllocationPerPacket(t *testing.T) {
	p := newPath(t)
	for range 10 {
		p.both() // the first packets latch and report
	}
	p.packets = 0
	if n := testing.AllocsPerRun(1000, p.both); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p.packets != 2*1001 {
		t.Errorf("%d packets left: %+v", p.packets, p.s.legs[A].stats)
	}
}

func TestNoAllocationPerPacketOfVoice(t *testing.T) {
	p := newPath(t)
	p.listen(t)
	p.packets = 0
	if n := testing.AllocsPerRun(1000, p.both); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p.packets != 2*1001 {
		t.Errorf("%d packets left", p.packets)
	}
}

// listen has both sides' voice looked at: other laws, and pauses suppressed.
func (p *path) listen(t testing.TB) {
	l := p.s.legs[:]
	l[A].formats.voice, l[B].formats.voice, l[A].out.suppress = audio.ALaw, audio.MuLaw, true
	for range 10 {
		p.both()
	}
}

// BenchmarkRelayVoice is the same with voice activity detection one way and conversion both ways.
func BenchmarkRelayVoice(b *testing.B) {
	p := newPath(b)
	p.listen(b)
	b.ReportAllocs()
	for b.Loop() {
		p.both()
	}
}

// cut has A get packets of 30 ms and B of 10, where 20 come.
func (p *path) cut(t testing.TB) {
	p.listen(t)
	p.s.legs[A].setPtime(30 * ms)
	p.s.legs[B].setPtime(10 * ms)
	for range 10 {
		p.both()
	}
}

func TestNoAllocationPerPacketThatIsCut(t *testing.T) {
	p := newPath(t)
	p.cut(t)
	p.packets = 0
	if n := testing.AllocsPerRun(1000, p.both); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p.packets < 2*1001 {
		t.Errorf("%d packets left", p.packets)
	}
}

// BenchmarkRelayPtime is BenchmarkRelayVoice with packets cut one way and joined the other.
func BenchmarkRelayPtime(b *testing.B) {
	p := newPath(b)
	p.cut(b)
	b.ReportAllocs()
	for b.Loop() {
		p.both()
	}
}

// BenchmarkRelayPacket is a packet each way, headers and checksums included, without system calls; one further protection is the
// peer's.
func BenchmarkRelayPacket(b *testing.B) {
	p := newPath(b)
	b.ReportAllocs()
	for b.Loop() {
		p.both()
	}
}

// BenchmarkOpenClose is what the four ports of a call cost, with each way of receiving.
func BenchmarkOpenClose(b *testing.B) {
	for _, own := range []bool{false, true} {
		b.Run(way(own), func(b *testing.B) {
			r := running(b, Options{Quarantine: 1, ownSockets: own})
			before := mediatest.CPU(b, os.Getpid())
			for b.Loop() {
				s := r.NewSession()
				for side := range 2 {
					if _, err := s.Open(Side(side), PortOptions{Addr: netip.MustParseAddr("127.0.0.3")}); err != nil {
						b.Fatal(err)
					}
				}
				s.Close()
			}
			b.ReportMetric(float64(mediatest.CPU(b, os.Getpid())-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
