package tunnel

import (
	"bytes"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	for what, x := range map[string]struct {
		message string
		good    bool
	}{
		"hello":                     {"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00", true},
		"hello of a later minor":    {"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00and more", true},
		"hello of another version":  {"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08\x00\x00", false},
		"hello without a window":    {"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01", false},
		"data":                      {"\x02\x00\x00\x00\x00\x00\x00\x00\x01abc", true},
		"data without any":          {"\x02\x00\x00\x00\x00\x00\x00\x00\x01", false},
		"as many data as there may": {"\x02\x00\x00\x00\x00\x00\x00\x00\x01" + strings.Repeat("a", maxData), true},
		"more":                      {"\x02\x00\x00\x00\x00\x00\x00\x00\x01" + strings.Repeat("a", maxData+1), false},
		"credit":                    {"\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00", true},
		"credit of three octets":    {"\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00", false},
		"end":                       {"\x04\x00\x00\x00\x00\x00\x00\x00\x01", true},
		"end with something":        {"\x04\x00\x00\x00\x00\x00\x00\x00\x01a", false},
		"reset":                     {"\x05\x00\x00\x00\x00\x00\x00\x00\x01why", true},
		"reset with a novel":        {"\x05\x00\x00\x00\x00\x00\x00\x00\x01" + strings.Repeat("a", maxWhy+1), false},
		"alive":                     {"\x06\x00\x00\x00\x00\x00\x00\x00\x01", true},
		"no kind":                   {"\x00\x00\x00\x00\x00\x00\x00\x00\x01", false},
		"an unknown kind":           {"\x07\x00\x00\x00\x00\x00\x00\x00\x01", false},
		"half a head":               {"\x06\x00\x00\x00", false},
		"nothing":                   {"", false},
	} {
		if _, err := parse([]byte(x.message)); (err == nil) != x.good {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAReasonIsShownNotObeyed(t *testing.T) {
	f, err := parse(frame{kind: kindReset, why: "\x1b[2Jgone\nroot#"}.append(nil))
	if err != nil || f.why != `\x1b[2Jgone\x0aroot#` {
		t.Errorf("%q, %v", f.why, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, x := range []frame{
		{kind: kindHello, number: window}, {kind: kindData, sequence: 1, data: []byte("abc")}, {kind: kindCredit, sequence: 1 << 40, number: 99},
		{kind: kindEnd, sequence: 2}, {kind: kindReset, why: "why\x1b"}, {kind: kindAlive},
	} {
		f.Add(x.append(nil))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		x, err := parse(message)
		if err != nil {
			return
		}
		if x.kind == kindData && (len(x.data) == 0 || len(x.data) > maxData) {
			t.Errorf("%d octets of data", len(x.data))
		}
		again := x.append(nil)
		if x.kind != kindReset && !bytes.HasPrefix(message, again) || x.kind != kindHello && x.kind != kindReset && len(again) != len(message) {
			t.Errorf("%x came back as %x", message, again)
		}
		if _, err := parse(again); err != nil {
			t.Errorf("%x, written again, is none: %v", message, err)
		}
	})
}

// Whatever the other side sends, what waits for us stays within our window, and what we may send within its own.
func FuzzStream(f *testing.F) {
	f.Add([]byte{1, 1, 2, 9, 2, 200, 3, 1, 4, 0, 2, 7})
	f.Fuzz(func(t *testing.T, script []byte) {
		s := newStream(began)
		s.hello(began)
		expected := uint64(0)
		for i := 0; i+1 < len(script); i += 2 {
			x := frame{kind: kind(script[i]&7) + 1, sequence: expected, number: uint32(script[i+1]) << 12}
			if script[i]&0x80 != 0 {
				x.sequence += uint64(script[i+1]) - 128
			}
			if x.kind == kindData {
				x.data = make([]byte, int(script[i+1])<<7+1)
			}
			before := s.state
			data, cost, refusal := s.receive(x.append(nil), began)
			switch {
			case before == broken && (data != nil || refusal != nil || s.state != broken):
				t.Fatal("a broken connection lives")
			case s.held+s.owed > window+maxData+frameCost || s.state != broken && s.held+s.owed > window:
				t.Fatalf("%d octets wait, %d are owed", s.held, s.owed)
			case s.credit > s.limit:
				t.Fatalf("credit %d of %d", s.credit, s.limit)
			case data != nil && (s.state == opening || s.state == sending || cost < len(data)):
				t.Fatalf("data at a cost of %d in state %v", cost, s.state)
			case s.state == broken && s.why == nil:
				t.Fatal("no reason")
			}
			if script[i]&0x40 != 0 && cost > 0 {
				s.consumed(cost, began)
			}
			expected++
		}
	})
}
