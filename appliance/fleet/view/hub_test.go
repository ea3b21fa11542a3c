package view_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/fleet/view"
	"viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

const enough = 2 * time.Minute

// box is a box of a hub, with nothing but its words.
type box struct {
	t    *testing.T
	name string
	conn *nats.Conn
}

func newBox(t *testing.T, h *hubtest.Hub, name string) *box {
	t.Helper()
	c, err := h.Dial(0, name, h.Box(name, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &box{t, name, c}
}

// keep has the hub keep a message.
func (b *box) keep(subject, id string, value any) {
	b.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	for end := time.Now().Add(enough); ; { // the streams may be on their way
		m, err := b.conn.RequestMsg(&nats.Msg{Subject: subject, Data: text, Header: nats.Header{jetstream.MsgIDHeader: {id}}}, enough)
		if err == nil && !strings.Contains(string(m.Data), "error") {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s is not kept: %v", subject, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (b *box) alarm(n int, text string) {
	b.t.Helper()
	b.keep(fleet.AlarmsOf(b.name), fmt.Sprintf("%s/r/%d", b.name, n), fleet.Alarm{
		Time: time.Date(2026, 11, 30, 12, 0, n, 0, time.UTC), Alarm: "peer-down", Subject: "pbx", Severity: "error", What: "raised", Text: text,
	})
}

// writer is where lines are written that somebody waits for.
type writer struct{ lines chan string }

func (w *writer) Write(p []byte) (int, error) {
	w.lines <- string(p)
	return len(p), nil
}

func TestAFleetIsSeen(t *testing.T) {
	h := hubtest.Start(t, func(n *hub.Node) hub.Service { return steward.Service(n, slog.New(slog.DiscardHandler)) })
	berlin, essen := newBox(t, h, "berlin"), newBox(t, h, "essen")
	h.Box("ulm", map[string]hub.Limit{"sip-sessions": {Min: 1, Max: 4}})
	revoked := newBox(t, h, "revoked")
	if err := h.Registry.RevokeBox(t.Context(), hubtest.Customer, revoked.name); err != nil {
		t.Fatal(err)
	}
	v, err := view.Open(t.Context(), h.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()

	for i := range 30 {
		berlin.alarm(i, "The PBX does not answer.")
		essen.alarm(i, printabletest.Text)
	}
	berlin.alarm(29, "again") // within the hub's memory of ids: it is not kept twice
	shown := func(f func(ctx context.Context, customer string, t view.Tail, w io.Writer) error, tail view.Tail) string {
		t.Helper()
		var b bytes.Buffer
		tail.Zone = time.UTC
		if err := f(t.Context(), hubtest.Customer, tail, &b); err != nil {
			t.Error(err)
		}
		return b.String()
	}
	if got, want := shown(v.Alarms, view.Tail{Box: "berlin", Last: 2}), strings.Join([]string{
		"2026-11-30 12:00:28  berlin        error     raised   peer-down pbx: The PBX does not answer.",
		"2026-11-30 12:00:29  berlin        error     raised   peer-down pbx: The PBX does not answer.\n"}, "\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, tail := range []view.Tail{{Last: 100}, {Last: 100, JSON: true}} {
		text := shown(v.Alarms, tail)
		if n := strings.Count(text, "\n"); n != 60 {
			t.Errorf("%d lines, want 60", n)
		}
		if why := printabletest.Page(text); why != "" {
			t.Error(why)
		}
	}
	var a view.Alarm
	if err := json.Unmarshal([]byte(shown(v.Alarms, view.Tail{Last: 1, JSON: true, Box: "berlin"})), &a); err != nil || a.Box != "berlin" || a.Alarm.Alarm != "peer-down" || time.Since(a.Received) > time.Hour {
		t.Errorf("%+v, %v", a, err)
	}

	// What essen wants answered at berlin's subjects is not kept at all, and so there is no answer.
	if err := essen.conn.PublishMsg(&nats.Msg{Subject: fleet.AlarmsOf("essen"), Reply: fleet.AlarmsOf("berlin"), Data: []byte("{}"), Header: nats.Header{jetstream.MsgIDHeader: {"essen/r/99"}}}); err != nil {
		t.Fatal(err)
	}
	essen.alarm(100, "behind it")

	// Who follows, sees what comes.
	ctx, stop := context.WithCancel(t.Context())
	w, ended := &writer{make(chan string, 10)}, make(chan error, 1)
	go func() {
		ended <- v.Alarms(ctx, hubtest.Customer, view.Tail{Box: "berlin", Last: 1, Follow: true, Zone: time.UTC}, w)
	}()
	for i, want := range []string{"12:00:29", "12:00:31"} {
		if i == 1 {
			berlin.alarm(31, "now")
		}
		select {
		case line := <-w.lines:
			if !strings.Contains(line, want) {
				t.Errorf("%q, want %s", line, want)
			}
		case <-time.After(enough):
			t.Fatalf("nothing came, want %s", want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	r := status.Record{Version: 2, ID: "1", Calling: "+4930123", Called: "+4989456", From: "IF_PBX", To: "IF_TEAMS", Code: 200, By: status.ByCallee}
	r.Started = time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)
	r.Connected, r.Ended = r.Started.Add(5*time.Second), r.Started.Add(130*time.Second)
	berlin.keep(fleet.CallsOf("berlin"), "berlin/r/1", r)
	r.Connected, r.Code, r.Reason = time.Time{}, 486, "Busy Here"
	berlin.keep(fleet.CallsOf("berlin"), "berlin/r/2", r)
	berlin.keep(fleet.CallsOf("berlin"), "berlin/r/3", "no record")
	if got, want := shown(v.Calls, view.Tail{Last: 10}), "2026-11-30 11:00:00  berlin        +4930123 -> +4989456  IF_PBX -> IF_TEAMS  connected 2:05, ended by callee\n"+
		"2026-11-30 11:00:00  berlin        +4930123 -> +4989456  IF_PBX -> IF_TEAMS  not connected, 486 Busy Here\n"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "a message that cannot be read, of 11 octets\n") {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, tail := range []view.Tail{{Box: "x"}, {Box: "*"}, {Box: "berlin.alarms"}} {
		if err := v.Calls(t.Context(), hubtest.Customer, tail, io.Discard); err == nil {
			t.Errorf("calls of %q", tail.Box)
		}
	}
	if _, err := v.Look(t.Context(), "x"); err == nil {
		t.Error("a customer that is none")
	}

	text, err := json.Marshal(fleet.Status{Version: 1, Box: "ulm", Serial: hubtest.Serial("berlin"), Firmware: "1.18.0", Time: time.Now(), Calls: 3, Alarms: []fleet.Alarm{{Alarm: "a", Severity: "warning"}, {Alarm: "b", Severity: "error"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := berlin.conn.Publish(fleet.StatusOf("berlin"), text); err != nil {
		t.Fatal(err)
	}
	if err := essen.conn.Publish(fleet.StatusOf("essen"), text); err != nil { // of another device
		t.Fatal(err)
	}
	if err := essen.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(enough); ; time.Sleep(10 * time.Millisecond) {
		f, err := v.Look(t.Context(), hubtest.Customer)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, b := range f.Boxes {
			list = append(list, fmt.Sprint(b.Name, " ", b.State, " ", b.Firmware, " ", b.Calls, " ", b.Worst(), " ", len(b.Leases)))
		}
		want := []string{"berlin connected 1.18.0 3 error 0", "essen unseen  0  0", "ulm unseen  0  1", "revoked revoked  0  0"}
		if got := strings.Join(list, "\n"); got == strings.Join(want, "\n") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	}
	pageOf(t, h.Nodes[0], "/", "berlin", "1.18.0")
	pageOf(t, h.Nodes[0], "/box/"+hubtest.Customer+"/berlin", "The PBX does not answer.", "Busy Here", "2:05")
}

// pageOf wants texts in a page of a node, as it is served.
func pageOf(t *testing.T, n *hub.Node, address string, want ...string) {
	t.Helper()
	at := fmt.Sprintf("127.0.0.1:%d", hubtest.FreePorts(t, 1)[0])
	page, err := view.Page(n, view.PageOptions{Address: at, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- page.Run(ctx) }()
	for end := time.Now().Add(enough); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get("http://" + at + address)
		if err == nil {
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			for _, w := range want {
				if err != nil || !strings.Contains(string(text), w) {
					t.Errorf("%s does not say %q: %v", address, w, err)
				}
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
