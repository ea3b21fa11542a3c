package hub_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
)

// TestStockServer has Debian's nats-server (2.9.10 when this was written) serve with the files of a node.
func TestStockServer(t *testing.T) {
	h := hubtest.Engines(t, []hub.Engine{hub.External})
	key := h.Box("berlin", nil)
	bonn := connected(t, h, "bonn", h.Box("bonn", nil))
	js := streams(t, steward(t, h, hubtest.Customer))
	cut := make(chan struct{})
	box, err := h.Dial(0, "berlin", key, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(cut) }), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("nats-server %s", box.ConnectedServerVersion())
	if _, err := box.RequestWithContext(t.Context(), fleet.AlarmsOf("berlin"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if m, err := js.Stream(t.Context(), fleet.AlarmStream); err != nil || m.CachedInfo().State.Msgs != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if box.Publish(fleet.AlarmsOf("bonn"), nil); !refused(t, box, fleet.AlarmsOf("bonn")) {
		t.Error("a box speaks as another one")
	}
	if err := h.Registry.RevokeBox(t.Context(), hubtest.Customer, "berlin"); err != nil {
		t.Fatal(err)
	}
	<-cut
	if c, err := h.Dial(0, "berlin", key, nats.NoReconnect()); err == nil {
		c.Close()
		t.Error("a revoked box is let in")
	}
	if err := bonn.Flush(); err != nil {
		t.Errorf("another box was cut off, too: %v", err)
	}

	h.Stop(0) // all of it; it has its users before the registry can be read
	h.Run(0)
	h.Wait(0)
	if l, err := h.Nodes[0].Registry(t.Context()); err != nil {
		t.Error(err)
	} else if list, err := l.List(t.Context()); err != nil || list.Customers[hubtest.Customer].Boxes["berlin"].State() != hub.BoxRevoked {
		t.Errorf("%+v, %v", list, err)
	}
	h.Box("ulm", nil)
}

// TestStockServerAsOneOfThree: beside two nodes with an engine that is years younger, as when a hub is changed over node by node.
func TestStockServerAsOneOfThree(t *testing.T) {
	h := hubtest.Engines(t, []hub.Engine{hub.Embedded, hub.External, hub.Embedded})
	key := h.Box("berlin", nil)
	conn, err := h.Nodes[0].Steward(hubtest.Customer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	alarms := jetstream.StreamConfig{Name: fleet.AlarmStream, Subjects: []string{fleet.AlarmsOf("*")}, MaxBytes: 1 << 20, Replicas: 3}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for _, err = js.CreateStream(ctx, alarms); err != nil && ctx.Err() == nil; _, err = js.CreateStream(ctx, alarms) { // the others have the account a little later
		time.Sleep(50 * time.Millisecond)
	}
	sent := 0
	send := func(i int) {
		t.Helper()
		box, err := h.Dial(i, "berlin", key, nats.NoReconnect())
		if err != nil {
			t.Fatal(err)
		}
		defer box.Close()
		for err = nats.ErrNoResponders; err != nil && ctx.Err() == nil; {
			_, err = box.RequestWithContext(ctx, fleet.AlarmsOf("berlin"), []byte("{}"))
		}
		if err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		sent++
	}
	for i := range h.Nodes {
		send(i)
	}
	h.Stop(2) // the stock server is one of the two that have to agree
	send(0)
	send(1)
	h.Run(2)
	h.Wait(2)
	send(2)
	s, err := js.Stream(ctx, fleet.AlarmStream)
	for ; err != nil || s.CachedInfo().State.Msgs != uint64(sent); s, err = js.Stream(ctx, fleet.AlarmStream) {
		if ctx.Err() != nil {
			t.Fatalf("%d messages were sent: %+v, %v", sent, s, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	var cut sync.WaitGroup
	for i := range h.Nodes {
		cut.Add(1)
		if _, err := h.Dial(i, "berlin", key, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { cut.Done() })); err != nil {
			t.Fatal(err)
		}
	}
	for { // who leads the bucket may be open
		err := h.Registry.RevokeBox(ctx, hubtest.Customer, "berlin")
		if err == nil || strings.Contains(err.Error(), "revoked already") {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	cut.Wait()
}
