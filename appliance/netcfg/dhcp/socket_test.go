package dhcp

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
)

func TestTheFilterAcceptsWhatAServerSends(t *testing.T) {
	vm, err := bpf.NewVM(filter)
	if err != nil {
		t.Fatal(err)
	}
	answered := func(change func(f []byte)) []byte {
		f := answer(1, kindOffer, "192.0.2.77", hour())
		change(f)
		return f
	}
	const ip = ethernetSize
	for name, c := range map[string]struct {
		frame []byte
		taken bool
	}{
		"an offer": {answered(func(f []byte) {}), true},
		"an IP header with options": {answered(func(f []byte) {
			f[ip] = 0x46
			copy(f[ip+ipSize+4:], f[ip+ipSize:])
		}), true},
		"do not fragment":    {answered(func(f []byte) { f[ip+6] = 0x40 }), true},
		"another port":       {answered(func(f []byte) { binary.BigEndian.PutUint16(f[ip+ipSize+2:], 67) }), false},
		"TCP":                {answered(func(f []byte) { f[ip+9] = 6 }), false},
		"a later fragment":   {answered(func(f []byte) { f[ip+7] = 1 }), false},
		"IPv6":               {answered(func(f []byte) { f[12], f[13] = 0x86, 0xdd }), false},
		"no UDP header":      {answered(func(f []byte) {})[:ip+ipSize], false},
		"an Ethernet header": {answered(func(f []byte) {})[:ip], false},
	} {
		if n, err := vm.Run(c.frame); err != nil || n > 0 != c.taken {
			t.Errorf("%s: %d octets, %v", name, n, err)
		}
	}
}
