package sipevent

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// The box takes what a PBX publishes of its users (an event state compositor, RFC 3903): an Asterisk with outbound-publish tells of every extension
// by itself. Only a peer whose interface has `use presence-service` may do so.

const (
	mostPublished = 10000       // publications of all peers
	leastLife     = time.Minute // of publications and subscriptions here; a shorter one is refused with 423
	mostLife      = time.Hour
)

// published names a publication. A PBX has one for each of its users: one that begins anew, as after a restart, takes the place of the old one, which
// nobody will end.
type published struct {
	iface config.InterfaceID
	user  string
}

// composed is a publication here.
type composed struct {
	etag    string
	expires time.Time
	timer   *time.Timer
	table   dialoginfo.Table // of dialog-info
	line    Line
}

// publishedHere handles a PUBLISH, in a read loop.
func (a *Agent) publishedHere(r *sipgw.ServerRequest) {
	a.mu.Lock()
	code, h := a.compose(r)
	a.release()
	r.Respond(code, h...)
}

// compose does so, and returns the response. The lock is held, so that lines are told in order.
func (a *Agent) compose(r *sipgw.ServerRequest) (int, []sipmsg.Header) {
	event := word(r.Header("Event"))
	if !a.serves(r.Interface) || event != "dialog" && event != "presence" {
		return 489, []sipmsg.Header{{Name: "Allow-Events", Value: "refer"}}
	}
	key := published{r.Interface.ID(), printable.Short(sipmsg.SplitURI(r.URI).User, dialoginfo.MaxText)}
	if key.user == "" {
		return 404, nil
	}
	life, ok := lifeOf(r)
	if !ok {
		return 423, tooBrief
	}
	c := a.composed[key]
	tag := r.Header("SIP-If-Match")
	switch {
	case tag != "" && (c == nil || c.etag != tag):
		return 412, nil
	case tag == "" && len(r.Body) == 0:
		return 400, nil
	case c == nil && len(a.composed) >= mostPublished:
		return 503, []sipmsg.Header{{Name: "Retry-After", Value: "600"}}
	}
	next := composed{line: Line{Identity: a.identityOf(r.Interface, key.user), Origin: FromPublication}}
	if c != nil && tag != "" {
		next.table, next.line = c.table, c.line
	}
	if len(r.Body) > 0 {
		if code, h := next.read(event, r); code != 0 {
			return code, h
		}
	}
	if life == 0 {
		a.expired(key)
		return 200, []sipmsg.Header{{Name: "SIP-ETag", Value: sipmsg.Token(16)}, {Name: "Expires", Value: "0"}}
	}
	next.etag, next.expires = sipmsg.Token(16), time.Now().Add(life)
	next.timer = time.AfterFunc(life, func() { a.overdue(key, next.etag) })
	if c != nil {
		c.timer.Stop()
	}
	a.composed[key] = &next
	if c == nil || !same(c.line, next.line) {
		a.o.Line(next.line)
	}
	a.heard(next.line.Identity, FromPublication, true, next.dialogs())
	return 200, []sipmsg.Header{{Name: "SIP-ETag", Value: next.etag}, {Name: "Expires", Value: seconds(life)}}
}

// tooBrief is what a 423 says.
var tooBrief = []sipmsg.Header{{Name: "Min-Expires", Value: seconds(leastLife)}}

// lifeOf is how long what a request asks for will live, 0 to mostLife; false: too briefly.
func lifeOf(r *sipgw.ServerRequest) (time.Duration, bool) {
	life := mostLife
	if d, ok := sipmsg.Seconds(r.Header("Expires")); ok {
		life = min(d, mostLife)
	}
	return life, life == 0 || life >= leastLife
}

// seconds writes a duration as Expires has it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// read takes the document of a PUBLISH; the code is 0, or refuses it.
func (c *composed) read(event string, r *sipgw.ServerRequest) (int, []sipmsg.Header) {
	want := map[string]string{"dialog": dialoginfo.TypeDialog, "presence": dialoginfo.TypePresence}[event]
	if word(r.ContentType) != want {
		return 415, []sipmsg.Header{{Name: "Accept", Value: want}}
	}
	busy := false
	var calls []CallRef
	if event == "dialog" {
		info, err := dialoginfo.Parse(r.Body)
		if err != nil {
			return 400, nil
		}
		if c.table.Apply(info) != dialoginfo.Taken {
			return 400, nil // a partial document after one that has not come: the publisher begins anew
		}
		for _, d := range c.table.Talks() {
			busy, calls = true, append(calls, CallRef{d.CallID, d.Remote.URI})
		}
	} else {
		p, err := dialoginfo.ParsePresence(r.Body)
		if err != nil {
			return 400, nil
		}
		busy = p.Activity == dialoginfo.OnThePhone || p.Activity == dialoginfo.Busy
	}
	if c.line.Busy != busy || !c.line.Known {
		c.line.Since = time.Now()
	}
	c.line.Known, c.line.Busy, c.line.Calls = true, busy, calls
	return 0, nil
}

// serves reports whether the peer of an interface may tell who is on the phone. A phone may not, not even of itself: some publish that they are away.
// The lock is held.
func (a *Agent) serves(i *config.SIPInterface) bool {
	return i != nil && !a.ended && i.Phones.IsZero() && servedBy(a.cfg, i) != nil
}

// servedBy is the presence-service that the peer of an interface may tell and ask; nil: none.
func servedBy(cfg *config.Config, i *config.SIPInterface) *config.PresenceService {
	if p := i.Presence.In(cfg); p != nil && p.Enabled && !i.Teams() {
		return p
	}
	return nil
}

// identityOf is the identity that has an extension at the peer of an interface: that of a `user` line, or of the same name. The lock is held.
func (a *Agent) identityOf(i *config.SIPInterface, user string) string {
	if p := i.Presence.In(a.cfg); p != nil {
		for _, u := range p.Users {
			if u.Extension == user && u.Identity != "" {
				return u.Identity
			}
		}
	}
	return user
}

// overdue ends a publication that was not refreshed. It runs on a timer's goroutine.
func (a *Agent) overdue(key published, etag string) {
	a.mu.Lock()
	defer a.release()
	if c := a.composed[key]; c != nil && c.etag == etag {
		a.o.Log.Info("publication of the PBX has expired", slog.String("if", key.iface.String()), slog.String("name", key.user))
		a.expired(key)
	}
}

// expired forgets a publication: nothing is known of the line any more. The lock is held.
func (a *Agent) expired(key published) {
	c := a.composed[key]
	if c == nil {
		return
	}
	c.timer.Stop()
	delete(a.composed, key)
	a.o.Line(Line{Identity: c.line.Identity, Origin: FromPublication, Since: time.Now()})
	a.heard(c.line.Identity, FromPublication, false, nil)
}

// reviewed forgets what peers have published that may not do so any more, and has the rest count for whom the `user` lines say now. The lock is
// held.
func (a *Agent) reviewed() {
	var moved []*composed
	for key, c := range a.composed {
		_, i := key.iface.In(a.cfg)
		if !a.serves(i) {
			a.expired(key)
		} else if identity := a.identityOf(i, key.user); identity != c.line.Identity {
			a.o.Line(Line{Identity: c.line.Identity, Origin: FromPublication, Since: time.Now()})
			a.heard(c.line.Identity, FromPublication, false, nil)
			c.line.Identity = identity
			moved = append(moved, c)
		}
	}
	for _, c := range moved { // after all that is taken back: two may have changed places
		a.o.Line(c.line)
		a.heard(c.line.Identity, FromPublication, true, c.dialogs())
	}
}

// dialogs are those of the line, as far as the PBX tells them.
func (c *composed) dialogs() []dialoginfo.Dialog {
	list := c.table.Dialogs()
	if len(list) == 0 && c.line.Busy {
		list = []dialoginfo.Dialog{{ID: "presence", State: dialoginfo.Confirmed}}
	}
	return list
}

// same reports whether two lines say the same.
func same(a, b Line) bool {
	return a.Known == b.Known && a.Busy == b.Busy && slices.Equal(a.Calls, b.Calls)
}

// Lines tells what peers publish, by interface and user.
func (a *Agent) Lines() []status.EventLine {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]status.EventLine, 0, len(a.composed))
	for key, c := range a.composed {
		list = append(list, status.EventLine{Interface: key.iface.String(), User: key.user, Identity: c.line.Identity, Busy: c.line.Busy, Since: c.line.Since, Expires: c.expires})
	}
	slices.SortFunc(list, func(a, b status.EventLine) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.User, b.User))
	})
	return list
}
