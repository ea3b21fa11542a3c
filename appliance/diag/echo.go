package diag

import (
	"context"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

const (
	answerWait = time.Second
	icmpProto  = 1
)

// answer is the ICMP message that answers an echo request: the reply of the host, or an error of a router.
type answer struct {
	from    net.Addr
	rtt     time.Duration
	message *icmp.Message
	packet  []byte // message, as it came
}

// ask sends one echo request and waits for its answer. The error is os.ErrDeadlineExceeded if none comes.
func ask(ctx context.Context, conn net.PacketConn, to netip.Addr, size, seq int) (answer, error) {
	id := os.Getpid() & 0xffff
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq, Data: make([]byte, size)}}
	b, err := request.Marshal(nil)
	if err != nil {
		return answer{}, err
	}
	sent := time.Now()
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return answer{}, err
	}
	if err := conn.SetReadDeadline(sent.Add(answerWait)); err != nil {
		return answer{}, err
	}
	for buf := make([]byte, 1<<16); ctx.Err() == nil; {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return answer{}, err
		}
		if m, err := icmp.ParseMessage(icmpProto, buf[:n]); err == nil && answers(m, id, seq) {
			return answer{from, time.Since(sent), m, buf[:n]}, nil
		}
	}
	return answer{}, ctx.Err()
}

// answers reports whether a message answers our request.
func answers(m *icmp.Message, id, seq int) bool {
	switch body := m.Body.(type) {
	case *icmp.Echo:
		return m.Type == ipv4.ICMPTypeEchoReply && body.ID == id && body.Seq == seq
	case *icmp.DstUnreach:
		return quotes(body.Data, id, seq)
	case *icmp.TimeExceeded:
		return quotes(body.Data, id, seq)
	}
	return false
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
