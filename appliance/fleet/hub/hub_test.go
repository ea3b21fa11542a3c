package hub_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
)

// TestARevokedBoxIsCutOff: on every node of the hub, and none lets it in again.
func TestARevokedBoxIsCutOff(t *testing.T) {
	for name, nodes := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			h := hubtest.Cluster(t, nodes)
			key := h.Box("berlin", nil)
			closed := make(chan error, nodes)
			for i := range nodes {
				_, err := h.Dial(i, "berlin", key, nats.NoReconnect(), nats.ClosedHandler(func(c *nats.Conn) { closed <- c.LastError() }))
				if err != nil {
					t.Fatal(err)
				}
			}
			begin := time.Now()
			if err := h.Registry.RevokeBox(t.Context(), hubtest.Customer, "berlin"); err != nil {
				t.Fatal(err)
			}
			for range nodes {
				<-closed
			}
			t.Logf("cut off after %s", time.Since(begin))
			for i := range nodes {
				if c, err := h.Dial(i, "berlin", key, nats.NoReconnect()); err == nil {
					c.Close()
					t.Errorf("node %d lets it in", i)
				}
			}
			l, err := h.Registry.List(t.Context())
			if err != nil || l.Customers[hubtest.Customer].Boxes["berlin"].State() != hub.BoxRevoked {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}
