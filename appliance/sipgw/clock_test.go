package sipgw

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Before the clock is right no certificate can be judged: TLS is neither accepted nor dialled, and says so. What has TLS keeps it.
func TestTLSWaitsForTheClock(t *testing.T) {
	b := newBox(t, true, func(c *config.Config, _ *config.SIPInterface) { c.Gateways[0].Enabled = false })
	insane := errors.New("the clock is not synchronised")
	var sane atomic.Bool
	b.s.applying.Lock()
	b.s.opts.Clock = func() error {
		if sane.Load() {
			return nil
		}
		return insane
	}
	b.s.applying.Unlock()
	gw, cfg := *b.cfg.Gateways[0], *b.cfg
	gw.Enabled, cfg.Gateways = true, []*config.SIPGateway{&gw}
	b.cfg = &cfg

	if err := b.apply(); !errors.Is(err, insane) || !strings.HasPrefix(err.Error(), "gateway gw: ") {
		t.Errorf("Apply: %v", err)
	}
	if p, err := b.tryConnect("127.0.0.2", b.secure); err == nil {
		p.c.Close()
		t.Error("a connection was accepted")
	}
	// The same address in the other direction: nothing arrives there.
	server, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := server.Addr().(*net.TCPAddr).Port
	req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: "sip.example", Port: port})
	for _, h := range [][2]string{{"From", "<sip:sbc.example>;tag=1"}, {"To", "<sip:sip.example>"}, {"Call-ID", "clock"}, {"CSeq", "1 OPTIONS"}} {
		req.AppendHeader(sip.NewHeader(h[0], h[1]))
	}
	client, _ := b.s.Client("gw")
	if !client.Waits(siptransport.TLS) || client.Waits(siptransport.UDP) {
		t.Error("probes do not know that TLS waits, and UDP does not")
	}
	if _, err := client.Do(t.Context(), req, siptransport.Target{Host: "sip.example", Port: uint16(port), Transport: siptransport.TLS}); !errors.Is(err, insane) {
		t.Errorf("request: %v", err)
	}
	server.(*net.TCPListener).SetDeadline(time.Now().Add(50 * time.Millisecond))
	if c, err := server.Accept(); err == nil {
		c.Close()
		t.Error("the peer was dialled")
	}

	sane.Store(true)
	if err := b.apply(); err != nil {
		t.Errorf("Apply with a sane clock: %v", err)
	}
	if client.Waits(siptransport.TLS) {
		t.Error("it waits for a clock that is right")
	}
	b.connect("127.0.0.2", b.secure).c.Close()

	sane.Store(false)
	if err := b.apply(); err != nil {
		t.Errorf("Apply when servers are configured anew: %v", err)
	}
	b.connect("127.0.0.2", b.secure).c.Close()
}
