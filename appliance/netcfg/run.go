package netcfg

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	// namesInterval is how long the firewall may lag behind the name servers: a trusted remote that moves is accepted within it.
	namesInterval = time.Second
	// settle is how long a link must have been quiet before the network is applied again.
	settle = 200 * time.Millisecond
)

// Run keeps the network as the last Apply made it until ctx ends: trusted remotes follow their names, and after a link flap it restores
// whatever the kernel dropped (a device that goes down loses its routes). It passes on the link events of the ports; event may be nil,
// and must not block for long.
func (n *Net) Run(ctx context.Context, event func(LinkEvent)) error {
	ctx, cancel := context.WithCancel(ctx)
	w, err := watch(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer w.close(cancel)
	leases := newLessees(n)
	defer leases.close()
	names := time.NewTicker(namesInterval)
	defer names.Stop()
	count := time.NewTicker(countInterval)
	defer count.Stop()
	again := time.NewTimer(time.Hour)
	again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-w.updates:
			err := w.take(ctx, u, ok, func(e LinkEvent) {
				if n.isPort(e.Device) {
					if event != nil {
						event(e)
					}
					again.Reset(settle)
					if c := leases.clients[e.Device]; c != nil && e.Link {
						c.Confirm()
					}
				}
			})
			if err != nil {
				return err
			}
		case <-again.C:
			n.refresh(n.apply)
		case <-n.lease:
			leases.follow(ctx)
		case c := <-leases.changes:
			if leases.take(c) {
				n.refresh(n.apply)
				if n.o.Leased != nil {
					n.o.Leased()
				}
			}
		case <-names.C:
			n.refresh(n.followNames)
		case <-count.C:
			n.readCounts()
		}
	}
}

func (n *Net) isPort(device string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.owned[device] != nil
}

// refresh runs f when there is a configuration, and logs its error.
func (n *Net) refresh(f func() (Report, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last == nil {
		return
	}
	r, err := f()
	switch {
	case err != nil && err.Error() != n.said:
		n.said = err.Error()
		n.o.Log.Error("network not as configured", "err", err)
	case err == nil && len(r.Changes) > 0:
		n.said = ""
		n.o.Log.Info("network set again")
	}
}

// readCounts checks for dropped packets of configured peers.
func (n *Net) readCounts() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.counts.read(time.Now(), n.o.Health); err != nil {
		n.o.Log.Debug("counters of the firewall not read", "err", err)
	}
}

// peerAddresses returns the addresses of all peers as text. Of all that the firewall is made from, only names change by themselves.
func (j *job) peerAddresses() string {
	var b strings.Builder
	for _, s := range j.cfg.CS {
		for _, i := range s.Interfaces {
			fmt.Fprintln(&b, i.Name, j.remote(i))
		}
	}
	return b.String()
}

// Admit lets everybody in at these TCP ports, and no longer at those of the call before. While an order runs, an authority looks there
// whether a name is ours, and nobody knows from which addresses.
func (n *Net) Admit(sockets []netip.AddrPort) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = sockets
	if n.last == nil {
		return nil // the next Apply does it
	}
	j := &job{Net: n, cfg: n.effective(n.last)}
	j.plan()
	j.errs = nil // Apply reported the errors of the plan
	j.firewall()
	_, err := j.done()
	return err
}

// followNames writes the firewall again when the addresses of a trusted name have changed. After a failure to write rules it applies
// everything again: ports may wait for the rules.
func (n *Net) followNames() (Report, error) {
	switch {
	case n.retry.IsZero():
	case time.Now().Before(n.retry):
		return Report{}, nil
	default:
		return n.apply()
	}
	j := &job{Net: n, cfg: n.effective(n.last)}
	if j.peerAddresses() == n.names {
		return Report{}, nil
	}
	j.plan()
	j.errs = nil // Apply reported the errors of the plan
	j.firewall()
	return j.done()
}
