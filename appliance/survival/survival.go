package survival

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

const (
	look = time.Second
	// doubt is how often a peer is asked while it is about to be lost or to return: one answer that is missing decides nothing.
	doubt = 5 * time.Second
	// away is how often a lost one is asked.
	away = 15 * time.Second
	// mute is for how long nothing is known of a peer, as after its penalty-box was taken away, until what was known before counts no more.
	// A registration that begins anew has failed or succeeded by then.
	mute = 2 * time.Minute
)

// Options are what Survivals work with.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Config func() *config.Config
	// Gone says why the peer of an interface is gone, as the end of a sentence about it. It is not known while nothing has been heard of it.
	Gone func(config.InterfaceID) (why string, known bool)
	// Ask has the peer of an interface asked soon how it is.
	Ask func(config.InterfaceID)
}

// Survivals are those of a box. Make them with New.
type Survivals struct {
	o    Options
	ways atomic.Pointer[ways]

	mu   sync.Mutex
	list []*survival // in the order of the configuration
	told []health.Args
}

// ways are where calls go while something is lost.
type ways struct {
	from map[config.InterfaceID]way
	any  bool // a survival is in force, even one without any way
}

type way struct {
	dest config.Dest
	name string // of the survival
}

// survival is one `survival` of the configuration.
//
//	unknown ---- well ---- losing ---- lost ---- returning
//	    |         ^  ^       ^  |        ^           |  |
//	    |         |  +-------|--+        +-----------+  |
//	    |         +----------|--------------------------+
//	    +--------------------+
//
// From each of them it is unknown again when nothing has been known of the peer for a while.
type survival struct {
	context string
	conf    *config.Survival
	watch   config.InterfaceID
	routes  []route

	state  status.SurvivalState
	since  time.Time // in this state
	active time.Time // the other ways have been in force since then; zero: they are not
	heard  time.Time // something was known of the peer
	asked  time.Time // when the peer was last asked for our sake
	why    string    // the peer is gone; the last reason
	times  int
}

// route is a way of a survival whose names all stand for something.
type route struct {
	from config.InterfaceID
	to   config.Dest
}

// New makes Survivals. Calls go their usual ways until Run.
func New(o Options) *Survivals {
	s := &Survivals{o: o}
	s.ways.Store(&ways{})
	return s
}

// Route returns where a new call that comes in by an interface goes in place of its `route call`, and the survival that says so; false: the
// call goes its usual way.
func (s *Survivals) Route(from config.InterfaceID) (to config.Dest, name string, ok bool) {
	w, ok := s.ways.Load().from[from]
	return w.dest, w.name, ok
}

// Emergency reports whether any survival is in force. Phones that register then should come back soon, to find their usual registrar again.
func (s *Survivals) Emergency() bool { return s.ways.Load().any }

// Run looks at the peers until ctx ends.
func (s *Survivals) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		s.step(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step brings everything in line with what is known of the peers now.
func (s *Survivals) step(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow(s.o.Config(), now)
	w := &ways{from: map[config.InterfaceID]way{}}
	var alarms []health.Args
	for _, x := range s.list {
		why, known := s.o.Gone(x.watch)
		switch {
		case known:
			x.heard = now
			s.see(x, why, now)
		case x.state != status.SurvivalUnknown && now.Sub(x.heard) >= mute:
			s.turn(x, status.SurvivalUnknown, "nothing tells any more how the peer is", now)
			x.why = ""
		}
		if x.due(now) {
			x.asked = now
			s.o.Ask(x.watch)
		}
		if !x.state.InForce() {
			continue
		}
		w.any = true
		for _, r := range x.routes {
			if _, taken := w.from[r.from]; !taken {
				w.from[r.from] = way{r.to, x.name()}
			}
		}
		alarms = append(alarms, x.alarm())
	}
	s.ways.Store(w)
	if !slices.EqualFunc(alarms, s.told, func(a, b health.Args) bool { return maps.Equal(a, b) }) {
		s.o.Health.Replace(health.Survival, alarms)
		s.told = alarms
	}
}

// follow makes the list that of the configuration. A survival keeps its state for as long as it watches the same interface. The lock is held.
func (s *Survivals) follow(cfg *config.Config, now time.Time) {
	var list []*survival
	for _, sw := range cfg.CS {
		for _, c := range sw.Survivals {
			i := c.Watch.In(sw)
			if i == nil {
				continue // a problem of the configuration: nothing is watched
			}
			n := slices.IndexFunc(s.list, func(x *survival) bool {
				return x.watch == i.ID() && x.context == sw.Name && config.SameName(x.conf.Name) == config.SameName(c.Name)
			})
			x := &survival{context: sw.Name, watch: i.ID(), since: now}
			if n >= 0 {
				x = s.list[n]
				s.list = slices.Delete(s.list, n, n+1)
			}
			x.conf, x.routes = c, routes(sw, c)
			list = append(list, x)
		}
	}
	for _, x := range s.list {
		if x.state.InForce() {
			s.o.Log.Info("calls go their usual ways again", "name", x.name(), "why", "a change of the configuration")
		}
	}
	s.list = list
}

// see takes what is known of the peer now; why: it is gone. The lock is held.
func (s *Survivals) see(x *survival, why string, now time.Time) {
	if next := x.next(why != "", now); next != x.state {
		s.turn(x, next, cmp.Or(why, "the peer is there again"), now)
	}
	switch {
	case why != "":
		x.why = why
	case x.state == status.SurvivalWell:
		x.why = ""
	}
}

// turn brings a survival into its next state. The lock is held.
func (s *Survivals) turn(x *survival, next status.SurvivalState, why string, now time.Time) {
	switch {
	case next == status.SurvivalLost && !x.state.InForce():
		x.active = now
		x.times++
		s.o.Log.Warn("a peer is lost: calls go other ways", "name", x.name(), "if", x.watch, "err", why)
	case x.state.InForce() && !next.InForce():
		s.o.Log.Info("calls go their usual ways again", "name", x.name(), "if", x.watch, "why", why, "after", now.Sub(x.active).Round(time.Second))
		x.active = time.Time{}
	}
	x.state, x.since = next, now
}

// next is the state that follows from what is known of the peer.
func (x *survival) next(gone bool, now time.Time) status.SurvivalState {
	spent := now.Sub(x.since)
	switch {
	case x.state == status.SurvivalUnknown && !gone, x.state == status.SurvivalLosing && !gone:
		return status.SurvivalWell
	case x.state == status.SurvivalUnknown && gone, x.state == status.SurvivalWell && gone:
		return status.SurvivalLosing
	case x.state == status.SurvivalLosing && spent >= x.conf.After:
		return status.SurvivalLost
	case x.state == status.SurvivalLost && !gone:
		return status.SurvivalReturning
	case x.state == status.SurvivalReturning && gone:
		return status.SurvivalLost
	case x.state == status.SurvivalReturning && spent >= x.conf.Back:
		return status.SurvivalWell
	}
	return x.state
}

// due reports whether the peer should be asked now.
func (x *survival) due(now time.Time) bool {
	switch x.state {
	case status.SurvivalLosing, status.SurvivalReturning:
		return now.Sub(x.asked) >= doubt
	case status.SurvivalLost:
		return now.Sub(x.asked) >= away
	}
	return false
}

func (x *survival) name() string { return config.Scoped(x.context, x.conf.Name) }

// routes are the ways of a survival. Of several for one interface the first counts.
func routes(sw *config.Switch, c *config.Survival) (list []route) {
	for _, r := range c.Routes {
		i := r.From.In(sw)
		if i == nil || r.Dest.IsZero() || slices.ContainsFunc(list, func(x route) bool { return x.from == i.ID() }) {
			continue
		}
		list = append(list, route{i.ID(), r.Dest})
	}
	return list
}

// alarm says what works meanwhile.
func (x *survival) alarm() health.Args {
	peer := x.why
	if x.state == status.SurvivalReturning {
		peer = "is there again, and has to stay so for " + plural.Of(int(x.conf.Back.Seconds()), "second")
	}
	var list []string
	for _, r := range x.routes {
		list = append(list, "calls from "+r.from.String()+" go to "+destination(r.to))
	}
	return health.Args{"survival": x.name(), "interface": x.watch.String(), "peer": peer,
		"meanwhile": cmp.Or(strings.Join(list, ", "), "no call goes another way, as it has no `route from`")}
}

// destination names where calls go.
func destination(d config.Dest) string {
	switch {
	case !d.Service.IsZero():
		return "service " + d.Service.Name
	case !d.Interface.IsZero():
		return "interface " + d.Interface.Name
	case !d.Table.IsZero():
		return "table " + d.Table.Name
	}
	return "nowhere"
}

// Status describes the survivals in the order of the configuration.
func (s *Survivals) Status() (list []status.Survival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ways := s.ways.Load()
	for _, x := range s.list {
		st := status.Survival{Name: x.name(), Watch: x.watch.String(), State: x.state, Since: x.since, Active: x.active, Why: x.why, Times: x.times, Routes: []status.SurvivalRoute{}}
		switch x.state {
		case status.SurvivalLosing:
			st.Next = x.since.Add(x.conf.After)
		case status.SurvivalReturning:
			st.Next = x.since.Add(x.conf.Back)
		}
		for _, r := range x.routes {
			out := status.SurvivalRoute{From: r.from.String(), To: destination(r.to)}
			if w, ok := ways.from[r.from]; ok && x.state.InForce() && w.name != st.Name {
				out.Over = w.name
			}
			st.Routes = append(st.Routes, out)
		}
		list = append(list, st)
	}
	return list
}
