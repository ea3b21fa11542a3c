// Package terminal is the console in a browser: a session as over SSH, on a WebSocket.
//
// It owns the messages of that WebSocket, how much may be on its way in each direction, and how many terminals are open. It does not
// own logins (package web), nor what a session does (package console/session).
//
// What passes, apart from pings:
//
//	browser → box  binary: keys, as a terminal sends them; text: a JSON object of columns and rows, or of shown
//	box → browser  binary: what is shown; text: a JSON object of room, or of taken
//
// Each side may send so many octets more than the other has taken: the box says how many at the start (room). shown and taken count
// all octets so far. So a paste of any length waits in the browser, a flood of text waits in the box, and neither holds up the other.
//
// Goroutines: each terminal has that of its caller, which runs the session, one that takes messages, one that types the keys
// (edit.Keyboard.Pump), and one that asks whether the browser is still there. Serve waits for all of them.
package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"viaduct/appliance/console/client"
	"viaduct/appliance/console/edit"
	"viaduct/appliance/console/session"
)

// Codes of the close of a WebSocket that tell the page why, in the range that RFC 6455 leaves to applications. A session that its user
// has ended, or that was idle, closes with the normal code.
const (
	TooMany websocket.StatusCode = 4001 // terminals are open
	LogOut  websocket.StatusCode = 4002 // the web session is over, or the console ends
)

const (
	maxOpen     = 16        // terminals
	maxOpenEach = 4         // of one account
	maxMessage  = 32 << 10  // octets of a message from the browser
	room        = 128 << 10 // octets on their way in one direction
	piece       = 16 << 10  // octets of a message to the browser
	pingEvery   = 20 * time.Second
	writeTime   = 20 * time.Second // for a browser to take a message
)

// Terminals are the terminals that browsers have open.
type Terminals struct {
	Client    *client.Client
	Histories *edit.Histories
	Log       *slog.Logger

	lock sync.Mutex
	open map[string]int // by account
	all  sync.WaitGroup
}

// Wait waits until all terminals have ended. Their sessions end first.
func (ts *Terminals) Wait() { ts.all.Wait() }

// Who has a terminal.
type Who struct {
	User    string
	Address string        // of the browser, with its port: it tells the terminals of one browser apart
	Idle    time.Duration // the session ends after this time without a key; 0: never
	Typed   func()        // called when keys come: the web session is in use
}

// Serve makes a request a terminal until its user leaves, the browser goes, or ctx ends, which is the web session's. It answers a request
// that is none.
func (ts *Terminals) Serve(ctx context.Context, w http.ResponseWriter, r *http.Request, who Who) {
	if !strings.EqualFold(r.Header.Get("Origin"), "https://"+r.Host) { // a page of another site may open WebSockets, and cookies come along with some
		http.Error(w, "this terminal is for pages of this box only", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		ts.Log.Debug("web terminal not opened", "peer", who.Address, "err", err)
		return
	}
	defer conn.CloseNow()
	if !ts.enter(who.User) {
		ts.Log.Warn("too many web terminals", "name", who.User)
		conn.Close(TooMany, "")
		return
	}
	ts.all.Add(1)
	defer ts.all.Done()
	defer ts.leave(who.User)
	conn.SetReadLimit(maxMessage)
	ts.Log.Info("web terminal", "peer", who.Address, "name", who.User)
	ts.run(ctx, conn, who)
}

// enter counts a terminal; false: there are too many.
func (ts *Terminals) enter(user string) bool {
	ts.lock.Lock()
	defer ts.lock.Unlock()
	if ts.open == nil {
		ts.open = map[string]int{}
	}
	all := 0
	for _, n := range ts.open {
		all += n
	}
	if all >= maxOpen || ts.open[user] >= maxOpenEach {
		return false
	}
	ts.open[user]++
	return true
}

func (ts *Terminals) leave(user string) {
	ts.lock.Lock()
	defer ts.lock.Unlock()
	if ts.open[user]--; ts.open[user] == 0 {
		delete(ts.open, user)
	}
}

// run runs a session, and closes the WebSocket with the code that says why it has ended.
func (ts *Terminals) run(ctx context.Context, conn *websocket.Conn, who Who) {
	running, end := context.WithCancelCause(ctx)
	l := newLine(running, conn)
	scr := edit.NewScreen(l)
	scr.Keys.Idle = who.Idle
	var all sync.WaitGroup
	defer all.Wait()
	// The end of a read's context breaks the connection, and the close is still to be sent on it: the reader ends with the browser's.
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	all.Go(func() { end(l.receive(reading, scr.Resize, who.Typed)) })
	all.Go(func() { scr.Keys.Pump(running, l) })
	all.Go(func() {
		if err := watch(running, conn); err != nil {
			end(err)
		}
	})
	err := l.tell(report{Room: room})
	if err == nil {
		err = session.New(scr, session.Who{Client: ts.Client, User: who.User, TTY: "web " + who.Address}, ts.Histories.Of(who.User), nil).Run(running)
	}
	if !session.Hangup(err) {
		ts.Log.Debug("web terminal ended", "peer", who.Address, "err", err)
	}
	code := websocket.StatusNormalClosure
	switch {
	case errors.Is(context.Cause(running), errOdd):
		code = websocket.StatusPolicyViolation
	case ctx.Err() != nil:
		code = LogOut
	}
	end(nil)
	conn.Close(code, "") // the reader ends with it
	stop()
}

// watch asks every while whether the browser is still there, and returns why it is not.
func watch(ctx context.Context, conn *websocket.Conn) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pingEvery):
		}
		asked, cancel := context.WithTimeout(ctx, pingEvery)
		err := conn.Ping(asked)
		cancel()
		if err != nil {
			return err
		}
	}
}

// errOdd is for a browser that sends what the page of ours would not.
var errOdd = errors.New("not as the terminal page sends it")

// request is a text message of the browser.
type request struct {
	Columns int   `json:"columns"`
	Rows    int   `json:"rows"`
	Shown   int64 `json:"shown"`
}

// report is a text message to the browser.
type report struct {
	Room  int   `json:"room,omitempty"`
	Taken int64 `json:"taken,omitempty"`
}

// line is the WebSocket as a terminal line: Read gives keys, Write shows text.
type line struct {
	ctx  context.Context
	conn *websocket.Conn

	lock  sync.Mutex
	keys  []byte // that have come, and were not read
	taken int64  // octets that were read, and are dealt with
	sent  int64  // octets of text
	shown int64  // of these, as the browser says
	news  chan struct{}
	space chan struct{}

	read int   // octets of the last Read; the reader's
	said int64 // taken, as the browser was told; the reader's
}

func newLine(ctx context.Context, conn *websocket.Conn) *line {
	return &line{ctx: ctx, conn: conn, news: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// receive takes messages until there are no more, and returns why. It never waits for the session: what the browser tells of the text it
// has shown would wait, too.
func (l *line) receive(ctx context.Context, resize func(columns, rows int), typed func()) error {
	for {
		kind, b, err := l.conn.Read(ctx)
		switch {
		case err != nil:
			return err
		case kind == websocket.MessageBinary:
			typed()
			if err := l.came(b); err != nil {
				return err
			}
			continue
		}
		var q request
		if err := json.Unmarshal(b, &q); err != nil {
			return fmt.Errorf("%w: %w", errOdd, err)
		}
		if q.Columns > 0 && q.Rows > 0 {
			resize(q.Columns, q.Rows)
		}
		l.lock.Lock()
		l.shown = min(max(l.shown, q.Shown), l.sent)
		l.lock.Unlock()
		poke(l.space)
	}
}

// came keeps keys until they are read.
func (l *line) came(b []byte) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	if len(l.keys)+len(b) > room {
		return fmt.Errorf("%w: more than there is room for", errOdd)
	}
	l.keys = append(l.keys, b...)
	poke(l.news)
	return nil
}

// Read gives the keys that have come. Those of the Read before are dealt with by now, which the browser is told where it makes a difference.
func (l *line) Read(p []byte) (int, error) {
	l.lock.Lock()
	l.taken += int64(l.read)
	taken := l.taken
	l.lock.Unlock()
	l.read = 0
	if taken-l.said >= room/4 {
		l.said = taken
		if err := l.tell(report{Taken: taken}); err != nil {
			return 0, err
		}
	}
	for {
		l.lock.Lock()
		n := copy(p, l.keys)
		l.keys = l.keys[n:]
		l.lock.Unlock()
		if n > 0 {
			l.read = n
			return n, nil
		}
		select {
		case <-l.ctx.Done():
			return 0, l.ctx.Err()
		case <-l.news:
		}
	}
}

// Write shows text. It waits while the browser has not shown what came before.
func (l *line) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := l.allowed(min(piece, len(p)-done))
		if err != nil {
			return done, err
		}
		if err := l.send(websocket.MessageBinary, p[done:done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// allowed waits until something may be sent, and counts up to n octets of it as sent.
func (l *line) allowed(n int) (int, error) {
	for {
		if l.ctx.Err() != nil {
			return 0, l.ctx.Err()
		}
		l.lock.Lock()
		if free := int(room - (l.sent - l.shown)); free > 0 {
			n = min(n, free)
			l.sent += int64(n)
			l.lock.Unlock()
			return n, nil
		}
		l.lock.Unlock()
		select {
		case <-l.ctx.Done():
		case <-l.space:
		}
	}
}

func (l *line) tell(r report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return l.send(websocket.MessageText, b)
}

// send sends a message. The end of a write's context breaks the connection, and the close is still to be sent on it: the write of a
// terminal that ends goes on, for as long as a browser may take.
func (l *line) send(kind websocket.MessageType, b []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), writeTime)
	defer cancel()
	return l.conn.Write(ctx, kind, b)
}
