package mediatest

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

// RTPEngine is rtpengine in user space with one worker: figures of two relays are comparable only when they come from one machine in one
// run.
type RTPEngine struct {
	a, b    netip.Addr // of the relay, on each side
	pid     int
	control net.Conn
	cookie  int
}

const control = "127.0.0.1:22222"

// RTPEngineCommand starts rtpengine with an address on each side and UDP ports of a range, which only firewalls care for. The benchmark is
// skipped when it is not installed.
func RTPEngineCommand(b *testing.B, sideA, sideB netip.Addr, first, last uint16) *exec.Cmd {
	b.Helper()
	path, err := exec.LookPath("rtpengine")
	if err != nil {
		b.Skip("rtpengine is not installed, so there is nothing to compare with (Debian: apt install rtpengine-daemon)")
	}
	cmd := exec.Command(path, "--config-file=none", "--interface=a/"+sideA.String(), "--interface=b/"+sideB.String(), "--listen-ng="+control, "--table=-1",
		"--num-threads=1", "--foreground", "--log-stderr", "--log-level=2", fmt.Sprint("--port-min=", first), fmt.Sprint("--port-max=", last),
		"--pidfile="+filepath.Join(b.TempDir(), "pid"))
	cmd.Stderr = os.Stderr
	return cmd
}

// ControlRTPEngine waits until a started rtpengine answers at its control port, to which dial dials.
func ControlRTPEngine(b *testing.B, cmd *exec.Cmd, sideA, sideB netip.Addr, dial func(network, address string) (net.Conn, error)) *RTPEngine {
	b.Helper()
	c, err := dial("udp", control)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	e := &RTPEngine{a: sideA, b: sideB, pid: cmd.Process.Pid, control: c}
	for range 50 {
		if strings.Contains(e.ask("d7:command4:pinge"), "pong") {
			return e
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("rtpengine does not answer")
	return nil
}

// Measure loads it for a while with so many calls of a generator.
func (e *RTPEngine) Measure(b *testing.B, g *Generator, calls int, length time.Duration) {
	b.Helper()
	plan := Plan{Duration: length}
	resident := Resident(b, e.pid)
	for i := range calls {
		plan.Calls = append(plan.Calls, e.call(b, i, g))
	}
	perCall := float64(Resident(b, e.pid)-resident) / 1024 / float64(calls)
	Pin(e.pid, 0) // its threads exist by now
	WantPinned(b, e.pid)
	result, used := g.Run(b, plan, func() time.Duration { return OnFirst(b, e.pid) })
	result.Report(b, plan, used)
	Metric(b, perCall, "KiB/call")
}

// ask sends a bencoded command and returns the answer, "" when none comes.
func (e *RTPEngine) ask(command string) string {
	e.cookie++
	_, _ = fmt.Fprintf(e.control, "%d %s", e.cookie, command)
	answer := make([]byte, 65536)
	_ = e.control.SetReadDeadline(time.Now().Add(time.Second))
	n, err := e.control.Read(answer)
	if err != nil {
		return ""
	}
	return string(answer[:n])
}

func bencode(pairs ...string) string {
	s := "d"
	for _, word := range pairs {
		if strings.HasPrefix(word, "l") && strings.HasSuffix(word, "e") && strings.Contains(word, ":") {
			s += word // a list, already encoded
		} else {
			s += fmt.Sprintf("%d:%s", len(word), word)
		}
	}
	return s + "e"
}

// call makes a call from the generator's SRTP side to its RTP side.
func (e *RTPEngine) call(b *testing.B, i int, g *Generator) Call {
	b.Helper()
	key := srtptest.Random(30)
	sdp := func(a netip.AddrPort, proto, more string) string {
		return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s 8\r\na=rtpmap:8 PCMA/8000\r\na=rtcp-mux\r\n%s", a.Addr(), a.Addr(), a.Port(), proto, more)
	}
	id := fmt.Sprint("call", i)
	offered := e.ask(bencode("ICE", "remove", "call-id", id, "command", "offer", "direction", "l1:a1:be", "from-tag", "a",
		"rtcp-mux", "l7:requiree", "sdp", sdp(g.A, "RTP/SAVP", "a=crypto:1 "+srtp.AES80+" inline:"+base64.StdEncoding.EncodeToString(key)+"\r\n"),
		"transport-protocol", "RTP/AVP"))
	answered := e.ask(bencode("ICE", "remove", "call-id", id, "command", "answer", "from-tag", "a", "rtcp-mux", "l6:accepte",
		"sdp", sdp(g.B, "RTP/AVP", ""), "to-tag", "b"))
	_, inline, found := strings.Cut(answered, "inline:")
	receive, err := base64.StdEncoding.DecodeString(inline[:min(40, len(inline))])
	if !found || err != nil {
		b.Fatalf("rtpengine: offer %q, answer %q", offered, answered)
	}
	return Call{A: portIn(b, e.a, answered), B: portIn(b, e.b, offered), Send: key, Receive: receive}
}

func portIn(b *testing.B, host netip.Addr, answer string) netip.AddrPort {
	b.Helper()
	_, rest, _ := strings.Cut(answer, "m=audio ")
	word, _, _ := strings.Cut(rest, " ")
	port, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		b.Fatalf("rtpengine: %q", answer)
	}
	return netip.AddrPortFrom(host, uint16(port))
}
