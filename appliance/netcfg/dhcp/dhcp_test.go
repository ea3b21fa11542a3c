package dhcp

import (
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/status"
)

var (
	ours   = [6]byte{2, 0, 0, 0, 0, 0x10}
	theirs = [6]byte{2, 0, 0, 0, 0, 0x99}
)

// wire is a device without a driver.
type wire struct {
	sent, received chan []byte
	closed         chan struct{}
}

func newWire() *wire {
	return &wire{sent: make(chan []byte, 100), received: make(chan []byte, 100), closed: make(chan struct{})}
}

func (w *wire) Write(b []byte) (int, error) {
	w.sent <- slices.Clone(b)
	return len(b), nil
}

func (w *wire) Read(b []byte) (int, error) {
	select {
	case f := <-w.received:
		return copy(b, f), nil
	case <-w.closed:
		return 0, io.EOF
	}
}

func (w *wire) Close() error { close(w.closed); return nil }

// asked reads what the client sent: a frame of a client, seen as one of a server so that parse takes it.
func asked(t *testing.T, f []byte) packet {
	t.Helper()
	p, ok := parse(turned(f))
	if !ok {
		t.Fatalf("the client sent %x", f)
	}
	copy(p.from[:], f[:6]) // where it was sent to
	p.ciaddr = netip.AddrFrom4([4]byte(f[ethernetSize+ipSize+udpSize+12:]))
	return p
}

// turned exchanges the ports of a frame and makes a request an answer.
func turned(f []byte) []byte {
	f = slices.Clone(f)
	udp := f[ethernetSize+ipSize:]
	binary.BigEndian.PutUint16(udp, serverPort)
	binary.BigEndian.PutUint16(udp[2:], clientPort)
	udp[udpSize] = 2
	return f
}

// answer is a server's frame.
func answer(xid uint32, kind byte, address string, options map[byte][]byte) []byte {
	if options == nil {
		options = map[byte][]byte{}
	}
	options[optServer] = []byte{192, 0, 2, 1}
	f := turned(frame(theirs, ours, netip.MustParseAddr("192.0.2.1"), broadcast, message{kind: kind, xid: xid, hw: ours, options: options}))
	copy(f[ethernetSize+ipSize+udpSize+16:], netip.MustParseAddr(address).AsSlice())
	return f
}

// hour is what a lease of an hour says.
func hour() map[byte][]byte {
	return map[byte][]byte{optMask: {255, 255, 255, 0}, optRouter: {192, 0, 2, 1}, optNameServers: {192, 0, 2, 53, 198, 51, 100, 53},
		optLeaseTime: {0, 0, 0x0e, 0x10}}
}

// run runs a client in a bubble of time; script talks to it.
func run(t *testing.T, script func(t *testing.T, w *wire, c *Client, told chan *Lease, end context.CancelCauseFunc)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := New(Options{MAC: ours, Conn: w})
		ctx, end := context.WithCancelCause(t.Context())
		defer end(nil)
		told := make(chan *Lease, 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx, func(l *Lease) { told <- l })
		}()
		script(t, w, c, told, end)
		end(nil)
		<-done
	})
}

// bind leads the client to a lease of 192.0.2.77.
func bind(t *testing.T, w *wire, told chan *Lease) *Lease {
	t.Helper()
	d := asked(t, <-w.sent)
	if d.kind != kindDiscover || d.from != everybody {
		t.Fatalf("first message %+v", d)
	}
	w.received <- answer(d.xid, kindOffer, "192.0.2.77", hour())
	r := asked(t, <-w.sent)
	if r.kind != kindRequest || !slices.Equal(r.options[optAddress], []byte{192, 0, 2, 77}) || !slices.Equal(r.options[optServer], []byte{192, 0, 2, 1}) || r.ciaddr != nobody {
		t.Fatalf("request %+v", r)
	}
	w.received <- answer(r.xid, kindAck, "192.0.2.77", hour())
	return <-told
}

func TestALeaseIsObtainedAndRenewed(t *testing.T) {
	run(t, func(t *testing.T, w *wire, c *Client, told chan *Lease, _ context.CancelCauseFunc) {
		l := bind(t, w, told)
		if l.Prefix.String() != "192.0.2.77/24" || l.Router.String() != "192.0.2.1" || len(l.NameServers) != 2 || l.Expires.Sub(l.Obtained) != time.Hour {
			t.Errorf("lease %+v", l)
		}
		bound := time.Now()
		r := asked(t, <-w.sent)
		if after := time.Since(bound); after != 30*time.Minute {
			t.Errorf("renewed after %v", after)
		}
		// Renewing goes to the server alone, from the address that we have (RFC 2131 section 4.3.2).
		if r.kind != kindRequest || r.from != theirs || r.ciaddr.String() != "192.0.2.77" || r.options[optServer] != nil || r.options[optAddress] != nil {
			t.Errorf("renewal %+v", r)
		}
		w.received <- answer(r.xid, kindAck, "192.0.2.77", hour())
		if next := <-told; !next.Expires.After(l.Expires) {
			t.Errorf("renewed lease %+v", next)
		}
		if s := c.Status(); s.State != status.LeaseBound || s.Error != "" {
			t.Errorf("state %+v", s)
		}
	})
}

func TestAServerThatIsGone(t *testing.T) {
	run(t, func(t *testing.T, w *wire, c *Client, told chan *Lease, _ context.CancelCauseFunc) {
		l := bind(t, w, told)
		rebinding := 0
		for {
			select {
			case f := <-w.sent:
				r := asked(t, f)
				if r.from == everybody && r.kind == kindRequest {
					rebinding++
					if time.Now().Before(l.Rebind) {
						t.Errorf("any server was asked %v before its time", time.Until(l.Rebind))
					}
				}
				continue
			case lost := <-told:
				if lost != nil || time.Now().Before(l.Expires) {
					t.Errorf("lost %+v at %v of %v", lost, time.Now(), l.Expires)
				}
			}
			break
		}
		if rebinding == 0 {
			t.Error("no other server was asked")
		}
		if d := asked(t, <-w.sent); d.kind != kindDiscover {
			t.Errorf("then sent %+v", d)
		}
	})
}

// The server is gone for good, and another one knows the lease (RFC 2131 section 4.4.5).
func TestAnotherServerTakesTheLeaseOver(t *testing.T) {
	run(t, func(t *testing.T, w *wire, c *Client, told chan *Lease, _ context.CancelCauseFunc) {
		l := bind(t, w, told)
		other := [6]byte{2, 0, 0, 0, 0, 0x98}
		var r packet
		for r = asked(t, <-w.sent); r.from != everybody; r = asked(t, <-w.sent) {
			if s := c.Status(); s.State != status.LeaseRenewing || s.Address != l.Prefix {
				t.Errorf("state %+v", s)
			}
		}
		if time.Now().Before(l.Rebind) || r.ciaddr.String() != "192.0.2.77" || r.options[optServer] != nil || r.options[optAddress] != nil {
			t.Errorf("rebinding at %v: %+v", time.Since(l.Obtained), r)
		}
		if s := c.Status(); s.State != status.LeaseRebinding || s.Error != "the DHCP server does not answer" {
			t.Errorf("state %+v", s)
		}
		f := answer(r.xid, kindAck, "192.0.2.77", hour())
		copy(f[6:], other[:])
		w.received <- f
		next := <-told
		if next == nil || !next.Expires.After(l.Expires) || next.Prefix != l.Prefix {
			t.Fatalf("lease %+v", next)
		}
		if r := asked(t, <-w.sent); r.from != other || time.Now().Before(next.Renew) {
			t.Errorf("the next renewal goes to %x at %v", r.from, time.Since(next.Obtained))
		}
	})
}

func TestARenewalIsRefused(t *testing.T) {
	run(t, func(t *testing.T, w *wire, c *Client, told chan *Lease, _ context.CancelCauseFunc) {
		bind(t, w, told)
		w.received <- answer(asked(t, <-w.sent).xid, kindNak, "0.0.0.0", map[byte][]byte{optMessage: []byte("moved")})
		if l := <-told; l != nil {
			t.Errorf("the lease is kept: %+v", l)
		}
		d := asked(t, <-w.sent)
		if s := c.Status(); d.kind != kindDiscover || s.Error != `the DHCP server refuses the address: "moved"` || s.Address.IsValid() {
			t.Errorf("then sent %+v, state %+v", d, s)
		}
		w.received <- answer(d.xid, kindOffer, "192.0.2.88", hour())
		w.received <- answer(asked(t, <-w.sent).xid, kindAck, "192.0.2.88", hour())
		if l := <-told; l == nil || l.Prefix.String() != "192.0.2.88/24" || c.Status().Error != "" {
			t.Errorf("lease %+v, state %+v", l, c.Status())
		}
	})
}

// A renewal may change everything but the way that it came.
func TestARenewalBringsAnotherAddress(t *testing.T) {
	run(t, func(t *testing.T, w *wire, _ *Client, told chan *Lease, _ context.CancelCauseFunc) {
		bind(t, w, told)
		o := hour()
		o[optRouter] = []byte{192, 0, 2, 2}
		w.received <- answer(asked(t, <-w.sent).xid, kindAck, "192.0.2.99", o)
		if l := <-told; l == nil || l.Prefix.String() != "192.0.2.99/24" || l.Router.String() != "192.0.2.2" {
			t.Errorf("lease %+v", l)
		}
	})
}

func TestTheCableIsPutInLate(t *testing.T) {
	run(t, func(t *testing.T, w *wire, c *Client, _ chan *Lease, _ context.CancelCauseFunc) {
		for range 3 { // into the long pauses
			asked(t, <-w.sent)
		}
		began := time.Now()
		c.Confirm()
		if d := asked(t, <-w.sent); d.kind != kindDiscover || time.Since(began) > 0 {
			t.Errorf("asked %v after the link came: %+v", time.Since(began), d)
		}
	})
}

func TestAServerThatOffersAndRefusesIsNotFlooded(t *testing.T) {
	run(t, func(t *testing.T, w *wire, c *Client, _ chan *Lease, _ context.CancelCauseFunc) {
		began, sent := time.Now(), 0
		for time.Since(began) < time.Hour {
			p := asked(t, <-w.sent)
			sent++
			kind := map[byte]byte{kindDiscover: kindOffer, kindRequest: kindNak}[p.kind]
			w.received <- answer(p.xid, kind, "192.0.2.77", hour())
		}
		if sent > 2*360+2 {
			t.Errorf("%d messages in an hour", sent)
		}
	})
}

func TestAfterALinkFlap(t *testing.T) {
	for name, c := range map[string]struct {
		kind byte // of the answer; 0: none
		lost bool
	}{
		"the same network":               {kindAck, false},
		"another network":                {kindNak, true},
		"a server that says nothing now": {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *wire, client *Client, told chan *Lease, _ context.CancelCauseFunc) {
				bind(t, w, told)
				client.Confirm()
				r := asked(t, <-w.sent)
				if r.kind != kindRequest || r.from != everybody || r.ciaddr != nobody || r.options[optServer] != nil || !slices.Equal(r.options[optAddress], []byte{192, 0, 2, 77}) {
					t.Errorf("confirmation %+v", r)
				}
				if c.kind != 0 {
					w.received <- answer(r.xid, c.kind, "192.0.2.77", hour())
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := !client.Status().Address.IsValid(); got != c.lost {
					t.Errorf("lost %v, want %v: %+v", got, c.lost, client.Status())
				}
			})
		})
	}
}

func TestALeaseIsGivenBack(t *testing.T) {
	run(t, func(t *testing.T, w *wire, _ *Client, told chan *Lease, end context.CancelCauseFunc) {
		bind(t, w, told)
		end(ErrRelease)
		r := asked(t, <-w.sent)
		if r.kind != kindRelease || r.from != theirs || r.ciaddr.String() != "192.0.2.77" {
			t.Errorf("sent %+v", r)
		}
	})
	run(t, func(t *testing.T, w *wire, _ *Client, told chan *Lease, end context.CancelCauseFunc) {
		bind(t, w, told)
		end(nil) // the box restarts: the address is its own
		synctest.Wait()
		if len(w.sent) > 0 {
			t.Errorf("sent %+v", asked(t, <-w.sent))
		}
	})
}

func TestBadOffersAreNotTaken(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		change  func(map[byte][]byte)
		want    string
	}{
		"no address":             {"0.0.0.0", func(map[byte][]byte) {}, "the DHCP server gives the address 0.0.0.0"},
		"a group's address":      {"224.0.0.1", func(map[byte][]byte) {}, "the DHCP server gives the address 224.0.0.1"},
		"a mask of nothing":      {"192.0.2.77", func(o map[byte][]byte) { o[optMask] = make([]byte, 4) }, "the DHCP server gives the mask 0.0.0.0"},
		"an address of class E":  {"240.0.0.1", func(map[byte][]byte) {}, "the DHCP server gives the address 240.0.0.1"},
		"the network's address":  {"192.0.2.0", func(map[byte][]byte) {}, "the DHCP server gives the address 192.0.2.0/24, which is the network's own or its broadcast address"},
		"the broadcast address":  {"192.0.2.255", func(map[byte][]byte) {}, "the DHCP server gives the address 192.0.2.255/24, which is the network's own or its broadcast address"},
		"a mask of three octets": {"192.0.2.77", func(o map[byte][]byte) { o[optMask] = []byte{255, 255, 255} }, "the DHCP server gives a mask of 3 octets"},
		"a mask with holes":      {"192.0.2.77", func(o map[byte][]byte) { o[optMask] = []byte{255, 0, 255, 0} }, "the DHCP server gives the mask 255.0.255.0"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *wire, client *Client, _ chan *Lease, _ context.CancelCauseFunc) {
				o := hour()
				c.change(o)
				w.received <- answer(asked(t, <-w.sent).xid, kindOffer, c.address, o)
				time.Sleep(time.Second)
				if s := client.Status(); s.Error != c.want {
					t.Errorf("problem %q", s.Error)
				}
			})
		})
	}
	run(t, func(t *testing.T, w *wire, client *Client, _ chan *Lease, _ context.CancelCauseFunc) {
		d := asked(t, <-w.sent)
		w.received <- answer(d.xid+1, kindOffer, "192.0.2.77", hour()) // somebody else's
		time.Sleep(time.Second)
		if s := client.Status(); s.State != status.LeaseDiscovering {
			t.Errorf("state %+v", s)
		}
	})
}

func TestSoundLeasesOfOddServers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(map[byte][]byte)
		want   func(*Lease) bool
	}{
		"for ever":                        {func(o map[byte][]byte) { o[optLeaseTime] = []byte{255, 255, 255, 255} }, func(l *Lease) bool { return l.Expires.After(l.Obtained.AddDate(9, 0, 0)) }},
		"for a second":                    {func(o map[byte][]byte) { o[optLeaseTime] = []byte{0, 0, 0, 1} }, func(l *Lease) bool { return l.Renew.Sub(l.Obtained) == time.Minute }},
		"renewal after the end":           {func(o map[byte][]byte) { o[optRenew] = []byte{0, 1, 0, 0} }, func(l *Lease) bool { return l.Renew.Sub(l.Obtained) == 30*time.Minute }},
		"a router in another network":     {func(o map[byte][]byte) { o[optRouter] = []byte{10, 0, 0, 1} }, func(l *Lease) bool { return l.Router.String() == "10.0.0.1" }},
		"a name server that is everybody": {func(o map[byte][]byte) { o[optNameServers] = []byte{255, 255, 255, 255, 1} }, func(l *Lease) bool { return len(l.NameServers) == 0 }},
		"no mask: the length is a guess":  {func(o map[byte][]byte) { delete(o, optMask) }, func(l *Lease) bool { return l.Prefix.Bits() == 24 }},
		"an address of its own (a /32)":   {func(o map[byte][]byte) { o[optMask] = []byte{255, 255, 255, 255} }, func(l *Lease) bool { return l.Prefix.Bits() == 32 && l.Router.String() == "192.0.2.1" }},
		"a point to point link (a /31)":   {func(o map[byte][]byte) { o[optMask], o[optRouter] = []byte{255, 255, 255, 254}, []byte{192, 0, 2, 76} }, func(l *Lease) bool { return l.Prefix.Bits() == 31 && l.Router.String() == "192.0.2.76" }},
		"a router that is everybody": {func(o map[byte][]byte) {
			o[optRouter] = []byte{192, 0, 2, 255, 255, 255, 255, 255, 224, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 192, 0, 2, 0}
		}, func(l *Lease) bool { return !l.Router.IsValid() }},
		"half a router":                    {func(o map[byte][]byte) { o[optRouter] = []byte{192, 0} }, func(l *Lease) bool { return !l.Router.IsValid() }},
		"the box as its own router":        {func(o map[byte][]byte) { o[optRouter] = []byte{192, 0, 2, 77} }, func(l *Lease) bool { return !l.Router.IsValid() }},
		"a second router when one is odd ": {func(o map[byte][]byte) { o[optRouter] = []byte{10, 0, 0, 1, 192, 0, 2, 2} }, func(l *Lease) bool { return l.Router.String() == "192.0.2.2" }},
	} {
		o := hour()
		c.change(o)
		p, ok := parse(answer(1, kindAck, "192.0.2.77", o))
		if !ok {
			t.Fatalf("%s: not parsed", name)
		}
		if l, err := p.lease(time.Now()); err != nil || !c.want(l) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// Whatever is on the wire, reading it ends.
func FuzzParse(f *testing.F) {
	f.Add(answer(1, kindOffer, "192.0.2.77", hour()))
	f.Add(answer(1, kindNak, "0.0.0.0", map[byte][]byte{optMessage: []byte("no")})[:300])
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parse(b); ok && len(b) < ethernetSize+ipSize+udpSize+bootpSize+len(p.options) {
			t.Errorf("more options than octets: %+v", p)
		}
	})
}

// Whatever a server says, there is a sound lease or none.
func FuzzLease(f *testing.F) {
	f.Add(uint32(0xc000024d), answer(1, kindAck, "192.0.2.77", hour())[ethernetSize+ipSize+udpSize+bootpSize:])
	f.Add(uint32(0xc000024d), []byte{optServer, 4, 192, 0, 2, 1, optLeaseTime, 4, 255, 255, 255, 255, optRenew, 4, 0, 0, 0, 0, optPad, optRouter, 4, 10, 0, 0, 1, optMask, 2, 255})
	f.Add(uint32(0x7f000001), []byte{optServer, 4, 192, 0, 2, 1, optEnd, 99})
	f.Fuzz(func(t *testing.T, address uint32, b []byte) {
		o, ok := options(b)
		if !ok {
			return
		}
		p := packet{message: message{kind: kindAck, yiaddr: netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, address))), options: o}}
		now := time.Now()
		l, err := p.lease(now)
		if err != nil {
			return
		}
		a := l.Prefix.Addr()
		switch length := l.Expires.Sub(now); {
		case !l.Prefix.IsValid() || l.Prefix.Bits() == 0 || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast(),
			!now.Before(l.Renew) || !l.Renew.Before(l.Rebind) || !l.Rebind.Before(l.Expires) || length < 2*time.Minute || length > 11*365*24*time.Hour,
			l.Router.IsValid() && (unusable(l.Router) || l.Router == a), len(l.Routes) > maxRoutes,
			!l.Server.Is4():
			t.Errorf("lease %+v", l)
		}
		for _, s := range l.NameServers {
			if s.IsUnspecified() || s.IsMulticast() || s == broadcast {
				t.Errorf("name server %s", s)
			}
		}
	})
}
