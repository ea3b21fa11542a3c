package diag

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// Figures of a traceroute.
const (
	mostHops  = 30
	hopTries  = 2
	hopWait   = time.Second
	icmpProto = 1
)

// Traceroute shows the routers on the path to a host: it sends echo requests with a growing TTL.
func Traceroute(ctx context.Context, to netip.Addr, report func(string)) error {
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return fmt.Errorf("open icmp socket: %w", err)
	}
	defer conn.Close()
	for hops, seq := 1, 0; hops <= mostHops && ctx.Err() == nil; hops++ {
		if err := conn.IPv4PacketConn().SetTTL(hops); err != nil {
			return fmt.Errorf("set lifetime of packets: %w", err)
		}
		var answers []string
		arrived := false
		for range hopTries {
			seq++
			from, rtt, done, err := hop(conn, to, seq)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				answers = append(answers, "*")
			case err != nil:
				return err
			default:
				answers = append(answers, fmt.Sprintf("%s %.1f ms", from, float64(rtt)/float64(time.Millisecond)))
				arrived = arrived || done
			}
		}
		report(fmt.Sprintf("%2d  %s", hops, strings.Join(answers, "  ")))
		if arrived {
			return nil
		}
	}
	return ctx.Err()
}

// hop sends one request and waits for the answer that says how far it came. done: it came to the host, or to the end of the path.
func hop(conn *icmp.PacketConn, to netip.Addr, seq int) (from string, rtt time.Duration, done bool, err error) {
	id := os.Getpid() & 0xffff
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq, Data: make([]byte, 32)}}
	b, err := request.Marshal(nil)
	if err != nil {
		return "", 0, false, err
	}
	sent := time.Now()
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return "", 0, false, err
	}
	if err := conn.SetReadDeadline(sent.Add(hopWait)); err != nil {
		return "", 0, false, err
	}
	for buf := make([]byte, 1500); ; {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return "", 0, false, err
		}
		m, err := icmp.ParseMessage(icmpProto, buf[:n])
		if err != nil {
			continue
		}
		switch body := m.Body.(type) {
		case *icmp.Echo:
			if m.Type == ipv4.ICMPTypeEchoReply && body.ID == id && body.Seq == seq {
				return peer.String(), time.Since(sent), true, nil
			}
		case *icmp.TimeExceeded:
			if quotes(body.Data, id, seq) {
				return peer.String(), time.Since(sent), false, nil
			}
		case *icmp.DstUnreach:
			if quotes(body.Data, id, seq) {
				return peer.String() + " unreachable", time.Since(sent), true, nil
			}
		}
	}
}

// quotes reports whether an ICMP error is about our request: it quotes the head of the packet.
func quotes(packet []byte, id, seq int) bool {
	h, err := ipv4.ParseHeader(packet)
	if err != nil || len(packet) < h.Len+8 {
		return false
	}
	m, err := icmp.ParseMessage(icmpProto, packet[h.Len:])
	if err != nil {
		return false
	}
	echo, ok := m.Body.(*icmp.Echo)
	return ok && echo.ID == id && echo.Seq == seq
}
