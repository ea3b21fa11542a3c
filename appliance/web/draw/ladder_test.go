package draw

import (
	"strings"
	"testing"
	"time"
)

func TestLadder(t *testing.T) {
	l := Ladder{ID: "x", Title: "Messages", Columns: []Column{{"A", "if_pbx"}, {Name: "SBC"}, {"B", strings.Repeat("long", 30)}}, Steps: []Step{
		{Time: "0.000", From: 0, To: 1, Label: "INVITE +SDP", Way: "from A to SBC", Link: "/calls/1/message/1", Kind: StepRequest},
		{Time: "0.020", From: 1, To: 0, Label: "486 " + `</text><script>alert(1)</script>"` + strings.Repeat("y", 300), Way: "from SBC to A", Kind: StepRefused, Again: true},
	}}
	drawn := l.Draw()
	wellFormed(t, drawn)
	text := string(drawn)
	for _, want := range []string{
		`<a class="step request" href="/calls/1/message/1">`, `<g class="step refused again" role="img" aria-label="0.020 from SBC to A 486 &lt;`,
		`x1="136" y1="68" x2="332" y2="68"`,                                      // to the right
		`x1="332" y1="100" x2="136" y2="100"`, `points="136,100 144,96 144,104"`, // and to the left, with its head there
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy") || strings.Contains(text, strings.Repeat("long", 8)) {
		t.Errorf("a text of a peer is markup, or too long:\n%s", text)
	}
	wellFormed(t, Ladder{ID: "x", Title: "Nothing"}.Draw())
}

func TestCourse(t *testing.T) {
	c := Course{ID: "c", Title: "Lost", Start: 10 * time.Second, Step: 5 * time.Second, Values: []float64{0, 1.5, -1, 12}, Top: 4, Unit: " %", Worst: "worst %s at %s", Nothing: "nothing"}
	drawn := c.Draw()
	wellFormed(t, drawn)
	text := string(drawn)
	for _, want := range []string{"worst 12 % at 0:25", `<time datetime="PT10S">0:10</time>`, `<time datetime="PT30S">0:30</time>`, `<span>12 %</span><span>6 %</span><span>0 %</span>`,
		`d="M0 100H240V87.5H480M720 0H960"`} { // a gap where nothing came
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	c.Low, c.Values = true, []float64{93, 40, 90}
	if text := string(c.Draw()); !strings.Contains(text, "worst 40 % at 0:15") {
		t.Errorf("the lowest is not the worst:\n%s", text)
	}
	c.Values = []float64{-1}
	if text := string(c.Draw()); !strings.Contains(text, "nothing") {
		t.Errorf("without values:\n%s", text)
	}
	c.Start, c.Step, c.Values = time.Hour, time.Minute, []float64{1}
	if text := string(c.Draw()); !strings.Contains(text, "worst 1 % at 1:00:00") {
		t.Errorf("after an hour:\n%s", text)
	}
}
