package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"viaduct/appliance/lab"
)

// plug lays wires from the box namespace's ports, whose other ends are the world's networks, to tap devices for an emulator.
func plug(w *lab.World, ports ...string) error {
	return w.Box.Do(func() error {
		for _, port := range ports {
			link, err := netlink.LinkByName("eth0" + port)
			if err != nil {
				return err
			}
			bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br" + port}}
			tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tap" + port}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_NO_PI}
			if err := errors.Join(netlink.LinkAdd(bridge), netlink.LinkAdd(tap)); err != nil {
				return err
			}
			for _, l := range []netlink.Link{link, tap} {
				if err := errors.Join(netlink.LinkSetMaster(l, bridge), netlink.LinkSetUp(l)); err != nil {
					return err
				}
			}
			if err := netlink.LinkSetUp(bridge); err != nil {
				return err
			}
		}
		return nil
	})
}

// greeting is what the box's SSH server says, "" when nothing does in time.
func greeting(t *testing.T, from *lab.Namespace, local, address string, limit time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := from.Dial(ctx, "tcp", local, net.JoinHostPort(address, "22"))
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(limit))
	b := make([]byte, 8)
	n, _ := io.ReadFull(c, b)
	return string(b[:n])
}

// ring makes a call that arrives in time.
func ring(ctx context.Context, limit time.Duration, dial, wait func(context.Context) (*lab.Call, error)) (out, in *lab.Call, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if out, err = dial(ctx); err == nil {
		in, err = wait(ctx)
	}
	return out, in, err
}

// call lets one side call the other through the box, and checks what both hear. The first try may fail after a power cut: a peer
// that still has its connection to the box from before sends its INVITE there, and learns with that that it is gone.
func call(t *testing.T, afterCut bool, dial, wait func(context.Context) (*lab.Call, error), callerHears, calleeHears float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	limit := patience
	if afterCut {
		limit = 10 * time.Second
	}
	out, in, err := ring(ctx, limit, dial, wait)
	if err != nil && afterCut {
		out, in, err = ring(ctx, patience, dial, wait)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.WaitUp(ctx), in.WaitUp(ctx)); err != nil {
		t.Fatal(err)
	}
	for who, side := range map[string]struct {
		call *lab.Call
		hz   float64
	}{"caller": {out, callerHears}, "callee": {in, calleeHears}} {
		tone, err := side.call.Audio.Listen(ctx, 500*time.Millisecond)
		if err != nil || math.Abs(tone.Hz-side.hz) > 2 {
			t.Errorf("the %s hears %v, not %.0f Hz (%v)", who, tone, side.hz, err)
		}
	}
	if err := out.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := in.WaitOver(ctx); err != nil {
		t.Fatal(err)
	}
}

// aPhone may register with the box, for which the reference configuration gets these lines.
const aPhone = `
configure
location-service PHONES
  domain 1 192.168.1.1
  identity 21
    authentication inbound
      authenticate none
    registration inbound
context cs SWITCH
  interface sip if_phones
    bind context sip-gateway gw_sip_lan_5060
    use location-service PHONES
    route call dest-service hg_microsoft-directrouting
    trust 192.168.1.30/32
end
`

// register registers that phone, which is at 192.168.1.30.
func register(t *testing.T, w *lab.World) {
	t.Helper()
	host, err := w.Host("phone", netip.MustParseAddr("192.168.1.30"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := host.ListenPacket(t.Context(), "udp", "192.168.1.30:5060")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	box := net.UDPAddrFromAddrPort(netip.AddrPortFrom(lab.BoxLAN, 5060))
	answer := make([]byte, 1500)
	for range 20 { // a datagram may be lost
		if _, err := c.WriteTo([]byte("REGISTER sip:192.168.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.30:5060;branch=z9hG4bKone\r\nMax-Forwards: 70\r\n"+
			"From: <sip:21@192.168.1.1>;tag=a\r\nTo: <sip:21@192.168.1.1>\r\nCall-ID: phone\r\nCSeq: 1 REGISTER\r\n"+
			"Contact: <sip:21@192.168.1.30:5060>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"), box); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(patience / 20))
		n, _, err := c.ReadFrom(answer)
		if err != nil {
			continue
		}
		if got := string(answer[:n]); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			t.Fatalf("the phone's REGISTER gets\n%s", got)
		}
		return
	}
	t.Fatal("the phone's REGISTER gets no answer")
}

// The whole way of a box: out of the emulator's reset with an empty data partition and a clock in 1970, configured over the serial
// line between a simulated STARFACE and a simulated Teams, calls in both directions; saved, unplugged, and everything there again.
func TestBoxCarriesCallsAndKeepsItsConfigurationOverAPowerCut(t *testing.T) {
	world, err := lab.New(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := plug(world, "0", "1"); err != nil {
		t.Fatal(err)
	}
	start := func(cmd *exec.Cmd) (<-chan struct{}, error) {
		p, err := world.Box.Start(cmd)
		if err != nil {
			return nil, err
		}
		return p.Done(), nil
	}
	m := Machine{Disk: freshDisk(t), Work: t.TempDir(), Clock: "1970-01-01", LAN: Wire{Tap: "tap0"}, WAN: Wire{Tap: "tap1"}}
	e := powerOnBy(t, m, start)
	quiet(t, e.until(prompt))
	e.run("no terminal more")
	if v := e.run("show version"); !strings.Contains(v, "v9.8.7") || !strings.Contains(v, "qemu-virt") || !strings.Contains(v, "020000000010") {
		t.Errorf("show version:\n%s", v)
	}
	if c := e.run("show clock"); strings.Contains(c, "1970") {
		t.Errorf("the clock stands before the build:\n%s", c)
	}
	world.NTP.SetSilent(true)
	text, err := world.Paste(lab.Setup{Registrar: true, Sessions: 20, Channels: 20})
	if err != nil {
		t.Fatal(err)
	}
	// As a terminal program pastes a file: without a look at what comes back.
	io.WriteString(e.keys, strings.ReplaceAll(text+aPhone, "\n", "\r"))
	text = e.until(`\n.*\d+ errors, .*\n[^\n]*#$`)
	if !strings.Contains(text, "\n0 errors, ") {
		t.Errorf("the paste left errors:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "% ") && !strings.HasPrefix(line, "% note: ") && !strings.HasPrefix(line, "% warning: ") {
			t.Errorf("the paste was told: %s", line)
		}
	}
	// Without a time nobody's certificate can be judged: no TLS, and it is said.
	e.again("show config problems", `the clock is not synchronised yet: certificates cannot be judged`)
	e.again("show log 60", `TLS waits for the clock to be synchronised`)
	if n := world.Teams.Hubs[0].Options(); n > 0 {
		t.Errorf("Teams has had %d OPTIONS before the clock was right", n)
	}
	world.NTP.SetSilent(false)
	e.run("clock sync")
	everything := func(afterCut bool) {
		t.Helper()
		e.run("enable")
		e.again("show ip interface", `eth00\s+up\s+192\.168\.1\.1/24`)
		e.again("show ip interface", `eth01\s+up\s+123\.123\.123\.123/28`)
		e.again("show system", `Start: +kernel .*init .*ports .*sbcd .*configuration .*network .*gateways`)
		e.again("show clock", fmt.Sprintf(`\n%d-`, time.Now().UTC().Year()))
		e.again("show context sip-gateway", `(?s)gw_sip_lan_5060.*192\.168\.1\.1:5060.*gw_sip_wan_5062.*123\.123\.123\.123:5062`)
		if l := e.run("show system licenses"); !regexp.MustCompile(`(?i)sip.*\b20\b`).MatchString(l) {
			t.Errorf("licenses:\n%s", l)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := errors.Join(world.Starface.WaitRegistered(ctx, 3), world.Teams.WaitActive(ctx)); err != nil {
			t.Fatalf("%v\n%s", err, e.run("show log 60"))
		}
		call(t, afterCut, func(ctx context.Context) (*lab.Call, error) {
			return world.Teams.Call(ctx, lab.Dial{Name: "Anna Schmidt"})
		},
			world.Starface.NextCall, lab.StarfaceTone, lab.TeamsTone)
		call(t, afterCut, func(ctx context.Context) (*lab.Call, error) {
			return world.Starface.Call(ctx, lab.Ring{Account: "user.02"})
		},
			world.Teams.NextCall, lab.TeamsTone, lab.StarfaceTone)
		e.again("show log 200", "media ports share a socket") // the image's kernel lets sbcd steer them
	}
	register(t, world)
	registered := time.Now()
	everything(false)
	running := e.run("show running-config")
	e.run("copy running-config startup-config")
	time.Sleep(time.Until(registered.Add(45 * time.Second))) // the phone is kept within 30 s, and nothing tells when
	e.powerOff()

	cut := time.Now()
	e = powerOnBy(t, m, start)
	quiet(t, e.until(prompt))
	e.run("no terminal more")
	startsAt(e, cut.Add(-10*time.Minute)) // it was right before the power went, although for less than an hour
	e.run("enable")
	e.again("show sip bindings", `\b21\b.*192\.168\.1\.30`)
	everything(true)
	if again := e.run("show running-config"); again != running {
		t.Errorf("saved:\n%s\nand after the power cut:\n%s", running, again)
	}
	if g := greeting(t, world.LAN, lab.LANPeerAddr.String(), lab.BoxLAN.String(), patience); !strings.HasPrefix(g, "SSH-2.0") {
		t.Errorf("on the LAN side SSH says %q", g)
	}
	for _, local := range []string{lab.StrangerAddr.String(), lab.WANPeerAddr.String()} {
		if g := greeting(t, world.WAN, local, lab.BoxWAN.String(), 5*time.Second); g != "" {
			t.Errorf("on the WAN side SSH says %q to %s", g, local)
		}
	}
	for _, r := range append(world.Teams.Refusals(), world.Starface.Refusals()...) {
		t.Errorf("refused: %v", r)
	}
	keepsTime(t, e, world.NTP)
	saysWhatItLacks(e)
	e.powerOff()
	grown(t, m.Disk)
}
