// Package presence keeps Teams and the PBX informed about each other's users: a Teams user who does not want to be disturbed is not rung by the
// PBX, a user who is on the phone at the PBX is busy in Teams.
//
// It owns what is known of each user, for how long that holds, what follows from it, and what it has told whom, so that nothing that it told comes
// back to it as news (echo.go). It does not own how Microsoft Graph is spoken to (package graph), who is who (usermatch), what phones do (those who
// call Line), nor how the PBX is told (Publisher). Calls ask Refuse, which reads a snapshot and never waits.
//
// Engine.Run has a goroutine for each presence-service, which decides everything under the lock of the service, and one for each request under way,
// of which there are a few (writesAtOnce, a poll, a reading of the directory). It waits for all of them.
package presence

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/starface"
	"viaduct/appliance/status"
)

// Directory is Microsoft Graph, as graph.Client has it. It is safe for concurrent use.
type Directory interface {
	Users(ctx context.Context, yield func(graph.User) error) error
	Presences(ctx context.Context, ids []string, dst []graph.Presence) ([]graph.Presence, error)
	SetBusy(ctx context.Context, id string, life time.Duration) error
	Clear(ctx context.Context, id string) error
	Prefer(ctx context.Context, id string, p graph.Preferred) error
	ClearPreferred(ctx context.Context, id string) error
	Try(ctx context.Context, write bool, say func(status.CheckStep)) error
	ConsentLink() string
	Held() time.Time
	Close()
}

// Publisher tells the PBX, and phones that have subscribed, whether the Teams user of an extension is busy. It never waits, and keeps what it
// was told last: it is called on changes only.
type Publisher interface{ Publish(Publication) }

// Publication is what follows from the state of a Teams user for those who watch his extension.
type Publication struct {
	Service, Identity, Extension string
	State                        config.PresenceState
	Busy                         bool
	Gone                         bool // he is none of ours any more: take back what was told
}

// Line is what the PBX, or a phone, tells of an identity's extension.
type Line struct {
	Identity string
	Origin   string // who tells: the identity is busy while anybody says so
	Busy     bool
	Lost     bool      // who tells knows nothing any more
	Since    time.Time // when it became so; zero: now
}

// Store keeps what must outlive a restart: which preferred presence is to be restored, and where do not disturb is to be taken back at a STARFACE.
type Store interface {
	LoadStarface(parse func(text []byte) error) error
	SaveStarface(text []byte) error
	LoadPresence(parse func(text []byte) error) error
	SavePresence(text []byte) error
}

// Options are what the engine is given.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	// Dial returns the way to Microsoft Graph and the credentials of a service, as they are now. It does not wait.
	Dial func(*config.PresenceService) (http.RoundTripper, graph.Credentials, error)
	// Starface returns the way to a STARFACE and the credentials, likewise; nil: there is none.
	Starface  func(config.StarfaceAccess) (http.RoundTripper, starface.Credentials, error)
	Publisher Publisher                  // nil: nobody is told
	Carries   func(identity string) bool // whether the box has a call of this identity with Teams
	Store     Store
}

// Engine runs the presence-services of the configuration.
type Engine struct {
	o       Options
	connect func(*config.PresenceService) (Directory, error)
	base    time.Time // from which verdicts count
	changed chan struct{}
	running atomic.Pointer[[]*service]
	kept    memory
	book    *starface.Book // of Run

	mu    sync.Mutex
	cfg   *config.Config
	lines map[string]line // by identity
}

// Bounds of what others can make the engine keep.
const (
	mostUsers    = 5_000 // of ours, a service; a directory has 100,000 at most (package graph)
	mostLines    = 10_000
	mostOrigins  = 8
	mostProblems = 200 // told by status
)

// New returns an engine without services.
func New(o Options) *Engine {
	e := &Engine{o: o, base: time.Now(), changed: make(chan struct{}, 1), cfg: config.New(), lines: map[string]line{}}
	e.connect = func(p *config.PresenceService) (Directory, error) {
		way, credentials, err := o.Dial(p)
		if err != nil {
			return nil, err
		}
		return graph.New(way, credentials), nil
	}
	e.kept.store = o.Store
	e.running.Store(&[]*service{})
	return e
}

// Apply takes a configuration. Services that it has as before go on with all that they know.
func (e *Engine) Apply(cfg *config.Config) {
	e.mu.Lock()
	e.cfg = cfg
	e.mu.Unlock()
	wake(e.changed)
}

func wake(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

func (e *Engine) config() *config.Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg
}

var errRemoved = errors.New("the service is not configured any more")

// recall reads what is kept, unless there is a service that may change it: of a pair, the other box has kept it since.
func (e *Engine) recall(services map[string]chan struct{}) {
	for _, ended := range services {
		select {
		case <-ended:
		default:
			return
		}
	}
	if err := e.kept.load(); err != nil {
		e.o.Log.Warn("the memory of preferred presences cannot be used", "err", err)
	}
	if e.o.Store == nil {
		return
	}
	book, err := starface.OpenBook(e.o.Store.LoadStarface, e.o.Store.SaveStarface)
	if err != nil {
		e.o.Log.Warn("the memory of do not disturb at a STARFACE cannot be used", "err", err)
	}
	e.book = book
}

// Run follows the configuration until ctx ends. Sessions in Teams are ended then, as far as that takes no longer than a few seconds.
func (e *Engine) Run(ctx context.Context) error {
	e.recall(nil)
	var work sync.WaitGroup
	defer work.Wait()
	defer e.running.Store(&[]*service{})
	running := map[string]*service{}
	last := map[string]chan struct{}{} // closed when the last service of a name has ended
	for {
		cfg := e.config()
		var list []*service
		present := map[string]bool{}
		for _, p := range cfg.Presence {
			if !p.Enabled {
				continue
			}
			present[p.Name] = true
			s := running[p.Name]
			if s != nil && !s.follow(cfg, p) {
				s.cancel(errRemoved)
				s = nil
			}
			if s == nil {
				if len(running) == 0 {
					e.recall(last)
				}
				s = newService(e, cfg, p)
				before := last[p.Name]
				running[p.Name], last[p.Name] = s, s.ended
				of, cancel := context.WithCancelCause(ctx)
				s.cancel = cancel
				work.Go(func() {
					defer close(s.ended)
					if before != nil {
						<-before
					}
					s.run(of)
				})
			}
			list = append(list, s)
		}
		for name, s := range running {
			if !present[name] {
				s.cancel(errRemoved)
				delete(running, name)
			}
		}
		e.running.Store(&list)
		e.judgeLeft(cfg)
		select {
		case <-ctx.Done():
			return nil
		case <-e.changed:
		}
	}
}

// refusal is what becomes of the PBX's calls for an identity.
type refusal struct {
	identity string
	state    config.PresenceState
	code     int
	why      string
	until    atomic.Int64 // nanoseconds after Engine.base, for which it holds
}

// Refuse says whether a call of the PBX for an identity is to be refused, with which code and why; 0: it goes on. It never waits: it reads what
// the last polls have found, as long as that holds.
func (e *Engine) Refuse(identity string) (code int, why string) {
	for _, s := range *e.running.Load() {
		if r := (*s.refusals.Load())[identity]; r != nil && int64(time.Since(e.base)) < r.until.Load() {
			return r.code, r.why
		}
	}
	return 0, ""
}

// line is what is told of an identity, by those who know anything: since when it is busy, zero for free.
type line map[string]time.Time

// Line takes what is told of an identity's extension. It never waits for the network.
func (e *Engine) Line(l Line) {
	switch {
	case !l.Busy:
		l.Since = time.Time{}
	case l.Since.IsZero():
		l.Since = time.Now()
	}
	e.mu.Lock()
	x := e.lines[l.Identity]
	_, known := x[l.Origin]
	switch {
	case l.Lost:
		if delete(x, l.Origin); len(x) == 0 {
			delete(e.lines, l.Identity)
		}
	case known:
		x[l.Origin] = l.Since
	case x == nil && len(e.lines) < mostLines:
		e.lines[l.Identity] = line{l.Origin: l.Since}
	case x != nil && len(x) < mostOrigins:
		x[l.Origin] = l.Since
	}
	e.mu.Unlock()
	for _, s := range *e.running.Load() {
		wake(s.kick)
	}
}

// lineOf returns whether anybody tells of an identity, and since when it is busy; zero: it is free.
func (e *Engine) lineOf(identity string) (since time.Time, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.lines[identity]
	if x == nil {
		return time.Time{}, false
	}
	for _, t := range x {
		if !t.IsZero() && (since.IsZero() || t.Before(since)) {
			since = t
		}
	}
	return since, true
}

// Status lists the services of a configuration in its order. One that Apply has not brought yet is starting.
func (e *Engine) Status(cfg *config.Config) status.Presence {
	list := []status.PresenceService{}
	running := map[string]*service{}
	for _, s := range *e.running.Load() {
		running[s.name] = s
	}
	for _, p := range cfg.Presence {
		st := status.PresenceService{Name: p.Name, State: status.PresenceShutdown}
		if s := running[p.Name]; s != nil {
			st = s.status()
		} else if p.Enabled {
			st.State = status.PresenceStarting
		}
		st.Tenant, st.Application, st.Cloud, st.Interval = p.Tenant, p.Application, string(p.Cloud), p.PollInterval
		list = append(list, st)
	}
	return status.Presence{Services: list}
}
