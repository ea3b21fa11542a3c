package tunnel

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

const (
	mostOfOne = 20            // connections of one operator
	most      = mostOfOne + 4 // in all: one operator leaves some to others

	mostWork   = 64                     // dials that wait
	mostDial   = 1 << 10                // octets of one
	resetEvery = 100 * time.Millisecond // for messages of connections that are not there
)

// Options are what an Acceptor is given.
type Options struct {
	Link fleet.Link
	Box  string // its name
	Dial DialFunc
	Note func(e status.Audit, more func(*status.Audit)) // adds an entry to the trail; it never waits
	Log  *slog.Logger
}

// Acceptor is the box's end of all connections. Methods may be called from any goroutine.
type Acceptor struct {
	o    Options
	dial chan dial
	lost chan string // subjects of connections that are not there, as the box listens to them

	mu        sync.Mutex
	settings  Settings
	operators operators
	accepted  map[string]*accepted // by the subject that the box listens to
	running   sync.WaitGroup
}

// dial is a request that waits.
type dial struct {
	operator string
	reply    fleet.Message // without Data
	body     []byte
}

// accepted is a connection, or one that is being made.
type accepted struct {
	*session
	status.Tunnel
	end context.CancelCauseFunc
}

// Reasons of the box for which a connection ends.
var (
	errSwitchedOff = errors.New("the box has closed the service to operators")
	errAway        = errors.New("the box has lost its connection to the hub")
	errStops       = errors.New("the box leaves the fleet, or stops")
)

// New returns an Acceptor for the box that a Link belongs to. Everything is closed before Set.
func New(o Options) *Acceptor {
	return &Acceptor{o: o, dial: make(chan dial, mostWork), lost: make(chan string, 1), operators: operators{}, accepted: map[string]*accepted{}}
}

// Set takes what operators may do from now on. Connections to a service that they may not use any more end.
func (a *Acceptor) Set(s Settings) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settings = s
	for _, x := range a.accepted {
		if !s.allow(x.Service) {
			x.end(errSwitchedOff)
		}
	}
}

// Run takes connections until ctx ends, and waits for their end.
func (a *Acceptor) Run(ctx context.Context) error {
	connections, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // which end for a reason
	defer a.running.Wait()
	defer cancel(errStops)
	stop, err := a.o.Link.Listen(fleet.Tunnel("*", a.o.Box, "*", true), a.came)
	if err != nil {
		return fmt.Errorf("listen to operators: %w", err)
	}
	defer stop()
	stopDials, err := a.o.Link.Listen(fleet.DialOf("*", a.o.Box), a.dialled)
	if err != nil {
		return fmt.Errorf("listen to operators: %w", err)
	}
	defer stopDials()
	var pause <-chan time.Time
	lost := a.lost
	for {
		connected, next := a.o.Link.Changed()
		if !connected {
			a.endAll(errAway)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		case d := <-a.dial:
			if err := a.accept(connections, d); err != nil {
				a.answer(d, err)
			}
		case subject := <-lost:
			a.unknown(subject)
			lost, pause = nil, time.After(resetEvery)
		case <-pause:
			lost, pause = a.lost, nil
		}
	}
}

func (a *Acceptor) endAll(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.accepted {
		x.end(why)
	}
}

// came takes a message of a connection.
func (a *Acceptor) came(m fleet.Message) {
	a.mu.Lock()
	x := a.accepted[m.Subject]
	a.mu.Unlock()
	if x != nil {
		x.deliver(m.Data)
		return
	}
	if f, err := parse(m.Data); err != nil || f.kind == kindReset {
		return
	}
	select {
	case a.lost <- strings.Clone(m.Subject):
	default: // the other side finds out when nothing comes
	}
}

// unknown tells an operator that there is no such connection, as after a restart of the box.
func (a *Acceptor) unknown(subject string) {
	part := strings.Split(subject, ".")
	if len(part) != 5 || fleet.CheckName(part[1]) != nil || !isID(part[3]) {
		return
	}
	a.o.Link.Send(fleet.Tunnel(part[1], a.o.Box, part[3], false), frame{kind: kindReset, why: "the box knows nothing of this connection"}.append(nil))
}

// dialled takes a request for a connection. More than can wait are not answered. Nor is one whose answer would go to somebody else: the hub does not
// check that, and what a box answers may look as if the box had said it by itself.
func (a *Acceptor) dialled(m fleet.Message) {
	part := strings.Split(m.Subject, ".")
	if len(part) != 3 || fleet.CheckName(part[1]) != nil || len(m.Data) > mostDial || !strings.HasPrefix(m.Reply, fleet.Inbox(part[1])+".") {
		return
	}
	body := bytes.Clone(m.Data)
	m.Data = nil
	select {
	case a.dial <- dial{part[1], m, body}:
	default:
	}
}

// answer tells the operator that there is a connection, or why there is none.
func (a *Acceptor) answer(d dial, why error) {
	var in fleet.Answer
	if why != nil {
		in.Error = printable.Text(why.Error())
	}
	body, _ := json.Marshal(in) // a string
	if err := a.o.Link.Reply(d.reply, body); err != nil {
		a.o.Log.Debug("operator not answered", "err", err)
	}
}

// isID reports whether an id is that of a connection.
func isID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == 32 && strings.ToLower(id) == id
}

// accept makes a connection, whose goroutine answers. The error is why not, as the operator reads it.
func (a *Acceptor) accept(ctx context.Context, d dial) error {
	var ask fleet.Dial
	if err := json.Unmarshal(d.body, &ask); err != nil || !isID(ask.ID) {
		return errors.New("the box does not understand the request: is it of another version?")
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.operators.of(d.operator, now)
	switch {
	case o == nil:
		return fmt.Errorf("%d other operators were at this box within 10 minutes: try again later", mostOperators)
	case !o.dials(now):
		return errors.New("too many connections in a short time: wait some seconds")
	case ask.Service != SSH && ask.Service != HTTPS:
		return fmt.Errorf("a box has no service %q for operators: ssh, https", printable.Short(ask.Service, 20))
	case !a.settings.allow(ask.Service):
		a.note(d.operator, status.AuditRefused, fmt.Sprintf("%s through the hub: it is closed to operators", ask.Service))
		return fmt.Errorf("%s is closed to operators at this box: `remote-management %s` in its mode fleet opens it", ask.Service, ask.Service)
	case o.open >= mostOfOne:
		return fmt.Errorf("you have %d connections to this box already, which is the most", mostOfOne)
	case len(a.accepted) >= most:
		return fmt.Errorf("operators have %d connections to this box already, which is the most", most)
	}
	in := fleet.Tunnel(d.operator, a.o.Box, ask.ID, true)
	if a.accepted[in] != nil {
		return errors.New("there is a connection with this id already")
	}
	ctx, end := context.WithCancelCause(ctx)
	x := &accepted{
		session: newSession("the box's own "+ask.Service, a.o.Link, fleet.Tunnel(d.operator, a.o.Box, ask.ID, false)),
		Tunnel:  status.Tunnel{Operator: d.operator, Service: ask.Service, Since: now},
		end:     end,
	}
	x.idle = a.idle
	a.accepted[in] = x
	o.open++
	a.running.Go(func() {
		defer end(nil)
		a.serve(ctx, d, x, o)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.accepted, in)
		o.open--
		o.until = time.Now().Add(operatorKept)
	})
	return nil
}

// idle is how long nothing may pass.
func (a *Acceptor) idle() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settings.Idle
}

// serve connects to the service and stays until the end.
func (a *Acceptor) serve(ctx context.Context, d dial, x *accepted, o *operator) {
	c, err := a.o.Dial(ctx, x.Service, o.address)
	if err != nil {
		a.o.Log.Warn("operator not connected", "name", x.Operator, "service", x.Service, "err", err)
		a.answer(d, err)
		return
	}
	a.note(x.Operator, status.AuditSession, fmt.Sprintf("%s through the hub, as from %v", x.Service, o.address))
	a.answer(d, nil)
	err = x.run(ctx, c)
	in, out, _ := x.octets()
	line := fmt.Sprintf("%s through the hub after %v, %s to the box, %s from it", x.Service, time.Since(x.Since).Round(time.Second), octets(in), octets(out))
	if err != nil {
		line += ": " + err.Error()
	}
	a.note(x.Operator, status.AuditSessionEnds, line)
}

func octets(n int64) string { return plural.Of(int(n), "octet") }

// note adds to the trail.
func (a *Acceptor) note(operator string, what status.AuditKind, line string) {
	a.o.Note(status.Audit{What: what, From: "operator " + operator}, func(e *status.Audit) { e.Line = line })
}

// Tunnels are the connections that there are, the oldest first.
func (a *Acceptor) Tunnels() []status.Tunnel {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []status.Tunnel
	for _, x := range a.accepted {
		t := x.Tunnel
		t.In, t.Out, t.Idle = x.octets()
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b status.Tunnel) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Operator, b.Operator))
	})
	return list
}
