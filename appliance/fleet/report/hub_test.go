package report

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/status"
)

// Thousands of records go to a real hub that goes away again and again meanwhile. They arrive in their order, and each once.
func TestThousandsOfRecordsAtARealHub(t *testing.T) {
	const records, times = 2_000, 5
	quiet := slog.New(slog.DiscardHandler)
	h := hubtest.Start(t, func(n *hub.Node) hub.Service { return steward.Service(n, quiet) })
	pair := h.Box("berlin", nil)
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	key, err := bus.ParseKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CA)
	link := bus.Open(bus.Options{Log: quiet, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		a, err := netip.ParseAddr(host)
		return []netip.Addr{a}, err
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := link.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	link.Apply(bus.Settings{Name: "berlin", Key: key, Hubs: []*config.HubNode{{Host: h.Host, Port: uint16(h.Ports[0])}}, Roots: roots})

	// The files are there, as after days without a hub.
	dir := t.TempDir()
	cdr := filepath.Join(dir, "cdr")
	if err := os.MkdirAll(cdr, 0o700); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for n := range records {
		line, err := json.Marshal(record(n))
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	for name, text := range map[string][]byte{"2026-11-30.jsonl": text, RecordsFile: []byte(`{"file":"2026-11-30.jsonl","offset":0}`)} {
		if err := os.WriteFile(filepath.Join(cdr, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, dir, link, member())
	b.down("clock")
	waiting := func() int64 { // before the reporter has begun: all
		if st := b.Status(); len(st) == 2 && (st[1].Waiting > 0 || !st[1].Last.IsZero()) {
			return st[1].Waiting
		}
		return int64(len(text))
	}
	await := func(what string, so func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s does not come: %+v, %+v", what, link.State(), b.Status())
			}
		}
	}
	for n := range times {
		part := int64(len(text)) * int64(times-n) / (times + 1)
		await("a part", func() bool { return waiting() < part })
		h.Stop(0)
		h.Run(0)
		h.Wait(0)
		link.Retry()
	}
	await("the end", func() bool { return waiting() == 0 })
	await("the alarm", func() bool { st := b.Status()[0]; return st.Waiting == 0 && !st.Last.IsZero() })

	conn, err := h.Nodes[0].Steward(hubtest.Customer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var got []string
	seen := map[string]bool{}
	for _, m := range stream(t, conn, fleet.CallStream) {
		var r status.Record
		if err := json.Unmarshal(m.Data(), &r); err != nil || m.Subject() != fleet.KeptCallsOf("berlin") {
			t.Fatalf("%s: %s", m.Subject(), m.Data())
		}
		if id := m.Headers().Get("Nats-Msg-Id"); !seen[id] {
			seen[id] = true
			got = append(got, r.ID)
		}
	}
	if want := ids(0, records); !slices.Equal(got, want) {
		t.Errorf("%d of %d came, or not in their order", len(got), len(want))
	}
	if n := len(stream(t, conn, fleet.CallStream)) - len(got); n > 0 {
		t.Errorf("%d came again", n)
	}
	if list := stream(t, conn, fleet.AlarmStream); len(list) != 1 {
		t.Errorf("%d alarms", len(list))
	}
	await("a status", func() bool { return len(stream(t, conn, fleet.StatusStream)) == 1 })
}

// stream are all messages of a stream.
func stream(t *testing.T, conn *nats.Conn, name string) (list []jetstream.Msg) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.OrderedConsumer(t.Context(), name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := c.FetchNoWait(5000)
		if err != nil {
			t.Fatal(err)
		}
		n := len(list)
		for m := range batch.Messages() {
			list = append(list, m)
		}
		if err := batch.Error(); err != nil {
			t.Fatal(fmt.Errorf("read %s: %w", name, err))
		}
		if len(list) == n {
			return list
		}
	}
}
