package view

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/web/assets"
)

//go:embed page
var files embed.FS

// looker is what the page asks of a Hub.
type looker interface {
	// fleets reads all customers, and says which could not be read.
	fleets(ctx context.Context) (list []Fleet, failed []string, err error)
	// past reads what a box has said last.
	past(ctx context.Context, customer, box string) ([]Alarm, []Call, error)
}

const (
	fresh     = 3 * time.Second // for so long everybody sees the same look
	lookTime  = 10 * time.Second
	onPage    = 100 // boxes
	pastShown = 50  // alarms and calls of the past
	maxQuery  = 64  // octets that somebody looks for
	maxListed = 6   // pools or versions in the figures above
)

// pages answers browsers. Of all that stands in its answers nothing is markup but its own.
type pages struct {
	hub  looker
	node string
	log  *slog.Logger
	zone *time.Location // of the times

	overview, box, problem *template.Template

	mu     sync.Mutex // held while somebody looks, so that others wait for what he sees
	at     time.Time
	seen   []Fleet
	failed []string
}

// hash is that of the files of the page, which browsers keep as long as it is the same.
var hash = sync.OnceValue(func() string {
	h := sha256.New()
	for _, name := range own {
		text, _ := files.ReadFile("page/" + name) // embedded: it is there
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
})

// own are files of the page; shared are those of the box's web page.
var (
	own    = []string{"fleet.css", "fleet.js"}
	shared = []string{"style.css", "icon.svg"}
)

func newPages(h looker, node string, log *slog.Logger) *pages {
	p := &pages{hub: h, node: node, log: log, zone: time.Local}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"asset": assets.Path, "own": func(name string) string { return "/fleet/" + hash() + "/" + name },
		"icon": assets.Icon, "badge": badge, "kindOf": kindOf, "plural": plural.Of, "boxes": boxes, "text": printable.Text, "size": size,
		"clock": func(t time.Time) string { return clock(t, p.zone) },
		"since": (*Box).since, "zone": func() string { return "Times are the hub's: " + time.Now().In(p.zone).Format("MST (UTC-07:00)") + "." },
		"add": func(a, b int) int { return a + b },
	}).ParseFS(files, "page/layout.html"))
	for name, t := range map[string]**template.Template{"overview": &p.overview, "box": &p.box, "problem": &p.problem} {
		*t = template.Must(template.Must(layout.Clone()).ParseFS(files, "page/"+name+".html"))
	}
	return p
}

func boxes(n int) string {
	if n == 1 {
		return "1 box"
	}
	return strconv.Itoa(n) + " boxes"
}

// badge is a state: a mark and a word. The mark differs in shape, too.
func badge(kind, text string) template.HTML {
	return template.HTML(`<span class="badge `+kind+`">`) + assets.Icon("state-"+kind) + template.HTML(template.HTMLEscapeString(text)+`</span>`)
}

// kindOf is how a state or a severity looks.
func kindOf(v any) string {
	switch v {
	case Connected:
		return "ok"
	case Lost, "error", "critical":
		return "error"
	case Keyless, "warning":
		return "warning"
	case Unseen, "info":
		return "info"
	}
	return "off"
}

// since says since when a box is as it is.
func (b *Box) since(now time.Time) string {
	d := ago(now.Sub(b.Since))
	switch {
	case b.Since.IsZero():
		return ""
	case b.State == Lost:
		return "heard " + d + " ago"
	case b.State == Connected:
		return "up for " + d
	default:
		return "for " + d
	}
}

// IsConnected is for templates.
func (b *Box) IsConnected() bool { return b.State == Connected }

// HasLease is for templates.
func (b *Box) HasLease() bool {
	return slices.ContainsFunc(b.Leases, func(s Share) bool { return s.Count > 0 })
}

// Wrong says what is wrong with the box beside its alarms.
func (b *Box) Wrong() string {
	switch d := b.Clock.Abs(); {
	case b.Heard.IsZero() || d < 2*time.Minute:
		return ""
	case b.Clock > 0:
		return "Its clock is " + ago(d) + " ahead of the hub's."
	default:
		return "Its clock is " + ago(d) + " behind the hub's."
	}
}

// look reads all fleets, or has what was read a moment ago.
func (p *pages) look(ctx context.Context) ([]Fleet, []string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.at) < fresh && !now.Before(p.at) {
		return p.seen, p.failed, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	list, failed, err := p.hub.fleets(ctx)
	if err != nil {
		return nil, nil, err
	}
	p.at, p.seen, p.failed = time.Now(), list, failed
	return list, failed, nil
}

// ServeHTTP implements http.Handler, for requests that may come in.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); {
	case r.URL.Path == "/":
		p.serveOverview(w, r)
	case first == "box":
		customer, name, _ := strings.Cut(rest, "/")
		p.serveBox(w, r, customer, name)
	case "/"+first+"/" == assets.Prefix && slices.Contains(shared, path.Base(rest)):
		assets.Serve(w, r)
	case first == "fleet" && slices.Contains(own, path.Base(rest)):
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		w.Header().Set("Content-Type", map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}[path.Ext(rest)])
		text, _ := files.ReadFile("page/" + path.Base(rest))
		w.Write(text)
	default:
		p.say(w, http.StatusNotFound, "Not here", "There is no such page.")
	}
}

// frame is what the layout shows.
type frame struct {
	Title, Node string
	Sum         *sum
	At          time.Time
	Failed      []string
}

func (p *pages) render(w http.ResponseWriter, status int, t *template.Template, data any) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		p.log.Error("page not made", "err", err)
		http.Error(w, "the page could not be made: the log of the hub says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

func (p *pages) say(w http.ResponseWriter, status int, title, text string) {
	p.render(w, status, p.problem, struct {
		frame
		Text string
	}{frame{Title: title, Node: p.node}, text})
}

// away answers when the hub could not be read.
func (p *pages) away(w http.ResponseWriter, err error) {
	p.log.Warn("fleet not read for the page", "err", err)
	p.say(w, http.StatusServiceUnavailable, "The hub cannot be read now", printable.Short(err.Error(), 400))
}

func (p *pages) serveBox(w http.ResponseWriter, r *http.Request, customer, name string) {
	fleets, failed, err := p.look(r.Context())
	if err != nil {
		p.away(w, err)
		return
	}
	data := struct {
		frame
		Box    *Box
		Alarms []Alarm
		Calls  []Call
	}{frame: frame{Title: name, Node: p.node, Sum: sumOf(fleets)}}
	for _, f := range fleets {
		if f.Customer != customer {
			continue
		}
		if i := slices.IndexFunc(f.Boxes, func(b Box) bool { return b.Name == name }); i >= 0 {
			data.Box, data.At = &f.Boxes[i], f.At
		}
	}
	if data.Box == nil {
		p.say(w, http.StatusNotFound, "No such box", "The hub has no such box, or its customer cannot be read now. "+strings.Join(failed, " "))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookTime)
	defer cancel()
	if data.Alarms, data.Calls, err = p.hub.past(ctx, customer, name); err != nil {
		data.Failed = append(data.Failed, "The past of the box cannot be read now: "+printable.Short(err.Error(), 400))
	}
	slices.Reverse(data.Alarms)
	slices.Reverse(data.Calls)
	p.render(w, http.StatusOK, p.box, data)
}

// overview is what the first page shows.
type overview struct {
	frame
	Customers              []string
	Customer, State, Query string
	States                 []string
	Filtered               bool
	Pools                  []poolRow
	MorePools              int
	Versions               []version
	MoreVersions           int
	Usual                  string // the firmware that most boxes have
	Rows                   []*Box
	Found                  int
	Page, Pages            int
	Before, After          string // addresses
}

type poolRow struct {
	Pool
	Customer string // "" when there is but one
	Most     int    // of the meter
	High     int
}

type version struct {
	Name  string
	Count int
	Usual bool
}

func (p *pages) serveOverview(w http.ResponseWriter, r *http.Request) {
	fleets, failed, err := p.look(r.Context())
	if err != nil {
		p.away(w, err)
		return
	}
	query := r.URL.Query()
	o := overview{
		frame: frame{Title: "Boxes", Node: p.node, Failed: failed, At: time.Now()}, Query: strings.TrimSpace(query.Get("q")), State: query.Get("state"), Customer: query.Get("customer"),
		States: append(slices.Clone(states[:]), "alarms"),
	}
	o.Query = o.Query[:min(len(o.Query), maxQuery)]
	chosen := fleets[:0:0]
	for _, f := range fleets {
		o.Customers = append(o.Customers, f.Customer)
		if o.Customer == "" || o.Customer == f.Customer {
			chosen = append(chosen, f)
			o.At = f.At
		}
	}
	o.Sum = sumOf(chosen)
	o.versions(chosen)
	for i := range chosen {
		for _, pool := range chosen[i].Pools {
			if pool.Total > 0 || pool.Leased > 0 {
				row := poolRow{Pool: pool, Most: max(pool.Total, pool.Leased), High: max(pool.Total, pool.Leased) * 9 / 10}
				if len(chosen) > 1 {
					row.Customer = chosen[i].Customer
				}
				o.Pools = append(o.Pools, row)
			}
		}
		for j := range chosen[i].Boxes {
			if b := &chosen[i].Boxes[j]; b.fits(o.State, o.Query) {
				o.Rows = append(o.Rows, b)
			}
		}
	}
	slices.SortStableFunc(o.Pools, func(a, b poolRow) int { return cmp.Compare(b.Leased*a.Most, a.Leased*b.Most) }) // the fullest first
	o.MorePools = max(0, len(o.Pools)-maxListed)
	o.Pools = o.Pools[:len(o.Pools)-o.MorePools]
	slices.SortStableFunc(o.Rows, func(a, b *Box) int { return worseFirst(*a, *b) })
	o.Filtered = o.State != "" || o.Query != "" || o.Customer != ""
	o.turn(query.Get("page"))
	p.render(w, http.StatusOK, p.overview, &o)
}

// turn has the overview show one page of its rows.
func (o *overview) turn(page string) {
	o.Found = len(o.Rows)
	o.Pages = max(1, (o.Found+onPage-1)/onPage)
	o.Page, _ = strconv.Atoi(page)
	o.Page = min(max(o.Page, 1), o.Pages)
	o.Rows = o.Rows[(o.Page-1)*onPage : min(o.Page*onPage, o.Found)]
	address := func(page int) string {
		if page < 1 || page > o.Pages {
			return ""
		}
		v := url.Values{}
		for name, value := range map[string]string{"q": o.Query, "state": o.State, "customer": o.Customer} {
			if value != "" {
				v.Set(name, value)
			}
		}
		v.Set("page", strconv.Itoa(page))
		return "/?" + v.Encode()
	}
	o.Before, o.After = address(o.Page-1), address(o.Page+1)
}

// versions counts those of the firmware. What differs from the usual one is what somebody looks for.
func (o *overview) versions(fleets []Fleet) {
	count := map[string]int{}
	for _, f := range fleets {
		for i := range f.Boxes {
			if b := &f.Boxes[i]; b.Firmware != "" && b.State != Revoked {
				count[b.Firmware]++
			}
		}
	}
	for name, n := range count {
		o.Versions = append(o.Versions, version{Name: name, Count: n})
	}
	slices.SortFunc(o.Versions, func(a, b version) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Name, a.Name)) })
	if len(o.Versions) > 0 {
		o.Versions[0].Usual, o.Usual = true, o.Versions[0].Name
	}
	o.MoreVersions = max(0, len(o.Versions)-maxListed)
	o.Versions = o.Versions[:len(o.Versions)-o.MoreVersions]
}

// fits reports whether a box is one that somebody looks for.
func (b *Box) fits(state, query string) bool {
	if state == "alarms" && b.Count() == 0 || state != "" && state != "alarms" && state != b.State.String() {
		return false
	}
	query = strings.ToLower(query)
	return query == "" || strings.Contains(b.Name, query) || strings.Contains(strings.ToLower(b.Serial), query) || strings.Contains(strings.ToLower(b.Firmware), query)
}

// sum is of several fleets.
type sum struct {
	Boxes, Alarms, Calls int
	States, Severities   []part
	Worst                string // how the worst alarm looks
}

// part is how many there are of what.
type part struct {
	Count      int
	Name, Kind string
}

func sumOf(fleets []Fleet) *sum {
	s := &sum{Worst: "ok"}
	inState, ofSeverity := make([]int, len(states)), make([]int, len(severities))
	for _, f := range fleets {
		for i := range f.Boxes {
			b := &f.Boxes[i]
			s.Boxes++
			inState[b.State]++
			if b.State == Revoked {
				continue
			}
			s.Alarms += b.Count()
			for _, a := range b.Alarms {
				ofSeverity[rank(a.Severity)]++
			}
			if b.State == Connected {
				s.Calls += b.Calls
			}
		}
	}
	for i, n := range inState {
		if n > 0 {
			s.States = append(s.States, part{n, states[i], kindOf(State(i))})
		}
	}
	for i, n := range slices.Backward(ofSeverity) {
		if n > 0 {
			s.Severities = append(s.Severities, part{n, severities[i], kindOf(severities[i])})
			if kind := kindOf(severities[i]); s.Worst == "ok" && kind != "info" {
				s.Worst = kind
			}
		}
	}
	return s
}

// fleets implements looker.
func (h *Hub) fleets(ctx context.Context) (list []Fleet, failed []string, err error) {
	l, err := h.registry.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	h.drop(l)
	now := time.Now()
	for _, c := range hub.Sorted(l.Customers) {
		name := c.Name
		f, err := h.look(ctx, l, name, now)
		if err != nil {
			failed = append(failed, "The boxes of "+name+" cannot be read now: "+printable.Short(err.Error(), 400))
			continue
		}
		list = append(list, f)
	}
	return list, failed, nil
}

// past implements looker.
func (h *Hub) past(ctx context.Context, customer, box string) (alarms []Alarm, calls []Call, err error) {
	js, err := h.jetStream(customer)
	if err != nil {
		return nil, nil, err
	}
	err = lastOf(ctx, js, fleet.AlarmStream, fleet.KeptAlarmsOf(box), pastShown, false, func(m message) bool {
		if a, err := readAlarm(m); err == nil {
			alarms = append(alarms, a)
		}
		return true
	})
	return alarms, calls, errors.Join(err, lastOf(ctx, js, fleet.CallStream, fleet.KeptCallsOf(box), pastShown, false, func(m message) bool {
		if c, err := readCall(m); err == nil {
			calls = append(calls, c)
		}
		return true
	}))
}
