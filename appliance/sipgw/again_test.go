package sipgw

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

// dialled are the connections that a gateway on paper opens, as its peer has them.
type dialled struct {
	t       *testing.T
	mu      sync.Mutex
	list    []*peer
	refuses int // so many more
}

func (d *dialled) dial() (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuses > 0 {
		d.refuses--
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	d.list = append(d.list, &peer{d.t, theirs, bufio.NewReader(theirs)})
	return ours, nil
}

// last is the newest of want connections.
func (d *dialled) last(want int) *peer {
	d.t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) != want {
		d.t.Fatalf("%d connections, want %d", len(d.list), want)
	}
	return d.list[want-1]
}

// refuse has so many more connections refused, and returns how many it were before.
func (d *dialled) refuse(n int) (before int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, d.refuses = d.refuses, n
	return before
}

// end closes what is open.
func (d *dialled) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.list {
		p.c.Close()
	}
}

// overDialled is a call of ours over TCP, which has been answered.
func overDialled(t *testing.T, f func(b *bench, d *dialled, l *Leg)) {
	t.Helper()
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) { viaTCP(c) }, func(t *testing.T, b *bench) {
		d := &dialled{t: t}
		defer d.end()
		b.net.dial = d.dial
		var l *Leg
		b.call.on(func() {
			l = b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:100@192.0.2.100", Body: []byte("v=0")})
		})
		p := d.last(1)
		p.write(reply(p.want("INVITE "), "200 OK", "far", peerContact, "v=0"))
		p.want("ACK ")
		want[Answered](t, b.call)
		f(b, d, l)
	})
}

func branchOf(m string) string {
	_, rest, _ := strings.Cut(field(m, "Via"), "branch=")
	branch, _, _ := strings.Cut(rest, ";")
	return branch
}

// Teams ends connections that it takes for idle. A request of a call that crosses the end of its connection goes on another one, once.
func TestRequestsInDialogsAreSentOnASecondConnection(t *testing.T) {
	t.Run("a BYE that may have arrived", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Bye() })
			first := d.last(1).want("BYE ")
			d.last(1).c.Close()
			again := d.last(2).want("BYE ")
			if branchOf(again) == branchOf(first) || field(again, "CSeq") != field(first, "CSeq") {
				t.Errorf("%s\n%s", first, again)
			}
			d.last(2).write(reply(again, "200 OK", "", "", ""))
			synctest.Wait()
			if n := b.g.transactions.Count().Clients; n != 0 {
				t.Errorf("%d transactions", n)
			}
		})
	})
	t.Run("a hold that may have arrived", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Reinvite(offering("v=0 hold")) })
			d.last(1).want("INVITE ")
			d.last(1).c.Close()
			p := d.last(2)
			p.write(reply(p.want("INVITE "), "200 OK", "", peerContact, "v=0"))
			if e := want[Answered](t, b.call); !e.Reinvite {
				t.Errorf("%+v", e)
			}
			p.want("ACK ")
		})
	})
	t.Run("a hold that is refused there", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Reinvite(offering("v=0 hold")) })
			d.last(1).want("INVITE ")
			d.last(1).c.Close()
			p := d.last(2)
			again := p.want("INVITE ")
			p.write(reply(again, "488 Not Acceptable Here", "", "", ""))
			if ack := p.want("ACK "); branchOf(ack) != branchOf(again) {
				t.Errorf("%s\n%s", again, ack)
			}
			want[Failed](t, b.call)
		})
	})
	t.Run("once only", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Reinvite(offering("v=0 hold")) })
			for n := range 2 {
				d.last(n + 1).want("INVITE ")
				d.last(n + 1).c.Close()
			}
			if e := want[Failed](t, b.call); e.Code != 503 || !e.Local || !e.Reinvite {
				t.Errorf("%+v", e)
			}
			d.last(2)
		})
	})
	t.Run("not one that was answered", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Reinvite(offering("v=0 hold")) })
			p := d.last(1)
			p.write(reply(p.want("INVITE "), "100 Trying", "", "", ""))
			synctest.Wait()
			p.c.Close()
			d.last(1)
			b.call.none(t)
		})
	})
	t.Run("not a digit that may have been pressed", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Request("INFO", "application/dtmf-relay", []byte("Signal=1")) })
			d.last(1).want("INFO ")
			d.last(1).c.Close()
			d.last(1)
			if n := b.g.transactions.Count().Clients; n != 0 {
				t.Errorf("%d transactions", n)
			}
		})
	})
	t.Run("not when the gateway closes", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Bye() })
			d.last(1).want("BYE ")
			b.g.Close()
			d.last(1)
		})
	})
	t.Run("not longer than its time", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Bye() })
			d.last(1).want("BYE ")
			time.Sleep(20 * time.Second)
			d.last(1).c.Close()
			d.last(2).want("BYE ")
			time.Sleep(12*time.Second + time.Millisecond)
			synctest.Wait()
			if n := b.g.transactions.Count().Clients; n != 0 {
				t.Errorf("%d transactions", n)
			}
		})
	})
	t.Run("one that waits for the one before it", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Request("NOTIFY", "a/b", []byte("x")) }) // nobody reads it
			synctest.Wait()
			b.call.on(func() { l.Bye() })
			synctest.Wait()
			d.last(1).c.Close()
			p := d.last(2)
			p.want("NOTIFY ")
			p.want("BYE ")
		})
	})
	for name, refuses := range map[string]int{"the peer takes a connection a little later": 1, "the peer takes none": 2} {
		t.Run(name, func(t *testing.T) {
			overDialled(t, func(b *bench, d *dialled, l *Leg) {
				d.last(1).c.Close()
				synctest.Wait()
				d.refuse(refuses)
				b.call.on(func() { l.Bye() })
				d.last(1)
				time.Sleep(4 * time.Second)
				if refuses == 1 {
					p := d.last(2)
					p.write(reply(p.want("BYE "), "200 OK", "", "", ""))
				}
				synctest.Wait()
				if n := b.g.transactions.Count().Clients; n != 0 || d.refuse(0) != 0 {
					t.Errorf("%d transactions, or not every connection was tried", n)
				}
			})
		})
	}
	t.Run("not while the other box takes over", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() { l.Bye() })
			d.last(1).want("BYE ")
			b.g.Disconnect()
			d.last(1)
			if n := b.g.transactions.Count().Clients; n != 0 {
				t.Errorf("%d transactions", n)
			}
		})
	})
	t.Run("not the INVITE that begins a call", func(t *testing.T) {
		overDialled(t, func(b *bench, d *dialled, l *Leg) {
			b.call.on(func() {
				b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:101@192.0.2.100", Body: []byte("v=0")})
			})
			d.last(1).want("INVITE ")
			d.last(1).c.Close()
			if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
				t.Errorf("%+v", e)
			}
			d.last(1)
		})
	})
}
