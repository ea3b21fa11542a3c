package media

import (
	"context"
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

	"golang.org/x/sys/unix"
)

// BenchmarkRTPEngineLoad puts the same load on rtpengine in user space with one worker, when it is installed: figures of two
// relays are comparable only when they come from one machine in one run.
func BenchmarkRTPEngineLoad(b *testing.B) {
	path, err := exec.LookPath("rtpengine")
	if err != nil {
		b.Skip("rtpengine is not installed (Debian: apt install rtpengine-daemon)")
	}
	for _, calls := range loadSizes(b) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) { rtpengineLoad(b, path, calls) })
	}
}

func rtpengineLoad(b *testing.B, path string, calls int) {
	needFiles(b, 1000)
	e := startRTPEngine(b, path)
	g := startGenerator(b)
	plan := loadPlan{Duration: loadSeconds()}
	resident := e.resident(b)
	for i := range calls {
		plan.Calls = append(plan.Calls, e.call(b, i, g))
	}
	perCall := float64(e.resident(b)-resident) / 1024 / float64(calls)
	pinProcess(b, e.pid, 0) // its threads exist by now
	result, used := g.run(b, plan, func() time.Duration { return e.time(b) })
	result.report(b, calls, used, plan.Duration)
	b.ReportMetric(perCall, "KiB/call")
}

type rtpengine struct {
	pid     int
	control *net.UDPConn
	cookie  int
}

func startRTPEngine(b *testing.B, path string) *rtpengine {
	b.Helper()
	const control = "127.0.0.1:22222"
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--config-file=none", "--interface=a/127.0.0.3", "--interface=b/127.0.0.4", "--listen-ng="+control, "--table=-1",
		"--num-threads=1", "--foreground", "--log-stderr", "--log-level=2", "--port-min=30000", "--port-max=50000", "--pidfile="+filepath.Join(b.TempDir(), "pid"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); _ = cmd.Wait() })
	c, err := net.Dial("udp", control)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	e := &rtpengine{pid: cmd.Process.Pid, control: c.(*net.UDPConn)}
	for range 50 {
		if strings.Contains(e.ask("d7:command4:pinge"), "pong") {
			return e
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("rtpengine does not answer")
	return nil
}

// ask sends a bencoded command and returns the answer, "" when none comes.
func (e *rtpengine) ask(command string) string {
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
func (e *rtpengine) call(b *testing.B, i int, g *generator) loadCall {
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
	return loadCall{A: portIn(b, "127.0.0.3", answered), B: portIn(b, "127.0.0.4", offered), Send: key, Receive: receive}
}

func portIn(b *testing.B, host, answer string) netip.AddrPort {
	b.Helper()
	_, rest, _ := strings.Cut(answer, "m=audio ")
	word, _, _ := strings.Cut(rest, " ")
	port, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		b.Fatalf("rtpengine: %q", answer)
	}
	return netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port))
}

// time is the processor time of the process.
func (e *rtpengine) time(b *testing.B) time.Duration {
	b.Helper()
	total := time.Duration(0)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", e.pid))
	for _, task := range tasks {
		line, err := os.ReadFile(task)
		if err != nil {
			b.Fatal(err)
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(line))[0], 10, 64)
		total += time.Duration(ns)
	}
	return total
}

func (e *rtpengine) resident(b *testing.B) int {
	b.Helper()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", e.pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(line))[1])
	return pages * os.Getpagesize()
}

func pinProcess(b *testing.B, pid, cpu int) {
	b.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		id, _ := strconv.Atoi(filepath.Base(task))
		_ = unix.SchedSetaffinity(id, &set)
	}
}
