package mediatest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"
	"unsafe"

	"viaduct/appliance/srtp"

	"golang.org/x/sys/unix"
)

const warmUp = time.Second

// size is that of a packet of RTP: 20 ms of G.711.
const size = 172

// voice is what no detection takes for a pause.
var voice = bytes.Repeat([]byte{0x2a, 0xaa}, (size-marked)/2)

// marked is where the payload's voice begins: after the header, and the mark twice.
const marked = 28

// loader is the generator's state.
type loader struct {
	a, b      *stamped
	crypt     *srtp.Crypter
	calls     []call
	byPort    map[uint16]int // call by the relay's port on side A
	latencies []time.Duration
	sinceMade []time.Duration // the same, and what the generator took before
	late      []time.Duration // how long after their time packets left
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
	if g.a, err = newStamped(3); err != nil { // the first of exec.Cmd's ExtraFiles
		return err
	}
	if g.b, err = newStamped(4); err != nil {
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
			if k.master == nil {
				continue
			}
			if *k.to, err = srtp.NewKeys(srtp.Key{Suite: srtp.AES80, Master: k.master}); err != nil {
				return err
			}
		}
		g.byPort[c.A.Port()] = i
		g.calls = append(g.calls, l)
	}
	debug.SetGCPercent(-1) // nothing is allocated from here on
	if err := favour(); err != nil {
		return err
	}
	if err := g.loop(warmUp); err != nil {
		return err
	}
	g.settle()
	g.result, g.measuring = Result{}, true
	for _, list := range []*[]time.Duration{&g.latencies, &g.sinceMade, &g.late} {
		*list = make([]time.Duration, 0, 1<<20)
	}
	_ = answer.Encode("begun")
	if err := g.loop(plan.Duration); err != nil {
		return err
	}
	g.measuring = false
	g.settle()
	r := &g.result
	r.P50, r.P99, r.P999, r.Max = quantile(g.latencies, 0.5), quantile(g.latencies, 0.99), quantile(g.latencies, 0.999), quantile(g.latencies, 1)
	r.MadeP99, r.LateP99 = quantile(g.sinceMade, 0.99), quantile(g.late, 0.99)
	return answer.Encode(r)
}

// quantile sorts a list.
func quantile(list []time.Duration, q float64) time.Duration {
	slices.Sort(list)
	if len(list) == 0 {
		return 0
	}
	return list[min(int(float64(len(list))*q), len(list)-1)]
}

// loop sends for a while: every millisecond a twentieth of the calls, one packet each way.
func (g *loader) loop(length time.Duration) error {
	start := time.Now()
	for slot := 0; time.Duration(slot)*time.Millisecond < length; slot++ {
		due := start.UnixNano() + int64(slot)*int64(time.Millisecond)
		for i := slot % 20; i < len(g.calls); i += 20 {
			if err := g.offer(&g.calls[i], due); err != nil {
				return err
			}
		}
		if err := errors.Join(g.a.flush(), g.b.flush()); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		g.collect()
		sleep(time.Until(start.Add(time.Duration(slot+1) * time.Millisecond)))
	}
	return nil
}

// sleep is time.Sleep, which rounds up to a millisecond when it is the only thing to wait for: the packets of two slots would leave at once.
func sleep(d time.Duration) {
	if d > 0 {
		pause := unix.NsecToTimespec(int64(d))
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
	}
}

// settle waits for what is still under way.
func (g *loader) settle() {
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		g.collect()
	}
}

// offer queues a packet each way. The payload begins with its number among those of the socket.
func (g *loader) offer(c *call, due int64) error {
	c.seq++
	made := time.Now().UnixNano()
	for _, way := range []struct {
		s    *stamped
		to   *unix.RawSockaddrInet4
		keys *srtp.Keys
	}{{g.a, &c.a, c.send}, {g.b, &c.b, nil}} {
		if way.s.queued == batch {
			if err := way.s.flush(); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		way.s.plan(due, made)
		mark := uint64(way.s.number())
		p := way.s.next(way.to)
		Fill(p, c.ssrc, c.seq, mark)
		n := size
		if way.keys != nil {
			n = g.crypt.Protect(way.keys, p, size, 12, c.seq)
		}
		way.s.size(n)
		g.result.Sent++
	}
	return nil
}

// Fill writes a packet of RTP of 20 ms, whose voice begins with a mark.
func Fill(p []byte, ssrc uint32, seq, mark uint64) {
	p[0], p[1], p[2], p[3] = 0x80, 8, byte(seq>>8), byte(seq)
	binary.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	binary.BigEndian.PutUint64(p[12:], mark)
	binary.BigEndian.PutUint64(p[20:], ^mark)
	copy(p[marked:], voice)
}

// collect takes what came. RTP shows its number; of SRTP one packet in eight is decrypted.
func (g *loader) collect() {
	g.a.learn(g.left)
	g.b.learn(g.left)
	for range 64 {
		n := g.b.receive()
		for i := range n {
			p, _, stamp := g.b.packet(i)
			if isRTCP(p[1]) {
				continue
			}
			g.result.Received++
			g.check(g.a, p, stamp)
		}
		m := g.a.receive()
		for i := range m {
			p, port, stamp := g.a.packet(i)
			if isRTCP(p[1]) {
				continue
			}
			g.result.Received++
			c := &g.calls[g.byPort[port]]
			if c.receive == nil {
				g.check(g.b, p, stamp)
				continue
			}
			index, _ := c.heardIndex.Estimate(uint16(p[2])<<8 | uint16(p[3]))
			c.heardIndex.Mark(index)
			if index%8 == 0 {
				if size, ok := g.crypt.Unprotect(c.receive, p, 12, index); ok {
					g.check(g.b, p[:size], stamp)
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

// left notes how late a packet has left.
func (g *loader) left(p *packet) {
	if g.measuring {
		g.late = keep(g.late, p.left-p.due)
	}
}

// check looks at a packet that arrived at a time. One that left before it was made would show that the kernel counts otherwise than we do.
func (g *loader) check(from *stamped, p []byte, arrived int64) {
	if len(p) != size || binary.BigEndian.Uint64(p[12:]) != ^binary.BigEndian.Uint64(p[20:]) {
		g.result.Bad++
		return
	}
	mark := binary.BigEndian.Uint64(p[12:])
	sent := &from.packets[mark%remembered]
	if uint64(sent.number) != mark || sent.left < sent.made || arrived < sent.left {
		g.result.Bad++
		return
	}
	if g.measuring {
		g.latencies, g.sinceMade = keep(g.latencies, arrived-sent.left), keep(g.sinceMade, arrived-sent.made)
	}
}

// keep appends what there is room for.
func keep(list []time.Duration, nanoseconds int64) []time.Duration {
	if len(list) == cap(list) {
		return list
	}
	return append(list, time.Duration(nanoseconds))
}
