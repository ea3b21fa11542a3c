package hub_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"viaduct/appliance/fleet"
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

// TestAccountsThatAreDamaged: the file is written anew, from the registry; nobody is let in without a key meanwhile, and what was kept is there.
func TestAccountsThatAreDamaged(t *testing.T) {
	h := hubtest.Start(t)
	key := h.Box("berlin", nil)
	file := filepath.Join(h.Nodes[0].Dir(), "accounts.conf")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	streams(t, steward(t, h, hubtest.Customer))
	c := connected(t, h, "berlin", key)
	if _, err := c.RequestWithContext(t.Context(), fleet.AlarmsOf("berlin"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{"missing": nil, "empty": {}, "cut off": good[:len(good)/2], "noise": []byte("\x00\x00\x00"), "of nobody": []byte("accounts {}")} {
		h.Stop(0)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if text != nil {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h.Run(0)
		h.Wait(0)
		if now, err := os.ReadFile(file); err != nil || string(now) != string(good) {
			t.Errorf("%s: %q, %v", what, now, err)
		}
		if c, err := nats.Connect(h.URL(0), nats.Secure(h.TLS()), nats.NoReconnect()); err == nil {
			c.Close()
			t.Errorf("%s: nobody is let in", what)
		}
		connected(t, h, "berlin", key).Close()
		js := streams(t, steward(t, h, hubtest.Customer))
		if s, err := js.Stream(t.Context(), fleet.AlarmStream); err != nil || s.CachedInfo().State.Msgs != 1 {
			t.Errorf("%s: what was kept is lost: %v", what, err)
		}
	}
}
