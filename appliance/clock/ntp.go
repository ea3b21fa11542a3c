package clock

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/beevik/ntp"
)

// KissOfDeath is a server's wish not to be asked (RFC 5905 section 7.4): RATE (less often), DENY or RSTR (never).
type KissOfDeath string

func (k KissOfDeath) Error() string { return "the server refuses to serve (" + string(k) + ")" }

// Limits of a query.
const (
	queryTimeout = 3 * time.Second
	maxDistance  = 1500 * time.Millisecond // MAXDIST of RFC 5905 appendix A.1.1
)

// queryNTP asks one server by NTP version 3 or 4; 0 means 4, and older versions mean 3.
func queryNTP(ctx context.Context, server netip.AddrPort, version int) (Sample, error) {
	switch {
	case version == 0:
		version = 4
	case version < 3:
		version = 3
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	dial := func(_, remote string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp", remote)
		if err == nil {
			// The module knows a timeout, but no context: a closed socket ends its wait.
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
	r, err := ntp.QueryWithOptions(server.String(), ntp.QueryOptions{Version: version, Timeout: queryTimeout, Dialer: dial})
	if err != nil {
		return Sample{}, fmt.Errorf("query: %w", err)
	}
	if r.IsKissOfDeath() {
		switch r.KissCode {
		case "RATE", "DENY", "RSTR":
			return Sample{}, KissOfDeath(r.KissCode)
		}
		// INIT, STEP: it has just started, as after a power cut that hit both of us, and will have the time in a minute.
		return Sample{}, fmt.Errorf("answer: the server has no time now (%q)", r.KissCode)
	}
	if err := r.Validate(); err != nil {
		return Sample{}, fmt.Errorf("answer: %w", err)
	}
	if r.RootDistance > maxDistance {
		return Sample{}, fmt.Errorf("answer: the server is %v away from its reference, %v at most are taken", r.RootDistance, maxDistance)
	}
	return Sample{Offset: r.ClockOffset, Distance: r.RootDistance, Stratum: int(r.Stratum)}, nil
}
