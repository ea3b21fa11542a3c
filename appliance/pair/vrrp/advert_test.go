package vrrp

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

var boxOne = netip.MustParseAddr("192.168.1.2")

func addrs(list ...string) (a []netip.Addr) {
	for _, s := range list {
		a = append(a, netip.MustParseAddr(s))
	}
	return a
}

func TestAnAdvertOnTheWire(t *testing.T) {
	a := Advert{Router: 51, Priority: 200, Interval: 100 * time.Millisecond, Addresses: addrs("192.168.1.1")}
	b, err := a.Append([]byte("before"), boxOne)
	// Added up by hand: c0a8 0102 e000 0012 0070 000c 3133 c801 000a c0a8 0101 are 35d1f, with the carry 5d22, and the complement is a2dd.
	if want := "3133c801000a" + "a2dd" + "c0a80101"; err != nil || hex.EncodeToString(b[len("before"):]) != want {
		t.Fatalf("%x %v, want %s", b, err, want)
	}
	back, err := Parse(b[len("before"):], boxOne)
	if err != nil || !reflect.DeepEqual(back, a) {
		t.Errorf("read back as %+v %v", back, err)
	}
}

func TestAdvertsThatAreNotWritten(t *testing.T) {
	good := Advert{Router: 1, Priority: 1, Interval: time.Second, Addresses: addrs("10.0.0.1")}
	for name, spoil := range map[string]func(*Advert) netip.Addr{
		"no router":     func(a *Advert) netip.Addr { a.Router = 0; return boxOne },
		"no address":    func(a *Advert) netip.Addr { a.Addresses = nil; return boxOne },
		"256 addresses": func(a *Advert) netip.Addr { a.Addresses = make([]netip.Addr, 256); return boxOne },
		"IPv6":          func(a *Advert) netip.Addr { a.Addresses = addrs("fd00::1"); return boxOne },
		"too short":     func(a *Advert) netip.Addr { a.Interval = 9 * time.Millisecond; return boxOne },
		"too long":      func(a *Advert) netip.Addr { a.Interval = 41 * time.Second; return boxOne },
		"no source":     func(*Advert) netip.Addr { return netip.Addr{} },
	} {
		a := good
		if b, err := a.Append(nil, spoil(&a)); err == nil || len(b) != 0 {
			t.Errorf("%s: %x", name, b)
		}
	}
}

func TestAdvertsThatAreNotUnderstood(t *testing.T) {
	whole, err := Advert{Router: 51, Priority: 200, Interval: time.Second, Addresses: addrs("192.168.1.1", "192.168.1.9")}.Append(nil, boxOne)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), whole...)) }
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "shorter"},
		{"half a head", whole[:7], "shorter"},
		{"half an address", whole[:len(whole)-2], "shorter"},
		{"trailing", append(append([]byte(nil), whole...), 0), "longer"},
		{"authentication of version 2", spoiled(func(b []byte) []byte { b[0] = 0x21; return b }), "version 2"},
		{"another type", spoiled(func(b []byte) []byte { b[0] = 0x32; return b }), "type 2"},
		{"no address", spoiled(func(b []byte) []byte { b[3] = 0; return b[:8] }), "no address"},
		{"spoiled", spoiled(func(b []byte) []byte { b[2]++; return b }), "checksum"},
		{"interval 0", spoiled(func(b []byte) []byte {
			b[4], b[5] = 0, 0
			b[6], b[7] = 0, 0
			sum := checksum(b, boxOne)
			b[6], b[7] = byte(sum>>8), byte(sum)
			return b
		}), "interval"},
	} {
		if a, err := Parse(c.b, boxOne); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v %v", c.name, a, err)
		}
	}
	if _, err := Parse(whole, netip.MustParseAddr("192.168.1.3")); err != errChecksum {
		t.Errorf("from another source: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	whole, err := Advert{Router: 51, Priority: 200, Interval: time.Second, Addresses: addrs("192.168.1.1", "192.168.1.9")}.Append(nil, boxOne)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:9], true)
	f.Add([]byte{0x31, 1, 0, 255, 0xf0, 1, 0, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if len(b) >= headerSize && sum { // or few inputs would get behind the checksum
			b = append([]byte(nil), b...)
			b[6], b[7] = 0, 0
			c := checksum(b, boxOne)
			b[6], b[7] = byte(c>>8), byte(c)
		}
		a, err := Parse(b, boxOne)
		if err != nil {
			return
		}
		if a.Router == 0 {
			return // no such router: nobody listens for it, and it is not written
		}
		again, err := a.Append(nil, boxOne)
		if err != nil {
			t.Fatalf("%+v is read and not written: %v", a, err)
		}
		b[4] &= 0x0f // reserved bits are not kept, and their sum is another
		b[6], b[7], again[6], again[7] = 0, 0, 0, 0
		if string(again) != string(b) {
			t.Errorf("%x is written as %x", b, again)
		}
	})
}
