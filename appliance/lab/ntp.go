package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// NTP is the time server of the world (RFC 5905, server mode). It tells this machine's time, or lies.
type NTP struct {
	conn net.PacketConn
	wg   sync.WaitGroup

	mu      sync.Mutex // protects the following
	offset  time.Duration
	silent  bool
	queries int
}

func newNTP(ctx context.Context, n *Namespace, at netip.AddrPort) (*NTP, error) {
	conn, err := n.ListenPacket(ctx, "udp4", at.String())
	if err != nil {
		return nil, fmt.Errorf("listen for time on %v: %w", at, err)
	}
	s := &NTP{conn: conn}
	s.wg.Go(s.serve)
	return s, nil
}

func (s *NTP) close() error {
	err := s.conn.Close()
	s.wg.Wait()
	return err
}

// Lie makes the server tell a time that is off by offset; 0: the truth.
func (s *NTP) Lie(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// SetSilent makes the server answer nothing, or answer again.
func (s *NTP) SetSilent(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

// Queries says how often the server was asked.
func (s *NTP) Queries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries
}

func (s *NTP) serve() {
	buf := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		received := time.Now()
		if n < 48 || buf[0]&7 != 3 { // 3: client mode
			continue
		}
		s.mu.Lock()
		offset, silent := s.offset, s.silent
		s.queries++
		s.mu.Unlock()
		if silent {
			continue
		}
		reply := make([]byte, 48)
		reply[0] = buf[0]&0x38 | 4 // their version, server mode, no leap second
		reply[1] = 1               // stratum: a primary server
		reply[2] = buf[2]
		reply[3] = 0xec                                       // precision 2^-20 s
		binary.BigEndian.PutUint32(reply[4:], 1<<6)           // root delay, 16.16 s: 1 ms
		binary.BigEndian.PutUint32(reply[8:], 1<<6)           // root dispersion
		copy(reply[12:], "GPS\x00")                           // reference
		copy(reply[24:32], buf[40:48])                        // origin = their transmit time
		putTime(reply[16:], received.Add(offset-time.Minute)) // last set
		putTime(reply[32:], received.Add(offset))
		putTime(reply[40:], time.Now().Add(offset))
		_, _ = s.conn.WriteTo(reply, from)
	}
}

// putTime writes an NTP timestamp: seconds since 1900 and a binary fraction.
func putTime(to []byte, t time.Time) {
	const from1900To1970 = 2208988800
	binary.BigEndian.PutUint32(to, uint32(t.Unix()+from1900To1970))
	binary.BigEndian.PutUint32(to[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
}
