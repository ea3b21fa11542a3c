package draw

import (
	_ "embed"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

//go:embed course.html
var courseText string

var courses = template.Must(template.New("course").Parse(courseText))

// Course is a figure over the time of a call.
type Course struct {
	ID, Title   string
	Start, Step time.Duration // of the first value since the call began, and from each to the next
	Values      []float64     // negative: there is none
	Top         float64       // the axis goes up to this at least
	Unit        string        // behind numbers
	Low         bool          // the lowest value is the worst one
	Worst       string        // "worst %s at %s", of a number and a time since the call began
	Nothing     string        // said when there is no value
}

// Draw draws it as a graph without a table.
func (c Course) Draw() template.HTML {
	points, worst := []Point{}, -1
	from := time.Unix(0, 0).Add(c.Start)
	for n, v := range c.Values {
		if v < 0 {
			continue
		}
		points = append(points, Point{At: from.Add(time.Duration(n) * c.Step), V: v})
		if worst < 0 || c.Low && v < c.Values[worst] || !c.Low && v > c.Values[worst] {
			worst = n
		}
	}
	said := c.Nothing
	if worst >= 0 {
		said = fmt.Sprintf(c.Worst, c.number(c.Values[worst]), clock(c.Start+time.Duration(worst)*c.Step))
	}
	g := Graph{ID: c.ID, Title: c.Title, From: from, To: from.Add(time.Duration(max(len(c.Values), 1)) * c.Step), Every: c.Step, Top: max(c.Top, 2), Series: []Series{{Name: c.Title, Points: points}}}
	top := g.top()
	v := view{Graph: g, Size: "small", Desc: said, Width: width, Height: height, Grid: g.grid(top)}
	for _, part := range []float64{top, top / 2, 0} {
		v.Up = append(v.Up, c.number(part))
	}
	for n := range parts + 1 {
		at := c.Start + g.To.Sub(g.From)*time.Duration(n)/parts
		v.Across = append(v.Across, tick{Time: fmt.Sprintf("PT%dS", int(at.Seconds())), Text: clock(at)})
	}
	drawn := curve{N: 1, Name: said}
	drawn.Line, drawn.Area = g.paths(points, top)
	v.Curves = []curve{drawn}
	var b strings.Builder
	if err := courses.Execute(&b, v); err != nil {
		panic(fmt.Sprintf("draw: %v", err)) // of a template and a struct that stand here
	}
	return template.HTML(b.String())
}

func (c Course) number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + c.Unit }

// clock is a time since the call began: 1:05, 1:00:05.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
