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
)

// Figures of a traceroute.
const (
	mostHops = 30
	hopTries = 2
	hopSize  = 32 // octets of data
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
			from, rtt, done, err := hop(ctx, conn, to, seq)
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
func hop(ctx context.Context, conn net.PacketConn, to netip.Addr, seq int) (from string, rtt time.Duration, done bool, err error) {
	a, err := ask(ctx, conn, to, hopSize, seq)
	if err != nil {
		return "", 0, false, err
	}
	switch a.message.Body.(type) {
	case *icmp.TimeExceeded:
		return a.from.String(), a.rtt, false, nil
	case *icmp.DstUnreach:
		return a.from.String() + " unreachable", a.rtt, true, nil
	}
	return a.from.String(), a.rtt, true, nil
}
