package mediatest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"viaduct/appliance/srtp"

	"golang.org/x/sys/unix"
)

const warmUp = time.Second

// size is that of a packet of RTP: 20 ms of G.711.
const size = 172

// voice is what no detection takes for a pause.
var voice = bytes.Repeat([]byte{0x2a, 0xaa}, (size-stamped)/2)

// stamped is where the payload's voice begins: after the header, and the time twice.
const stamped = 28

// loader is the generator's state.
type loader struct {
	a, b      *socket
	crypt     *srtp.Crypter
	calls     []call
	byPort    map[uint16]int // call by the relay's port on side A
	latencies []time.Duration
	result    Result
	measuring bool
}

type call struct {
	a, b          unix.RawSockaddrInet4
	send, receive *srtp.Keys
	seq           uint64
	ssrc          uint32
	heardIndex    srtp.Window
}

func generate(in io.Reader, out io.Writer) error {
	g := &loader{crypt: srtp.NewCrypter(), byPort: map[uint16]int{}}
	var err error
	if g.a, err = newSocket(3); err != nil { // the first of exec.Cmd's ExtraFiles
		return err
	}
	if g.b, err = newSocket(4); err != nil {
		return err
	}
	answer := json.NewEncoder(out)
	var plan Plan
	if err := json.NewDecoder(in).Decode(&plan); err != nil {
		if err == io.EOF {
			return nil // nothing was to be sent
		}
		return fmt.Errorf("read plan: %w", err)
	}
	for i, c := range plan.Calls {
		l := call{a: sockaddr(c.A), b: sockaddr(c.B), ssrc: uint32(i + 1), seq: 100}
		for _, k := range []struct {
			to     **srtp.Keys
			master []byte
		}{{&l.send, c.Send}, {&l.receive, c.Receive}} {
			if *k.to, err = srtp.NewKeys(srtp.Key{Suite: srtp.AES80, Master: k.master}); err != nil {
				return err
			}
		}
		g.byPort[c.A.Port()] = i
		g.calls = append(g.calls, l)
	}
	g.loop(warmUp)
	g.settle()
	g.result, g.latencies, g.measuring = Result{}, make([]time.Duration, 0, 1<<20), true
	_ = answer.Encode("begun")
	g.loop(plan.Duration)
	g.measuring = false
	g.settle()
	slices.Sort(g.latencies)
	if n := len(g.latencies); n > 0 {
		g.result.P50, g.result.P99, g.result.P999, g.result.Max = g.latencies[n/2], g.latencies[n*99/100], g.latencies[n*999/1000], g.latencies[n-1]
	}
	return answer.Encode(g.result)
}

// loop sends for a while: every millisecond a twentieth of the calls, one packet each way.
func (g *loader) loop(length time.Duration) {
	start := time.Now()
	for slot := 0; time.Duration(slot)*time.Millisecond < length; slot++ {
		for i := slot % 20; i < len(g.calls); i += 20 {
			g.offer(&g.calls[i])
		}
		g.a.flush()
		g.b.flush()
		g.collect()
		if rest := time.Until(start.Add(time.Duration(slot+1) * time.Millisecond)); rest > 0 {
			time.Sleep(rest)
		}
	}
}

// settle waits for what is still under way.
func (g *loader) settle() {
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		g.collect()
	}
}

// offer queues a packet each way. The payload begins with the time.
func (g *loader) offer(c *call) {
	c.seq++
	now := uint64(time.Now().UnixNano())
	p := g.a.next(&c.a)
	Fill(p, c.ssrc, c.seq, now)
	g.a.size(g.crypt.Protect(c.send, p, size, 12, c.seq))
	p = g.b.next(&c.b)
	Fill(p, c.ssrc, c.seq, now)
	g.b.size(size)
	g.result.Sent += 2
}

// Fill writes a packet of RTP of 20 ms, whose voice begins with the time.
func Fill(p []byte, ssrc uint32, seq, now uint64) {
	p[0], p[1], p[2], p[3] = 0x80, 8, byte(seq>>8), byte(seq)
	binary.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	binary.BigEndian.PutUint64(p[12:], now)
	binary.BigEndian.PutUint64(p[20:], ^now)
	copy(p[stamped:], voice)
}

// collect takes what came. RTP shows its sending time; of SRTP one packet in eight is decrypted.
func (g *loader) collect() {
	for range 64 {
		n := g.b.receive()
		for i := range n {
			p, _, stamp := g.b.packet(i)
			if isRTCP(p[1]) {
				continue
			}
			g.result.Received++
			g.check(p, stamp)
		}
		m := g.a.receive()
		for i := range m {
			p, port, stamp := g.a.packet(i)
			if isRTCP(p[1]) {
				continue
			}
			g.result.Received++
			c := &g.calls[g.byPort[port]]
			index, _ := c.heardIndex.Estimate(uint16(p[2])<<8 | uint16(p[3]))
			c.heardIndex.Mark(index)
			if index%8 == 0 {
				if size, ok := g.crypt.Unprotect(c.receive, p, 12, index); ok {
					g.check(p[:size], stamp)
				} else {
					g.result.Bad++
				}
			}
		}
		if n+m == 0 {
			return
		}
	}
}

// isRTCP tells RTCP from RTP by the second octet (RFC 5761, section 4).
func isRTCP(second byte) bool { return second >= 192 && second <= 223 }

func (g *loader) check(p []byte, stamp int64) {
	if len(p) != size || binary.BigEndian.Uint64(p[12:]) != ^binary.BigEndian.Uint64(p[20:]) {
		g.result.Bad++
		return
	}
	if g.measuring && len(g.latencies) < cap(g.latencies) {
		g.latencies = append(g.latencies, time.Duration(stamp-int64(binary.BigEndian.Uint64(p[12:]))))
	}
}
