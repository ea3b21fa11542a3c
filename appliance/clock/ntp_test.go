package clock

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// ntpTime is a time in the format of RFC 5905 section 6.
func ntpTime(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// responder is an NTP server on loopback. edit may change the answer; a nil answer is silence.
func responder(t testing.TB, edit func(answer []byte) []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			now := ntpTime(time.Now())
			a := make([]byte, 48)
			a[0], a[1], a[2], a[3] = buf[0]&0x38|4, 2, buf[2], 0xec // no leap, version as asked, server; stratum 2
			binary.BigEndian.PutUint32(a[4:], 1<<16/100)            // root delay 10 ms
			binary.BigEndian.PutUint32(a[8:], 1<<16/100)
			copy(a[12:16], []byte{192, 0, 2, 1})
			binary.BigEndian.PutUint64(a[16:], ntpTime(time.Now().Add(-time.Minute)))
			copy(a[24:32], buf[40:48])
			binary.BigEndian.PutUint64(a[32:], now)
			binary.BigEndian.PutUint64(a[40:], now)
			if a = edit(a); a != nil {
				conn.WriteToUDPAddrPort(a, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestQueryNTP(t *testing.T) {
	shift := func(d time.Duration) func([]byte) []byte {
		return func(a []byte) []byte { return lying(a, d) }
	}
	for name, c := range map[string]struct {
		edit   func([]byte) []byte
		offset time.Duration
		err    string
	}{
		"the same time":        {func(a []byte) []byte { return a }, 0, ""},
		"an hour ahead":        {shift(time.Hour), time.Hour, ""},
		"after the second era": {shift(20 * 365 * 24 * time.Hour), 20 * 365 * 24 * time.Hour, ""}, // past 2036-02-07 the seconds begin again
		"not synchronised":     {func(a []byte) []byte { a[0] |= 0xc0; return a }, 0, "answer: "},
		"no reference":         {func(a []byte) []byte { a[1] = 16; return a }, 0, "answer: "},
		"kiss of death":        {func(a []byte) []byte { a[1] = 0; copy(a[12:], "DENY"); return a }, 0, "the server refuses to serve (DENY)"},
		"far from its reference": {func(a []byte) []byte { binary.BigEndian.PutUint32(a[8:], 3<<16); return a }, 0,
			"answer: the server is "},
		"stale reference":     {func(a []byte) []byte { copy(a[16:], []byte{0xdd, 0, 0, 0}); return a }, 0, "answer: "},
		"cut short":           {func(a []byte) []byte { return a[:20] }, 0, "query: "},
		"not an answer to us": {func(a []byte) []byte { a[30] ^= 1; return a }, 0, "query: "},
		"random":              {func(a []byte) []byte { return []byte(strings.Repeat("\xa5", 48)) }, 0, "query: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := queryNTP(t.Context(), responder(t, c.edit), 4)
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if err == nil && (s.Offset-c.offset).Abs() > s.Distance { // half of the time that the answer took, on a busy machine
				t.Errorf("offset %v within %v, want %v", s.Offset, s.Distance, c.offset)
			}
		})
	}
}

func TestQueryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := responder(t, func([]byte) []byte { cancel(); return nil })
	if _, err := queryNTP(ctx, silent, 4); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, and not an end of the wait", err)
	}
}

func TestObservingClockSyncsOverLoopback(t *testing.T) {
	server := responder(t, func(a []byte) []byte { return a })
	c := New(Options{Log: slog.New(slog.DiscardHandler), Kernel: Observer{}, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "time.example.org" {
			return nil, errors.New("no such host")
		}
		return []netip.Addr{server.Addr()}, nil
	}})
	cfg := sntp("time.example.org")
	cfg.SNTP.Servers[0].Port = server.Port()
	c.Apply(cfg)
	stop := start(t, c)
	select {
	case <-c.FirstSync():
	case <-time.After(time.Minute):
		t.Errorf("not synchronised: %+v", c.Status())
	}
	if st := c.Status(); st.Adjustable || st.Servers[0].Stratum != 2 || !st.Servers[0].Used {
		t.Errorf("state %+v", st)
	}
	stop()
}

// Whatever a server sends, an answer that is taken is one that can be believed.
func FuzzAnswer(f *testing.F) {
	var mu sync.Mutex
	var edit func([]byte) []byte
	server := responder(f, func(a []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		return edit(a)
	})
	f.Add(uint8(0x24), uint8(2), uint32(655), uint32(655), "GPS\x00", int64(0), int64(-60), uint8(48))
	f.Add(uint8(0xe4), uint8(0), uint32(0), uint32(0), "RATE", int64(0), int64(0), uint8(48))
	f.Add(uint8(0x24), uint8(15), uint32(1<<31), uint32(1<<31), "", int64(-1<<31), int64(1<<31), uint8(48))
	f.Add(uint8(0x1c), uint8(1), uint32(0), uint32(0), "LOCL", int64(1<<40), int64(0), uint8(47))
	f.Fuzz(func(t *testing.T, flags, stratum uint8, delay, dispersion uint32, reference string, seconds, set int64, size uint8) {
		mu.Lock()
		edit = func(a []byte) []byte {
			a[0], a[1] = flags, stratum
			binary.BigEndian.PutUint32(a[4:], delay)
			binary.BigEndian.PutUint32(a[8:], dispersion)
			copy(a[12:16], reference)
			for _, at := range []int{32, 40} {
				binary.BigEndian.PutUint64(a[at:], binary.BigEndian.Uint64(a[at:])+uint64(seconds)<<32)
			}
			binary.BigEndian.PutUint64(a[16:], binary.BigEndian.Uint64(a[32:])+uint64(set)<<32)
			return a[:min(int(size), len(a))]
		}
		mu.Unlock()
		s, err := queryNTP(t.Context(), server, 4)
		if err != nil {
			return
		}
		if s.Stratum < 1 || s.Stratum > 15 || s.Distance < 0 || s.Distance > maxDistance || flags&7 != 4 {
			t.Errorf("taken: %+v", s)
		}
	})
}
