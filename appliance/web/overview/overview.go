// Package overview has the first page, which says whether everything is well and what to do where it is not, the day in graphs, and the alarms.
//
// It owns these pages. What is wrong, and what cures it, sbcd says; a cure is run as lines of the user, as they are at that moment.
package overview

import (
	"embed"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/console/client"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /overview.
var Page = page.Page{
	Path: "/overview", Title: "overview.title", Icon: "overview", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{"GET /overview": show, "GET /overview/day": showDay},
	Topics: map[string]page.Topic{"overview.state": state, "overview.day": day},
}

// view is the state of the box, as the first page shows it.
type view struct {
	Alarms        list
	New           bool // from the factory: no gateway is configured
	MayChange     bool
	Calls         int
	Traffic       status.Traffic
	Pools         []pool
	Registrations count
	Peers         []status.Peer
	Ports         []port
	Clock         status.Clock
	System        status.System
	Fleet         status.Fleet // without a name: the box belongs to none
	Pair          status.Redundancy
	Image         status.Image // the running one
	Images        bool         // the box runs from an image
	Check         status.Checkup
	Results       map[string]int // steps of the check by state
	Change        status.Changed // of the configuration, the last one since the start
}

// port is one with the word for its link.
type port struct{ status.Port }

// Word is the state as the end of a key.
func (p port) Word() string { return strings.ReplaceAll(p.State.String(), " ", "-") }

// pool is one of licenses, with the most that was in use.
type pool struct {
	status.Pool
	Most int
}

// count is how many of all are well; those that are not are named, the first ones.
type count struct {
	Up, All int
	Away    []status.Registration
}

// maxNamed bounds what is listed of a kind: the pages of its own have all.
const maxNamed = 4

func show(q *page.Request) error {
	_, now, err := state(q)
	if err != nil {
		return err
	}
	_, graphs, err := day(q)
	if err != nil {
		return err
	}
	return q.Render("overview.html", map[string]any{"State": now, "Day": graphs})
}

// state is the topic of everything but the graphs.
func state(q *page.Request) (string, any, error) {
	v := view{MayChange: q.Class.May(page.Administrator), Results: map[string]int{}}
	var alarms []health.Alarm
	var licenses status.Licenses
	var images status.Images
	var registrations []status.Registration
	var gateways []status.Gateway
	for part, into := range map[string]any{
		"alarms": &alarms, "licenses": &licenses, "registrations": &registrations, "gateways": &gateways, "traffic": &v.Traffic, "peers": &v.Peers,
		"ports": &v.Ports, "clock": &v.Clock, "system": &v.System, "check": &v.Check, "fleet": &v.Fleet, "redundancy": &v.Pair,
	} {
		if err := q.Status(part, nil, into); err != nil {
			return "", nil, err
		}
	}
	// Off an image there is no installer.
	if err := q.Status("images", nil, &images); err != nil && !missing(err) {
		return "", nil, err
	}
	if err := v.lastChange(q); err != nil {
		return "", nil, err
	}
	v.Alarms, v.New = of(q, alarms), len(gateways) == 0
	v.Alarms.Short = true
	v.licenses(licenses)
	v.Registrations = counted(registrations)
	v.Image, v.Images = running(images)
	for _, s := range v.Check.Steps {
		v.Results[s.State.String()]++
	}
	slices.SortStableFunc(v.Peers, func(a, b status.Peer) int { return int(rank(a.State)) - int(rank(b.State)) })
	return "state.html", v, nil
}

// missing reports whether sbcd has refused a question, rather than not answered.
func missing(err error) bool {
	var refused *client.Refused
	return errors.As(err, &refused) && slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable}, refused.Status)
}

// rank has peers that are away first.
func rank(s status.PeerState) int {
	switch s {
	case status.PeerDown, status.PeerRefuses:
		return 0
	case status.PeerUnknown:
		return 1
	}
	return 2
}

// lastChange asks who changed the configuration last, which is not for operators.
func (v *view) lastChange(q *page.Request) error {
	if !v.MayChange {
		return nil
	}
	return q.Status("last-change", nil, &v.Change)
}

func (v *view) licenses(l status.Licenses) {
	for _, p := range l.Pools {
		if p.Name == status.SessionPool {
			v.Calls = p.Alloc
		}
		n := slices.IndexFunc(l.Peaks, func(x status.Peak) bool { return x.Name == p.Name })
		most := p.Alloc
		if n >= 0 {
			most = l.Peaks[n].Most
		}
		v.Pools = append(v.Pools, pool{p, most})
	}
}

func counted(all []status.Registration) count {
	c := count{All: len(all)}
	for _, r := range all {
		switch {
		case r.State == status.Registered:
			c.Up++
		case len(c.Away) < maxNamed:
			c.Away = append(c.Away, r)
		}
	}
	return c
}

func running(all status.Images) (status.Image, bool) {
	for _, i := range all.Slots {
		if i.Running {
			return i, true
		}
	}
	return status.Image{}, false
}

// Failed counts the calls that nobody answered.
func (v view) Failed() int { return max(0, v.Traffic.Calls-v.Traffic.Answered) }

// Talk is the mean length of answered calls.
func (v view) Talk() time.Duration {
	if v.Traffic.Answered == 0 {
		return 0
	}
	return v.Traffic.Talk / time.Duration(v.Traffic.Answered)
}

// PeersUp counts those that answer, and PeersAsked those that are asked.
func (v view) PeersUp() (n int) {
	for _, p := range v.Peers {
		if p.State == status.PeerUp {
			n++
		}
	}
	return n
}

// PeersAsked counts the peers that get OPTIONS.
func (v view) PeersAsked() (n int) {
	for _, p := range v.Peers {
		if p.State != status.PeerUnasked {
			n++
		}
	}
	return n
}
