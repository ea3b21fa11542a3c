package diag

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/sys/unix"
)

// Heard is the answer to one echo request.
type Heard struct {
	Reply bool       // the host answered
	From  netip.Addr // a router that reports an error, or the host; not valid: silence
	MTU   int        // of the next link, where From says that the packet is too large; 0: it does not tell
	Large bool       // the packet is too large for From's next link, or, without From, for our own port
	Took  time.Duration
}

// Echo sends one echo request and waits a second for the answer. Count of e is not used.
func Echo(ctx context.Context, e Echoes) (Heard, error) {
	conn, err := pingSocket(ctx, e)
	if err != nil {
		return Heard{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	// Other echo requests of the box may be under way: their answers reach this socket, too.
	a, err := ask(ctx, conn, e.To, e.Size, 1+rand.IntN(0xffff))
	switch {
	case errors.Is(err, unix.EMSGSIZE):
		return Heard{Large: true}, nil
	case ctx.Err() != nil:
		return Heard{}, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Heard{}, nil
	case err != nil:
		return Heard{}, err
	}
	h := Heard{Took: a.rtt}
	if ip, err := netip.ParseAddr(a.from.String()); err == nil {
		h.From = ip.Unmap()
	}
	switch a.message.Body.(type) {
	case *icmp.Echo:
		h.Reply = true
	case *icmp.DstUnreach:
		if a.message.Code == fragmentationNeeded {
			h.Large, h.MTU = true, int(binary.BigEndian.Uint16(a.packet[6:8]))
		}
	}
	return h, nil
}
