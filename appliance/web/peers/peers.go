// Package peers is the page with those whom the box speaks SIP with: peers, registrations, gateways, and what is being taken out of service.
//
// It owns the page. What is known of them comes from sbcd, and each button is a command of the console.
package peers

import (
	"cmp"
	"embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /peers.
var Page = page.Page{
	Path: "/peers", Title: "peers.title", Icon: "peers", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /peers": list, "POST /peers/release": release, "POST /peers/register": register, "GET /peers/drain": askDrain, "POST /peers/drain": drain, "POST /peers/undrain": undrain,
	},
	Topics: map[string]page.Topic{"peers.now": now},
}

// view is the page.
type view struct {
	Peers         []peerView
	Registrations []registrationView
	Gateways      []gatewayView
	Draining      []drainView
	Admin         bool
}

type peerView struct {
	status.Peer
	Kind     string // of the badge
	TLS      *status.TLS
	Expiring bool // its certificate ends within a month
	RTTMS    float64
	Counts   []count
	Drain    *drainView // nil: it is in service
}

// count is how many messages of one kind there were.
type count struct {
	Of             string
	Received, Sent uint64
}

type registrationView struct {
	status.Registration
	Kind string
	Why  string // of the last failure
	Do   string // key of what to do about it; "": nothing
}

type gatewayView struct {
	status.Gateway
	Dropped uint64
	Sockets []socketView
}

type socketView struct {
	Interface, Address, Transport, Kind, State, Error string
}

type drainView struct {
	status.Drain
	Line string // that takes it back
}

func list(q *page.Request) error {
	_, v, err := now(q)
	if err != nil {
		return err
	}
	return q.Render("peers.html", v)
}

// now is all of it at this moment.
func now(q *page.Request) (string, any, error) {
	var peers []status.Peer
	var registrations []status.Registration
	var gateways []status.Gateway
	var connections []status.Connection
	var system status.System
	for part, into := range map[string]any{"peers": &peers, "registrations": &registrations, "gateways": &gateways, "connections": &connections, "system": &system} {
		if err := q.Status(part, nil, into); err != nil {
			return "", nil, err
		}
	}
	v := view{Admin: q.Class.May(page.Administrator)}
	for _, d := range system.Draining {
		v.Draining = append(v.Draining, drainView{d, undrainLine(d.What)})
	}
	for _, p := range peers {
		v.Peers = append(v.Peers, peerOf(p, connections, v.Draining))
	}
	for _, r := range registrations {
		v.Registrations = append(v.Registrations, registrationOf(r))
	}
	for _, g := range gateways {
		v.Gateways = append(v.Gateways, gatewayOf(g))
	}
	return "now.html", v, nil
}

func peerOf(p status.Peer, connections []status.Connection, draining []drainView) peerView {
	v := peerView{Peer: p, RTTMS: float64(p.RTT) / float64(time.Millisecond)}
	v.Kind = map[status.PeerState]string{status.PeerUp: "ok", status.PeerRefuses: "error", status.PeerDown: "error", status.PeerUnknown: "info", status.PeerUnasked: "off"}[p.State]
	newest := time.Time{}
	for _, c := range connections {
		if c.Interface == p.Interface && c.TLS != nil && c.TLS.Subject != "" && !c.Opened.Before(newest) {
			v.TLS, newest = c.TLS, c.Opened
		}
	}
	v.Expiring = v.TLS != nil && time.Until(v.TLS.NotAfter) < 30*24*time.Hour
	v.Counts = countsOf(p.Messages)
	for n := range draining {
		if draining[n].What == "interface sip "+p.Interface {
			v.Drain = &draining[n]
		}
	}
	return v
}

// countsOf are requests by method and responses by code, both directions beside each other.
func countsOf(t status.SIPTraffic) (list []count) {
	add := func(counts []status.SIPCount, sent bool) {
		for _, c := range counts {
			n := slices.IndexFunc(list, func(x count) bool { return x.Of == c.Of })
			if n < 0 {
				list, n = append(list, count{Of: c.Of}), len(list)
			}
			if sent {
				list[n].Sent = c.N
			} else {
				list[n].Received = c.N
			}
		}
	}
	add(t.Received.Requests, false)
	add(t.Sent.Requests, true)
	add(t.Received.Responses, false)
	add(t.Sent.Responses, true)
	return list
}

func registrationOf(r status.Registration) registrationView {
	v := registrationView{Registration: r}
	v.Kind = map[status.RegistrationState]string{status.Registered: "ok", status.Registering: "info", status.RegistrationFailed: "error"}[r.State]
	if r.State == status.Registered {
		return v
	}
	v.Why = r.Error
	if r.Code >= 300 {
		v.Why = cmp.Or(r.Error, strings.TrimSpace(fmt.Sprint(r.Code)+" "+r.Reason))
	}
	switch {
	case r.Code == 401 || r.Code == 403 || r.Code == 407:
		v.Do = "peers.do.password"
	case r.Code == 404:
		v.Do = "peers.do.account"
	case r.Code == 0 && r.State == status.RegistrationFailed:
		v.Do = "peers.do.reach"
	case r.Code >= 500:
		v.Do = "peers.do.server"
	}
	return v
}

func gatewayOf(g status.Gateway) gatewayView {
	v := gatewayView{Gateway: g, Dropped: g.Untrusted + g.Malformed + g.Surplus}
	for _, i := range g.Interfaces {
		if len(i.Listeners) == 0 {
			kind := map[status.GatewayInterfaceState]string{status.GatewayUp: "ok", status.GatewayFailed: "error", status.GatewayShutdown: "off"}[i.State]
			v.Sockets = append(v.Sockets, socketView{Interface: i.Name, Kind: kind, State: i.State.String(), Error: i.Error})
		}
		for _, l := range i.Listeners {
			kind := map[status.ListenerState]string{status.ListenerOpen: "ok", status.ListenerFailed: "error", status.ListenerNoAddress: "warning"}[l.State]
			v.Sockets = append(v.Sockets, socketView{i.Name, l.Address.String(), l.Transport, kind, l.State.String(), l.Error})
		}
	}
	return v
}

// undrainLine is the command that takes something back into service, by the name that the status has for it.
func undrainLine(what string) string {
	if what == "the box" {
		return "no drain"
	}
	return "no drain " + what
}

// run runs a command and goes back to the page.
func run(q *page.Request, line, done string) error {
	out, err := q.Enabled(line, "", true)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return q.Fail(http.StatusConflict, "frame.refused", strings.TrimSpace(out.Text))
	}
	q.Toast("ok", done)
	return q.Redirect("/peers")
}

// named is the interface that a form names, if it has a peer.
func named(q *page.Request, name string) (string, error) {
	var peers []status.Peer
	if err := q.Status("peers", nil, &peers); err != nil {
		return "", err
	}
	if !slices.ContainsFunc(peers, func(p status.Peer) bool { return p.Interface == name }) {
		return "", q.Fail(http.StatusNotFound, "peers.gone")
	}
	return cli.Quote(name), nil
}

// release takes a peer out of the penalty box.
func release(q *page.Request) error {
	name, err := named(q, q.Form("interface"))
	if err != nil {
		return err
	}
	return run(q, "clear penalty-box "+name, q.T("peers.released"))
}

// register registers an identity now.
func register(q *page.Request) error {
	var all []status.Registration
	if err := q.Status("registrations", nil, &all); err != nil {
		return err
	}
	identity := q.Form("identity")
	if !slices.ContainsFunc(all, func(r status.Registration) bool { return r.Identity == identity }) {
		return q.Fail(http.StatusNotFound, "peers.gone")
	}
	return run(q, "register now "+cli.Quote(identity), q.T("peers.registering"))
}

// askDrain asks before an interface is taken out of service.
func askDrain(q *page.Request) error {
	name := q.Query("interface")
	if _, err := named(q, name); err != nil {
		return err
	}
	return q.RenderTitled(q.T("peers.drain"), "drain.html", name)
}

func drain(q *page.Request) error {
	name, err := named(q, q.Form("interface"))
	if err != nil {
		return err
	}
	return run(q, "drain interface sip "+name, q.T("peers.drained"))
}

// undrain takes back what is being taken out of service.
func undrain(q *page.Request) error {
	var system status.System
	if err := q.Status("system", nil, &system); err != nil {
		return err
	}
	for _, d := range system.Draining {
		if d.What == q.Form("what") {
			return run(q, undrainLine(d.What), q.T("peers.undrained"))
		}
	}
	return q.Fail(http.StatusNotFound, "peers.gone")
}
