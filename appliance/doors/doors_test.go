package doors

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
)

// TestAPortThatCannotBeOpenedIsNotLeftOpenInTheFirewall has a socket taken by somebody else, while another order has its own port open.
func TestAPortThatCannotBeOpenedIsNotLeftOpenInTheFirewall(t *testing.T) {
	d := &Doors{Log: slog.New(slog.DiscardHandler), Admit: func([]netip.AddrPort) error { return nil }}
	open := func() string { return fmt.Sprint(d.open) }
	before, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	taken := before.Addr().(*net.TCPAddr).AddrPort()
	other := netip.MustParseAddrPort("203.0.113.1:80")
	if err := d.admit([]netip.AddrPort{other, taken}, nil); err != nil {
		t.Fatal(err)
	}
	own, err := net.Listen("tcp", "127.0.0.2:0") // frees a port for the order below
	if err != nil {
		t.Fatal(err)
	}
	free := own.Addr().(*net.TCPAddr).AddrPort()
	own.Close()
	if list, err := d.Open(t.Context(), []netip.AddrPort{free, taken}); err == nil || list != nil {
		t.Fatalf("a socket that is taken was opened: %v, %v", list, err)
	}
	if want := fmt.Sprint([]netip.AddrPort{other, taken}); open() != want {
		t.Errorf("open after a failure: %s, want %s", open(), want)
	}
	list, err := d.Open(t.Context(), []netip.AddrPort{free})
	if err != nil {
		t.Fatal(err) // the failure has left its first socket open
	}
	if want := fmt.Sprint([]netip.AddrPort{other, taken, free}); open() != want {
		t.Errorf("open: %s, want %s", open(), want)
	}
	d.Shut(list)
	if want := fmt.Sprint([]netip.AddrPort{other, taken}); open() != want {
		t.Errorf("open in the end: %s, want %s", open(), want)
	}
}
