package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/status"
)

// box is a box whose services say the address from which they see a connection, and then echo.
type box struct {
	*Acceptor
	hub  *fakeHub
	link *fakeLink

	mu    sync.Mutex
	trail []string
	stop  func() // and wait
}

func newBox(t *testing.T, s Settings) *box {
	b := &box{hub: &fakeHub{}}
	b.link = b.hub.link(t, "berlin")
	b.Acceptor = New(Options{Link: b.link, Box: "berlin", Dial: b.dialHere, Log: slog.New(slog.DiscardHandler), Note: func(e status.Audit, more func(*status.Audit)) {
		more(&e)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.trail = append(b.trail, fmt.Sprintf("%s%s: %s: %s", e.Account, e.From, e.What, e.Line))
	}})
	b.Set(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	b.stop = func() { cancel(); <-done }
	t.Cleanup(b.stop)
	synctest.Wait()
	return b
}

func (b *box) dialHere(_ context.Context, service string, from netip.Addr) (Side, error) {
	if service == HTTPS {
		return nil, errors.New("the box has no web page")
	}
	near, far := wires()
	go func() {
		fmt.Fprintf(far, "%v\n", from)
		io.Copy(far, far)
		far.CloseWrite()
	}()
	return near, nil
}

func (b *box) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.trail)
}

// operator is one end of a connection that an operator has asked for.
type operatorEnd struct {
	wire
	end  chan error
	stop func()
}

func (b *box) connect(t *testing.T, operator, service string) *operatorEnd {
	near, far := wires()
	ctx, stop := context.WithCancel(t.Context())
	o := &operatorEnd{wire: far, end: make(chan error, 1), stop: stop}
	link := b.hub.link(t, operator)
	go func() { o.end <- Connect(ctx, link, Target{operator, "berlin", service}, near) }()
	return o
}

// hello reads the address that the service has seen.
func (o *operatorEnd) hello(t *testing.T) string {
	t.Helper()
	var line []byte
	for one := make([]byte, 1); ; line = append(line, one[0]) {
		if _, err := o.Read(one); err != nil {
			t.Fatalf("not connected: %v, %v", err, <-o.end)
		}
		if one[0] == '\n' {
			return string(line)
		}
	}
}

var ssh = Settings{SSH: true, Idle: 15 * time.Minute}

func TestAConnectionFromBeginToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, ssh)
		o := b.connect(t, "anna", SSH)
		from := o.hello(t)
		time.Sleep(time.Minute)
		o.Write([]byte("hello"))
		io.ReadFull(o, make([]byte, 5))
		synctest.Wait()
		list := b.Tunnels()
		if len(list) != 1 || list[0].Operator != "anna" || list[0].Service != "ssh" || list[0].In != 5 || list[0].Out != int64(len(from)+6) || time.Since(list[0].Idle) > time.Second ||
			time.Since(list[0].Since) < time.Minute {
			t.Errorf("%+v", list)
		}
		o.CloseWrite()
		if _, err := io.ReadAll(o); err != nil {
			t.Error(err)
		}
		if err := <-o.end; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(b.Tunnels()) != 0 {
			t.Error("it is still listed")
		}
		want := []string{
			"operator anna: session begins: ssh through the hub, as from " + from,
			fmt.Sprintf("operator anna: session ends: ssh through the hub after 1m0s, 5 octets to the box, %d octets from it", len(from)+6),
		}
		if got := b.told(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	for what, x := range map[string]struct {
		settings Settings
		service  string
		want     string
		trail    int
	}{
		"everything is closed at first": {Settings{}, SSH, "ssh is closed to operators at this box: `remote-management ssh` in its mode fleet opens it", 1},
		"the other is open":             {ssh, HTTPS, "https is closed to operators at this box: `remote-management https` in its mode fleet opens it", 1},
		"no such service":               {Settings{SSH: true, HTTPS: true}, "telnet\x1b", `a box has no service "telnet\\x1b" for operators: ssh, https`, 0},
		"nothing listens":               {Settings{HTTPS: true}, HTTPS, "the box has no web page", 0},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t, x.settings)
				o := b.connect(t, "anna", x.service)
				err := <-o.end
				if !errors.As(err, new(RefusedError)) || err.Error() != x.want {
					t.Errorf("%v", err)
				}
				synctest.Wait()
				if len(b.told()) != x.trail || len(b.Tunnels()) != 0 {
					t.Errorf("%q, %v", b.told(), b.Tunnels())
				}
			})
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, ssh)
		b.stop()
		if err := <-b.connect(t, "anna", SSH).end; !errors.Is(err, ErrNobody) {
			t.Error(err)
		}
	})
}

// One operator has twenty, and others have four beside them.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, ssh)
		var all []*operatorEnd
		take := func(operator string) {
			o := b.connect(t, operator, SSH)
			o.hello(t)
			all = append(all, o)
			time.Sleep(dialEvery)
		}
		for range mostOfOne {
			take("anna")
		}
		if err := <-b.connect(t, "anna", SSH).end; err == nil || err.Error() != "you have 20 connections to this box already, which is the most" {
			t.Error(err)
		}
		for range most - mostOfOne {
			take("otto")
		}
		if err := <-b.connect(t, "otto", SSH).end; err == nil || err.Error() != "operators have 24 connections to this box already, which is the most" {
			t.Error(err)
		}
		all[0].stop()
		<-all[0].end
		synctest.Wait()
		take("otto")
		if n := len(b.Tunnels()); n != most {
			t.Errorf("%d", n)
		}
	})
}

func TestDialsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, ssh)
		try := func(operator string, n int) (had int) {
			for range n {
				o := b.connect(t, operator, SSH)
				go io.Copy(io.Discard, o)
				o.CloseWrite()
				if err := <-o.end; err == nil {
					had++
				} else if err.Error() != "too many connections in a short time: wait some seconds" {
					t.Fatal(err)
				}
			}
			return had
		}
		if n := try("anna", 100); n != dialBurst {
			t.Errorf("%d connections at once", n)
		}
		if n := try("otto", 1); n != 1 {
			t.Error("another one has none")
		}
		time.Sleep(10 * time.Second)
		if n := try("anna", 100); n != dialBurst {
			t.Errorf("%d connections later", n)
		}
	})
}

// What a hostile hub can send does no harm, and costs little.
func TestRubbish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, ssh)
		o := b.connect(t, "anna", SSH)
		o.hello(t)
		evil := b.hub.link(t, "mallory")
		answers, resets := 0, 0
		inbox := fleet.Inbox("mallory") + ".1"
		evil.Listen("to.potsdam.lease", func(m fleet.Message) { t.Errorf("%s had an answer", m.Subject) })
		evil.Listen(inbox, func(m fleet.Message) {
			if answers++; !strings.Contains(string(m.Data), "error") {
				t.Errorf("answered with %s", m.Data)
			}
		})
		evil.Listen("tunnel.*.berlin.*.out", func(m fleet.Message) {
			if f, err := parse(m.Data); err == nil && f.kind == kindReset {
				resets++
			}
		})
		dial := func(subject, body string) {
			evil.hub.mu.Lock()
			evil.hub.publish(fleet.Message{Subject: subject, Reply: inbox, Data: []byte(body)})
			evil.hub.mu.Unlock()
			synctest.Wait()
		}
		id := strings.Repeat("0f", 16)
		for _, body := range []string{"", "{", `{"id":"","service":"ssh"}`, `{"id":"` + strings.Repeat("0F", 16) + `","service":"ssh"}`, `{"id":"*","service":"ssh"}`,
			`{"id":"` + id + `","service":""}`, `[]`, strings.Repeat(" ", mostDial) + `{"id":"` + id + `","service":"ssh"}`} {
			dial("dial.mallory.berlin", body)
		}
		if answers != 7 { // the long one gets none
			t.Errorf("%d answers", answers)
		}
		real := inbox
		for _, inbox = range []string{"", "to.potsdam.lease", fleet.Inbox("anna") + ".1", fleet.Inbox("mallory")} { // of somebody else
			dial("dial.mallory.berlin", `{"id":"`+id+`","service":"ssh"}`)
		}
		inbox = real
		dial("dial.Mallory*.berlin", `{"id":"`+id+`","service":"ssh"}`)
		if n := len(b.Tunnels()); n != 1 || answers != 7 {
			t.Errorf("%d connections, %d answers", n, answers)
		}
		for n := range 10_000 {
			evil.Send(fmt.Sprintf("tunnel.mallory.berlin.%032x.in", n), frame{kind: kindData, data: []byte("a")}.append(nil))
		}
		for _, subject := range []string{"tunnel.mallory.berlin.x.in", "tunnel.*.berlin." + id + ".in"} {
			evil.Send(subject, frame{kind: kindData, data: []byte("a")}.append(nil))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if resets == 0 || resets > 11 {
			t.Errorf("%d resets for connections that are not there", resets)
		}
		for n := range 100 { // operators that there are not
			body, _ := json.Marshal(fleet.Dial{ID: fmt.Sprintf("%032x", n), Service: HTTPS})
			dial(fmt.Sprintf("dial.mallory-%d.berlin", n), string(body))
		}
		if len(b.operators) > mostOperators {
			t.Errorf("%d operators are remembered", len(b.operators))
		}
		o.Write([]byte("still here"))
		if text := make([]byte, 10); true {
			if _, err := io.ReadFull(o, text); err != nil || string(text) != "still here" {
				t.Errorf("%q, %v", text, err)
			}
		}
	})
}

func TestAnIDIsUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, ssh)
		l := b.hub.link(t, "anna")
		body, _ := json.Marshal(fleet.Dial{ID: strings.Repeat("0f", 16), Service: SSH})
		for i, want := range []string{"{}", `{"error":"there is a connection with this id already"}`} {
			if text, err := l.Request(t.Context(), "dial.anna.berlin", body); err != nil || string(text) != want {
				t.Errorf("%d: %s, %v", i, text, err)
			}
		}
		if text, err := b.hub.link(t, "otto").Request(t.Context(), "dial.otto.berlin", body); err != nil || string(text) != "{}" {
			t.Errorf("another operator: %s, %v", text, err)
		}
		time.Sleep(openTime + tickEvery) // neither goes on
		if list := b.Tunnels(); len(list) != 0 {
			t.Errorf("%+v", list)
		}
	})
}

func TestWhatEndsConnections(t *testing.T) {
	for what, x := range map[string]struct {
		does func(b *box)
		want string
	}{
		"the switch":           {func(b *box) { b.Set(Settings{HTTPS: true, Idle: time.Hour}) }, "the box has closed the service to operators"},
		"idle":                 {func(b *box) { time.Sleep(16 * time.Minute) }, "nothing has passed for 15m0s"},
		"a shorter idle limit": {func(b *box) { b.Set(Settings{SSH: true, Idle: time.Minute}); time.Sleep(2 * time.Minute) }, "nothing has passed for 1m0s"},
		"the end of the box":   {func(b *box) { b.stop() }, "the box leaves the fleet, or stops"},
		"the box loses the hub": {func(b *box) {
			b.link.drop(true)
			time.Sleep(time.Second)
			if n := len(b.Tunnels()); n != 0 {
				panic("a connection outlives the hub's")
			}
			b.link.drop(false)
			time.Sleep(time.Minute)
		}, "the box knows nothing of this connection"},
		"the operator loses the hub": {func(b *box) { b.hub.links[1].drop(true); time.Sleep(time.Minute) }, "the connection to the hub is lost"},
		"the hub forgets something": {func(b *box) {
			b.hub.mu.Lock()
			for _, l := range b.hub.links {
				l.queue = nil
			}
			b.hub.touch = func(fleet.Message) []fleet.Message { return nil }
			b.hub.mu.Unlock()
			time.Sleep(time.Minute)
		}, "nothing comes from the other side any more"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t, ssh)
				o := b.connect(t, "anna", SSH)
				o.hello(t)
				x.does(b)
				synctest.Wait()
				select {
				case err := <-o.end:
					if err == nil || err.Error() != x.want {
						t.Error(err)
					}
				default:
					t.Error("the operator's end goes on")
				}
				if n := len(b.Tunnels()); n != 0 {
					t.Errorf("%d connections at the box", n)
				}
				if got := b.told(); len(got) != 2 || !strings.Contains(got[1], "session ends") {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

func TestEachOperatorHasAnAddress(t *testing.T) {
	now := time.Now()
	o := operators{}
	seen := map[netip.Addr]string{}
	for n := range mostOperators {
		name := fmt.Sprint("operator-", n)
		a := o.of(name, now).address
		if seen[a] != "" || !a.IsLoopback() {
			t.Errorf("%s has %v, as %q", name, a, seen[a])
		}
		seen[a] = name
		if again := o.of(name, now).address; again != a {
			t.Errorf("%s has %v, and then %v", name, a, again)
		}
	}
	if o.of("one-more", now) != nil {
		t.Error("there is no bound")
	}
	a := o["operator-7"].address
	o["operator-8"].open = 1
	now = now.Add(operatorKept + 1)
	if o.of("one-more", now) == nil {
		t.Error("nobody is ever forgotten")
	}
	if o["operator-8"] == nil || o["operator-7"] != nil {
		t.Error("somebody with a connection is forgotten, or somebody without is not")
	}
	if again := o.of("operator-7", now).address; again != a {
		t.Errorf("operator-7 had %v, and has %v", a, again)
	}
	// When two have the same place, the second has the next.
	taken := operators{"x": {address: o.address("y")}}
	if first, second := o.address("y"), taken.address("y"); first == second {
		t.Error("two have one address")
	}
}

// Local comes from the address of the operator, also to an address of the box that is not on loopback.
func TestLocal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from := netip.MustParseAddr("127.77.3.4")
	c, err := Local(func(string) (netip.AddrPort, error) { return netip.ParseAddrPort(l.Addr().String()) })(t.Context(), SSH, from)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if a, _ := netip.ParseAddrPort(far.RemoteAddr().String()); a.Addr() != from {
		t.Errorf("it comes from %v", a)
	}
	l.Close()
	if _, err := Local(func(string) (netip.AddrPort, error) { return netip.ParseAddrPort(l.Addr().String()) })(t.Context(), SSH, from); err == nil || !strings.HasPrefix(err.Error(), "connect to the box's own ssh: ") {
		t.Error(err)
	}
	none := errors.New("the box has no web page")
	if _, err := Local(func(string) (netip.AddrPort, error) { return netip.AddrPort{}, none })(t.Context(), HTTPS, from); !errors.Is(err, none) {
		t.Error(err)
	}
}
