package bans

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestBans(t *testing.T) {
	var (
		here  = netip.MustParseAddr("192.0.2.1")
		there = netip.MustParseAddr("192.0.2.2")
		now   = time.Now()
	)
	guess := func(b *List, source netip.Addr, account string, n int) (left time.Duration) {
		for range n {
			left = b.Wrong(source, account, now)
		}
		return left
	}
	for _, x := range []struct {
		name   string
		does   func(b *List)
		banned bool // here, after it
	}{
		{"one run of a client", func(b *List) { guess(b, here, "anna", 6) }, false},
		{"two of them", func(b *List) { guess(b, here, "anna", 12) }, true},
		{"several accounts", func(b *List) { guess(b, here, "anna", 6); guess(b, here, "", 6) }, true},
		{"another source", func(b *List) { guess(b, there, "anna", 12) }, false},
		{"the right password at last", func(b *List) { guess(b, here, "anna", 11); b.Right(here, "anna"); guess(b, here, "anna", 11) }, false},
		{"a login of one's own forgives no guesses at others", func(b *List) {
			for range 6 {
				guess(b, here, "anna", 2)
				b.Right(here, "otto")
			}
		}, true},
		{"nor does a guess at one's own account hide others", func(b *List) {
			guess(b, here, "otto", 1)
			guess(b, here, "anna", 11)
			b.Right(here, "otto")
			guess(b, here, "anna", 1)
		}, true},
		{"lifted", func(b *List) { guess(b, here, "anna", 12); b.Lift(here) }, false},
		{"all lifted", func(b *List) { guess(b, here, "anna", 12); b.Lift(netip.Addr{}) }, false},
		{"another one lifted", func(b *List) { guess(b, here, "anna", 12); guess(b, there, "anna", 12); b.Lift(there) }, true},
		{"written as IPv6", func(b *List) { guess(b, netip.AddrFrom16(here.As16()), "anna", 12) }, true},
		{"a flood of others", func(b *List) {
			guess(b, here, "anna", 12)
			for n := range banTable + 200 {
				guess(b, netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), "", 1)
			}
			if len(b.of) > banTable {
				t.Errorf("%d sources kept", len(b.of))
			}
		}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := New(slog.New(slog.DiscardHandler))
			x.does(b)
			if left := b.Left(here, now); left > 0 != x.banned {
				t.Errorf("shut out for %v", left)
			}
			if left := b.Left(here, now.Add(Time+time.Second)); left > 0 {
				t.Errorf("still shut out for %v", left)
			}
		})
	}
}

func TestANetworkOfIPv6IsOneSource(t *testing.T) {
	b := New(slog.New(slog.DiscardHandler))
	now := time.Now()
	for n := range 12 {
		b.Wrong(netip.AddrFrom16([16]byte{0x20, 1, 13: byte(n), 15: byte(n)}), "anna", now)
	}
	if b.Left(netip.MustParseAddr("2001::ffff"), now) == 0 || b.Left(netip.MustParseAddr("2001:0:0:1::1"), now) > 0 {
		t.Error("not its /64")
	}
}

func TestABanIsLogged(t *testing.T) {
	var out bytes.Buffer
	b := New(slog.New(slog.NewTextHandler(&out, nil)))
	now := time.Now()
	for range 20 {
		b.Wrong(netip.MustParseAddr("192.0.2.1"), "anna", now)
	}
	b.Left(netip.MustParseAddr("192.0.2.2"), now.Add(time.Hour))
	for text, n := range map[string]int{"msg=\"wrong password\"": 1, "too many wrong passwords": 1, "ban is over": 1, "192.0.2.1": 3} {
		if got := strings.Count(out.String(), text); got != n {
			t.Errorf("%q is logged %d times, want %d:\n%s", text, got, n, out.String())
		}
	}
}
