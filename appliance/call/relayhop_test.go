package call

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/media"
	"viaduct/appliance/mediaterms"
	"viaduct/appliance/sdp"
)

// TestTwoSessionsAreConnected sends voice through two sessions of the real relay that are joined on ports of the box, in both
// directions: a transfer to another network, or between two calls.
func TestTwoSessionsAreConnected(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	relay := media.New(media.Options{})
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	defer func() { end(); <-done }()

	choice := &sdp.Choice{Codec: sdp.Codec{PT: 8, Name: sdp.PCMA, Rate: 8000}}
	local := netip.MustParseAddr("127.0.0.1")
	open := func(s *media.Session, side media.Side) media.Ports {
		p, err := s.Open(side, media.PortOptions{Addr: local})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	phone := func() (*net.UDPConn, media.Ports) {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: local.AsSlice()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		at := c.LocalAddr().(*net.UDPAddr).AddrPort()
		return c, media.Ports{RTP: at, RTCP: at}
	}
	one, two := relay.NewSession(), relay.NewSession()
	defer one.Close()
	defer two.Close()
	near, nearAt := phone()
	far, farAt := phone()
	nearBox, outer := open(one, media.A), open(one, media.B)
	inner, farBox := open(two, media.A), open(two, media.B)
	for _, x := range []struct {
		s    *media.Session
		side media.Side
		to   media.Ports
	}{{one, media.A, nearAt}, {one, media.B, inner}, {two, media.A, outer}, {two, media.B, farAt}} {
		if err := x.s.Set(x.side, mediaterms.Plain(x.to, choice)); err != nil {
			t.Fatal(err)
		}
	}
	packet := append([]byte{0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4}, bytes.Repeat([]byte{0xd5}, 160)...)
	for _, way := range []struct {
		why      string
		from, to *net.UDPConn
		box      media.Ports
	}{{"there", near, far, nearBox}, {"back", far, near, farBox}} {
		if _, err := way.from.WriteToUDPAddrPort(packet, way.box.RTP); err != nil {
			t.Fatal(err)
		}
		way.to.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 1500)
		for {
			n, err := way.to.Read(buf)
			if err != nil {
				t.Fatalf("%s: no voice: %v", way.why, err)
			}
			if n == len(packet) && buf[1]&0x7f == 8 {
				if !bytes.Equal(buf[12:n], packet[12:]) {
					t.Errorf("%s: another voice", way.why)
				}
				break
			}
		}
	}
	if here, there := one.Stats(media.A).Quality, two.Stats(media.B).Quality; here.MOS == 0 || there.MOS == 0 {
		t.Errorf("G.711 is not rated: %+v, %+v", here, there)
	}
}
