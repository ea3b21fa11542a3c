package hub_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
)

// TestANodeIsExchanged: its disk is lost, and a new one has what the documentation says. Nobody takes what it has for the whole registry while it catches up,
// and what was kept is there.
func TestANodeIsExchanged(t *testing.T) {
	h := hubtest.Cluster(t, 3)
	h.Box("berlin", nil)
	key := h.Box("bonn", nil)
	js := alarms(t, h)
	if _, err := js.Publish(t.Context(), fleet.AlarmsOf("berlin"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	h.Stop(2)
	dir := h.Nodes[2].Dir()
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	accounts, err := os.ReadFile(filepath.Join(h.Nodes[0].Dir(), "accounts.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "accounts.conf"), accounts, 0o600); err != nil {
		t.Fatal(err)
	}
	h.Run(2)
	h.Wait(2)
	for range 25 { // from its start on until it has caught up, and longer
		r, err := h.Nodes[2].Registry(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l, err := r.List(t.Context())
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if c := l.Customers[hubtest.Customer]; c == nil || len(c.Boxes) != 2 {
			t.Fatalf("a listing lacks what the others have: %+v", c)
		}
	}
	if box, err := h.Dial(2, "bonn", key); err != nil {
		t.Error(err)
	} else {
		box.Close()
	}
	for kept := false; !kept; time.Sleep(20 * time.Millisecond) { // the test's own limit of time ends it
		s, err := js.Stream(t.Context(), fleet.AlarmStream)
		kept = err == nil && s.CachedInfo().Cluster.Leader != "" && s.CachedInfo().State.Msgs == 1
	}
}

// TestAnEmptyNodeKnowsTheCustomers: one of three that has neither data nor accounts.conf does not start without what it needs from another one.
func TestAnEmptyNodeKnowsTheCustomers(t *testing.T) {
	dir := t.TempDir()
	o := hub.Options{Name: "hub.example.com"}
	for _, name := range []string{"a", "b", "c"} {
		o.Nodes = append(o.Nodes, hub.Place{Name: name, Address: name + ".example.com"})
	}
	dirs, err := hub.Init(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dirs[0], "accounts.conf")
	for what, text := range map[string][]byte{"missing": nil, "empty": {}, "noise": []byte("\x00\x00")} {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		if text != nil {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n, err := hub.Open(dirs[0])
		if err != nil {
			t.Fatal(err)
		}
		ended, stop := context.WithCancel(t.Context())
		stop() // a node that would start would end
		if err := n.Run(ended, hub.Embedded); err == nil || !strings.Contains(err.Error(), "copy the file from another node") {
			t.Errorf("%s: %v", what, err)
		}
		if now, err := os.ReadFile(file); text == nil && err == nil || string(now) != string(text) {
			t.Errorf("%s: the file is %q, %v", what, now, err)
		}
		if _, err := os.Stat(filepath.Join(dirs[0], "jetstream")); err == nil {
			t.Errorf("%s: the node has a store", what)
		}
	}
}

// alarms is the stream of Customer's alarms on three nodes, by the first of them.
func alarms(t *testing.T, h *hubtest.Hub) jetstream.JetStream {
	t.Helper()
	conn, err := h.Nodes[0].Steward(hubtest.Customer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	c := jetstream.StreamConfig{Name: fleet.AlarmStream, Subjects: []string{fleet.AlarmsOf("*")}, MaxBytes: 1 << 20, Replicas: 3}
	for _, err = js.CreateStream(t.Context(), c); err != nil && t.Context().Err() == nil; _, err = js.CreateStream(t.Context(), c) {
		time.Sleep(50 * time.Millisecond)
	}
	return js
}
