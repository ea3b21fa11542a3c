package lease_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
)

var begin = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// hub is a Pool with its terms.
type hub struct {
	lease.Pool
	lease.Terms
	now time.Time
}

// newHub has boxes whose serial numbers are their names.
func newHub(total int, boxes map[string]lease.Box) *hub {
	h := &hub{Terms: lease.Terms{Total: total, Boxes: map[string]lease.Box{}}, now: begin}
	for name, b := range boxes {
		h.limit(name, b.Min, b.Max)
	}
	return h
}

// limit gives a box a minimum and a maximum, 0 being none.
func (h *hub) limit(name string, least, most int) {
	if most == 0 {
		most = lease.MaxCount
	}
	h.Boxes[name] = lease.Box{Serial: name, Min: least, Max: most}
}

func question(box string, sequence uint64, want, has int) fleet.LeaseRequest {
	return fleet.LeaseRequest{Version: fleet.Version, Kind: "sip-sessions", Serial: box, Want: want, Has: has, Sequence: sequence}
}

func (h *hub) ask(box string, sequence uint64, want, has int) lease.Answer {
	next, a := h.Grant(box, question(box, sequence, want, has), h.Terms, h.now)
	if a.Write {
		h.Pool = next
	}
	return a
}

// tend lets time pass as it does while the hub is there.
func (h *hub) tend(d time.Duration) {
	for end := h.now.Add(d); ; {
		h.now = h.now.Add(min(lease.Watch, end.Sub(h.now)))
		if next, write, _ := h.Tend(h.Terms, h.now); write {
			h.Pool = next
		}
		if !h.now.Before(end) {
			return
		}
	}
}

func (h *hub) taken() int {
	_, n := h.Shares(h.now)
	return n
}

func TestGrant(t *testing.T) {
	type ask struct {
		box       string
		sequence  uint64
		want, has int
		gets      int
	}
	for _, c := range []struct {
		what  string
		total int
		boxes map[string]lease.Box
		asks  []ask
	}{
		{"what is free", 10, map[string]lease.Box{"a": {}, "b": {}}, []ask{{"a", 1, 7, 0, 7}, {"b", 1, 7, 0, 3}, {"a", 2, 2, 2, 2}, {"b", 2, 7, 3, 7}}},
		{"no more than the maximum", 10, map[string]lease.Box{"a": {Max: 4}}, []ask{{"a", 1, 9, 0, 4}}},
		{"a minimum is kept", 10, map[string]lease.Box{"a": {}, "b": {Min: 4}}, []ask{{"a", 1, 9, 0, 6}, {"b", 1, 2, 0, 2}, {"a", 2, 9, 6, 6}, {"b", 2, 4, 2, 4}}},
		{"and counted once", 10, map[string]lease.Box{"a": {}, "b": {Min: 4}}, []ask{{"b", 1, 5, 0, 5}, {"a", 1, 9, 0, 5}}},
		{"more is kept than there is: who comes first", 5, map[string]lease.Box{"a": {Min: 4}, "b": {Min: 4}}, []ask{{"b", 1, 5, 0, 4}, {"a", 1, 5, 0, 1}}},
		{"nothing at all", 0, map[string]lease.Box{"a": {Min: 4}}, []ask{{"a", 1, 5, 0, 0}}},
		{"the same again", 10, map[string]lease.Box{"a": {}}, []ask{{"a", 5, 7, 0, 7}, {"a", 5, 7, 0, 7}}},
		{"late ones change nothing", 10, map[string]lease.Box{"a": {}, "b": {}}, []ask{{"a", 5, 7, 0, 7}, {"a", 4, 0, 0, 7}, {"a", 5, 3, 0, 7}, {"b", 1, 5, 0, 3}}},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHub(c.total, c.boxes)
			for _, r := range c.asks {
				if a := h.ask(r.box, r.sequence, r.want, r.has); a.Count != r.gets || a.Reply.Left > 0 != (r.gets > 0) || a.Reply.Refused {
					t.Errorf("%+v: gets %d, %+v", r, a.Count, a.Reply)
				}
				if n := h.taken(); n > c.total {
					t.Errorf("%d of %d are taken after %+v", n, c.total, r)
				}
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	h := newHub(10, map[string]lease.Box{"a": {Min: 1, Max: 8}, "b": {}})
	first := h.ask("a", 7, 5, 0)
	if want := (fleet.LeaseReply{Sequence: 7, Left: 86399, Min: 1, Max: 8, Free: 3}); !first.Write || fmt.Sprint(first.Reply) != fmt.Sprint(want) {
		t.Errorf("%+v", first)
	}
	if !first.From.Equal(begin) || !first.Until.Equal(begin.Add(lease.Life)) {
		t.Errorf("from %s until %s", first.From, first.Until)
	}
	h.tend(time.Hour)
	if again := h.ask("a", 7, 5, 0); again.Write || again.Reply.Error != "" || again.Count != 5 || !again.Until.Equal(first.Until) || again.Reply.Left != 86399-3600 {
		t.Errorf("the same again: %+v", again)
	}
	if late := h.ask("a", 3, 8, 0); late.Write || late.Reply.Sequence != 7 || late.Count != 5 || late.Reply.Error == "" || late.Reply.Refused {
		t.Errorf("late: %+v", late)
	}
	for what, r := range map[string]fleet.LeaseRequest{
		"has more than it wants": question("a", 8, 1, 2), "below nothing": question("a", 8, -1, -1), "no sequence": question("a", 0, 1, 0),
		"a sequence beyond all": question("a", lease.MaxSequence+1, 1, 0), "too many": question("a", 8, lease.MaxCount+1, 0), "no version": {Serial: "a", Sequence: 8},
	} {
		if _, a := h.Grant("a", r, h.Terms, h.now); a.Write || a.Count > 0 || a.Reply.Error == "" || a.Reply.Refused {
			t.Errorf("%s: %+v", what, a)
		}
	}
	for what, box := range map[string]string{"unknown": "c", "of another serial number": "b"} {
		if _, a := h.Grant(box, question("a", 8, 1, 0), h.Terms, h.now); a.Write || a.Count > 0 || a.Reply.Error == "" || !a.Reply.Refused {
			t.Errorf("%s: %+v", what, a)
		}
	}
}

// What a box has, and may not know that it lost, is nobody else's.
func TestAPoolThatShrankAndGrew(t *testing.T) {
	h := newHub(10, map[string]lease.Box{"a": {}, "b": {}})
	h.ask("a", 1, 10, 0)
	h.Total = 4
	if a := h.ask("a", 2, 10, 10); a.Count != 4 {
		t.Errorf("%d of 4", a.Count)
	}
	h.Total = 10
	if b := h.ask("b", 1, 5, 0); b.Count != 0 || h.taken() != 10 {
		t.Errorf("b gets %d while a may have 10; %d are taken", b.Count, h.taken())
	}
	if a := h.ask("a", 3, 4, 4); a.Count != 4 || h.taken() != 4 {
		t.Errorf("a keeps %d, and %d are taken", a.Count, h.taken())
	}
	if b := h.ask("b", 2, 5, 0); b.Count != 5 {
		t.Errorf("b gets %d", b.Count)
	}
	h.ask("a", 4, 5, 4) // it says no more of what it lost, but its time is over all the same
	h.Total = 6
	h.ask("a", 5, 5, 5)
	h.tend(lease.Life + lease.Margin)
	if n := h.taken(); n != 0 {
		t.Errorf("%d are taken after a day and an hour", n)
	}
}

func TestARevokedBoxKeepsItsTime(t *testing.T) {
	h := newHub(10, map[string]lease.Box{"a": {Min: 3}, "b": {}})
	h.ask("a", 9, 8, 0)
	delete(h.Boxes, "a")
	if a := h.ask("a", 10, 8, 8); !a.Reply.Refused || a.Count > 0 {
		t.Errorf("%+v", a)
	}
	h.tend(lease.Life + lease.Margin - time.Minute)
	if b := h.ask("b", 1, 10, 0); b.Count != 2 {
		t.Errorf("b gets %d while a has 8", b.Count)
	}
	h.tend(time.Minute)
	if b := h.ask("b", 2, 10, 2); b.Count != 10 {
		t.Errorf("b gets %d", b.Count)
	}
	h.tend(lease.Watch)
	h.limit("a", 0, 0)
	if a := h.ask("a", 1, 1, 0); a.Reply.Error != "" {
		t.Errorf("its sequence is known after its time: %+v", a)
	}
}

// A new device of a known name does not inherit what the one before it has.
func TestAnotherDeviceOfTheSameName(t *testing.T) {
	h := newHub(10, map[string]lease.Box{"a": {Min: 6}})
	h.ask("a", 9, 6, 0)
	h.Boxes["a"] = lease.Box{Serial: "new", Min: 6, Max: 10}
	if _, a := h.Grant("a", question("new", 1, 6, 0), h.Terms, h.now); a.Count != 4 {
		t.Errorf("%d beside the 6 of the old one", a.Count)
	}
}

// Each node measures by its own clock.
func TestTimeThatNobodyWatched(t *testing.T) {
	for _, c := range []struct {
		what  string
		pass  func(h *hub)
		taken int // after a day and an hour
	}{
		{"watched", func(h *hub) { h.tend(lease.Life + lease.Margin) }, 0},
		{"watched, save the last second", func(h *hub) { h.tend(lease.Life + lease.Margin - time.Second) }, 5},
		{"the hub was away", func(h *hub) { h.now = h.now.Add(lease.Life + lease.Margin); h.tend(time.Second) }, 5},
		{"its clock was set ahead by a year", func(h *hub) { h.now = h.now.AddDate(1, 0, 0); h.tend(lease.Life) }, 5},
		{"and watched", func(h *hub) { h.now = h.now.AddDate(1, 0, 0); h.tend(lease.Life + lease.Margin + lease.Watch) }, 0},
		{"its clock was set back by a year", func(h *hub) { h.now = h.now.AddDate(-1, 0, 0); h.tend(lease.Life + lease.Margin + lease.Watch) }, 0},
		{"a clock that goes back and forth", func(h *hub) {
			for range 300 {
				for _, off := range []time.Duration{0, -lease.Gap / 2} {
					next, _ := h.Grant("b", question("b", uint64(h.now.UnixMilli()), 0, 0), h.Terms, h.now.Add(off))
					h.Pool, h.now = next, h.now.Add(time.Second)
				}
			}
			h.tend(lease.Life)
		}, 5},
		{"two clocks that differ, in turns", func(h *hub) {
			for range 200 {
				for _, off := range []time.Duration{0, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, -10 * time.Hour} {
					h.Node = fmt.Sprint(off)
					h.now = h.now.Add(time.Second)
					if next, write, _ := h.Tend(h.Terms, h.now.Add(off)); write {
						h.Pool = next
					}
					next, _ := h.Grant("b", question("b", uint64(h.now.Unix()), 0, 0), h.Terms, h.now.Add(off))
					h.Pool = next
				}
			}
			h.tend(lease.Life)
		}, 5},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHub(10, map[string]lease.Box{"a": {}, "b": {}})
			h.ask("a", 1, 5, 0)
			if c.pass(h); h.taken() != c.taken {
				t.Errorf("%d are taken", h.taken())
			}
		})
	}
}

func TestAPoolHasBounds(t *testing.T) {
	h := newHub(1<<30, map[string]lease.Box{"box-0000": {}, "one-more": {}})
	var shares []string
	for i := range lease.MaxBoxes {
		shares = append(shares, fmt.Sprintf(`{"s":"box-%04d","q":%d,"w":2000,"c":2000,"u":%d}`, i, uint64(lease.MaxSequence-1), begin.Unix()+3600))
	}
	p, err := lease.Open(fmt.Appendf(nil, `{"version":1,"time":%d,"shares":[%s]}`, begin.UnixMicro(), strings.Join(shares, ",")))
	if err != nil {
		t.Fatal(err)
	}
	h.Pool = p
	if a := h.ask("one-more", 1, 1, 0); a.Write || a.Reply.Error == "" || a.Reply.Refused {
		t.Errorf("a box too many: %+v", a.Reply)
	}
	if a := h.ask("box-0000", lease.MaxSequence, lease.MaxCount, 2000); a.Count != lease.MaxCount {
		t.Errorf("%d, and %d are taken", a.Count, h.taken())
	}
	for node := range 100 {
		h.Node = fmt.Sprint(node)
		h.tend(time.Minute)
	}
	text := h.Value()
	if p, err := lease.Open(text); err != nil || len(text) > 1<<19 || string(p.Value()) != string(text) {
		t.Error(len(text), err)
	}
}

func TestOpen(t *testing.T) {
	const share = `{"s":"a","q":3,"w":5,"c":5,"u":1700000000}`
	pool := func(head, shares string) string {
		return `{"version":1,"time":1700000000000000` + head + `,"shares":[` + shares + `]}`
	}
	for what, text := range map[string]string{
		"nothing": ``, "no JSON": `{`, "another version": `{"version":2}`, "no version": `{}`,
		"below 0":           pool("", `{"s":"a","c":-1}`),
		"too many":          pool("", `{"s":"a","c":70000}`),
		"twice":             pool("", share+","+share),
		"not in order":      pool("", `{"s":"b"},{"s":"a"}`),
		"no serial number":  pool("", `{"s":""}`),
		"a long one":        pool("", `{"s":"`+strings.Repeat("a", lease.MaxSerial+1)+`"}`),
		"a hostile one":     pool("", `{"s":"\u001b[2J"}`),
		"an end too late":   pool("", `{"s":"a","c":1,"u":1700090000}`),
		"a sequence beyond": pool("", `{"s":"a","q":9007199254740993}`),
		"a mark ahead":      pool(`,"nodes":[{"n":"a","c":0,"t":1700000000000001}]`, share),
		"nine nodes":        pool(`,"nodes":[`+strings.Repeat(`{},`, 8)+`{}]`, share),
	} {
		if p, err := lease.Open([]byte(text)); err == nil {
			t.Errorf("%s: %+v", what, p)
		}
	}
	if _, err := lease.Open([]byte(pool(`,"nodes":[{"n":"a","c":5,"t":1700000000000000}]`, share))); err != nil {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	h := newHub(10, map[string]lease.Box{"a": {Min: 2}, "b": {}})
	h.ask("a", 1, 5, 0)
	h.Total = 3
	h.ask("a", 2, 5, 5)
	f.Add(h.Value(), uint64(3), 5, 1, int64(1796112000))
	f.Fuzz(func(t *testing.T, text []byte, sequence uint64, want, has int, now int64) {
		p, err := lease.Open(text)
		if err != nil {
			return
		}
		at := time.Unix(now, 0)
		next, a := p.Grant("b", question("b", sequence, want, has), h.Terms, at)
		if a.Count < 0 || a.Count > want && a.Write || a.Reply.Left < 0 || a.Reply.Left > int(lease.Life/time.Second) || a.Reply.Free < 0 {
			t.Errorf("%+v", a)
		}
		next, _, _ = next.Tend(h.Terms, at.Add(lease.Watch))
		next.Shares(at)
		if _, err := lease.Open(next.Value()); err != nil {
			t.Errorf("%s became %s: %v", text, next.Value(), err)
		}
	})
}

func TestTheValueIsJSON(t *testing.T) {
	h := newHub(10, map[string]lease.Box{"a": {}})
	h.ask("a", 1, 5, 0)
	var v map[string]any
	if err := json.Unmarshal(h.Value(), &v); err != nil || v["version"] != 1.0 {
		t.Errorf("%s: %v", h.Value(), err)
	}
}
