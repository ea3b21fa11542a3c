package media

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"viaduct/appliance/media/reports"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	pionrtcp "github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"
)

// libsrtp is Cisco's library in a process of its own, through Debian's python3-pylibsrtp.
type libsrtp struct {
	testing.TB
	mu   sync.Mutex
	in   io.Writer
	out  *bufio.Reader
	next int
}

func newLibsrtp(t testing.TB) *libsrtp {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "testdata/libsrtp.py") // Debian's own: the module is not in another's path
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("libsrtp.py: %v\n%s", err, complaints.String())
		}
	})
	return &libsrtp{TB: t, in: in, out: bufio.NewReader(out)}
}

func (l *libsrtp) ask(format string, args ...any) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.in, format+"\n", args...); err != nil {
		return nil, err
	}
	line, err := l.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSpace(line)
	if text, bad := strings.CutPrefix(line, "error"); bad {
		return nil, errors.New("libsrtp:" + text)
	}
	return hex.DecodeString(line)
}

// context is a key in one direction.
func (l *libsrtp) context(direction string, k srtp.Key) *libsrtpContext {
	l.Helper()
	l.next++
	if _, err := l.ask("new %d %s %s %x", l.next, direction, k.Suite, k.Master); err != nil {
		l.Fatal(err)
	}
	return &libsrtpContext{l, l.next}
}

type libsrtpContext struct {
	*libsrtp
	number int
}

func (c *libsrtpContext) EncryptRTP(_, p []byte, _ *pionrtp.Header) ([]byte, error) {
	return c.ask("protect %d %x", c.number, p)
}

func (c *libsrtpContext) DecryptRTP(_, p []byte, _ *pionrtp.Header) ([]byte, error) {
	return c.ask("unprotect %d %x", c.number, p)
}

func (c *libsrtpContext) EncryptRTCP(_, p []byte, _ *pionrtcp.Header) ([]byte, error) {
	return c.ask("protect_rtcp %d %x", c.number, p)
}

func (c *libsrtpContext) DecryptRTCP(_, p []byte, _ *pionrtcp.Header) ([]byte, error) {
	return c.ask("unprotect_rtcp %d %x", c.number, p)
}

// secureBy gives the peer libsrtp in place of pion.
func (p *peer) secureBy(l *libsrtp, suite string) (local, remote *srtp.Key) {
	ours, theirs := srtptest.Key(suite), srtptest.Key(suite)
	p.in, p.out, p.key = l.context("in", ours), l.context("out", theirs), &theirs
	return &ours, &theirs
}

// A call with libsrtp on one side, through the relay and in both directions: across the roll-over, under new keys that come after a
// roll-over and so begin at counter 0 with any number (RFC 3711 3.3.1), and across the next one.
func TestLibsrtp(t *testing.T) {
	r := running(t, Options{})
	for _, suite := range []string{srtp.AES80, srtp.AES32, srtp.GCM128, srtp.GCM256} {
		t.Run(suite, func(t *testing.T) {
			l := newLibsrtp(t)
			c := call(t, r, suite)
			c.pa.LocalKey, c.pa.RemoteKey = c.a.secureBy(l, suite)
			c.set(t)
			for round := range 3 { // each goes round once in both directions
				c.talk(t)
				c.nearTheEnd(t)
				before := c.lastToA()
				for range 100 {
					c.talk(t)
				}
				if after := c.lastToA(); c.a.seq > 100 || before < 65000 || after > 1000 {
					t.Fatalf("round %d: libsrtp's numbers end at %d, ours went from %d to %d", round, c.a.seq, before, after)
				}
				c.reportsBothWays(t)
				if round > 0 {
					continue // the third round is under the second key
				}
				c.pa.LocalKey, c.pa.RemoteKey = c.a.secureBy(l, suite)
				c.set(t)
			}
			for side, s := range c.Close() {
				if s.AuthFailed+s.Replayed+s.Invalid+s.Foreign+s.Late+s.Duplicates != 0 {
					t.Errorf("side %v: %+v", Side(side), s)
				}
			}
		})
	}
}

// lastToA is the number of the newest packet to A.
func (c *callOf) lastToA() (seq uint16) {
	c.thread.do(func() { seq = c.legs[A].out.stream.lastSeq })
	return seq
}

// nearTheEnd takes the numbers of both streams to the secure side's A to just before 65535, in steps that a receiver can follow.
func (c *callOf) nearTheEnd(t *testing.T) {
	t.Helper()
	for c.a.seq < 65500 || c.lastToA() < 65480 {
		c.a.seq += min(20_000, 65500-min(c.a.seq, 65500))
		c.b.seq += min(20_000, 65500-min(c.lastToA(), 65500))
		c.talk(t)
	}
}

// reportsBothWays sends a receiver report through the relay from each side. The relay sends sender reports of its own now and then.
func (c *callOf) reportsBothWays(t *testing.T) {
	t.Helper()
	plain, err := pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: c.a.ssrc}})
	if err != nil {
		t.Fatal(err)
	}
	wire, err := c.a.out.EncryptRTCP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
	got := c.b.read(c.b.rtcp, patience)
	for len(got) >= 8 && got[1] == reports.SenderReport {
		got = c.b.read(c.b.rtcp, patience)
	}
	if len(got) < 8 || got[1] != reports.ReceiverReport {
		t.Errorf("B got %x", got)
	}
	binary.BigEndian.PutUint32(plain[4:], c.b.ssrc)
	c.b.write(c.b.rtcp, c.b.to.RTCP, plain)
	for {
		wire := c.a.read(c.a.rtcp, patience)
		got, err := c.a.in.DecryptRTCP(nil, wire, nil)
		if err == nil && got[1] == reports.ReceiverReport {
			return
		}
		if len(wire) == 0 {
			t.Fatalf("A got no receiver report, but %x, %v", got, err)
		}
	}
}
