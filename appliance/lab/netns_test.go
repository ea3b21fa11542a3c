package lab

import (
	"context"
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/beevik/ntp"
	"github.com/vishvananda/netlink"
)

// scratch is a folder that all tests share; it is removed after them.
var scratch string

func TestMain(m *testing.M) {
	Enter()
	var err error
	if scratch, err = os.MkdirTemp("", "lab"); err != nil {
		panic(err)
	}
	// Worlds of TestFaults wait more than they work, so all run at once, however few processors there are.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// newTestWorld makes a world whose box side is configured by the test instead of a box.
func newTestWorld(t *testing.T, o Options) *World {
	t.Helper()
	w, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Box.edit(func(h *netlink.Handle) error {
		for _, p := range []struct {
			name string
			bits int
			addr netip.Addr
		}{{"eth00", 24, BoxLAN}, {"eth01", 28, BoxWAN}} {
			if err := up(h, p.name); err != nil {
				return err
			}
			if err := addresses(h, p.name, p.bits, p.addr); err != nil {
				return err
			}
		}
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		return h.RouteAdd(&netlink.Route{Dst: all, Gw: net.IP(GatewayAddr.AsSlice())})
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWorldLeavesNothing(t *testing.T) {
	if _, err := newPKI(time.Now()); err != nil { // the keys are made once a program
		t.Fatal(err)
	}
	start := time.Now()
	w, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Since(start)
	p, err := w.Box.Start(exec.Command("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(time.Second); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("made in %v, closed %v after the start", made, time.Since(start))
}

func TestBoxPortsAreDownUntilTheBoxConfiguresThem(t *testing.T) {
	w, err := New(t.Context(), Options{NoTeams: true, NoStarface: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Box.edit(func(h *netlink.Handle) error {
		for _, name := range []string{"eth00", "eth01"} {
			link, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if link.Attrs().Flags&net.FlagUp != 0 {
				t.Errorf("%s is up", name)
			}
			if addrs, err := h.AddrList(link, netlink.FAMILY_V4); err != nil || len(addrs) > 0 {
				t.Errorf("%s has addresses %v, %v", name, addrs, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestProcessRunsInsideItsNamespace(t *testing.T) {
	w := newTestWorld(t, Options{NoTeams: true, NoStarface: true})
	cmd := exec.Command("cat", "/proc/net/dev")
	var text strings.Builder
	cmd.Stdout = &text
	p, err := w.Box.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "eth00") || !strings.Contains(text.String(), "eth01") {
		t.Errorf("the process sees\n%s", text.String())
	}
}

func TestNameServerAnswersAndChanges(t *testing.T) {
	w := newTestWorld(t, Options{NoTeams: true, NoStarface: true})
	for _, network := range []string{"udp", "tcp"} {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.Box.Dial(ctx, network, "", netip.AddrPortFrom(DNSAddr, 53).String())
		}}
		w.DNS.Set("sip.pstnhub.microsoft.com", sites[0].addr)
		got, err := r.LookupHost(t.Context(), "SIP.pstnhub.microsoft.com.")
		if err != nil || len(got) != 1 || got[0] != "52.114.75.24" {
			t.Errorf("%s: %v, %v", network, got, err)
		}
		w.DNS.Set("sip.pstnhub.microsoft.com", sites[1].addr, sites[2].addr)
		if got, err := r.LookupHost(t.Context(), "sip.pstnhub.microsoft.com."); err != nil || len(got) != 2 {
			t.Errorf("%s: after the change %v, %v", network, got, err)
		}
		if got, err := r.LookupHost(t.Context(), "nobody.example."); err == nil {
			t.Errorf("%s: an unknown name has %v", network, got)
		}
	}
	if n := w.DNS.Queries("nobody.example"); n == 0 {
		t.Error("no query counted")
	}
}

func TestTimeServerTellsTheTruthUnlessToldToLie(t *testing.T) {
	w := newTestWorld(t, Options{NoTeams: true, NoStarface: true})
	// An offset is known to half the round trip: on a busy machine that is much.
	ask := func() (offset, most time.Duration) {
		r, err := ntp.QueryWithOptions(NTPAddr.String(), ntp.QueryOptions{Timeout: 5 * time.Second, Dialer: func(_, remote string) (net.Conn, error) {
			return w.Box.Dial(t.Context(), "udp4", "", remote)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		return r.ClockOffset, r.RTT/2 + 5*time.Millisecond
	}
	if offset, most := ask(); offset.Abs() > most {
		t.Errorf("offset %v, more than %v", offset, most)
	}
	w.NTP.Lie(-time.Hour)
	if offset, most := ask(); (offset + time.Hour).Abs() > most {
		t.Errorf("lying offset %v, more than %v from an hour", offset, most)
	}
}
