package dhcp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

const (
	firstWait  = 4 * time.Second // RFC 2131 section 4.1: doubled up to 64 s, each a second more or less by chance
	lastWait   = 64 * time.Second
	tries      = 4                // of a request, until another server is looked for
	refused    = 10 * time.Second // pause after an offer that came to nothing, so that a server that offers and refuses is not flooded
	leastRenew = time.Minute      // between renewals (section 4.4.5)
)

// about is a time near d.
func about(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(2*time.Second))) - time.Second
}

// exchange sends with growing pauses until an answer of one of the kinds comes; nil: none came in so many tries, or ctx ended. A
// link that comes up is no time to pause.
func (c *Client) exchange(ctx context.Context, tries int, send func(), kinds ...byte) *packet {
	wait := firstWait
	for range tries {
		send()
		p, linkUp := c.answer(ctx, about(wait), c.confirm, kinds...)
		if p != nil || ctx.Err() != nil {
			return p
		}
		if wait = min(2*wait, lastWait); linkUp {
			wait = firstWait
		}
	}
	return nil
}

// answer waits for an answer to the present attempt. It returns early when a token comes; a nil channel has none.
func (c *Client) answer(ctx context.Context, patience time.Duration, early <-chan struct{}, kinds ...byte) (p *packet, token bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-timer.C:
			return nil, false
		case <-early:
			return nil, true
		case p := <-c.packets:
			if p.xid != c.xid {
				continue
			}
			for _, k := range kinds {
				if p.kind == k {
					return &p, false
				}
			}
		}
	}
}

// acquire looks for a server and takes its first sound offer. nil: it failed, try again.
func (c *Client) acquire(ctx context.Context) *Lease {
	c.begin()
	c.set(status.LeaseDiscovering, nil)
	offer := c.exchange(ctx, tries, func() {
		c.send(everybody, nobody, broadcast, message{kind: kindDiscover, options: map[byte][]byte{}})
	}, kindOffer)
	if ctx.Err() != nil {
		return nil
	}
	if offer == nil {
		c.problem("no DHCP server answers")
		return nil
	}
	if _, err := offer.lease(time.Now()); err != nil {
		c.problem(err.Error())
		c.pause(ctx, refused)
		return nil
	}
	c.set(status.LeaseRequesting, nil)
	sent := time.Now()
	p := c.exchange(ctx, tries, func() {
		sent = time.Now()
		c.send(everybody, nobody, broadcast, message{kind: kindRequest, options: map[byte][]byte{
			optServer: offer.options[optServer], optAddress: offer.yiaddr.AsSlice()}})
	}, kindAck, kindNak)
	lease := c.taken(ctx, p, sent)
	if lease == nil {
		c.pause(ctx, refused)
	}
	return lease
}

// taken makes the lease of an answer to a request; nil: there is none.
func (c *Client) taken(ctx context.Context, p *packet, sent time.Time) *Lease {
	switch {
	case ctx.Err() != nil:
		return nil
	case p == nil:
		c.problem("the DHCP server does not answer the request")
		return nil
	case p.kind == kindNak:
		text := "the DHCP server refuses the address"
		if why := p.options[optMessage]; len(why) > 0 {
			text += fmt.Sprintf(": %q", printable.Text(string(why)))
		}
		c.problem(text)
		return nil
	}
	lease, err := p.lease(sent)
	if err != nil {
		c.problem(err.Error())
		return nil
	}
	c.problem("")
	c.set(status.LeaseBound, lease)
	return lease
}

func (c *Client) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-c.packets: // too late
		}
	}
}

// keep holds a lease until it is renewed (it returns the new one) or lost (nil).
func (c *Client) keep(ctx context.Context, l *Lease) *Lease {
	c.set(status.LeaseBound, l)
	for {
		timer := time.NewTimer(time.Until(l.Renew))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-c.packets: // too late
			timer.Stop()
			continue
		case <-c.confirm:
			timer.Stop()
			if next, heard := c.ask(ctx, l, status.LeaseConfirming); heard {
				return next
			}
			continue // without an answer the lease holds (section 3.2)
		case <-timer.C:
		}
		return c.extend(ctx, l)
	}
}

// extend asks the server from T1 on, and any server from T2 on, each time after half of the time that is left.
func (c *Client) extend(ctx context.Context, l *Lease) *Lease {
	for ctx.Err() == nil {
		now := time.Now()
		step, until := status.LeaseRenewing, l.Rebind
		if !now.Before(l.Rebind) {
			step, until = status.LeaseRebinding, l.Expires
		}
		if !now.Before(l.Expires) {
			c.problem("the lease has expired, no DHCP server has answered")
			return nil
		}
		patience := min(max(until.Sub(now)/2, leastRenew), until.Sub(now))
		next, heard := c.once(ctx, l, step, patience)
		if heard {
			return next
		}
		c.problem("the DHCP server does not answer")
	}
	return nil
}

// ask asks several times within some seconds.
func (c *Client) ask(ctx context.Context, l *Lease, step status.LeaseState) (next *Lease, heard bool) {
	for range 3 {
		if next, heard = c.once(ctx, l, step, about(firstWait)); heard || ctx.Err() != nil {
			break
		}
	}
	return next, heard
}

// once asks for the address that we have; heard: there was an answer, next is the lease that it leaves us.
func (c *Client) once(ctx context.Context, l *Lease, step status.LeaseState, patience time.Duration) (next *Lease, heard bool) {
	c.begin()
	c.set(step, l)
	hardware, from, to := everybody, l.Prefix.Addr(), broadcast
	m := message{kind: kindRequest, ciaddr: l.Prefix.Addr(), options: map[byte][]byte{}}
	switch step {
	case status.LeaseRenewing:
		hardware, to = l.hardware, l.Server
	case status.LeaseConfirming: // as after a restart, section 4.3.2
		from, m.ciaddr = nobody, nobody
		m.options[optAddress] = l.Prefix.Addr().AsSlice()
	}
	sent := time.Now()
	c.send(hardware, from, to, m)
	p, _ := c.answer(ctx, patience, nil, kindAck, kindNak)
	if p == nil {
		return nil, false
	}
	return c.taken(ctx, p, sent), true
}
