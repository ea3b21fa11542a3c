package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// plug puts a wire in, or takes it out.
func (r *running) plug(n *Namespace, link string, in bool) {
	r.t.Helper()
	if err := n.edit(func(h *netlink.Handle) error {
		l, err := h.LinkByName(link)
		if err != nil {
			return err
		}
		if in {
			return h.LinkSetUp(l)
		}
		return h.LinkSetDown(l)
	}); err != nil {
		r.t.Fatal(err)
	}
}

// flap takes the wire of the LAN out, and puts it in again once the box knows: the kernel does not tell of a link that is there again by then.
func (r *running) flap() {
	r.t.Helper()
	told := func(line string) int { return strings.Count(r.log.String(), line) }
	const down, up = "msg=link name=eth00 up=false", "msg=link name=eth00 up=true"
	downs, ups := told(down), told(up)
	r.plug(r.LAN, "lan0", false)
	r.wait("the box knows that the link is down", func() bool { return told(down) > downs })
	r.plug(r.LAN, "lan0", true)
	r.wait("the box knows that the link is up", func() bool { return told(up) > ups })
}

// A box that was switched on before its cable: names, registrations and probes have all failed for a while, and wait longer each time. A machine
// that is slow is told from a box that waits by a box whose cable is there from the beginning.
func TestTheCableIsPutInLate(t *testing.T) {
	var took, usual time.Duration
	for range 3 {
		t.Run("late", func(t *testing.T) { took = timeToService(t, true) })
		if t.Failed() || took < 5*time.Second {
			return
		}
		t.Run("in time", func(t *testing.T) { usual = timeToService(t, false) })
		if t.Failed() || took < 3*usual {
			return
		}
		t.Logf("late %v, in time %v", took, usual)
	}
	t.Errorf("it took %v, and %v with the cable in time", took, usual)
}

// timeToService is how long a new box takes for its service, from when it has its configuration and its cable.
func timeToService(t *testing.T, late bool) time.Duration {
	r := newRunning(t)
	r.plug(r.LAN, "lan0", !late)
	r.configure(Setup{})
	if late {
		time.Sleep(8 * time.Second) // what has doubled its wait each time would come in six seconds
		r.plug(r.LAN, "lan0", true)
	}
	began := time.Now()
	if err := r.Starface.WaitRegistered(r.ctx, 3); err != nil {
		t.Fatal(err)
	}
	if err := r.Teams.WaitActive(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.wait("the time", func() bool {
		text, err := r.box.Exec(r.ctx, "show sntp-client")
		return err == nil && strings.Contains(text, "Synchronised: yes")
	})
	return time.Since(began)
}

func TestAfterALinkFlapRegistrationsAndProbesAreSentAnew(t *testing.T) {
	// Nothing would come anew by itself within the limit of the test, but for the one registration that is renewed every 40 seconds.
	r := runBox(t, Setup{}, "lifetime 180", "lifetime 3600", "interval 60 timeout 60", "interval 600 timeout 60")
	out, in := r.fromPBX(Ring{}) // it lives through it
	times := func() map[string]int {
		granted := map[string]int{}
		for _, x := range r.Starface.Registrations() {
			granted[x.Account] = x.Times
		}
		return granted
	}
	before, options := times(), r.Teams.Hubs[0].Options()
	r.flap()
	r.wait("registrations", func() bool {
		now := times()
		for account, n := range before {
			if now[account] <= n {
				return false
			}
		}
		return len(before) == 3 && len(now) == 3
	})
	r.wait("OPTIONS to Teams", func() bool { return r.Teams.Hubs[0].Options() > options })
	// Everything works again: addresses, routes and sockets.
	wantTone(t, "the caller", out.Audio, TeamsTone)
	wantTone(t, "the callee", in.Audio, StarfaceTone)
	r.end(out, in)
	out, in = r.fromPBX(Ring{})
	r.end(out, in)
	out, in = r.fromTeams(Dial{})
	r.end(out, in)
	r.ended()
}

// A PBX port that has its address by DHCP, and one day another one: sockets and registrations move along.
func TestGatewaysFollowTheAddressThatAServerGives(t *testing.T) {
	first, second := netip.MustParseAddr("192.168.1.71"), netip.MustParseAddr("192.168.1.72")
	r := newRunning(t)
	var server *DHCP
	if err := r.LAN.Do(func() (err error) {
		server, err = ServeDHCP(t.Context(), "lan0", StarfaceAddr, first)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	r.start(Setup{}, "ipaddress if_eth00 192.168.1.1/24", "ipaddress if_eth00 dhcp")
	contact := func(want netip.Addr) func() bool {
		return func() bool {
			list := r.Starface.Registrations()
			for _, x := range list {
				if !strings.Contains(x.Contact, want.String()) {
					return false
				}
			}
			return len(list) == 3
		}
	}
	r.wait("registered from the first address", contact(first))
	out, in := r.fromPBX(Ring{})
	r.end(out, in)

	server.Give(second)
	r.flap() // the lease is confirmed, and refused
	r.wait("registered from the second address", contact(second))
	text, err := r.box.Exec(r.ctx, "show context sip-gateway")
	if err != nil || !strings.Contains(text, "192.168.1.72:5060") || strings.Contains(text, "192.168.1.71") {
		t.Errorf("%v\n%s", err, text)
	}
	out, in = r.fromPBX(Ring{})
	r.end(out, in)
	out, in = r.fromTeams(Dial{})
	r.end(out, in)
	r.ended()
}

// marks listens on a device until media and signalling of the box have been heard, and returns the TOS octets of each kind.
func (r *running) marks(n *Namespace, device string, box netip.Addr, transport byte, sip uint16) map[string]byte {
	r.t.Helper()
	var s *Sniffer
	if err := n.Do(func() (err error) {
		s, err = Sniff(device)
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	heard := map[string]byte{}
	_, err := s.Next(time.Minute, func(p Packet) bool {
		from, to := p.Ports()
		switch {
		case p.From() != box:
		case p.Protocol() == unix.IPPROTO_UDP && from >= 16384 && from <= 32767:
			heard["media"] = p.TOS()
		case p.Protocol() == transport && (from == sip || to == teamsPort) && len(p.Payload()) > 60:
			heard["SIP"] = p.TOS()
		}
		return len(heard) == 2
	})
	if err != nil {
		r.t.Errorf("on %s: only heard %v: %v", device, heard, err)
	}
	return heard
}

func TestPacketsAreMarkedOnTheWire(t *testing.T) {
	const ef, af41, cs3 = 46 << 2, 34 << 2, 24 << 2
	r := runBox(t, Setup{}, "profile voip pf_voip_starface\n  codec", "profile voip pf_voip_starface\n  rtp dscp 34\n  codec")
	type side struct {
		n         *Namespace
		device    string
		box       netip.Addr
		transport byte
		sip       uint16
		media     byte
	}
	for _, s := range []side{
		{r.LAN, "lan0", BoxLAN, unix.IPPROTO_UDP, 5060, af41},
		{r.WAN, "wan0", BoxWAN, unix.IPPROTO_TCP, 5062, ef}, // the profile says nothing: as everywhere
	} {
		heard := make(chan map[string]byte)
		go func() { heard <- r.marks(s.n, s.device, s.box, s.transport, s.sip) }()
		out, in := r.fromPBX(Ring{})
		got := <-heard
		r.end(out, in)
		if got["media"] != s.media || got["SIP"] != cs3 {
			t.Errorf("on %s: %v, want media %d and SIP %d", s.device, got, s.media, cs3)
		}
	}
	r.ended()
}

// What this kernel cannot do is said where an administrator looks.
func TestARefusedVLANIsAmongTheProblems(t *testing.T) {
	const vlan = "vlan 20\n    bind interface ROUTER if_voice\n    no shutdown\n"
	r := newRunning(t)
	r.start(Setup{}, "port ethernet 0 0\n", "context ip ROUTER\n  interface if_voice\n    ipaddress v 10.20.0.1/24\nport ethernet 0 0\n  "+vlan+"port ethernet 0 0\n")
	const want = "port ethernet 0 0 vlan 20: the kernel of this image has no VLANs (8021q)"
	text, err := r.box.Exec(r.ctx, "show config problems")
	if err != nil {
		t.Fatal(err)
	}
	interfaces, err := r.box.Exec(r.ctx, "show ip interface")
	if err != nil {
		t.Fatal(err)
	}
	if works := strings.Contains(interfaces, "10.20.0.1/24"); works == strings.Contains(strings.Join(strings.Fields(text), " "), want) {
		t.Errorf("problems:\n%s\ninterfaces:\n%s", text, interfaces)
	}
}
