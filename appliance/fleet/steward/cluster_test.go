package steward_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/fleet/lease/leasecheck"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/license"
)

// nodeOf names, in the environment of a process that a test has started, the folder of the node that it is to run.
const nodeOf = "VIADUCT_TEST_NODE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(nodeOf); dir != "" {
		if err := runNode(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runNode is a node of a hub until SIGTERM, or until the test is gone.
func runNode(dir string) error {
	slog.SetDefault(logger())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	n, err := hub.Open(dir)
	if err != nil {
		return err
	}
	return n.Run(ctx, hub.Embedded, steward.Service(n, logger()))
}

// nodes are those of a hub, each a process of its own, which can be killed.
type nodes struct {
	t     *testing.T
	dirs  []string
	names []string
	runs  []*exec.Cmd
	stdin []io.Closer
	hubs  []*config.HubNode
}

func newNodes(t *testing.T, count int, k *keys) *nodes {
	t.Helper()
	o, ports := hub.Options{Authorities: map[string]string{"lab": k.authorities[0].Key}, Name: "127.0.0.1"}, hubtest.FreePorts(t, 3*count)
	n := &nodes{t: t, runs: make([]*exec.Cmd, count), stdin: make([]io.Closer, count)}
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	for i := range count {
		n.names = append(n.names, fmt.Sprint("node-", i+1))
		n.hubs = append(n.hubs, &config.HubNode{Host: "127.0.0.1", Port: uint16(ports[3*i])})
		o.Nodes = append(o.Nodes, hub.Place{Name: n.names[i], Address: "127.0.0.1", Listen: at(3 * i), Client: at(3*i + 1), Routes: at(3*i + 2)})
	}
	var err error
	if n.dirs, err = hub.Init(filepath.Join(t.TempDir(), "hub"), o); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		n.start(i)
	}
	t.Cleanup(func() {
		for i := range count {
			n.end(i, syscall.SIGKILL)
		}
	})
	return n
}

func (n *nodes) start(i int) {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), nodeOf+"="+n.dirs[i])
	c.Stderr = os.Stderr
	if n.stdin[i], err = c.StdinPipe(); err != nil {
		n.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.runs[i] = c
}

// end ends a node and waits for its end.
func (n *nodes) end(i int, how syscall.Signal) {
	if n.runs[i] == nil {
		return
	}
	n.runs[i].Process.Signal(how)
	n.runs[i].Wait()
	n.stdin[i].Close()
	n.runs[i] = nil
}

// open opens a node, and its registry when it is there.
func (n *nodes) open(i int) (*hub.Node, *hub.Registry) {
	n.t.Helper()
	node, err := hub.Open(n.dirs[i])
	if err != nil {
		n.t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := node.Registry(n.t.Context())
		if err == nil {
			n.t.Cleanup(r.Close)
			return node, r
		}
		if time.Now().After(end) {
			n.t.Fatal(err)
		}
	}
}

// pools are those of the hub, by a node that runs.
func (n *nodes) pools(i int) (jetstream.KeyValue, jetstream.JetStream) {
	n.t.Helper()
	node, err := hub.Open(n.dirs[i])
	if err != nil {
		n.t.Fatal(err)
	}
	conn, err := node.Admin()
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		n.t.Fatal(err)
	}
	var kv jetstream.KeyValue
	n.until("the bucket of pools", func(ctx context.Context) (err error) { kv, err = steward.Bucket(ctx, js, len(n.dirs)); return err })
	return kv, js
}

// until waits for something.
func (n *nodes) until(what string, f func(context.Context) error) {
	n.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Second)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("%s: %v", what, err)
		}
	}
}

// leader is the node that leads the bucket of pools, when the others are up to date.
func (n *nodes) leader(js jetstream.JetStream) (leader int) {
	n.t.Helper()
	n.until("a leader with two followers", func(ctx context.Context) error {
		s, err := js.Stream(ctx, "KV_leases")
		if err != nil {
			return err
		}
		cluster := s.CachedInfo().Cluster
		if cluster == nil || len(cluster.Replicas) != 2 || !cluster.Replicas[0].Current || !cluster.Replicas[1].Current {
			return errors.New("not all nodes are up to date")
		}
		for i, name := range n.names {
			if name == cluster.Leader {
				leader = i
				return nil
			}
		}
		return errors.New("there is no leader")
	})
	return leader
}

// asker is a box that asks for more and less all the time.
type asker struct {
	*keys
	t      *testing.T
	name   string
	serial string
	link   interface {
		Request(ctx context.Context, subject string, body []byte) ([]byte, error)
	}
	think time.Duration // between two requests
	log   *leasecheck.Log
	asked *atomic.Int64 // answers in all

	mu      sync.Mutex
	began   time.Time // the request under way; zero: there is none
	served  time.Time // when the last one that was answered had begun
	longest time.Duration
}

const (
	most     = 8                      // that a box asks for
	think    = 300 * time.Millisecond // between two requests
	askAgain = 2 * time.Second        // when there is no answer
)

func (a *asker) run(ctx context.Context) {
	held := 0
	a.log.Add(leasecheck.Event{What: leasecheck.Started, Serial: a.serial})
	a.log.Add(leasecheck.Event{What: leasecheck.Holds, Serial: a.serial})
	for sequence := uint64(1); ctx.Err() == nil; sequence++ {
		r := fleet.LeaseRequest{Version: fleet.Version, Kind: string(license.SIPSessions), Serial: a.serial, Want: rand.N(most + 1), Sequence: sequence}
		r.Has = min(held, r.Want)
		if r.Has < held {
			held = r.Has
			a.log.Add(leasecheck.Event{What: leasecheck.Holds, Serial: a.serial, Count: held})
		}
		a.log.Add(leasecheck.Event{What: leasecheck.Asked, Serial: a.serial, Sequence: r.Sequence, Want: r.Want, Has: r.Has})
		reply, ok := a.ask(ctx, r)
		if !ok {
			return
		}
		count := 0
		if reply.Lease != "" {
			l, err := license.VerifyLease(reply.Lease, reply.Keys, a.serial, time.Now(), a.authorities)
			if err != nil {
				a.t.Errorf("%s: %v", a.name, err)
			}
			count = l.Count
		}
		e := leasecheck.Event{What: leasecheck.Signed, Node: "hub", Serial: a.serial, Sequence: reply.Sequence, Count: count, Left: time.Duration(reply.Left) * time.Second}
		a.log.Add(e)
		e.What = leasecheck.Answered
		a.log.Add(e)
		held = count
		a.log.Add(leasecheck.Event{What: leasecheck.Holds, Serial: a.serial, Count: held})
		a.asked.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(a.think/2 + rand.N(a.think)):
		}
	}
}

// ask asks, again and again, until there is an answer.
func (a *asker) ask(ctx context.Context, r fleet.LeaseRequest) (reply fleet.LeaseReply, ok bool) {
	text, err := json.Marshal(r)
	if err != nil {
		a.t.Error(err)
		return reply, false
	}
	a.mu.Lock()
	a.began = time.Now()
	a.mu.Unlock()
	for ctx.Err() == nil {
		soon, cancel := context.WithTimeout(ctx, askAgain)
		answer, err := a.link.Request(soon, fleet.LeaseOf(a.name), text)
		cancel()
		reply = fleet.LeaseReply{}
		if err == nil && json.Unmarshal(answer, &reply) == nil && reply.Error == "" {
			a.took()
			return reply, true
		}
		if reply.Refused {
			a.t.Errorf("%s is refused: %s", a.name, reply.Error)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return reply, false
}

// took notes how long the request under way has taken.
func (a *asker) took() {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := time.Since(a.began)
	a.longest = max(a.longest, d)
	a.served, a.began = a.began, time.Time{}
}

// direct is the link of a box without a hub's doors.
type direct struct {
	conn *nats.Conn
	name string
}

func (d direct) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	m, err := requestAs(d.conn, d.name, subject, body, 300*time.Millisecond)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// Three stewards change the same pool at once, as fast as they can: each change is made once, of what was there.
func TestThreeStewardsShareAPool(t *testing.T) {
	const total, boxes, enoughAnswers = 40, 25, 150
	k := newKeys(t)
	url := engine(t, t.TempDir()).ClientURL()
	book := k.book(boxes, k.license(t, license.SIPSessions, total))
	var pools jetstream.KeyValue
	for i := range 3 {
		conn := dial(t, url)
		js, err := jetstream.New(conn)
		if err != nil {
			t.Fatal(err)
		}
		if pools, err = steward.Bucket(t.Context(), js, 1); err != nil {
			t.Fatal(err)
		}
		s, err := steward.New(steward.Options{Customer: "acme", Node: fmt.Sprint("node-", i), Conn: conn, Pools: pools, Replicas: 1, Store: 1536 << 20, Key: k.hub, Log: logger()})
		if err != nil {
			t.Fatal(err)
		}
		s.Set(book)
		start(t, s)
	}
	log, answers := &leasecheck.Log{}, &atomic.Int64{}
	log.Add(leasecheck.Event{What: leasecheck.Total, Count: total})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range boxes {
		log.Add(leasecheck.Event{What: leasecheck.Limits, Serial: serial(i), Max: total})
		name := fmt.Sprint("box-", i)
		a := &asker{keys: k, t: t, name: name, serial: serial(i), log: log, asked: answers, link: direct{dial(t, url), name}, think: 2 * time.Millisecond}
		running.Go(func() { a.run(ctx) })
	}
	for end := time.Now().Add(enough); answers.Load() < enoughAnswers; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d answers", answers.Load())
		}
	}
	cancel()
	running.Wait()
	if report := leasecheck.Check(log.Events(), leasecheck.Standard); report.Count > 0 || report.Short == 0 {
		t.Error(report)
	}
}

// load runs so many boxes. worst returns the longest that a request has taken since it was called last, those under way included; stop ends the load.
func (n *nodes) load(k *keys, r *hub.Registry, pin string, boxes int, log *leasecheck.Log) (all []*asker, worst func() time.Duration, answers *atomic.Int64, stop func()) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var links []*bus.Bus
	answers = &atomic.Int64{}
	for i := range boxes {
		key, err := bus.Generate()
		if err != nil {
			n.t.Fatal(err)
		}
		link := bus.Open(bus.Options{Log: logger()})
		a := &asker{keys: k, t: n.t, name: fmt.Sprint("box-", i), serial: serial(i), log: log, asked: answers, link: link, think: think}
		if err := r.AddBox(ctx, hub.DefaultCustomer, fleet.KeyFile{Box: a.name, Serial: a.serial, Key: key.Public()}, map[string]hub.Limit{string(license.SIPSessions): {Max: most}}); err != nil {
			n.t.Fatal(err)
		}
		log.Add(leasecheck.Event{What: leasecheck.Limits, Serial: a.serial, Max: most})
		link.Apply(bus.Settings{Name: a.name, Key: key, Hubs: n.hubs, Pin: pin})
		all, links = append(all, a), append(links, link)
	}
	for i, a := range all {
		running.Go(func() { links[i].Run(ctx) })
		for tries := 0; ; tries++ { // a node may not know it yet
			soon, done := context.WithTimeout(ctx, time.Second)
			err := links[i].Reach(soon)
			done()
			if err == nil {
				break
			}
			if tries > 300 {
				n.t.Fatalf("%s is not connected: %v", a.name, err)
			}
			links[i].Retry()
			time.Sleep(50 * time.Millisecond)
		}
	}
	for _, a := range all {
		running.Go(func() { a.run(ctx) })
	}
	stop = func() { cancel(); running.Wait() }
	n.t.Cleanup(stop)
	return all, func() (d time.Duration) {
		for _, a := range all {
			a.mu.Lock()
			d = max(d, a.longest)
			if !a.began.IsZero() {
				d = max(d, time.Since(a.began))
			}
			a.longest = 0
			a.mu.Unlock()
		}
		return d
	}, answers, stop
}

// everyone waits until each box has had an answer to what it asked after now.
func everyone(t *testing.T, all []*asker) {
	t.Helper()
	begin := time.Now()
	for _, a := range all {
		for {
			a.mu.Lock()
			served := a.served
			a.mu.Unlock()
			if served.After(begin) {
				break
			}
			if time.Since(begin) > 3*time.Minute {
				t.Fatalf("%s has no answer", a.name)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// A hub of three nodes loses one, which leads the bucket of pools, while boxes ask for more and less. It goes on, and never lends more than it has.
func TestThreeNodesLoseOne(t *testing.T) {
	const total, boxes = 40, 12
	k := newKeys(t)
	begin := time.Now()
	n := newNodes(t, 3, k)
	node, r := n.open(0)
	k.hub = node.LeaseKey()
	n.until("the customer", func(ctx context.Context) error {
		_, err := r.AddLicense(ctx, hub.DefaultCustomer, k.license(t, license.SIPSessions, total))
		return err
	})
	pin, err := node.Pin()
	if err != nil {
		t.Fatal(err)
	}
	log := &leasecheck.Log{}
	log.Add(leasecheck.Event{What: leasecheck.Total, Count: total})
	all, worst, answers, stop := n.load(k, r, pin, boxes, log)
	everyone(t, all)
	t.Logf("the hub serves after %s", time.Since(begin).Round(100*time.Millisecond))
	worst()
	everyone(t, all)
	t.Logf("longest request while all is well: %s", worst().Round(time.Millisecond))

	_, js := n.pools(0)
	first := n.leader(js)
	n.end(first, syscall.SIGTERM)
	everyone(t, all)
	t.Logf("longest request while the leader is shut down: %s", worst().Round(time.Millisecond))
	n.start(first)

	_, js = n.pools((first + 1) % 3)
	second := n.leader(js)
	worst()
	n.end(second, syscall.SIGKILL)
	everyone(t, all)
	t.Logf("longest request while the leader is killed: %s", worst().Round(time.Millisecond))

	stop()
	report := leasecheck.Check(log.Events(), leasecheck.Standard)
	t.Logf("%d answers in %s: %s", answers.Load(), time.Since(begin).Round(100*time.Millisecond), report)
	if report.Count > 0 || report.Signed == 0 || report.Held > total || report.Short == 0 {
		t.Errorf("%s", report)
	}
	kv, _ := n.pools((second + 1) % 3)
	pools, err := steward.Pools(t.Context(), kv, hub.DefaultCustomer)
	if err != nil {
		t.Fatal(err)
	}
	if _, taken := pools[license.SIPSessions].Shares(time.Now()); taken > total || taken == 0 {
		t.Errorf("%d are lent of %d", taken, total)
	}
}

// A hub of one node is killed, and starts again: what it has lent and kept is there.
func TestAHubThatIsKilledKnowsAll(t *testing.T) {
	const total = 20
	k := newKeys(t)
	n := newNodes(t, 1, k)
	node, r := n.open(0)
	k.hub = node.LeaseKey()
	n.until("the customer", func(ctx context.Context) error {
		_, err := r.AddLicense(ctx, hub.DefaultCustomer, k.license(t, license.SIPSessions, total))
		return err
	})
	pin, err := node.Pin()
	if err != nil {
		t.Fatal(err)
	}
	key, err := bus.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddBox(t.Context(), hub.DefaultCustomer, fleet.KeyFile{Box: "box-0", Serial: serial(0), Key: key.Public()}, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	link := bus.Open(bus.Options{Log: logger()})
	link.Apply(bus.Settings{Name: "box-0", Key: key, Hubs: n.hubs, Pin: pin})
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { link.Run(ctx) })
	ask := func(r fleet.LeaseRequest) (reply fleet.LeaseReply) {
		t.Helper()
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		n.until("an answer", func(ctx context.Context) error {
			link.Retry()
			answer, err := link.Request(ctx, fleet.LeaseOf("box-0"), text)
			if err != nil {
				return err
			}
			reply = fleet.LeaseReply{}
			return json.Unmarshal(answer, &reply)
		})
		return reply
	}
	before := ask(request(0, license.SIPSessions, 15, 0, 7))
	n.until("an alarm kept", func(ctx context.Context) error {
		return link.Keep(ctx, fleet.AlarmsOf("box-0"), "box-0/r/1", []byte(`{"alarm":"x"}`))
	})
	n.end(0, syscall.SIGKILL)
	n.start(0)
	after := ask(request(0, license.SIPSessions, 15, 0, 7)) // the same once more
	if before.Error != "" || after.Error != "" || before.Lease == "" || after.Sequence != 7 || after.Free != total-15 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	l, err := license.VerifyLease(after.Lease, after.Keys, serial(0), time.Now(), k.authorities)
	if err != nil || l.Count != 15 {
		t.Errorf("%+v, %v", l, err)
	}
	if old := ask(request(0, license.SIPSessions, 0, 0, 6)); old.Error == "" {
		t.Errorf("a request of before is obeyed: %+v", old)
	}
	// The alarm is there, and its id is known.
	n.until("the alarm kept again", func(ctx context.Context) error {
		return link.Keep(ctx, fleet.AlarmsOf("box-0"), "box-0/r/1", []byte(`{"alarm":"x"}`))
	})
	conn, err := node.Steward(hub.DefaultCustomer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), fleet.AlarmStream)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().State.Msgs; got != 1 {
		t.Errorf("%d alarms", got)
	}
}
