package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"viaduct/appliance/fleet"
)

// What was kept is in the stream, in its order and once, although the hub goes away again and again meanwhile.
func TestWhatIsKeptIsThere(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	box, operator := member{"berlin", newKeyOf(t), true}, member{"anna", newKeyOf(t), false}
	h := newHub(t, ca.issue("hub.example.com"), box, operator)
	stream := func() (*nats.Conn, nats.JetStreamContext) {
		conn, err := nats.Connect(fmt.Sprintf("wss://127.0.0.1:%d", h.port), nats.Nkey(operator.key.Public(), operator.key.pair.Sign), nats.CustomInboxPrefix("_INBOX_anna"),
			nats.Secure(&tls.Config{RootCAs: ca.roots(), ServerName: "hub.example.com"}))
		must(t, err)
		js, err := conn.JetStream()
		must(t, err)
		return conn, js
	}
	conn, js := stream()
	_, err := js.AddStream(&nats.StreamConfig{Name: fleet.AlarmStream, Subjects: []string{"box.*.alarms"}, MaxMsgSize: 16 << 10, Duplicates: 2 * time.Minute})
	must(t, err)
	conn.Close()
	b := newClient(t)
	b.start()
	b.Apply(Settings{Name: "berlin", Key: box.key, Hubs: nodes(h.port), Roots: ca.roots()})
	must(t, b.Reach(b.within()))
	if err := b.Keep(b.within(), "box.berlin.alarms", "large", make([]byte, 20<<10)); !errors.Is(err, fleet.ErrRefused) {
		t.Errorf("too large for the stream: %v", err)
	}
	if err := b.Keep(b.within(), "box.berlin.alarms", "larger", make([]byte, 1<<20)); !errors.Is(err, fleet.ErrRefused) {
		t.Errorf("too large: %v", err)
	}
	if err := b.Keep(b.within(), "box.berlin.alarms", "bad id\r\n", nil); !errors.Is(err, fleet.ErrRefused) {
		t.Errorf("a bad id: %v", err)
	}
	if err := b.Keep(b.within(), "box.berlin.status", "1", nil); !errors.Is(err, fleet.ErrAway) {
		t.Errorf("no stream: %v", err)
	}
	const messages, cuts = 300, 2
	kept := make(chan int, messages)
	ctx := b.within()
	go func() {
		defer close(kept)
		for i := range messages {
			for {
				one, cancel := context.WithTimeout(ctx, 5*time.Second)
				err := b.Keep(one, "box.berlin.alarms", fmt.Sprint("berlin/", i), fmt.Append(nil, i))
				cancel()
				if err == nil {
					break
				}
				if errors.Is(err, fleet.ErrRefused) || ctx.Err() != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
				if connected, next := b.Changed(); !connected {
					select {
					case <-next:
					case <-ctx.Done():
					}
				}
			}
			kept <- i
		}
	}()
	for range cuts {
		for range messages / (cuts + 1) {
			receive(t, kept)
		}
		h.stop()
		h.start()
		b.Retry()
	}
	for range kept {
	}
	conn, js = stream()
	defer conn.Close()
	for i := range messages {
		m, err := js.GetMsg(fleet.AlarmStream, uint64(i+1))
		must(t, err)
		if string(m.Data) != fmt.Sprint(i) || m.Header.Get(server.JSMsgId) != fmt.Sprint("berlin/", i) {
			t.Fatalf("number %d is %q", i, m.Data)
		}
	}
	if about, err := js.StreamInfo(fleet.AlarmStream); err != nil || about.State.Msgs != messages {
		t.Errorf("%+v, %v", about, err)
	}
}
