package draw

import (
	"encoding/xml"
	"errors"
	"flag"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	foreign "viaduct/appliance/printable/printabletest"
)

var update = flag.Bool("update", false, "write golden files")

func golden(t *testing.T, name string, got template.HTML) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs (-update writes it):\n%s", path, got)
	}
	wellFormed(t, got)
}

func wellFormed(t *testing.T, text template.HTML) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(text)))
	d.Entity = xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
}

var words = Words{Latest: "%s: now %s, most %s at %s", Nothing: "%s: no figures yet", Hour: "Hour", Table: "As a table"}

func berlin(t *testing.T) *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// day is a day on which the box did not run from 12:00 to 15:00.
func day(t *testing.T) Graph {
	zone := berlin(t)
	from, to := Day(time.Date(2026, 11, 30, 16, 42, 10, 0, zone), zone)
	g := Graph{ID: "calls", Title: "Calls", Link: "/day#calls", From: from, To: to, Zone: zone, Every: 5 * time.Minute, Words: words,
		Series: []Series{{Name: "at once"}, {Name: "begun", Sum: true}}}
	for at := from; at.Before(to.Add(-15 * time.Minute)); at = at.Add(5 * time.Minute) {
		hour := at.In(zone).Hour()
		if hour >= 12 && hour < 15 {
			continue
		}
		v := math.Round(6 + 6*math.Sin(float64(hour)/4))
		g.Series[0].Points = append(g.Series[0].Points, Point{at, v})
		g.Series[1].Points = append(g.Series[1].Points, Point{at, float64(hour % 3)})
	}
	return g
}

func TestGraphOfADay(t *testing.T) {
	g := day(t)
	golden(t, "day-large.html", g.Large())
	golden(t, "day-small.html", g.Small())
}

func TestGraphWithoutPoints(t *testing.T) {
	g := day(t)
	g.Series[0].Points, g.Series[1].Points, g.Link = nil, nil, ""
	golden(t, "empty.html", g.Large())
}

// A gap in the figures is one in the line, and an hour in it has no row.
func TestGapsAreGaps(t *testing.T) {
	g := day(t)
	line, area := g.paths(g.Series[0].Points, 20)
	if strings.Count(line, "M") != 2 || strings.Count(area, "Z") != 2 {
		t.Errorf("%s\n%s", line, area)
	}
	for _, r := range g.rows() {
		if r.Text == "12:00" || r.Text == "13:00" || r.Text == "14:00" {
			t.Errorf("a row for %s: %v", r.Text, r.Cells)
		}
	}
	if n := len(g.rows()); n != 21 {
		t.Errorf("%d rows", n)
	}
}

// On the last Sunday of October the hour from two to three comes twice in the box's zone: the day has its 24 hours, and no row is lost.
func TestTheNightInWhichClocksAreSetBack(t *testing.T) {
	zone := berlin(t)
	from, to := Day(time.Date(2026, 10, 25, 10, 0, 0, 0, zone), zone)
	g := Graph{From: from, To: to, Zone: zone, Every: time.Hour, Series: []Series{{Name: "x"}}}
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		g.Series[0].Points = append(g.Series[0].Points, Point{at, 1})
	}
	var two []string
	for _, r := range g.rows() {
		if r.Text == "02:00" {
			two = append(two, r.Time)
		}
	}
	if len(g.rows()) != 24 || len(two) != 2 || two[0] == two[1] {
		t.Errorf("%v of %d rows", two, len(g.rows()))
	}
}

func TestDayEndsWithTheHourOfTheZone(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata") // half an hour from the others
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []*time.Location{time.UTC, kolkata} {
		_, to := Day(time.Date(2026, 11, 30, 16, 42, 10, 5, zone), zone)
		if text := to.In(zone).Format("15:04:05.000000"); text != "17:00:00.000000" {
			t.Errorf("%s: %s", zone, text)
		}
	}
}

// Points outside the range, of a clock that was set, and figures that are none, stay inside the drawing.
func TestWhatIsOutsideIsNotDrawn(t *testing.T) {
	g := day(t)
	inside := g.From.Add(time.Hour)
	line, _ := g.paths([]Point{{g.From.Add(-time.Hour), 5}, {g.From.Add(-time.Minute), 3}, {inside, -7}, {inside.Add(g.Every), math.Inf(1)}, {g.To, 2}}, 10)
	for _, number := range regexp.MustCompile(`[-\d.]+|NaN|Inf`).FindAllString(line, -1) {
		if strings.HasPrefix(number, "-") || len(number) > 5 || number == "NaN" || number == "Inf" {
			t.Errorf("%s in %s", number, line)
		}
	}
	if strings.Count(line, "M") != 2 {
		t.Error(line)
	}
}

func TestTheAxisEndsAtARoundNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "1", 1: "1", 3: "4", 9: "10", 12: "12", 13: "16", 110: "120", 17: "20", 61: "80", 99.5: "100", 1001: "1200"} {
		g := Graph{Series: []Series{{Points: []Point{{V: v}}}}}
		if got := g.number(g.top()); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if up := (Graph{Unit: " %", Top: 100}).up(100); strings.Join(up, " ") != "100 % 50 % 0 %" {
		t.Error(up)
	}
}

// Names may be those of peers.
func TestTextOfAGraphIsEscaped(t *testing.T) {
	g := day(t)
	g.Title, g.Series[0].Name = "<script>alert(1)</script>", `"><img src=x>`+foreign.Text
	if text := string(g.Large()); strings.Contains(text, "<script") || strings.Contains(text, "<img") {
		t.Error(text)
	}
}
