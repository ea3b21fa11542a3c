package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
)

// connected dials as somebody until the end of the test.
func connected(t *testing.T, h *hubtest.Hub, name string, key nkeys.KeyPair) *nats.Conn {
	t.Helper()
	c, err := h.Dial(0, name, key, nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what is refused is asked for
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func steward(t *testing.T, h *hubtest.Hub, customer string) *nats.Conn {
	t.Helper()
	c, err := h.Nodes[0].Steward(customer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// streams makes those of a customer as small ones.
func streams(t *testing.T, c *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{fleet.AlarmStream: fleet.AlarmsOf("*"), fleet.CallStream: fleet.CallsOf("*"), fleet.StatusStream: fleet.StatusOf("*")} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}, AllowDirect: true, MaxBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	return js
}

// refused reports whether the hub refuses the last thing that a connection did, which was about a subject.
func refused(t *testing.T, c *nats.Conn, subject string) bool {
	t.Helper()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	err := c.LastError() // it comes before the answer to Flush
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`)
}

// TestWhatEachMayDo tries what boxes and operators may do, and much that they may not.
func TestWhatEachMayDo(t *testing.T) {
	h := hubtest.Start(t)
	streams(t, steward(t, h, hubtest.Customer))
	box := connected(t, h, "berlin", h.Box("berlin", nil))
	h.Box("bonn", nil)
	operator := connected(t, h, "alice", h.Operator(hubtest.Customer, "alice"))
	local, err := h.Nodes[0].Operator(hubtest.Customer, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	who := map[string]*nats.Conn{"box": box, "operator": operator, "hub": local}
	const id = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		what, subject, may string // may: who may
	}{
		{"publish", fleet.StatusOf("berlin"), "box"},
		{"publish", fleet.AlarmsOf("berlin"), "box"},
		{"publish", fleet.CallsOf("berlin"), "box"},
		{"publish", fleet.LeaseOf("berlin"), "box"},
		{"publish", fleet.RetireOf("berlin"), "box"},
		{"publish", fleet.Tunnel("alice", "berlin", id, false), "box"},
		{"publish", fleet.Tunnel("alice", "berlin", id, true), "operator"},
		{"publish", fleet.DialOf("alice", "berlin"), "operator"},
		{"publish", fleet.DialOf("hub", "berlin"), "hub"},
		{"publish", fleet.Tunnel("hub", "berlin", id, true), "hub"},
		{"subscribe", fleet.NewsFor("berlin"), "box"},
		{"subscribe", fleet.DialOf("*", "berlin"), "box"},
		{"subscribe", fleet.DialOf("alice", "berlin"), "box"},
		{"subscribe", fleet.Tunnel("*", "berlin", "*", true), "box"},
		{"subscribe", fleet.Tunnel("alice", "berlin", id, true), "box"},
		{"subscribe", fleet.Tunnel("alice", "berlin", id, false), "operator"},
		{"subscribe", fleet.Inbox("berlin") + ".1", "box"},
		{"subscribe", fleet.Inbox("alice") + ".1", "operator"},
		{"subscribe", fleet.Inbox("hub") + ".1", "hub"},
		{"subscribe", fleet.StatusOf("*"), "operator hub"},
		{"subscribe", fleet.AlarmsOf("*"), "operator hub"},
		{"subscribe", fleet.CallsOf("bonn"), "operator hub"},
		{"publish", fleet.SeenOf("alice", "berlin"), "operator"},
		{"publish", fleet.SeenOf("hub", "berlin"), "hub"},

		// Of another box.
		{"publish", fleet.StatusOf("bonn"), ""},
		{"publish", fleet.AlarmsOf("bonn"), ""},
		{"publish", fleet.CallsOf("bonn"), ""},
		{"publish", fleet.LeaseOf("bonn"), ""},
		{"publish", fleet.RetireOf("bonn"), ""},
		{"publish", fleet.NewsFor("berlin"), ""},
		{"publish", fleet.NewsFor("bonn"), ""},
		{"publish", fleet.Tunnel("alice", "bonn", id, false), ""},
		{"publish", fleet.Inbox("bonn") + ".1", ""},
		{"publish", fleet.Inbox("berlin") + ".1", ""},
		{"publish", fleet.Inbox("alice") + ".1", ""},
		{"publish", "_INBOX.steward.1", ""},
		{"subscribe", fleet.NewsFor("bonn"), ""},
		{"subscribe", fleet.NewsFor("*"), ""},
		{"subscribe", fleet.DialOf("*", "bonn"), ""},
		{"subscribe", fleet.DialOf("*", "*"), ""},
		{"subscribe", "dial.>", ""},
		{"subscribe", fleet.Tunnel("*", "bonn", "*", true), ""},
		{"subscribe", fleet.Tunnel("*", "berlin", "*", false), ""},
		{"subscribe", "tunnel.>", ""},
		{"subscribe", fleet.LeaseOf("berlin"), ""},
		{"subscribe", fleet.LeaseOf("*"), ""},
		{"subscribe", fleet.RetireOf("*"), ""},
		{"subscribe", "box.>", ""},
		{"subscribe", fleet.Inbox("bonn") + ".>", ""},
		{"subscribe", "_INBOX.>", ""},
		{"subscribe", ">", ""},
		{"subscribe", "*.>", ""},
		{"subscribe", "*.*.*", ""},

		// Where the hub alone speaks.
		{"publish", fleet.KeptAlarmsOf("berlin"), ""},
		{"publish", fleet.KeptCallsOf("berlin"), ""},
		{"subscribe", fleet.KeptCallsOf("*"), ""},
		{"subscribe", fleet.SeenOf("*", "*"), ""},

		// Of another operator.
		{"publish", fleet.SeenOf("bob", "berlin"), ""},
		{"publish", fleet.DialOf("bob", "berlin"), ""},
		{"publish", fleet.Tunnel("bob", "berlin", id, true), ""},
		{"subscribe", fleet.Tunnel("bob", "berlin", id, false), ""},
		{"subscribe", fleet.Tunnel("*", "*", "*", false), ""},
		{"subscribe", fleet.Inbox("bob") + ".>", ""},

		// Of the engine: what could change streams, have them sent elsewhere, or tell who there is.
		{"publish", "$JS.API.INFO", ""},
		{"publish", "$JS.API.STREAM.NAMES", ""},
		{"publish", "$JS.API.STREAM.LIST", ""},
		{"publish", "$JS.API.STREAM.CREATE.OWN", ""},
		{"publish", "$JS.API.STREAM.UPDATE.ALARMS", ""},
		{"publish", "$JS.API.STREAM.DELETE.ALARMS", ""},
		{"publish", "$JS.API.STREAM.PURGE.ALARMS", ""},
		{"publish", "$JS.API.STREAM.MSG.DELETE.ALARMS", ""},
		{"publish", "$JS.API.STREAM.SNAPSHOT.ALARMS", ""},
		{"publish", "$JS.API.STREAM.RESTORE.ALARMS", ""},
		{"publish", "$JS.API.STREAM.PEER.REMOVE.ALARMS", ""},
		{"publish", "$JS.API.STREAM.LEADER.STEPDOWN.ALARMS", ""},
		{"publish", "$JS.API.STREAM.INFO.ALARMS", ""},
		{"publish", "$JS.API.STREAM.MSG.GET.CALLS", ""},
		{"publish", "$JS.API.CONSUMER.CREATE.ALARMS", ""},
		{"publish", "$JS.API.CONSUMER.CREATE.ALARMS.c.box.bonn.alarms", ""},
		{"publish", "$JS.API.CONSUMER.DURABLE.CREATE.ALARMS.c", ""},
		{"publish", "$JS.API.CONSUMER.DELETE.ALARMS.c", ""},
		{"publish", "$JS.API.CONSUMER.NAMES.ALARMS", ""},
		{"publish", "$JS.API.CONSUMER.MSG.NEXT.ALARMS.c", ""},
		{"publish", "$JS.API.DIRECT.GET.ALARMS", ""},
		{"publish", "$JS.API.DIRECT.GET.ALARMS.box.bonn.alarms", ""},
		{"publish", "$JS.API.META.LEADER.STEPDOWN", ""},
		{"publish", "$JS.API.ACCOUNT.PURGE.default", ""},
		{"publish", "$JS.ACK.ALARMS.c.1.1.1.1.1", ""},
		{"publish", "$JS.FC.ALARMS.c.1", ""},
		{"publish", "$KV.registry.customer.default", ""},
		{"publish", "$KV.leases.sip-sessions", ""},
		{"publish", "$SYS.REQ.SERVER.PING", ""},
		{"publish", "$SYS.REQ.USER.INFO", ""},
		{"publish", "$SYS.REQ.ACCOUNT.default.CONNZ", ""},
		{"publish", "_R_.1.2", ""},
		{"subscribe", "$JS.>", ""},
		{"subscribe", "$KV.>", ""},
		{"subscribe", "$SYS.>", ""},
		{"subscribe", "$JS.EVENT.ADVISORY.>", ""},
	} {
		for name, conn := range who {
			if c.what == "publish" {
				if err := conn.PublishRequest(c.subject, fleet.Inbox("nobody"), nil); err != nil {
					t.Fatal(err)
				}
			} else {
				sub, err := conn.SubscribeSync(c.subject)
				if err != nil {
					t.Fatal(err)
				}
				defer sub.Unsubscribe()
			}
			if got, want := !refused(t, conn, c.subject), strings.Contains(" "+c.may+" ", " "+name+" "); got != want {
				t.Errorf("%s: %s %s: allowed is %v, want %v", name, c.what, c.subject, got, want)
			}
			if c.what == "subscribe" { // nor as one of a group that takes messages away from others
				sub, err := conn.QueueSubscribeSync(c.subject, "steward")
				if err != nil {
					t.Fatal(err)
				}
				defer sub.Unsubscribe()
				err = conn.Flush()
				if last := conn.LastError(); err != nil || strings.Contains(c.may, name) == (last != nil && strings.Contains(last.Error(), `"`+c.subject+`" using queue`)) {
					t.Errorf("%s: %s %s in a group: %v, %v", name, c.what, c.subject, err, last)
				}
			}
		}
	}
}

// TestABoxAnswersWhomItWasAskedBy, once, and nobody else.
func TestABoxAnswersWhomItWasAskedBy(t *testing.T) {
	h := hubtest.Start(t)
	box := connected(t, h, "berlin", h.Box("berlin", nil))
	operator := connected(t, h, "alice", h.Operator(hubtest.Customer, "alice"))
	asked := make(chan *nats.Msg, 1)
	if _, err := box.Subscribe(fleet.DialOf("*", "berlin"), func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	if err := box.Flush(); err != nil {
		t.Fatal(err)
	}
	answers, err := operator.SubscribeSync(fleet.Inbox("alice") + ".1")
	if err != nil {
		t.Fatal(err)
	}
	if err := operator.PublishRequest(fleet.DialOf("alice", "berlin"), fleet.Inbox("alice")+".1", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	m := <-asked
	for i, want := range []bool{true, false} {
		if err := m.Respond([]byte("{}")); err != nil {
			t.Fatal(err)
		}
		if got := !refused(t, box, m.Reply); got != want {
			t.Errorf("answer %d: %v", i+1, got)
		}
	}
	if _, err := answers.NextMsg(time.Minute); err != nil {
		t.Error(err)
	}
}

// TestCustomersAreApart: a box of the same name at another customer is another box.
func TestCustomersAreApart(t *testing.T) {
	h := hubtest.Start(t)
	if err := h.Registry.AddCustomer(t.Context(), "other", 0); err != nil {
		t.Fatal(err)
	}
	ours, theirs := steward(t, h, hubtest.Customer), (*nats.Conn)(nil)
	box := connected(t, h, "berlin", h.Box("berlin", nil))
	other := connected(t, h, "berlin", h.BoxOf("other", "berlin", nil))
	theirs = steward(t, h, "other")
	sees := func(c *nats.Conn) *nats.Subscription {
		s, err := c.SubscribeSync(">")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ourView, theirView := sees(ours), sees(theirs)
	for i, c := range []*nats.Conn{box, other} {
		if err := c.Publish(fleet.StatusOf("berlin"), []byte{byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
	}
	for want, s := range map[string]*nats.Subscription{"0": ourView, "1": theirView} {
		m, err := s.NextMsg(time.Minute)
		if err != nil || string(m.Data) != want {
			t.Errorf("%v, %v; want %s", m, err, want)
		}
		if m, err := s.NextMsg(20 * time.Millisecond); err == nil {
			t.Errorf("%s has come, too", m.Subject)
		}
	}
}

// TestWhoIsLetIn: keys of the hub's machine are of no use elsewhere, nor others there.
func TestWhoIsLetIn(t *testing.T) {
	h := hubtest.Start(t)
	n := h.Nodes[0]
	key := h.Box("berlin", nil)
	seed, err := os.ReadFile(filepath.Join(n.Dir(), "admin.seed"))
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := hubtest.NewKey(t)
	root, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		t.Fatal(err)
	}
	forged := nats.Nkey(public(t, key), stranger.Sign)
	for what, options := range map[string][]nats.Option{
		"nobody":             nil,
		"a user of NATS":     {nats.UserInfo("admin", "admin")},
		"a token":            {nats.Token("admin")},
		"a stranger":         {hub.Nkey(stranger)},
		"a forged signature": {forged},
		"the admin's seed":   {hub.Nkey(root)}, // it is no key itself: others come from it
		"the admin":          {n.AdminKeyForTest()},
		"a steward":          {n.StewardKeyForTest(hubtest.Customer)},
	} {
		c, err := nats.Connect(h.URL(0), append(options, nats.Secure(h.TLS()), nats.NoReconnect())...)
		if err == nil {
			c.Close()
			t.Errorf("%s is let in", what)
		}
	}
	for what, option := range map[string]nats.Option{"a box": hub.Nkey(key), "nobody": nats.Name("nobody")} {
		c, err := nats.Connect("nats://"+n.Places()[0].Client, option, nats.NoReconnect())
		if err == nil {
			c.Close()
			t.Errorf("%s is let in at the hub's own machine", what)
		}
	}
	if c, err := nats.Connect(h.URL(0), hub.Nkey(key), nats.NoReconnect()); err == nil { // without the hub's authority
		c.Close()
		t.Error("the certificate is issued by somebody known")
	}
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	p, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAStolenBoxDoesNotFillTheHub: what it may send, listen to and connect has bounds.
func TestAStolenBoxDoesNotFillTheHub(t *testing.T) {
	h := hubtest.Start(t)
	key := h.Box("berlin", nil)
	t.Run("large messages", func(t *testing.T) {
		c := connected(t, h, "berlin", key)
		if err := c.Publish(fleet.CallsOf("berlin"), make([]byte, fleet.MaxMessage)); err != nil || c.Flush() != nil {
			t.Errorf("a message of %d octets: %v", fleet.MaxMessage, err)
		}
		if err := c.Publish(fleet.CallsOf("berlin"), make([]byte, fleet.MaxMessage+1)); !errors.Is(err, nats.ErrMaxPayload) {
			t.Errorf("a message of %d octets: %v", fleet.MaxMessage+1, err)
		}
	})
	t.Run("subscriptions", func(t *testing.T) {
		c := connected(t, h, "berlin", key)
		for i := range 2100 {
			if _, err := c.SubscribeSync(fmt.Sprintf("to.berlin.%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(); err == nil && !errors.Is(c.LastError(), nats.ErrMaxSubscriptionsExceeded) {
			t.Errorf("all is taken: %v", c.LastError())
		}
	})
	t.Run("connections", func(t *testing.T) {
		const many = 8
		ended := make(chan struct{}, many)
		for range many {
			c, err := h.Dial(0, "berlin", key, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { ended <- struct{}{} }))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		for range many - 4 {
			<-ended
		}
	})
	t.Run("headers", func(t *testing.T) { // that would have the engine do something with a stream, or elsewhere
		js := streams(t, steward(t, h, hubtest.Customer))
		c := connected(t, h, "berlin", key)
		elsewhere, err := steward(t, h, hubtest.Customer).SubscribeSync("to.bonn.lease")
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range []nats.Header{
			{"Nats-Rollup": {"all"}}, {"Nats-Rollup": {"sub"}}, {"Nats-TTL": {"1s"}}, {"Nats-Incr": {"1"}}, {"Nats-Batch-Id": {"1"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}},
			{"Nats-Schedule": {"@every 1s"}, "Nats-Schedule-Target": {"to.bonn.lease"}}, {"Nats-Trace-Dest": {"to.bonn.lease"}},
		} {
			if _, trace := header["Nats-Trace-Dest"]; trace { // nobody answers
				if err := c.PublishMsg(&nats.Msg{Subject: fleet.AlarmsOf("berlin"), Header: header, Data: []byte("{}")}); err != nil || c.Flush() != nil {
					t.Error(err)
				}
				continue
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			m, err := c.RequestMsgWithContext(ctx, &nats.Msg{Subject: fleet.AlarmsOf("berlin"), Header: header, Data: []byte("{}")})
			stop()
			var answer struct {
				Error *struct {
					Description string `json:"description"`
				} `json:"error"`
			}
			if err != nil || json.Unmarshal(m.Data, &answer) != nil || answer.Error == nil {
				t.Errorf("%v: %v, %v", header, m, err)
			}
		}
		if m, err := elsewhere.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("the engine has sent %q to another box", m.Data)
		}
		if s, err := js.Stream(t.Context(), fleet.AlarmStream); err != nil || s.CachedInfo().State.Msgs > 1 {
			t.Errorf("%v, %v", s, err)
		}
	})
}
