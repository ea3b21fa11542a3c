package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

func TestBoxesAsLines(t *testing.T) {
	var b bytes.Buffer
	if err := WriteBoxes(&b, small().list[0]); err != nil {
		t.Fatal(err)
	}
	if err := WriteBoxes(&b, Fleet{Customer: "new"}); err != nil {
		t.Fatal(err)
	}
	golden(t, "boxes.txt", b.String())
	b.Reset()
	if err := WriteBoxesJSON(&b, small().list[0]); err != nil {
		t.Fatal(err)
	}
	var f struct {
		Boxes []struct{ Name, State string }
	}
	if err := json.Unmarshal(b.Bytes(), &f); err != nil || len(f.Boxes) != 7 || f.Boxes[0].State != "lost" || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("%v: %s", err, &b)
	}
}

// What comes from a box steers no terminal, forges no line and takes no room without end.
func TestHostileTextsInLines(t *testing.T) {
	const longest = 2000
	for variant := range 1 {
		s := printabletest.Fill[fleet.Status](variant)
		s.Serial = "00A0BA0F2439"
		long := strings.Repeat("\x1b", 2_000)
		s.Firmware += long
		for range 52 {
			s.Alarms = append(s.Alarms, fleet.Alarm{Alarm: long, Text: long, Cure: long, Subject: long, Severity: long, What: long, ID: long})
			s.Licenses = append(s.Licenses, status.Pool{Name: long, Total: 1 << 62, Free: -1})
			s.Remote = append(s.Remote, long)
		}
		box := Box{Customer: "acme", Name: "berlin", Serial: s.Serial, State: Unseen}
		box.take(s, noon, noon)
		if len(box.Alarms) != maxAlarms || len(box.Licenses) != maxPools || len(box.Remote) != maxRemote || box.Count() < 52 {
			t.Errorf("%d alarms, %d pools, %d services", len(box.Alarms), len(box.Licenses), len(box.Remote))
		}
		var b bytes.Buffer
		f := Fleet{Customer: "acme", At: noon, Boxes: []Box{box}}
		if err := WriteBoxes(&b, f); err != nil {
			t.Fatal(err)
		}
		a, r := printabletest.Fill[fleet.Alarm](variant), printabletest.Fill[status.Record](variant)
		a.Text, a.Subject, r.Calling, r.Called, r.Reason = a.Text+long, long, long, long, long
		r.By = status.Party(long)
		call := Call{"berlin", noon, r}
		lines := b.String() + Alarm{"berlin", noon, cleanAlarm(a)}.line(time.UTC) + "\n" + call.line(time.UTC) + "\n"
		for line := range strings.Lines(lines) {
			if len(line) > longest {
				t.Errorf("a line of %d octets: %.200s", len(line), line)
			}
		}
		for _, v := range []any{f, Alarm{"berlin", noon, cleanAlarm(a)}, call} {
			text, err := oneLine(v)
			if err != nil {
				t.Fatal(err)
			}
			lines += text + "\n"
		}
		if why := printabletest.Page(lines); why != "" {
			t.Error(why)
		}
	}
}

// A message of a box may be anything.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"serial":"00A0BA0F2439","time":"2026-11-30T12:00:00Z","alarms":[{"severity":"error","time":"9999-12-31T23:59:59Z"}],"calls":-1,"licenses":[{}]}`))
	f.Add([]byte(`{"id":"1","started":"0000-01-01T00:00:00Z","code":486,"media":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := message{box: "berlin", id: "berlin/r/1", received: noon, data: text}
		b := Box{Customer: "acme", Name: "berlin", Serial: "00A0BA0F2439", State: Unseen}
		b.heard(m, noon)
		var out bytes.Buffer
		if err := WriteBoxes(&out, Fleet{Customer: "acme", At: noon, Boxes: []Box{b}}); err != nil {
			t.Fatal(err)
		}
		values := []any{b}
		if a, err := readAlarm(m); err == nil {
			out.WriteString(a.line(time.UTC) + "\n")
			values = append(values, a)
		}
		if c, err := readCall(m); err == nil {
			out.WriteString(c.line(time.UTC) + "\n")
			values = append(values, c)
		}
		for _, v := range values {
			line, err := oneLine(v)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(line + "\n")
		}
		if why := printabletest.Page(out.String()); why != "" {
			t.Error(why)
		}
	})
}
