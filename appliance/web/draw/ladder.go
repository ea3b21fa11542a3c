package draw

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

// Ladder is the messages of a call, between columns. Unlike a graph it keeps its size, and has its words in the drawing: whoever shows it lets
// it scroll.
type Ladder struct {
	ID      string
	Title   string
	Columns []Column
	Steps   []Step
}

// Column is a party.
type Column struct{ Name, Below string }

// Step is one message.
type Step struct {
	Time     string
	From, To int // columns
	Label    string
	Way      string // the arrow in words, for those who do not see it
	Link     string // where its text is; "": nowhere for this reader
	Again    bool   // it repeats an earlier one
	Kind     StepKind
}

// StepKind is what a message is.
type StepKind string

const (
	StepRequest     StepKind = "request"
	StepProvisional StepKind = "provisional"
	StepDone        StepKind = "done"    // final, with success
	StepRefused     StepKind = "refused" // final, without
)

// Measures of a ladder, in pixels.
const (
	ladderTimes = 40 // for the times
	ladderGap   = 196
	ladderEdge  = 96 // beside the first and the last column
	ladderHead  = 46
	ladderStep  = 32
	labelLength = 26 // characters that fit between two columns
)

//go:embed ladder.html
var ladderText string

var ladders = template.Must(template.New("ladder").Parse(ladderText))

type ladderView struct {
	Ladder
	Width, Height, Foot int
	Heads               []ladderColumn
	Rows                []ladderRow
}

type ladderColumn struct {
	X int
	Column
}

type ladderRow struct {
	Step
	Y, TextY, TimeY, Top, Height int
	X1, X2, Middle               int
	Tip                          string // points of the arrow's head
	Class                        string
}

// Draw draws it.
func (l Ladder) Draw() template.HTML {
	x := func(n int) int { return ladderTimes + ladderEdge + n*ladderGap }
	v := ladderView{Ladder: l, Width: x(max(len(l.Columns)-1, 0)) + ladderEdge, Height: ladderHead + len(l.Steps)*ladderStep + 12}
	v.Foot = v.Height - 4
	for n, c := range l.Columns {
		v.Heads = append(v.Heads, ladderColumn{x(n), Column{c.Name, cut(c.Below, labelLength+2)}})
	}
	for n, s := range l.Steps {
		y := ladderHead + n*ladderStep + 22
		r := ladderRow{Step: s, Y: y, TextY: y - 6, TimeY: y + 4, Top: y - 20, Height: ladderStep - 4, X1: x(s.From), X2: x(s.To), Class: string(s.Kind)}
		if s.Again {
			r.Class += " again"
		}
		tip := 8
		if r.X2 < r.X1 {
			tip = -tip
		}
		r.Tip = fmt.Sprintf("%d,%d %d,%d %d,%d", r.X2, y, r.X2-tip, y-4, r.X2-tip, y+4)
		r.Middle = (x(s.From) + x(s.To)) / 2
		r.Label = cut(s.Label, max(abs(s.To-s.From), 1)*labelLength)
		v.Rows = append(v.Rows, r)
	}
	var b strings.Builder
	if err := ladders.Execute(&b, v); err != nil {
		panic(fmt.Sprintf("draw: %v", err)) // of a template and a struct that stand here
	}
	return template.HTML(b.String())
}

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func abs(n int) int { return max(n, -n) }
