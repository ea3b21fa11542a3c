package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub/hubtest"
)

// intruder is a key in wrong hands, with a client that does what it is told.
type intruder struct {
	t      *testing.T
	conn   *nats.Conn
	denied chan string
}

func intrude(t *testing.T, h *hubtest.Hub, name string, key nkeys.KeyPair) *intruder {
	t.Helper()
	i := &intruder{t: t, denied: make(chan string, 100)}
	var err error
	i.conn, err = h.Dial(0, name, key, nats.NoReconnect(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
			i.denied <- err.Error()
		}
	}))
	must(t, err)
	t.Cleanup(i.conn.Close)
	return i
}

// may reports what of all that an intruder tries is not denied.
func (i *intruder) may(publish, subscribe []string) (allowed []string) {
	i.t.Helper()
	denied := func(subject string) bool {
		const never = "never.to.be.allowed" // the hub's no to it comes behind its no to the other
		must(i.t, i.conn.Publish(never, nil))
		text := receive(i.t, i.denied)
		if strings.Contains(text, never) {
			return false
		}
		if !strings.Contains(text, fmt.Sprintf("%q", subject)) {
			i.t.Errorf("%s: %s", subject, text)
		}
		if text := receive(i.t, i.denied); !strings.Contains(text, never) {
			i.t.Errorf("behind %s: %s", subject, text)
		}
		return true
	}
	for _, s := range publish {
		must(i.t, i.conn.Publish(s, nil))
		if !denied(s) {
			allowed = append(allowed, "publish "+s)
		}
	}
	for _, s := range subscribe {
		sub, err := i.conn.SubscribeSync(s)
		must(i.t, err)
		if !denied(s) {
			allowed = append(allowed, "subscribe "+s)
		}
		_ = sub.Unsubscribe()
	}
	return allowed
}

const nothing = ""

// Whoever has the key of a box can do what the box can, and nothing to others.
func TestWhatTheKeyOfAStolenBoxIsGoodFor(t *testing.T) {
	h := hubtest.Start(t)
	key := h.Box("stolen", nil)
	h.Box("paris", nil)
	h.Operator(hubtest.Customer, "anna")
	i := intrude(t, h, "stolen", key)
	all := strings.Join(i.may([]string{
		fleet.StatusOf("paris"), fleet.AlarmsOf("paris"), fleet.CallsOf("paris"), fleet.LeaseOf("paris"), fleet.RetireOf("paris"), // speaks as another
		fleet.KeptAlarmsOf("paris"), fleet.KeptAlarmsOf("stolen"), fleet.KeptCallsOf("paris"), // or past the hub
		fleet.NewsFor("paris"), fleet.DialOf("anna", "paris"), fleet.DialOf("stolen", "paris"), fleet.DialOf("hub", "paris"), // dials another
		fleet.Tunnel("anna", "paris", "1", true), fleet.Tunnel("anna", "paris", "1", false), // into what others say
		"$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.DELETE.ALARMS", "$JS.API.STREAM.PURGE.CALLS", "$JS.API.STREAM.MSG.GET.CALLS", "$JS.API.STREAM.CREATE.X",
		"$JS.API.CONSUMER.CREATE.CALLS", "$JS.API.DIRECT.GET.CALLS", "$KV.leases.x", "$KV.registry.x", "$SYS.REQ.SERVER.PING", "_INBOX_paris.x", "_INBOX_anna.x",
	}, []string{
		">", "*.>", "box.>", "box.paris.>", "box.*.calls", "to.paris.lease", "to.>", "dial.>", fleet.DialOf("*", "paris"), "tunnel.>",
		fleet.Tunnel("*", "paris", "*", true), fleet.Tunnel("anna", "stolen", "*", false), "_INBOX_paris.>", "_INBOX_anna.>", "_INBOX.>", "$KV.>", "$JS.>", "$SYS.>",
	}), ", ")
	if all != nothing {
		t.Errorf("it may %s", all)
	}
	// Only over WebSocket in TLS: it is of no use to somebody on the hub's own machine.
	if c, err := nats.Connect("nats://"+h.Nodes[0].Places()[0].Client, nats.NoReconnect(), nats.Nkey(public(t, key), key.Sign)); err == nil {
		c.Close()
		t.Error("it is let in without TLS")
	}
}

// Whoever has an operator's credentials can dial the boxes of the customer and read what they send, and changes nothing.
func TestWhatStolenCredentialsAreGoodFor(t *testing.T) {
	h := hubtest.Start(t)
	h.Box("berlin", nil)
	key := h.Operator(hubtest.Customer, "otto")
	i := intrude(t, h, "otto", key)
	h.Operator(hubtest.Customer, "anna")
	all := strings.Join(i.may([]string{
		fleet.StatusOf("berlin"), fleet.AlarmsOf("berlin"), fleet.CallsOf("berlin"), fleet.LeaseOf("berlin"), fleet.RetireOf("berlin"), fleet.NewsFor("berlin"),
		fleet.DialOf("anna", "berlin"), fleet.DialOf("hub", "berlin"), fleet.Tunnel("anna", "berlin", "1", true), fleet.Tunnel("otto", "berlin", "1", false),
		"$JS.API.STREAM.DELETE.ALARMS", "$JS.API.STREAM.PURGE.CALLS", "$JS.API.STREAM.MSG.DELETE.CALLS", "$JS.API.STREAM.MSG.GET.CALLS", fleet.KeptCallsOf("berlin"), "$JS.API.CONSUMER.CREATE.CALLS", "$JS.API.DIRECT.GET.CALLS", "$KV.leases.x",
		"_INBOX_berlin.x", "_INBOX_anna.x", "$SYS.REQ.SERVER.PING",
	}, []string{
		">", "box.>", "box.*.lease", "to.>", "dial.>", fleet.DialOf("*", "berlin"), "tunnel.>", fleet.Tunnel("anna", "*", "*", false), fleet.Tunnel("otto", "*", "*", true),
		"_INBOX_anna.>", "_INBOX_berlin.>", "$KV.>", "$JS.>", "$SYS.>",
	}), ", ")
	if all != nothing {
		t.Errorf("they may %s", all)
	}
	if got := len(i.may([]string{fleet.DialOf("otto", "berlin")}, []string{"box.*.status", "box.*.alarms", "box.*.calls"})); got != 4 {
		t.Errorf("%d of the 4 things that an operator is for", got)
	}
	ended := make(chan struct{})
	i.conn.SetClosedHandler(func(*nats.Conn) { close(ended) })
	must(t, h.Registry.RevokeOperator(t.Context(), hubtest.Customer, "otto"))
	receive(t, ended)
	if c, err := h.Dial(0, "otto", key, nats.NoReconnect()); err == nil {
		c.Close()
		t.Error("they are taken after they were revoked")
	}
}

// Nothing that a customer says is heard by another, whose boxes have the same names.
func TestCustomersShareNothing(t *testing.T) {
	h := hubtest.Start(t)
	must(t, h.Registry.AddCustomer(t.Context(), "acme", 0))
	ours, theirs := newClient(t), newClient(t)
	heard := make(chan string, 10)
	for c, key := range map[*client]nkeys.KeyPair{ours: h.BoxOf(hubtest.Customer, "berlin", nil), theirs: h.BoxOf("acme", "berlin", nil)} {
		who := "ours"
		if c == theirs {
			who = "theirs"
		}
		_, err := c.Listen(fleet.DialOf("*", "berlin"), func(m fleet.Message) { heard <- who; _ = c.Reply(m, []byte(who)) })
		must(t, err)
		connectTo(t, c, h, "berlin", key)
	}
	operator := newClient(t)
	connectTo(t, operator, h, "otto", h.Operator("acme", "otto"))
	for answers := 0; answers < 3; {
		answer, err := operator.Request(operator.within(), fleet.DialOf("otto", "berlin"), nil)
		if err != nil && strings.Contains(err.Error(), "nobody") { // the box's subscription is on its way
			continue
		}
		must(t, err)
		if answers++; string(answer) != "theirs" {
			t.Errorf("%s has answered", answer)
		}
	}
	for len(heard) > 0 {
		if who := <-heard; who != "theirs" {
			t.Errorf("%s has heard it", who)
		}
	}
}

// What boxes and operators say before they are let in: no key, a wrong signature, the key of another.
func TestStrangersAreNotLetIn(t *testing.T) {
	h := hubtest.Start(t)
	box := h.Box("berlin", nil)
	stranger, _ := hubtest.NewKey(t)
	for name, options := range map[string][]nats.Option{
		"nobody":                 {},
		"a stranger":             {nats.Nkey(public(t, stranger), stranger.Sign)},
		"a key without its half": {nats.Nkey(public(t, box), stranger.Sign)},
		"a password":             {nats.UserInfo("admin", "admin")},
		"a token":                {nats.Token("x")},
	} {
		c, err := nats.Connect(h.URL(0), append(options, nats.NoReconnect(), nats.Secure(h.TLS()))...)
		if err == nil {
			c.Close()
			t.Errorf("%s is let in", name)
		}
	}
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	p, err := key.PublicKey()
	must(t, err)
	return p
}

// connectTo connects a client to the hub, by its pin.
func connectTo(t *testing.T, c *client, h *hubtest.Hub, name string, key nkeys.KeyPair) {
	t.Helper()
	seed, err := key.Seed()
	must(t, err)
	k, err := ParseKey(seed)
	must(t, err)
	c.start()
	c.Apply(Settings{Name: name, Key: k, Hubs: []*config.HubNode{{Host: h.Host, Port: uint16(h.Ports[0])}}, Pin: h.Pin})
	must(t, c.Reach(c.within()))
}

// The threat model names tests: there they are.
func TestTheTestsThatSecurityNamesExist(t *testing.T) {
	text, err := os.ReadFile("../../../SECURITY.md")
	must(t, err)
	_, models, found := strings.Cut(string(text), "\n## A fleet\n") // and what follows: a pair
	if !found {
		t.Fatal("SECURITY.md has no section on fleets")
	}
	named := 0
	for line := range strings.Lines(models) {
		where := ""
		for _, word := range strings.Fields(line) {
			if name := strings.Trim(word, "`,"); strings.HasPrefix(word, "`Test") || strings.HasPrefix(word, "`Fuzz") {
				named++
				if !declared(t, where, name) {
					t.Errorf("%s has no %s", where, name)
				}
			} else if isPackage(word) {
				where = word
			}
		}
	}
	if named < 20 {
		t.Errorf("%d tests are named", named)
	}
}

// isPackage reports whether a word names a package of the box.
func isPackage(word string) bool {
	files, _ := filepath.Glob("../../" + word + "/*.go")
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz/") == "" && len(files) > 0
}

// declared reports whether a package has a test.
func declared(t *testing.T, where, name string) bool {
	t.Helper()
	files, err := filepath.Glob("../../" + where + "/*_test.go")
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
