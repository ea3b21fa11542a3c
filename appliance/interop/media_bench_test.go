package interop

import (
	"bufio"
	"context"
	"encoding/base64"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/media/mediatest"
)

// BenchmarkMedia relays N calls (VIADUCT_LOAD_CALLS, for VIADUCT_LOAD_SECONDS) as a box does: calls that a hub and a PBX have set up, from
// network port to network port, behind the firewall that the configuration makes. SRTP on the side of Teams, RTP on that of the PBX, 20 ms
// packets both ways. rtpengine gets the same packets in a namespace of the same form, without a firewall and behind the box's. So do two
// relays that change nothing, behind the firewall: the floor, which shows what the machine adds by itself in that minute, and one that rests
// as the box's does.
func BenchmarkMedia(b *testing.B) {
	for _, calls := range mediatest.Sizes(b, 100, 300, 500, 1000) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) {
			b.Run("floor", func(b *testing.B) { mediaOfFloor(b, calls, 0) })
			b.Run("floor-resting", func(b *testing.B) { mediaOfFloor(b, calls, time.Millisecond) })
			b.Run("box", func(b *testing.B) { mediaOfBox(b, calls) })
			b.Run("rtpengine", func(b *testing.B) { mediaOfRTPEngine(b, calls, false) })
			b.Run("rtpengine-firewall", func(b *testing.B) { mediaOfRTPEngine(b, calls, true) })
		})
	}
}

func mediaTime() time.Duration { return mediatest.Duration(5 * time.Second) }

func mediaOfBox(b *testing.B, calls int) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: calls, pinned: true})
	pid := l.box.PID()
	before := mediatest.Resident(b, pid)
	_, plan := l.talk(calls, mediaTime())
	grown := mediatest.Resident(b, pid) - before
	result, used := l.generator().Run(b, plan, func() time.Duration { return mediatest.OnFirst(b, pid) })
	result.Report(b, plan, used)
	mediatest.Metric(b, float64(grown)/1024/float64(calls), "KiB/call")
	if result.Sent != result.Received {
		b.Errorf("%d of %d packets are lost", result.Sent-result.Received, result.Sent)
	}
}

func mediaOfRTPEngine(b *testing.B, calls int, firewall bool) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	cmd := mediatest.RTPEngineCommand(b, lab.BoxWAN, lab.BoxLAN, 16384, 32767) // the ports that the firewall has open
	l := newLoad(b, ctx, loadOptions{calls: calls, pinned: true})
	if err := l.box.Stop(); err != nil { // the network stays as it has configured it
		b.Fatal(err)
	}
	if !firewall {
		p, err := l.world.Box.Start(exec.Command(lookPath(b, "nft"), "delete", "table", "inet", "viaduct"))
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			b.Fatalf("nft: %v", err)
		}
	}
	p, err := l.world.Box.Start(cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Stop(time.Second) })
	e := mediatest.ControlRTPEngine(b, cmd, lab.BoxWAN, lab.BoxLAN, func(network, address string) (net.Conn, error) {
		return l.world.Box.Dial(ctx, network, "", address)
	})
	e.Measure(b, l.generator(), calls, mediaTime())
}

func mediaOfFloor(b *testing.B, calls int, rest time.Duration) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: calls, pinned: true})
	if err := l.box.Stop(); err != nil { // the network and the firewall stay as it has configured them
		b.Fatal(err)
	}
	g := l.generator()
	f := mediatest.StartFloor(b, l.socket(l.world.Box, lab.BoxWAN, 20000), l.socket(l.world.Box, lab.BoxLAN, 20000), g, rest)
	f.Measure(b, g, calls, mediaTime())
}

// generator sends from the places where hub and PBX say that they want media.
func (l *load) generator() *mediatest.Generator {
	l.b.Helper()
	return mediatest.Start(l.b, l.socket(l.world.WAN, lab.MediaAddr, 50000), l.socket(l.world.LAN, lab.StarfaceAddr, 20000))
}

func (l *load) socket(where *lab.Namespace, host netip.Addr, port uint16) net.PacketConn {
	l.b.Helper()
	c, err := where.ListenPacket(l.ctx, "udp4", netip.AddrPortFrom(host, port).String())
	if err != nil {
		l.b.Fatal(err)
	}
	return c
}

const talkRate = 100 // calls a second that talk sets up

// talk sets calls up that go on until the end, and says where their media go.
func (l *load) talk(calls int, length time.Duration) (*hub, mediatest.Plan) {
	l.b.Helper()
	l.pbx("-trace_logs", "-log_file", "media.log")
	h := l.hub(-1)
	tick := time.NewTicker(time.Second / talkRate)
	defer tick.Stop()
	for n := range calls {
		<-tick.C
		h.call(n)
	}
	l.until("all talk", func() bool { return int(h.answered.Load())+h.over() == calls })
	if n := h.over(); n > 0 {
		l.b.Fatalf("%d of %d calls failed: %v", n, calls, h.complaints)
	}
	plan := mediatest.Plan{Duration: length}
	var far []netip.AddrPort
	l.until("the PBX tells its ports", func() bool {
		far = l.farPorts()
		return len(far) == calls
	})
	for _, c := range h.all() {
		call := c.media(l.b)
		call.B = far[len(plan.Calls)] // of any call: both sides' packets are told apart by themselves
		plan.Calls = append(plan.Calls, call)
	}
	return h, plan
}

// farPorts are where the box has told the PBX to send media.
func (l *load) farPorts() (list []netip.AddrPort) {
	l.b.Helper()
	f, err := os.Open(filepath.Join(l.dir, "media.log"))
	if err != nil {
		l.b.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, text, ok := strings.Cut(lines.Text(), "media "); ok {
			list = append(list, portAt(l.b, lab.BoxLAN, text))
		}
	}
	return list
}

func portAt(b testing.TB, host netip.Addr, text string) netip.AddrPort {
	b.Helper()
	port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil {
		b.Fatalf("a port of the box: %v", err)
	}
	return netip.AddrPortFrom(host, uint16(port))
}

var (
	answerPort   = regexp.MustCompile(`m=audio (\d+) RTP/SAVP`)
	answerCrypto = regexp.MustCompile(`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:([A-Za-z0-9+/=]{40})`)
)

// media reads the box's answer.
func (c *hubCall) media(b testing.TB) (m mediatest.Call) {
	b.Helper()
	port, crypto := answerPort.FindStringSubmatch(c.answer), answerCrypto.FindStringSubmatch(c.answer)
	if port == nil || crypto == nil {
		b.Fatalf("this answer of the box has no SRTP that the generator speaks:\n%s", c.answer)
	}
	m.A = portAt(b, lab.BoxWAN, port[1])
	var err error
	if m.Receive, err = base64.StdEncoding.DecodeString(crypto[1]); err != nil {
		b.Fatal(err)
	}
	if m.Send, err = base64.StdEncoding.DecodeString(hubKey); err != nil {
		b.Fatal(err)
	}
	return m
}
