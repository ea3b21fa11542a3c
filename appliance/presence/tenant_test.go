package presence

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/starface"
	"viaduct/appliance/status"
)

// tenant is a plain directory in memory: what users choose, sessions of the application that fade, and the stronger one is told.
type tenant struct {
	mu     sync.Mutex
	users  []graph.User
	people map[string]*account
	ready  error         // why there are no credentials
	dials  int           // times that a client was made
	err    error         // of every request
	slow   time.Duration // of every request
	held   time.Time
	asked  map[string]int
	told   []string // requests that change something
	most   int      // requests at once
	now    int

	starface func(config.StarfaceAccess) (http.RoundTripper, starface.Credentials, error)
}

type account struct {
	chosen    config.PresenceState // by himself, in a session of his
	session   time.Time            // of ours, until
	preferred config.PresenceState
	until     time.Time            // preferred
	stray     bool                 // without a licence
	above     config.PresenceState // what another session of his says, above ours
}

func newTenant(n int) *tenant {
	d := &tenant{people: map[string]*account{}, asked: map[string]int{}}
	for i := range n {
		id := fmt.Sprintf("id-%04d", i)
		d.users = append(d.users, graph.User{ID: id, UPN: fmt.Sprintf("user.%04d@example.com", i), Mail: fmt.Sprintf("user.%04d@example.com", i), Enabled: true})
		d.people[id] = &account{chosen: config.Available}
	}
	return d
}

// enter begins a request.
func (d *tenant) enter(ctx context.Context, what string) error {
	d.mu.Lock()
	d.asked[what]++
	d.now++
	d.most = max(d.most, d.now)
	slow, err := d.slow, d.err
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.now--
		d.mu.Unlock()
	}()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	return err
}

func (d *tenant) Users(ctx context.Context, yield func(graph.User) error) error {
	if err := d.enter(ctx, "users"); err != nil {
		return err
	}
	d.mu.Lock()
	users := slices.Clone(d.users)
	d.mu.Unlock()
	for _, u := range users {
		if err := yield(u); err != nil {
			return err
		}
	}
	return nil
}

// shows is what a user's presence is.
func (a *account) shows(now time.Time) config.PresenceState {
	state := a.chosen
	if now.Before(a.session) && state != config.DoNotDisturb && state != config.Presenting && state != config.Busy && state != config.BeRightBack {
		state = config.InACall
	}
	if a.above != "" {
		state = a.above
	}
	if now.Before(a.until) {
		state = a.preferred
	}
	return state
}

func (d *tenant) Presences(ctx context.Context, ids []string, dst []graph.Presence) ([]graph.Presence, error) {
	if err := d.enter(ctx, "presences"); err != nil {
		return dst, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		if a := d.people[id]; a != nil {
			dst = append(dst, graph.Presence{ID: id, State: a.shows(time.Now())})
		}
	}
	return dst, nil
}

func (d *tenant) change(ctx context.Context, what, id string, f func(a *account)) error {
	if err := d.enter(ctx, what); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.people[id]
	if a == nil || a.stray {
		return &graph.Error{Op: "setting presence", Kind: graph.NoUser, Status: 404, Text: "no such user"}
	}
	d.told = append(d.told, what+" "+id)
	f(a)
	return nil
}

func (d *tenant) SetBusy(ctx context.Context, id string, life time.Duration) error {
	return d.change(ctx, "set", id, func(a *account) { a.session = time.Now().Add(life) })
}

func (d *tenant) Clear(ctx context.Context, id string) error {
	return d.change(ctx, "clear", id, func(a *account) { a.session = time.Time{} })
}

func (d *tenant) Prefer(ctx context.Context, id string, p graph.Preferred) error {
	if p.Life == 0 {
		p.Life = 24 * time.Hour
	}
	return d.change(ctx, "prefer "+string(p.State), id, func(a *account) { a.preferred, a.until = p.State, time.Now().Add(p.Life) })
}

func (d *tenant) ClearPreferred(ctx context.Context, id string) error {
	return d.change(ctx, "unprefer", id, func(a *account) { a.until = time.Time{} })
}

func (d *tenant) Try(ctx context.Context, write bool, say func(status.CheckStep)) error {
	step := status.CheckStep{ID: graph.StepSignIn, Title: "Sign-in"}
	err := d.enter(ctx, "try")
	if err != nil {
		step.State = status.CheckFailed
	}
	say(step)
	return err
}

func (d *tenant) ConsentLink() string { return "https://login.example/consent" }
func (d *tenant) Close()              {}

func (d *tenant) Held() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held
}

// choose has a user be in a state.
func (d *tenant) choose(id string, state config.PresenceState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people[id].chosen = state
}

// fail has every request fail, or none (nil).
func (d *tenant) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// be changes something of the tenant.
func (d *tenant) be(f func(d *tenant)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *tenant) count(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[what]
}

// shows is what a user's presence is now.
func (d *tenant) shows(id string) config.PresenceState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.people[id].shows(time.Now())
}

// takeTold returns the changes since the last time.
func (d *tenant) takeTold() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := strings.Join(d.told, ", ")
	d.told = nil
	return all
}

// watchers are those who are told by the engine.
type watchers struct {
	mu  sync.Mutex
	now map[string]Publication
	all []string
}

func (w *watchers) Publish(p Publication) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.Gone:
		delete(w.now, p.Extension)
		w.all = append(w.all, p.Extension+" gone")
	default:
		w.now[p.Extension] = p
		w.all = append(w.all, fmt.Sprintf("%s %s %v", p.Extension, shownState(p.State), p.Busy))
	}
}

func (w *watchers) busy(extension string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now[extension].Busy
}

func (w *watchers) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := strings.Join(w.all, ", ")
	w.all = nil
	return all
}

// folder is a state folder in memory.
type folder struct {
	mu   sync.Mutex
	text []byte
	pbx  []byte // do not disturb at the STARFACE
}

func (f *folder) LoadStarface(parse func([]byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pbx == nil {
		return nil
	}
	return parse(f.pbx)
}

func (f *folder) SaveStarface(text []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pbx = slices.Clone(text)
	return nil
}

func (f *folder) LoadPresence(parse func([]byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.text == nil {
		return nil
	}
	return parse(f.text)
}

func (f *folder) SavePresence(text []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = slices.Clone(text)
	return nil
}

// logged collects lines.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(text)))
	return len(text), nil
}

func (l *logged) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.lines
	l.lines = nil
	return all
}

// rig is an engine beside a tenant.
type rig struct {
	t         *testing.T
	tenant    *tenant
	engine    *Engine
	watch     *watchers
	publisher Publisher
	connect   func(*config.PresenceService) (Directory, error)
	store     *folder
	log       *logged
	health    *health.Tracker
	service   *config.PresenceService
	cfg       *config.Config
	carried   sync.Map // identities with a call of the box
	stop      func()
}

// newRig starts an engine with one service for all users of a tenant, whose identities are user.0000 and so on. It belongs into a bubble.
func newRig(t *testing.T, d *tenant, change func(p *config.PresenceService)) *rig {
	r := prepared(t, d, change)
	r.start(func(*config.PresenceService) (Directory, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.dials++
		return d, d.ready
	})
	return r
}

// prepared is a rig whose engine is not started yet.
func prepared(t *testing.T, d *tenant, change func(p *config.PresenceService)) *rig {
	r := &rig{t: t, tenant: d, watch: &watchers{now: map[string]Publication{}}, store: &folder{}, log: &logged{}}
	r.service = &config.PresenceService{Name: "TEAMS"}
	r.service.SetDefaults()
	r.service.Tenant, r.service.Application, r.service.Scope, r.service.ReportCalls = "example.com", "app", config.ScopeAll, true
	if change != nil {
		change(r.service)
	}
	r.cfg = config.New()
	location := &config.LocationService{Name: "LS"}
	for i := range d.users {
		location.Identities = append(location.Identities, &config.Identity{Name: fmt.Sprintf("user.%04d", i)})
	}
	r.cfg.Location = []*config.LocationService{location}
	r.cfg.Presence = []*config.PresenceService{r.service}
	r.publisher = r.watch
	return r
}

// start starts an engine that asks a directory.
func (r *rig) start(connect func(*config.PresenceService) (Directory, error)) {
	r.connect = connect
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	r.health = &health.Tracker{Log: log}
	r.engine = New(Options{Log: log, Health: r.health, Publisher: r.publisher, Store: r.store, Carries: func(identity string) bool {
		_, carried := r.carried.Load(identity)
		return carried
	}, Starface: r.tenant.starface})
	r.engine.connect = connect
	r.engine.Apply(r.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := r.engine.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	work.Go(func() { r.health.Run(ctx) })
	r.stop = func() { cancel(); work.Wait() }
	r.t.Cleanup(func() { r.stop() })
	synctest.Wait()
}

// change applies a configuration that differs.
func (r *rig) change(f func(p *config.PresenceService)) {
	p, cfg := *r.service, *r.cfg
	f(&p)
	cfg.Presence = []*config.PresenceService{&p}
	r.service, r.cfg = &p, &cfg
	r.engine.Apply(r.cfg)
	synctest.Wait()
}

// pass lets so much time pass.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) line(identity string, busy bool) {
	r.engine.Line(Line{Identity: identity, Origin: "subscription", Busy: busy})
	synctest.Wait()
}

func (r *rig) wantRefuse(identity string, code int) {
	r.t.Helper()
	if got, why := r.engine.Refuse(identity); got != code || (code != 0) != (why != "") {
		r.t.Errorf("%s gets %d %q, want %d", identity, got, why, code)
	}
}

func (r *rig) wantTold(want string) {
	r.t.Helper()
	if got := r.tenant.takeTold(); got != want {
		r.t.Errorf("Graph was told %q, want %q", got, want)
	}
}

func (r *rig) status() status.PresenceService {
	r.t.Helper()
	all := r.engine.Status(r.engine.config()).Services
	if len(all) != 1 {
		r.t.Fatalf("%d services", len(all))
	}
	return all[0]
}

func (r *rig) user(i int) status.PresenceUser {
	r.t.Helper()
	users := r.status().Users
	if i >= len(users) {
		r.t.Fatalf("%d users", len(users))
	}
	return users[i]
}

func (r *rig) alarms() string {
	ids := map[string]bool{}
	for _, a := range r.health.Current() {
		ids[a.ID] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(ids)), " ")
}

// readOnly is a tenant that can be asked, and not told.
type readOnly struct {
	*tenant
	why error
}

// lacking is the answer of one whose administrator has granted half of what it takes.
var lacking = &graph.Error{Op: "setting presence", Kind: graph.Consent, Status: 403, Text: "the application lacks Presence.ReadWrite.All"}

func (d readOnly) SetBusy(ctx context.Context, id string, life time.Duration) error {
	d.enter(ctx, "refused")
	return d.why
}

func (d readOnly) Clear(ctx context.Context, id string) error {
	d.enter(ctx, "refused")
	return d.why
}
