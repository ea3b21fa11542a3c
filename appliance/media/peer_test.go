package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	pionrtcp "github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"
)

// peer is the other end of a side: a UDP socket, or two, and pion's SRTP.
type peer struct {
	t         testing.TB
	rtp, rtcp *net.UDPConn
	out, in   securer // nil: plain
	to        Ports
	ssrc      uint32
	seq       uint16
	key       *srtp.Key // that the peer sends with
}

// securer is SRTP that is not ours, for one direction.
type securer interface {
	EncryptRTP(dst, plain []byte, h *pionrtp.Header) ([]byte, error)
	DecryptRTP(dst, wire []byte, h *pionrtp.Header) ([]byte, error)
	EncryptRTCP(dst, plain []byte, h *pionrtcp.Header) ([]byte, error)
	DecryptRTCP(dst, wire []byte, h *pionrtcp.Header) ([]byte, error)
}

const (
	rest     = 100 * time.Millisecond // long enough that a packet would have come
	patience = 20 * time.Second       // longer than a machine that has other things to do takes for anything
)

func newPeer(t testing.TB, host string) *peer {
	t.Helper()
	p := &peer{t: t, ssrc: binary.BigEndian.Uint32(srtptest.Random(4)), seq: 1000}
	for _, c := range []**net.UDPConn{&p.rtp, &p.rtcp} {
		var err error
		if *c, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*c).Close() })
	}
	return p
}

func at(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// secure makes keys for both directions and returns them as the relay sees them.
func (p *peer) secure(suite string) (local, remote *srtp.Key) {
	ours, theirs := srtptest.Key(suite), srtptest.Key(suite)
	p.in, p.out = srtptest.Pion(p.t, ours), srtptest.Pion(p.t, theirs)
	p.key = &theirs
	return &ours, &theirs
}

func (p *peer) params(local, remote *srtp.Key) Params {
	return Params{Remote: at(p.rtp), RemoteRTCP: at(p.rtcp), Keys: Keys{local, remote}, Send: true, Receive: true, AudioPT: 8, DTMFPT: 101, CNPT: 13}
}

func (p *peer) write(c *net.UDPConn, to netip.AddrPort, b []byte) {
	p.t.Helper()
	if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

// packet makes the next RTP packet, plain and as it goes out.
func (p *peer) packet(pt byte) (plain, wire []byte) {
	plain = srtptest.Packet(p.ssrc, p.seq, 160)
	plain[1] = pt
	p.seq++
	wire = plain
	if p.out != nil {
		var err error
		if wire, err = p.out.EncryptRTP(nil, plain, nil); err != nil {
			p.t.Fatal(err)
		}
	}
	return plain, wire
}

func (p *peer) send(pt byte) []byte {
	p.t.Helper()
	plain, wire := p.packet(pt)
	p.write(p.rtp, p.to.RTP, wire)
	return plain
}

// read waits for a packet; nil when none comes.
func (p *peer) read(c *net.UDPConn, wait time.Duration) []byte {
	p.t.Helper()
	b := make([]byte, 2048)
	_ = c.SetReadDeadline(time.Now().Add(wait))
	n, err := c.Read(b)
	if errors.Is(err, context.DeadlineExceeded) || err != nil {
		return nil
	}
	return b[:n]
}

// receive is the next RTP packet, decrypted.
func (p *peer) receive() []byte {
	p.t.Helper()
	b := p.read(p.rtp, patience)
	if b == nil {
		p.t.Fatal("no packet came")
	}
	if p.in == nil {
		return b
	}
	plain, err := p.in.DecryptRTP(nil, b, nil)
	if err != nil {
		p.t.Fatalf("pion does not take the packet: %v", err)
	}
	return plain
}

func (p *peer) nothing(why string) {
	p.t.Helper()
	if b := p.read(p.rtp, rest); b != nil {
		p.t.Errorf("%s: a packet of %d octets was relayed", why, len(b))
	}
}

func payload(b []byte) []byte { return b[12:] }
func seqOf(b []byte) uint16   { return binary.BigEndian.Uint16(b[2:]) }
func tsOf(b []byte) uint32    { return binary.BigEndian.Uint32(b[4:]) }
func ssrcOf(b []byte) uint32  { return binary.BigEndian.Uint32(b[8:]) }

func putTS(b []byte, v uint32) { binary.BigEndian.PutUint32(b[4:], v) }

// running is a relay that runs for the length of a test.
func running(t testing.TB, o Options) *Relay {
	t.Helper()
	r := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

// way names a way of receiving.
func way(own bool) string {
	if own {
		return "own sockets"
	}
	return "shared socket"
}

// eachWay runs a test with each way of receiving.
func eachWay(t *testing.T, o Options, test func(t *testing.T, r *Relay)) {
	for _, own := range []bool{false, true} {
		t.Run(way(own), func(t *testing.T) {
			o.ownSockets = own
			r := running(t, o)
			if err := r.prepare(); err != nil || own != (r.steering == nil) {
				t.Fatal("the kernel does not let us steer ports: CAP_BPF and CAP_NET_ADMIN are needed")
			}
			test(t, r)
		})
	}
}

// callOf is a session between two peers, A with SRTP when suite is not empty.
type callOf struct {
	*Session
	a, b   *peer
	pa, pb Params
}

func call(t testing.TB, r *Relay, suite string) *callOf {
	t.Helper()
	c := &callOf{Session: r.NewSession(), a: newPeer(t, "127.0.0.1"), b: newPeer(t, "127.0.0.2")}
	t.Cleanup(func() { c.Close() })
	var err error
	if c.a.to, err = c.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.3"), First: 20000, Last: 29999}); err != nil {
		t.Fatal(err)
	}
	if c.b.to, err = c.Open(B, PortOptions{Addr: netip.MustParseAddr("127.0.0.4"), First: 20000, Last: 29999}); err != nil {
		t.Fatal(err)
	}
	if suite != "" {
		local, remote := c.a.secure(suite)
		c.pa = c.a.params(local, remote)
	} else {
		c.pa = c.a.params(nil, nil)
	}
	if suite != "" {
		c.pa.Latch = LatchHost
	}
	c.pb = c.b.params(nil, nil)
	c.set(t)
	return c
}

func (c *callOf) set(t testing.TB) {
	t.Helper()
	if err := errors.Join(c.Set(A, c.pa), c.Set(B, c.pb)); err != nil {
		t.Fatal(err)
	}
}

// until waits for the figures of a side to become what they must, and returns those of the end: what the thread still has to read is not
// counted yet.
func (c *callOf) until(side Side, so func(Stats) bool) (s Stats) {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if s = c.Stats(side); so(s) || time.Now().After(end) {
			return s
		}
	}
}

// talk sends one packet each way and compares what comes.
func (c *callOf) talk(t testing.TB) {
	t.Helper()
	for _, way := range [][2]*peer{{c.a, c.b}, {c.b, c.a}} {
		sent := way[0].send(8)
		if got := way[1].receive(); !bytes.Equal(payload(got), payload(sent)) || got[1]&0x7f != 8 {
			t.Fatalf("another packet came than was sent")
		}
	}
}
