package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
	"viaduct/appliance/console/edit"
)

// fakeBox answers as sbcd does: each line with itself, "flood N" with so many octets, "hang" never.
type fakeBox struct {
	lock  sync.Mutex
	lines []string
	there map[string]int // terminals that follow events
	hangs chan struct{}  // a line that hangs has come
}

func (f *fakeBox) ran() []string {
	f.lock.Lock()
	defer f.lock.Unlock()
	return slices.Clone(f.lines)
}

func (f *fakeBox) exec(w http.ResponseWriter, r *http.Request) {
	var q wire.ExecRequest
	json.NewDecoder(r.Body).Decode(&q)
	enc := json.NewEncoder(w)
	lines := q.Lines
	if len(lines) == 0 {
		lines = []string{q.Line}
	}
	for _, line := range lines {
		var n int
		switch _, err := fmt.Sscanf(line, "flood %d", &n); {
		case err == nil:
			enc.Encode(wire.Answer{Text: strings.Repeat("flood----------\n", n/16)})
		case line == "hang":
			http.NewResponseController(w).Flush()
			f.hangs <- struct{}{}
			<-r.Context().Done()
			return
		case line != "" && !q.BeginPaste && !q.EndPaste:
			enc.Encode(wire.Answer{Text: "you said " + line + "\n"})
			f.lock.Lock()
			f.lines = append(f.lines, line)
			f.lock.Unlock()
		}
		enc.Encode(wire.Answer{Done: true, Prompt: "box> ", Status: wire.OK, Exit: line == "exit", More: new(bool)})
	}
}

func (f *fakeBox) events(w http.ResponseWriter, r *http.Request) {
	tty := r.URL.Query().Get("user") + " on " + r.URL.Query().Get("tty")
	http.NewResponseController(w).Flush()
	f.count(tty, 1)
	defer f.count(tty, -1)
	<-r.Context().Done()
}

func (f *fakeBox) count(tty string, n int) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.there[tty] += n
}

func (f *fakeBox) at(tty string) int {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.there[tty]
}

// house serves terminals over TLS.
type house struct {
	box    *fakeBox
	server *httptest.Server
	who    Who
	leave  context.CancelFunc // ends the web session
	served chan struct{}      // a terminal has ended
}

func newHouse(t *testing.T) *house {
	f := &fakeBox{there: map[string]int{}, hangs: make(chan struct{}, 10)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathExec, f.exec)
	mux.HandleFunc("GET "+wire.PathEvents, f.events)
	socket := filepath.Join(t.TempDir(), "sbcd.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	box := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	box.Start()
	t.Cleanup(box.Close)
	terminals := &Terminals{Client: client.New(socket, time.Second), Histories: edit.NewHistories(""), Log: slog.New(slog.DiscardHandler)}
	ctx, leave := context.WithCancel(t.Context())
	h := &house{box: f, who: Who{User: "ada", Address: "192.0.2.7:50022", Typed: func() {}}, leave: leave, served: make(chan struct{}, 100)}
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		terminals.Serve(ctx, w, r, h.who)
		h.served <- struct{}{}
	}))
	t.Cleanup(h.server.Close)
	t.Cleanup(leave)
	return h
}

// browser is the other side, which keeps to the rules.
type browser struct {
	t     *testing.T
	conn  *websocket.Conn
	shown strings.Builder
	seen  int // octets that sees has passed
	taken int64
	room  int64
	sent  int64
	deaf  bool // it does not say what it has shown
}

func (h *house) dial(t *testing.T, origin string) (*websocket.Conn, *http.Response, error) {
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	return websocket.Dial(t.Context(), "wss"+strings.TrimPrefix(h.server.URL, "https"), &websocket.DialOptions{HTTPClient: h.server.Client(), HTTPHeader: header})
}

func (h *house) open(t *testing.T) *browser {
	t.Helper()
	conn, _, err := h.dial(t, h.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	return &browser{t: t, conn: conn}
}

// next takes one message.
func (b *browser) next() error {
	kind, text, err := b.conn.Read(b.t.Context())
	if err != nil {
		return err
	}
	if kind == websocket.MessageBinary {
		b.shown.Write(text)
		if !b.deaf {
			b.send(websocket.MessageText, fmt.Sprintf(`{"shown":%d}`, b.shown.Len()))
		}
		return nil
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	b.taken = max(b.taken, r.Taken)
	b.room = max(b.room, int64(r.Room))
	return nil
}

func (b *browser) send(kind websocket.MessageType, text string) {
	if err := b.conn.Write(b.t.Context(), kind, []byte(text)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) sees(text string) {
	b.t.Helper()
	for {
		new := b.shown.String()[b.seen:]
		if i := strings.Index(new, text); i >= 0 {
			b.seen += i + len(text)
			return
		}
		b.seen += max(0, len(new)-len(text))
		if err := b.next(); err != nil {
			b.t.Fatalf("%q is not shown: %v; but %.2000q", text, err, new)
		}
	}
}

// types sends keys, as far as there is room.
func (b *browser) types(keys string) {
	b.t.Helper()
	for keys != "" {
		for b.sent-b.taken >= b.room {
			if err := b.next(); err != nil {
				b.t.Fatal(err)
			}
		}
		n := min(len(keys), maxMessage, int(b.room-(b.sent-b.taken)))
		b.send(websocket.MessageBinary, keys[:n])
		b.sent, keys = b.sent+int64(n), keys[n:]
	}
}

// closes waits for the end of the terminal.
func (b *browser) closes(want websocket.StatusCode) {
	b.t.Helper()
	for {
		err := b.next()
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != want {
			b.t.Errorf("closed with %v (%v), want %v; shown: %q", got, err, want, b.shown.String())
		}
		return
	}
}

func TestASessionInABrowser(t *testing.T) {
	h := newHouse(t)
	typed := make(chan struct{}, 100)
	h.who.Typed = func() { typed <- struct{}{} }
	b := h.open(t)
	b.sees("box> ")
	for h.box.at("ada on web 192.0.2.7:50022") != 1 { // presence
		time.Sleep(time.Millisecond)
	}
	b.types("show clock\r")
	b.sees("you said show clock\r\n")
	<-typed
	b.types("exit\r")
	b.closes(websocket.StatusNormalClosure)
	<-h.served
	for h.box.at("ada on web 192.0.2.7:50022") != 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestCtrlCEndsACommand(t *testing.T) {
	h := newHouse(t)
	b := h.open(t)
	b.sees("box> ")
	b.types("hang\r")
	<-h.box.hangs
	b.types("\x03")
	b.sees("^C")
	b.types("and then\r")
	b.sees("you said and then")
}

func TestAnotherSiteOpensNoTerminal(t *testing.T) {
	h := newHouse(t)
	for _, origin := range []string{"", "null", "https://example.com", strings.Replace(h.server.URL, "https", "http", 1)} {
		_, r, err := h.dial(t, origin)
		if err == nil || r == nil || r.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %v, %v", origin, r, err)
		}
	}
	r, err := h.server.Client().Get(h.server.URL)
	if err != nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("a plain request: %v, %v", r, err)
	}
}

func TestTheEndOfTheWebSessionIsThatOfItsTerminals(t *testing.T) {
	h := newHouse(t)
	b := h.open(t)
	b.sees("box> ")
	h.leave()
	b.closes(LogOut)
	<-h.served
}

func TestAnIdleTerminalEnds(t *testing.T) {
	h := newHouse(t)
	h.who.Idle = 20 * time.Millisecond
	b := h.open(t)
	b.closes(websocket.StatusNormalClosure)
	if !strings.Contains(b.shown.String(), "logged out") {
		t.Errorf("shown: %q", b.shown.String())
	}
}

func TestTerminalsAreFew(t *testing.T) {
	h := newHouse(t)
	var list []*browser
	for range maxOpenEach {
		b := h.open(t)
		b.sees("box> ")
		list = append(list, b)
	}
	h.open(t).closes(TooMany)
	<-h.served
	list[0].types("exit\r")
	list[0].closes(websocket.StatusNormalClosure)
	<-h.served
	h.open(t).sees("box> ")
}

// A paste that is larger than all that is kept on its way arrives whole and in order.
func TestALargePasteArrives(t *testing.T) {
	h := newHouse(t)
	b := h.open(t)
	b.sees("box> ")
	var want []string
	for i := range 1_200 {
		want = append(want, fmt.Sprintf("# line %04d %s", i, strings.Repeat("x", 1000)))
	}
	text := strings.Join(want, "\r") + "\r"
	if len(text) < 1<<20+room {
		t.Fatalf("a paste of %d octets fits into the keyboard", len(text))
	}
	b.types(text)
	b.sees("you said # line 1199")
	if got := h.box.ran(); !slices.Equal(got, want) {
		t.Errorf("%d lines arrived, want %d", len(got), len(want))
	}
}

// A browser that does not show what comes gets so much and no more; what it types is heard all the same.
func TestAFloodWaitsForTheBrowser(t *testing.T) {
	h := newHouse(t)
	b := h.open(t)
	b.sees("box> ")
	b.deaf = true
	shown := b.shown.Len()
	b.types(fmt.Sprintf("flood %d\r", 4*room))
	for b.shown.Len()-shown < room-piece {
		if err := b.next(); err != nil {
			t.Fatal(err)
		}
	}
	b.types("\x03") // Ctrl-C comes through
	b.deaf = false
	b.send(websocket.MessageText, fmt.Sprintf(`{"shown":%d}`, b.shown.Len()))
	b.types("after it\r")
	b.sees("after it")
	if n := b.shown.Len(); n > 6*room {
		t.Errorf("%d octets came", n)
	}
}

func TestWriteKeepsToTheRoom(t *testing.T) {
	l := newLine(t.Context(), nil)
	for sent := 0; sent < room; {
		n, err := l.allowed(piece)
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.ctx = ctx
	cancel()
	if n, err := l.allowed(1); !errors.Is(err, context.Canceled) {
		t.Errorf("%d octets more than there is room for, %v", n, err)
	}
	l.ctx = t.Context()
	l.shown = 10
	if n, err := l.allowed(piece); n != 10 || err != nil {
		t.Errorf("%d octets, %v; 10 have become free", n, err)
	}
}

// A browser that sends more than there is room for is shut out, and costs no more than the room.
func TestABrowserThatDoesNotWaitIsShutOut(t *testing.T) {
	h := newHouse(t)
	b := h.open(t)
	b.sees("box> ")
	b.types("hang\r")
	<-h.box.hangs
	go func() {
		for b.next() == nil { // answers the close
		}
	}()
	for {
		if err := b.conn.Write(t.Context(), websocket.MessageBinary, []byte(strings.Repeat("x", maxMessage))); err != nil {
			break
		}
	}
	<-h.served
}

func TestOddMessagesEndATerminal(t *testing.T) {
	for _, c := range []struct {
		kind websocket.MessageType
		text string
		code websocket.StatusCode
	}{
		{websocket.MessageText, "{", websocket.StatusPolicyViolation},
		{websocket.MessageText, `{"columns":"x"}`, websocket.StatusPolicyViolation},
		{websocket.MessageBinary, strings.Repeat("x", maxMessage+1), websocket.StatusMessageTooBig},
	} {
		h := newHouse(t)
		b := h.open(t)
		b.sees("box> ")
		b.send(c.kind, c.text)
		b.closes(c.code)
		<-h.served
	}
	h := newHouse(t)
	b := h.open(t)
	b.sees("box> ")
	b.send(websocket.MessageText, `{"columns":1000000000,"rows":-7,"shown":-5}`)
	b.send(websocket.MessageText, `{"shown":900719925474099200}`)
	b.send(websocket.MessageText, `{"columns":100000,"rows":100000}`)
	b.types("still here\r")
	b.sees("you said still here")
}
