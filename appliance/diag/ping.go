package diag

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/sys/unix"
)

// pingHeaders are the octets of the IP and ICMP headers in front of the data of an echo request.
const pingHeaders = 28

// Echoes are the echo requests of a ping.
type Echoes struct {
	To     netip.Addr
	Source netip.Addr // not valid: the address of the port that they leave by
	Count  int
	Size   int  // octets of data
	Whole  bool // routers may not fragment them
}

// Ping sends ICMP echo requests, one a second.
func Ping(ctx context.Context, p Echoes, report func(string)) error {
	conn, err := pingSocket(ctx, p)
	if err != nil {
		return err
	}
	defer conn.Close()
	to, received := p.To, 0
	for seq := 1; seq <= p.Count; seq++ {
		rtt, err := echo(ctx, conn, to, p.Size, seq)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			report(fmt.Sprintf("%s: %v", to, err))
		default:
			received++
			report(fmt.Sprintf("%s: reply %d in %.1f ms", to, seq, float64(rtt)/float64(time.Millisecond)))
		}
		if seq == p.Count {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second - min(rtt, time.Second)):
		}
	}
	report(fmt.Sprintf("%d sent, %d answered, packets of %d octets", p.Count, received, p.Size+pingHeaders))
	return nil
}

// pingSocket opens a socket for echo requests. An option of the socket says whether routers may fragment them; the path MTU that the
// kernel has learned must not hold them back.
func pingSocket(ctx context.Context, p Echoes) (net.PacketConn, error) {
	fragments := unix.IP_PMTUDISC_DONT
	if p.Whole {
		fragments = unix.IP_PMTUDISC_PROBE
	}
	l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, fragments) }); e != nil {
			return e
		}
		return err
	}}
	source := "0.0.0.0"
	if p.Source.IsValid() {
		source = p.Source.String()
	}
	conn, err := l.ListenPacket(ctx, "ip4:icmp", source)
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is no address of this box", source)
	case err != nil:
		return nil, fmt.Errorf("open icmp socket: %w", err)
	}
	return conn, nil
}

// echo sends one request and waits for its reply, or for an error from a router.
func echo(ctx context.Context, conn net.PacketConn, to netip.Addr, size, seq int) (time.Duration, error) {
	a, err := ask(ctx, conn, to, size, seq)
	switch {
	case errors.Is(err, unix.EMSGSIZE):
		return 0, fmt.Errorf("a packet of %d octets is larger than the MTU of the interface", size+pingHeaders)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answerWait, errors.New("no reply")
	case err != nil:
		return 0, err
	}
	switch a.message.Body.(type) {
	case *icmp.DstUnreach:
		return a.rtt, unreachable(a.from, a.message.Code, a.packet)
	case *icmp.TimeExceeded:
		return a.rtt, fmt.Errorf("%s reports a routing loop", a.from)
	}
	return a.rtt, nil
}

// fragmentationNeeded is the code of a packet that is too large (RFC 792).
const fragmentationNeeded = 4

// unreachable describes an ICMP error of a router or of the host itself (RFC 792, RFC 1191 section 4).
func unreachable(from net.Addr, code int, message []byte) error {
	if code == fragmentationNeeded {
		return fmt.Errorf("%s says that the packet is too large: the MTU of the next link is %d", from, binary.BigEndian.Uint16(message[6:8]))
	}
	return fmt.Errorf("%s says that it is unreachable (code %d)", from, code)
}
