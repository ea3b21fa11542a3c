package calls

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"viaduct/appliance/console/client"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
	"viaduct/appliance/web/draw"
	"viaduct/appliance/web/page"
)

// oneView is one call with all that is known of it.
type oneView struct {
	status.Explanation
	Kind     string // of the result's badge
	Live     bool   // it is in progress
	Admin    bool
	Said     []headed // what became of it
	Do       []string // what to do
	Talked   time.Duration
	Steps    []stepView
	Sides    []sideView
	Ladder   template.HTML
	Legs     []status.TraceLeg
	NoLadder string
	Shed     int
}

// headed are sentences below one heading.
type headed struct {
	Head  string
	Texts []string
}

type stepView struct {
	Table, Text string
}

// sideView is the voice of one side.
type sideView struct {
	status.RecordMedia
	Voice     voiceView
	Interface string
	Loss      float64 // per cent
	Graphs    []template.HTML
}

func one(q *page.Request) error {
	v, err := oneOf(q, q.Path("id"))
	if err != nil {
		return err
	}
	return q.RenderTitled(q.T("calls.one", v.Record.ID), "call.html", v)
}

// current is a call in progress, and for a while the one that has ended under the reader's eyes.
func current(q *page.Request) (string, any, error) {
	v, err := oneOf(q, q.Query("id"))
	return "one.html", v, err
}

func oneOf(q *page.Request, id string) (v oneView, err error) {
	if v.Explanation, err = explained(q, id); err != nil {
		return v, err
	}
	r := &v.Record
	v.Kind, v.Live, v.Admin = kindOf(*r), r.Ended.IsZero(), q.Class.May(page.Administrator)
	if !r.Connected.IsZero() && !v.Live {
		v.Talked = r.Ended.Sub(r.Connected)
	}
	v.sentences()
	for _, s := range r.Route {
		v.Steps = append(v.Steps, stepView{s.Table, route.Step(s).String()})
	}
	for n, m := range r.Media {
		v.Sides = append(v.Sides, sideOf(q, r, n, m))
	}
	return v, v.ladder(q)
}

// sentences puts the explanation below its headings.
func (v *oneView) sentences() {
	for _, l := range v.Lines {
		if l.Head == "To do" {
			v.Do = append(v.Do, l.Text)
			continue
		}
		if n := len(v.Said); n == 0 || v.Said[n-1].Head != l.Head {
			v.Said = append(v.Said, headed{Head: l.Head})
		}
		last := &v.Said[len(v.Said)-1]
		last.Texts = append(last.Texts, l.Text)
	}
}

// ladder draws the messages, as far as they are kept.
func (v *oneView) ladder(q *page.Request) error {
	var t status.CallTrace
	err := q.Status("ladder", url.Values{"id": {v.Record.ID}}, &t)
	var refused *client.Refused
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		v.NoLadder = refused.Text
		return nil
	case err != nil:
		return err
	}
	l := draw.Ladder{ID: "ladder", Title: q.T("calls.ladder"), Columns: []draw.Column{{}, {Name: "SBC"}}}
	for n, leg := range t.Legs {
		c := draw.Column{Name: status.LegName(n), Below: leg.Interface}
		if n == 0 {
			l.Columns[0] = c
		} else {
			l.Columns = append(l.Columns, c)
		}
		v.Shed += leg.Shed
	}
	const box = 1
	for n, m := range t.Messages {
		peer := m.Leg + 1
		if m.Leg == 0 {
			peer = 0
		}
		s := draw.Step{Time: fmt.Sprintf("%.3f", m.Time.Sub(t.Messages[0].Time).Seconds()), From: peer, To: box, Label: m.Label(), Again: m.Again, Kind: stepKind(m.Code)}
		if m.Sent {
			s.From, s.To = box, peer
		}
		s.Way = q.T("calls.ladder.way", l.Columns[s.From].Name, l.Columns[s.To].Name)
		if v.Admin {
			s.Link = fmt.Sprintf("/calls/%s/message/%d", url.PathEscape(v.Record.ID), n+1)
		}
		l.Steps = append(l.Steps, s)
	}
	v.Legs, v.Ladder = t.Legs, l.Draw()
	return nil
}

func stepKind(code int) draw.StepKind {
	switch {
	case code == 0:
		return draw.StepRequest
	case code < 200:
		return draw.StepProvisional
	case code < 300:
		return draw.StepDone
	}
	return draw.StepRefused
}

func sideOf(q *page.Request, r *status.Record, n int, m status.RecordMedia) sideView {
	iface := r.From
	if m.Side == status.ByCallee || m.Side == "" && n > 0 {
		iface = r.To
	}
	s := sideView{RecordMedia: m, Interface: iface, Voice: voiceOf(iface, m.Codec, m.MOS)}
	if m.Lost > 0 {
		s.Loss = 100 * float64(m.Lost) / (float64(m.Lost) + float64(m.Received))
	}
	c := m.Course
	if c == nil {
		return s
	}
	one := draw.Course{Start: time.Duration(c.StartS) * time.Second, Step: time.Duration(c.StepS) * time.Second, Worst: q.T("calls.course.worst"), Nothing: q.T("calls.course.nothing")}
	for _, g := range []struct {
		id, title, unit string
		values          []int
		scale, top      float64
		low             bool
	}{{"r", "calls.course.r", "", c.R, 1, 100, true}, {"loss", "calls.course.loss", " %", c.LossPermille, 10, 4, false}, {"jitter", "calls.course.jitter", " ms", c.JitterMS, 1, 20, false}} {
		if len(g.values) == 0 {
			continue
		}
		one.ID, one.Title, one.Unit, one.Top, one.Low = fmt.Sprintf("course-%d-%s", n, g.id), q.T(g.title), g.unit, g.top, g.low
		one.Values = nil
		for _, value := range g.values {
			one.Values = append(one.Values, float64(value)/g.scale)
		}
		s.Graphs = append(s.Graphs, one.Draw())
	}
	return s
}

// messageView is one message of a ladder.
type messageView struct {
	status.TraceMessage
	ID       string
	Number   string
	From, To string
	More     int // octets that are not kept
}

// message shows the text of one message.
func message(q *page.Request) error {
	v := messageView{Number: q.Path("n"), ID: q.Path("id")}
	if err := q.Status("message", url.Values{"id": {v.ID}, "message": {v.Number}}, &v.TraceMessage); err != nil {
		return err
	}
	v.From, v.To = v.Remote.String(), v.Local.String()
	if v.Sent {
		v.From, v.To = v.To, v.From
	}
	v.More = v.Size - len(v.Text)
	v.Text = strings.ReplaceAll(v.Text, "\r\n", "\n")
	if q.Scripted() {
		return q.Fragment("message.html", v)
	}
	return q.RenderTitled(cmp.Or(v.Label(), v.Number), "message.html", v)
}
