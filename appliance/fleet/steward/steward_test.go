package steward_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/license"
)

// enough is how long a test waits for what takes a moment.
const enough = 2 * time.Minute

// keys are those of a hub and of an issuer that it believes.
type keys struct {
	hub, issuer ed25519.PrivateKey
	authorities []*config.LicenseAuthority
	serial      uint32
}

func newKeys(t testing.TB) *keys {
	t.Helper()
	_, hub, err1 := ed25519.GenerateKey(nil)
	public, issuer, err2 := ed25519.GenerateKey(nil)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return &keys{hub: hub, issuer: issuer, authorities: []*config.LicenseAuthority{{Name: "lab", Key: license.FormatIssuer(public)}}}
}

func (k *keys) id() string { return license.HubID(k.hub.Public().(ed25519.PublicKey)) }

// license is a key for the hub's pool.
func (k *keys) license(t testing.TB, kind license.Kind, count int) string {
	t.Helper()
	k.serial++
	key, err := license.Sign(k.issuer, license.License{Kind: kind, Count: count, System: k.id(), Serial: k.serial})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// engine runs a NATS server with JetStream and no accounts.
func engine(t testing.TB, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(enough) {
		t.Fatal("the engine does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func dial(t testing.TB, url string) *nats.Conn {
	t.Helper()
	c, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// book is one with boxes box-0 to box-n.
func (k *keys) book(n int, licenses ...string) *steward.Book {
	b := &steward.Book{Boxes: map[string]steward.Box{}, Keys: licenses, Authorities: k.authorities}
	for i := range n {
		b.Boxes[fmt.Sprint("box-", i)] = steward.Box{Serial: serial(i), Key: publicKey(byte(i))}
	}
	return b
}

func serial(i int) string { return fmt.Sprintf("00A0BA%06X", i) }

func publicKey(seed byte) string {
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, []byte(strings.Repeat(string('a'+rune(seed%26)), 32)))
	if err != nil {
		panic(err)
	}
	public, _ := pair.PublicKey()
	return public
}

// rig is a steward with its engine, and a box.
type rig struct {
	*keys
	steward *steward.Steward
	box     *nats.Conn // of all boxes
	pools   jetstream.KeyValue
	ended   chan [3]string
	audited []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{keys: newKeys(t), ended: make(chan [3]string, 10)}
	url := engine(t, t.TempDir()).ClientURL()
	conn := dial(t, url)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if r.pools, err = steward.Bucket(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	r.steward, err = steward.New(steward.Options{
		Customer: "acme", Node: "node-1", Audit: func(who, what string) error { r.audited = append(r.audited, who+" "+what); return nil }, Conn: conn, Pools: r.pools, Replicas: 1, Store: 1536 << 20, Key: r.hub, Log: logger(),
		EndKey: func(_ context.Context, box, key, next string) error { r.ended <- [3]string{box, key, next}; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, r.steward)
	r.box = dial(t, url)
	return r
}

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))
}

// start runs a steward until the test ends, or stop.
func start(t testing.TB, s *steward.Steward) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// ask asks until there is an answer: a steward begins when its streams are there, and nobody listens until then. It asks nobody twice.
func ask[A any](t testing.TB, c *nats.Conn, subject string, question any) (a A) {
	t.Helper()
	text, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(enough); ; {
		m, err := requestAs(c, strings.Split(subject, ".")[1], subject, text, enough)
		if err == nil {
			if err := json.Unmarshal(m.Data, &a); err != nil {
				t.Fatal(err)
			}
			return a
		}
		if !errors.Is(err, nats.ErrNoResponders) || time.Now().After(end) {
			t.Fatalf("no answer to %s: %v", subject, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// requestAs asks with an answer to the inbox of a box.
func requestAs(c *nats.Conn, box, subject string, text []byte, wait time.Duration) (*nats.Msg, error) {
	inbox := fleet.Inbox(box) + "." + nuid.Next()
	answer, err := c.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer answer.Unsubscribe()
	if err := c.PublishRequest(subject, inbox, text); err != nil {
		return nil, err
	}
	return answer.NextMsg(wait)
}

func request(box int, kind license.Kind, want, has int, sequence uint64) fleet.LeaseRequest {
	return fleet.LeaseRequest{Version: fleet.Version, Kind: string(kind), Serial: serial(box), Want: want, Has: has, Sequence: sequence}
}

func TestALeaseIsOfThePoolAndSigned(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(2, r.license(t, license.SIPSessions, 30), r.license(t, license.SRTPChannels, 8)))

	a := ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), request(0, license.SIPSessions, 20, 0, 1))
	l, err := license.VerifyLease(a.Lease, a.Keys, serial(0), time.Now(), r.authorities)
	if err != nil || l.Count != 20 || l.Sequence != 1 || l.Kind != license.SIPSessions || a.Error != "" || a.Free != 10 || len(a.Keys) != 1 {
		t.Errorf("%+v: %+v, %v", a, l, err)
	}
	// The other gets what is left, and it is the same when it asks once more.
	for range 2 {
		a = ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-1"), request(1, license.SIPSessions, 20, 0, 1))
		if l, err = license.VerifyLease(a.Lease, a.Keys, serial(1), time.Now(), r.authorities); err != nil || l.Count != 10 || a.Free != 0 {
			t.Errorf("%+v: %+v, %v", a, l, err)
		}
	}
	a = ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-1"), request(1, license.SRTPChannels, 8, 0, 1))
	if l, err = license.VerifyLease(a.Lease, a.Keys, serial(1), time.Now(), r.authorities); err != nil || l.Count != 8 || l.Kind != license.SRTPChannels {
		t.Errorf("%+v: %+v, %v", a, l, err)
	}
	// What one gives back is there for the other.
	if a = ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), request(0, license.SIPSessions, 0, 0, 2)); a.Lease != "" || a.Error != "" || a.Sequence != 2 {
		t.Errorf("%+v", a)
	}
	a = ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-1"), request(1, license.SIPSessions, 30, 10, 2))
	if l, err = license.VerifyLease(a.Lease, a.Keys, serial(1), time.Now(), r.authorities); err != nil || l.Count != 30 {
		t.Errorf("%+v: %+v, %v", a, l, err)
	}

	pools, err := steward.Pools(t.Context(), r.pools, "acme")
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[license.Kind]int{license.SIPSessions: 30, license.SRTPChannels: 8} {
		if _, taken := pools[kind].Shares(time.Now()); taken != want {
			t.Errorf("%s: %d are lent, want %d", kind, taken, want)
		}
	}
}

func TestWhatCannotBeLent(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(1, r.license(t, license.SIPSessions, 30)))
	for what, c := range map[string]struct {
		question any
		want     string
	}{
		"another kind":        {request(0, "calls", 1, 0, 1), "no pool"},
		"of another's serial": {request(1, license.SIPSessions, 1, 0, 1), "serial number"},
		"of another version":  {fleet.LeaseRequest{Version: 9, Kind: string(license.SIPSessions), Serial: serial(0), Sequence: 1}, "version"},
		"damaged":             {"x", "damaged"},
		"more than it says":   {request(0, license.SIPSessions, 1, 2, 1), "lowers its own count first"},
	} {
		if a := ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), c.question); !strings.Contains(a.Error, c.want) || a.Lease != "" {
			t.Errorf("%s: %+v", what, a)
		}
	}
	// Nobody answers a box that is none.
	if m, err := requestAs(r.box, "box-7", fleet.LeaseOf("box-7"), []byte("{}"), 50*time.Millisecond); err == nil {
		t.Errorf("an answer for a stranger: %s", m.Data)
	}
	// Nor does a box have an answer sent to another one.
	for _, to := range []string{"box-1", "box-", "box-00"} {
		if m, err := requestAs(r.box, to, fleet.LeaseOf("box-0"), []byte("{}"), 50*time.Millisecond); err == nil {
			t.Errorf("an answer to %s: %s", to, m.Data)
		}
	}
}

// NATS answers wherever whoever asks wants it, and knows an id for a whole stream. Neither is of use against another box.
func TestWhatABoxHasKeptIsItsOwn(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(2))
	js, err := jetstream.New(r.box)
	if err != nil {
		t.Fatal(err)
	}
	has := func(stream string) uint64 {
		t.Helper()
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.Msgs
	}
	send := func(subject, reply, id string) {
		t.Helper()
		m := &nats.Msg{Subject: subject, Reply: reply, Header: nats.Header{jetstream.MsgIDHeader: {id}, "Nats-Rollup": {"all"}}, Data: []byte("{}")}
		if err := r.box.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), request(0, license.SIPSessions, 1, 0, 1)) // it serves
	for _, reply := range []string{
		fleet.StatusOf("box-1"), fleet.AlarmsOf("box-1"), fleet.KeptAlarmsOf("box-1"), fleet.KeptCallsOf("box-1"), fleet.Inbox("box-1") + ".1", fleet.Inbox("box-0"), "",
	} {
		send(fleet.AlarmsOf("box-0"), reply, "box-0/r/1")
		send(fleet.CallsOf("box-0"), reply, "box-0/r/1")
	}
	answers, err := r.box.SubscribeSync(fleet.Inbox("box-0") + ".1")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"box-1/r/1", "box-0", "", "box-00/1"} {
		send(fleet.AlarmsOf("box-0"), answers.Subject, id)
	}
	for i, want := range []string{`"seq":1}`, `"seq":1,"duplicate":true}`, `"seq":2}`} {
		box := []string{"box-0", "box-0", "box-1"}[i]
		inbox, err := r.box.SubscribeSync(fleet.Inbox(box) + ".2")
		if err != nil {
			t.Fatal(err)
		}
		send(fleet.AlarmsOf(box), inbox.Subject, box+"/r/1")
		if m, err := inbox.NextMsg(enough); err != nil || !strings.HasSuffix(strings.ReplaceAll(string(m.Data), " ", ""), want) {
			t.Fatalf("%+v, %v, want %s", m, err, want)
		}
		if err := inbox.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
	if a, c, s := has(fleet.AlarmStream), has(fleet.CallStream), has(fleet.StatusStream); a != 2 || c != 0 || s != 0 {
		t.Errorf("%d alarms, %d records, %d states", a, c, s)
	}
	if m, err := answers.NextMsg(time.Millisecond); err == nil {
		t.Errorf("with the id of another it has %s", m.Data)
	}
}

// An operator learns when the hub has heard of a box, and nobody else is told.
func TestWhenABoxWasSeen(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(2))
	if seen := ask[fleet.Seen](t, r.box, fleet.SeenOf("anna", "box-0"), nil); !seen.Time.IsZero() {
		t.Errorf("it was seen %s", seen.Time)
	}
	if err := r.box.Publish(fleet.StatusOf("box-0"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(enough); ; time.Sleep(time.Millisecond) {
		if seen := ask[fleet.Seen](t, r.box, fleet.SeenOf("anna", "box-0"), nil); !seen.Time.IsZero() {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is never seen")
		}
	}
	if m, err := requestAs(r.box, "otto", fleet.SeenOf("anna", "box-0"), nil, 50*time.Millisecond); err == nil {
		t.Errorf("otto is told %s", m.Data)
	}
}

func TestABoxThatFloodsIsLimited(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(2, r.license(t, license.SIPSessions, 30)))
	ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-1"), request(1, license.SIPSessions, 1, 0, 1)) // it serves
	inbox := fleet.Inbox("box-0") + ".flood"
	answers, err := r.box.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	const flood = 2000
	for i := range flood {
		text, _ := json.Marshal(request(0, license.SIPSessions, 1, 0, uint64(i+1)))
		if err := r.box.PublishRequest(fleet.LeaseOf("box-0"), inbox, text); err != nil {
			t.Fatal(err)
		}
	}
	// The other box is served meanwhile.
	ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-1"), request(1, license.SIPSessions, 1, 0, 2))
	ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-1"), request(1, license.SIPSessions, 1, 0, 3))
	if n, _, err := answers.Pending(); err != nil || n > flood/10 {
		t.Errorf("%d of %d were answered: %v", n, flood, err)
	}
}

func TestAKeyEndsAsTheBoxWants(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(1))
	if a := ask[fleet.Answer](t, r.box, fleet.RetireOf("box-0"), fleet.Retire{Next: publicKey(9)}); a.Error != "" {
		t.Error(a.Error)
	}
	if got, want := <-r.ended, [3]string{"box-0", publicKey(0), publicKey(9)}; got != want {
		t.Errorf("ended %v, want %v", got, want)
	}
	if len(r.audited) != 1 || !strings.HasPrefix(r.audited[0], "box:box-0 ") {
		t.Errorf("audited %q", r.audited)
	}
	// One that comes when the hub has the next key already ends nothing.
	if a := ask[fleet.Answer](t, r.box, fleet.RetireOf("box-0"), fleet.Retire{Next: publicKey(0)}); a.Error != "" || len(r.ended) > 0 {
		t.Errorf("%+v, %d ended", a, len(r.ended))
	}
	if a := ask[fleet.Answer](t, r.box, fleet.RetireOf("box-0"), fleet.Retire{Next: "x"}); a.Error == "" || len(r.ended) > 0 {
		t.Errorf("%+v, %d ended", a, len(r.ended))
	}
}

func TestBoxesHearWhatConcernsThem(t *testing.T) {
	r := newRig(t)
	first := r.book(3, r.license(t, license.SIPSessions, 30))
	r.steward.Set(first)
	news, err := r.box.SubscribeSync(fleet.NewsFor("*"))
	if err != nil {
		t.Fatal(err)
	}
	ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), request(0, license.SIPSessions, 1, 0, 1)) // it serves, so it has noted the first book
	hear := func(what string, want ...string) {
		t.Helper()
		for _, box := range want {
			if m, err := news.NextMsg(enough); err != nil || m.Subject != fleet.NewsFor(box) {
				t.Errorf("%s: %v, %v, want news for %s", what, m, err, box)
			}
		}
	}
	limited := r.book(3, first.Keys...)
	limited.Boxes["box-1"] = steward.Box{Serial: serial(1), Limits: map[license.Kind]steward.Limit{license.SIPSessions: {Min: 2, Max: 4}}}
	r.steward.Set(limited)
	hear("a limit", "box-1")
	r.steward.Set(r.book(3, first.Keys[0], r.license(t, license.SIPSessions, 5)))
	hear("another license", "box-0", "box-1", "box-2")
	r.steward.Set(r.book(2, first.Keys...))
	hear("a license and a box less", "box-0", "box-1")
	r.steward.Set(r.book(2, first.Keys...))
	r.steward.Set(r.book(2, first.Keys[0], r.license(t, license.SIPSessions, 5)))
	hear("the same, and another license", "box-0", "box-1")
}

func TestAPoolThatIsDamagedIsNotReplaced(t *testing.T) {
	r := newRig(t)
	r.steward.Set(r.book(1, r.license(t, license.SIPSessions, 30)))
	ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), request(0, license.SIPSessions, 1, 0, 1))
	const key = "acme.sip-sessions"
	if _, err := r.pools.PutString(t.Context(), key, "{"); err != nil {
		t.Fatal(err)
	}
	if a := ask[fleet.LeaseReply](t, r.box, fleet.LeaseOf("box-0"), request(0, license.SIPSessions, 1, 0, 2)); a.Error == "" || a.Refused || a.Lease != "" {
		t.Errorf("%+v", a)
	}
	if e, err := r.pools.Get(t.Context(), key); err != nil || string(e.Value()) != "{" {
		t.Errorf("%v, %v", e, err)
	}
}

func TestStreamsStayWhenTheyAreThere(t *testing.T) {
	c := dial(t, engine(t, t.TempDir()).ClientURL())
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := steward.Streams(t.Context(), js, 1, 1536<<20); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"box-0/x/1", "box-0/x/1", ""} {
			if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: fleet.KeptAlarmsOf("box-0"), Header: nats.Header{jetstream.MsgIDHeader: {id}}, Data: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Publish(fleet.StatusOf("box-0"), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{fleet.AlarmStream: 3, fleet.StatusStream: 1, fleet.CallStream: 0} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().State.Msgs; got != want {
			t.Errorf("%s has %d messages, want %d", name, got, want)
		}
	}
}
