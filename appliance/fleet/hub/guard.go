package hub

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A key of a box or an operator has so many connections at a node. The engine has a bound for an account alone, which a stolen box could fill for the
// others. A box has one, and a second one while the first lingers; an operator has one for each `hub connect`.
const (
	boxConnections      = 4
	operatorConnections = 200
	guardPause          = 2 * time.Second
)

// allowances are how many connections each key from elsewhere may have.
func allowances(l *Listing) map[string]int {
	allowed := map[string]int{}
	for _, c := range l.Customers {
		for _, b := range c.Boxes {
			allowed[b.Key] = boxConnections
		}
		for _, o := range c.Operators {
			allowed[o.Key] = operatorConnections
		}
	}
	return allowed
}

// guard ends the oldest connections of keys that have too many, until ctx ends. It is for the embedded engine: a stock one is asked for nothing.
func (e *embedded) guard(ctx context.Context) error {
	for {
		if err := e.guardOnce(); err != nil && !errors.Is(err, server.ErrServerNotRunning) {
			slog.Warn("connections not counted", "node", e.node.Name(), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(guardPause):
		}
	}
}

func (e *embedded) guardOnce() error {
	allowed := e.allowed.Load()
	if allowed == nil {
		return nil
	}
	list, err := e.s.Connz(&server.ConnzOptions{Username: true, Limit: math.MaxInt32, Sort: server.ByCid})
	if err != nil {
		return err
	}
	count := map[string]int{}
	for i := len(list.Conns) - 1; i >= 0; i-- { // the newest first
		c := list.Conns[i]
		most, known := (*allowed)[c.AuthorizedUser]
		if count[c.AuthorizedUser]++; !known || count[c.AuthorizedUser] <= most {
			continue
		}
		slog.Info("connection ended: its key has too many", "node", e.node.Name(), "customer", c.Account, "key", c.AuthorizedUser)
		if err := e.s.DisconnectClientByID(c.Cid); err != nil {
			return err
		}
	}
	return nil
}
