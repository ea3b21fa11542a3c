package draw

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Graph is figures over time.
type Graph struct {
	ID       string // of the element; those that describe it derive from it
	Title    string
	Link     string // of the title; "": none
	From, To time.Time
	Zone     *time.Location
	Every    time.Duration // what a point stands for: it begins at its time
	Top      float64       // the axis goes up to this at least
	Unit     string        // behind numbers: " %", " MiB"
	Series   []Series
	Words    Words
}

// Series is one figure.
type Series struct {
	Name   string
	Sum    bool // an hour is the sum of its points; otherwise the highest, or with Low the lowest
	Low    bool
	Points []Point // in the order of their times; where one is missing, there is a gap
}

// Point is a figure at a time.
type Point struct {
	At time.Time
	V  float64
}

// Words are those that a graph needs, in the reader's language.
type Words struct {
	Latest  string // "%s: now %s, most %s at %s", of a name, a number, another, and a time
	Nothing string // "%s: no figures yet"
	Hour    string // head of the table's first column
	Table   string // opens the table
}

// Day is the range of a day that ends with the present hour.
func Day(now time.Time, zone *time.Location) (from, to time.Time) {
	to = now.Truncate(time.Minute).Add(time.Duration(60-now.In(zone).Minute()) * time.Minute)
	return to.Add(-24 * time.Hour), to
}

// The drawing has this many units; it is stretched to its box.
const (
	width  = 960
	height = 100
)

//go:embed graph.html
var graphText string

var graphs = template.Must(template.New("graph").Parse(graphText))

// Small draws a graph without its table.
func (g Graph) Small() template.HTML { return g.draw("small") }

// Large draws a graph with its figures, hour by hour, below.
func (g Graph) Large() template.HTML { return g.draw("large") }

type view struct {
	Graph
	Size, Desc string
	Width      int
	Height     int
	Up         []string // labels of the axis, from the top
	Across     []tick
	Grid       string
	Curves     []curve
	Rows       []row
}

type tick struct{ Time, Text string }

// curve is a series as paths: its line, and the area below.
type curve struct {
	N          int
	Name       string
	Line, Area string
	Latest     string // "" without points
}

type row struct {
	tick
	Cells []string
}

func (g Graph) draw(size string) template.HTML {
	top := g.top()
	v := view{Graph: g, Size: size, Width: width, Height: height, Up: g.up(top), Across: g.across(), Grid: g.grid(top)}
	var said []string
	for n, s := range g.Series {
		c := curve{N: n + 1, Name: s.Name}
		c.Line, c.Area = g.paths(s.Points, top)
		if k := len(s.Points); k > 0 {
			most := slices.MaxFunc(s.Points, func(a, b Point) int { return compare(a.V, b.V) })
			c.Latest = g.number(s.Points[k-1].V)
			said = append(said, fmt.Sprintf(g.Words.Latest, s.Name, c.Latest, g.number(most.V), most.At.In(g.Zone).Format("15:04")))
		} else {
			said = append(said, fmt.Sprintf(g.Words.Nothing, s.Name))
		}
		v.Curves = append(v.Curves, c)
	}
	v.Desc = strings.Join(said, ". ")
	if size == "large" {
		v.Rows = g.rows()
	}
	var b strings.Builder
	if err := graphs.Execute(&b, v); err != nil {
		panic(fmt.Sprintf("draw: %v", err)) // of a template and a struct that stand here
	}
	return template.HTML(b.String())
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// top is the end of the axis: a round number.
func (g Graph) top() float64 {
	most := max(g.Top, 1)
	for _, s := range g.Series {
		for _, p := range s.Points {
			most = max(most, p.V)
		}
	}
	scale := math.Pow(10, math.Floor(math.Log10(most)))
	for _, round := range []float64{1, 1.2, 1.6, 2, 4, 6, 8} {
		if round*scale >= most && (scale >= 10 || round == math.Floor(round)) {
			return round * scale
		}
	}
	return 10 * scale
}

func (g Graph) number(v float64) string {
	return strconv.FormatFloat(math.Round(v), 'f', 0, 64) + g.Unit
}

// up labels the axis: nothing is half a call.
func (g Graph) up(top float64) []string {
	if top < 2 {
		return []string{g.number(top), g.number(0)}
	}
	return []string{g.number(top), g.number(top / 2), g.number(0)}
}

// parts is how many parts the time axis has.
const parts = 4

func (g Graph) across() (list []tick) {
	for n := range parts + 1 {
		list = append(list, g.tick(g.From.Add(g.To.Sub(g.From)*time.Duration(n)/parts)))
	}
	return list
}

func (g Graph) tick(t time.Time) tick {
	t = t.In(g.Zone)
	return tick{Time: t.Format(time.RFC3339), Text: t.Format("15:04")}
}

// grid has lines at the labels.
func (g Graph) grid(top float64) string {
	var b strings.Builder
	steps := len(g.up(top)) - 1
	for n := range steps + 1 {
		fmt.Fprintf(&b, "M0 %dH%d", n*height/steps, width)
	}
	for n := range parts + 1 {
		fmt.Fprintf(&b, "M%d 0V%d", n*width/parts, height)
	}
	return b.String()
}

// paths are the line of a series and the area below it, as steps: a point is as wide as the time that it stands for.
func (g Graph) paths(points []Point, top float64) (line, area string) {
	var l, a strings.Builder
	span := float64(g.To.Sub(g.From))
	x := func(t time.Time) string { return round(min(max(float64(t.Sub(g.From))/span, 0), 1) * width) }
	var last Point
	begun, at := false, "" // at is the height of the line
	end := func() {
		if begun {
			fmt.Fprintf(&l, "H%s", x(last.At.Add(g.Every)))
			fmt.Fprintf(&a, "H%sV%dZ", x(last.At.Add(g.Every)), height)
		}
	}
	for _, p := range points {
		if !p.At.Add(g.Every).After(g.From) || !p.At.Before(g.To) {
			continue
		}
		from, y := x(p.At), round(height*(1-min(max(p.V/top, 0), 1)))
		switch {
		case !begun || p.At.Sub(last.At) > g.Every*3/2:
			end()
			fmt.Fprintf(&l, "M%s %s", from, y)
			fmt.Fprintf(&a, "M%s %dV%s", from, height, y)
		case y != at:
			fmt.Fprintf(&l, "H%sV%s", from, y)
			fmt.Fprintf(&a, "H%sV%s", from, y)
		}
		begun, at, last = true, y, p
	}
	end()
	return l.String(), a.String()
}

// round has one decimal at most.
func round(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// rows are the figures hour by hour, the latest first. An hour without any point has none.
func (g Graph) rows() (list []row) {
	for begin := g.To.Add(-time.Hour); !begin.Before(g.From); begin = begin.Add(-time.Hour) {
		r, any := row{tick: g.tick(begin)}, false
		for _, s := range g.Series {
			v, ok := s.within(begin, begin.Add(time.Hour))
			cell := "–"
			if ok {
				cell, any = g.number(v), true
			}
			r.Cells = append(r.Cells, cell)
		}
		if any {
			list = append(list, r)
		}
	}
	return list
}

// within sums a time up.
func (s Series) within(from, to time.Time) (v float64, ok bool) {
	for _, p := range s.Points {
		if p.At.Before(from) || !p.At.Before(to) {
			continue
		}
		switch {
		case !ok:
			v, ok = p.V, true
		case s.Sum:
			v += p.V
		case s.Low:
			v = min(v, p.V)
		default:
			v = max(v, p.V)
		}
	}
	return v, ok
}
