package lab

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The names and addresses of the world: those of the reference configuration.
const (
	SBCName      = "sbc.meinefirma.de"
	StarfaceName = "starface.meinefirma.de"
	NTPName      = "ntp.meinefirma.de"
)

// The addresses of the world.
var (
	BoxLAN       = netip.MustParseAddr("192.168.1.1")
	BoxWAN       = netip.MustParseAddr("123.123.123.123")
	StarfaceAddr = netip.MustParseAddr("192.168.1.100")
	DNSAddr      = netip.MustParseAddr("192.168.1.53")
	NTPAddr      = netip.MustParseAddr("192.168.1.123")
	LANPeerAddr  = netip.MustParseAddr("192.168.1.50") // a PC, or the place of another PBX in a test
	GatewayAddr  = netip.MustParseAddr("123.123.123.113")
	StrangerAddr = netip.MustParseAddr("123.123.123.114") // somebody on the WAN whom the box does not trust
	// WANPeerAddr is inside Microsoft's networks and used by no hub: the place of another peer in a test.
	WANPeerAddr = netip.MustParseAddr("52.114.16.74")
	// MediaAddr is the media processor that all hubs use.
	MediaAddr = netip.MustParseAddr("52.114.249.26")
)

// Options say how a world is made. The zero value is a whole world that speaks to nobody.
type Options struct {
	// Tell hears what happens, one line each: who it happened to, and what.
	// It is called from several goroutines.
	Tell func(who, what string)
	// Trace hears every SIP message of the simulated peers.
	Trace func(who, direction, peer, message string)

	Pair bool // two boxes: see World.Second

	// Ptime is how much voice a packet of the simulated peers holds, and how much they ask for; 0: 20 ms. Longer ones are for a box that cannot carry as
	// many packets as calls.
	Ptime time.Duration

	NoTeams    bool // no hubs: their addresses are free for other programs
	NoStarface bool // no STARFACE: likewise

	SBCPort uint16 // where the box listens for Teams; 0: 5062
	// TTL of the name server's answers in seconds; 0: 5.
	TTL uint32
	// OptionsInterval is how often a hub sends OPTIONS once it has seen the box's; 0: a minute.
	OptionsInterval time.Duration
}

// World is the networks and the peers around one box.
type World struct {
	Box, LAN, WAN *Namespace
	Second        *Namespace // the other box of a pair; nil without Pair

	PKI      *PKI
	DNS      *DNS
	NTP      *NTP
	Teams    *Teams    // nil with NoTeams
	Starface *Starface // nil with NoStarface

	options  Options
	issuer   ed25519.PrivateKey // of licenses; nil until one is wanted
	licenses uint32             // the last serial
	closers  []func() error     // in the order of making
}

// New makes a world. It lives until Close, whatever becomes of ctx.
func New(ctx context.Context, o Options) (w *World, err error) {
	if o.Tell == nil {
		o.Tell = func(string, string) {}
	}
	if o.SBCPort == 0 {
		o.SBCPort = 5062
	}
	if o.TTL == 0 {
		o.TTL = 5
	}
	if o.OptionsInterval == 0 {
		o.OptionsInterval = time.Minute
	}
	o.Ptime = cmp.Or(o.Ptime, usualPtime)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w = &World{options: o}
	defer func() {
		if err != nil {
			cancel()
			_ = w.Close()
			w = nil
		}
	}()
	if w.PKI, err = newPKI(time.Now()); err != nil {
		return w, err
	}
	if err = w.network(); err != nil {
		return w, err
	}
	if w.DNS, err = newDNS(run, w.LAN, netip.AddrPortFrom(DNSAddr, 53), o.TTL); err != nil {
		return w, err
	}
	w.closers = append(w.closers, w.DNS.close)
	w.DNS.Set(SBCName, BoxWAN)
	w.DNS.Set(StarfaceName, StarfaceAddr)
	w.DNS.Set(NTPName, NTPAddr)
	for _, site := range sites {
		w.DNS.Set(site.name, site.addr)
		w.DNS.Set(site.region, site.addr)
	}
	w.DNS.Set(testSite, sites[0].addr)
	if w.NTP, err = newNTP(run, w.LAN, netip.AddrPortFrom(NTPAddr, 123)); err != nil {
		return w, err
	}
	w.closers = append(w.closers, w.NTP.close)
	if !o.NoTeams {
		if w.Teams, err = newTeams(run, w); err != nil {
			return w, err
		}
		w.closers = append(w.closers, w.Teams.close)
	}
	if !o.NoStarface {
		if w.Starface, err = newStarface(run, w); err != nil {
			return w, err
		}
		w.closers = append(w.closers, w.Starface.close)
	}
	// A box that is started later is stopped earlier: it says goodbye to peers that still listen.
	w.closers = append(w.closers, func() error { cancel(); return nil })
	return w, nil
}

// network makes the three namespaces, the links between them and the addresses of all but the box.
func (w *World) network() error {
	for _, make := range []struct {
		name string
		to   **Namespace
	}{{"box", &w.Box}, {"lan", &w.LAN}, {"wan", &w.WAN}} {
		n, err := newNamespace(make.name)
		if err != nil {
			return err
		}
		*make.to = n
		w.closers = append(w.closers, n.close)
	}
	if w.options.Pair {
		if err := w.pairNetwork(); err != nil {
			return err
		}
	} else if err := w.boxNetwork(); err != nil {
		return err
	}
	if err := w.LAN.edit(func(h *netlink.Handle) error {
		return errors.Join(up(h, "lo"), up(h, "lan0"), addresses(h, "lan0", 24, StarfaceAddr, DNSAddr, NTPAddr, LANPeerAddr))
	}); err != nil {
		return err
	}
	// Microsoft's addresses live on the gateway itself, so nothing needs to be forwarded.
	return w.WAN.edit(func(h *netlink.Handle) error {
		microsoft := []netip.Addr{WANPeerAddr, MediaAddr}
		for _, site := range sites {
			microsoft = append(microsoft, site.addr)
		}
		return errors.Join(up(h, "lo"), up(h, "wan0"), addresses(h, "wan0", 28, GatewayAddr, StrangerAddr), addresses(h, "lo", 32, microsoft...))
	})
}

// boxNetwork joins one box with both sides.
func (w *World) boxNetwork() error {
	// eth00 and eth01 stay down and without addresses: configuring them is the box's work.
	return w.Box.edit(func(h *netlink.Handle) error {
		return errors.Join(up(h, "lo"),
			h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth00"}, PeerName: "lan0", PeerNamespace: netlink.NsFd(w.LAN.file.Fd())}),
			h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth01"}, PeerName: "wan0", PeerNamespace: netlink.NsFd(w.WAN.file.Fd())}))
	})
}

// Host makes one more machine on the LAN, with an address of its own: programs that choose their own source address, as phones do, need one
// each. The LAN's namespace passes on what it sends and gets.
func (w *World) Host(name string, addr netip.Addr) (*Namespace, error) {
	n, err := newNamespace(name)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, n.close)
	if err := w.LAN.edit(func(h *netlink.Handle) error {
		if err := errors.Join(h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "eth0", PeerNamespace: netlink.NsFd(n.file.Fd())}), up(h, name)); err != nil {
			return err
		}
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(32, 32)}})
	}); err != nil {
		return nil, err
	}
	if err := w.LAN.Do(func() error {
		return errors.Join(set("net/ipv4/ip_forward", "1"), set("net/ipv4/conf/all/proxy_arp", "1"), set("net/ipv4/neigh/lan0/proxy_delay", "0"), set("net/ipv4/neigh/"+name+"/proxy_delay", "0"))
	}); err != nil {
		return nil, err
	}
	return n, n.edit(func(h *netlink.Handle) error {
		return errors.Join(up(h, "lo"), up(h, "eth0"), addresses(h, "eth0", 24, addr), h.RouteAdd(&netlink.Route{Gw: BoxLAN.AsSlice()}))
	})
}

// Join joins a namespace with another by a link whose ends have names and addresses.
func (n *Namespace) Join(link string, addr netip.Addr, other *Namespace, otherLink string, otherAddr netip.Addr, bits int) error {
	if err := n.edit(func(h *netlink.Handle) error {
		return errors.Join(h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: link}, PeerName: otherLink, PeerNamespace: netlink.NsFd(other.file.Fd())}),
			up(h, link), addresses(h, link, bits, addr))
	}); err != nil {
		return err
	}
	return other.edit(func(h *netlink.Handle) error {
		return errors.Join(up(h, "lo"), up(h, otherLink), addresses(h, otherLink, bits, otherAddr))
	})
}

// set writes a setting of the kernel for the namespace of this thread.
func set(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
}

// AddAddress gives the LAN or WAN side one more address, for a further peer.
func (n *Namespace) AddAddress(link string, bits int, addr netip.Addr) error {
	return n.edit(func(h *netlink.Handle) error { return addresses(h, link, bits, addr) })
}

func (n *Namespace) edit(change func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(netns.NsHandle(n.file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink in %s: %w", n.Name, err)
	}
	defer h.Close()
	if err := change(h); err != nil {
		return fmt.Errorf("configure network %s: %w", n.Name, err)
	}
	return nil
}

func up(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(link)
}

func addresses(h *netlink.Handle, name string, bits int, addrs ...netip.Addr) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		parsed, err := netlink.ParseAddr(netip.PrefixFrom(a, bits).String())
		if err != nil {
			return err
		}
		if err := h.AddrAdd(link, parsed); err != nil {
			return fmt.Errorf("add %v to %s: %w", a, name, err)
		}
	}
	return nil
}

// Close ends everything in the world and waits for it.
func (w *World) Close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	w.closers = nil
	return errors.Join(errs...)
}
