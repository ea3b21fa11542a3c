package presence

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
	"viaduct/appliance/usermatch"
)

const (
	readEvery    = time.Hour        // the directory
	readSoon     = 2 * time.Second  // after a change of who is meant: lines come one after the other
	readTime     = 5 * time.Minute  // for all pages of a directory
	firstPause   = 10 * time.Second // after a failure, doubled with each
	lastPause    = 5 * time.Minute  // between readings, and attempts to tell something
	pollPause    = time.Minute      // between polls at most while they fail: what was put right shows soon
	longestRest  = time.Minute
	shutdownTime = 3 * time.Second  // for ending sessions when the box stops: the rest fades
	removalTime  = 15 * time.Second // likewise when the service is not configured any more
)

// service is a presence-service that runs. It has one goroutine, run; what requests bring back is taken under the lock.
type service struct {
	e        *Engine
	name     string
	kick     chan struct{} // one token: look again now
	ended    chan struct{} // closed when run has returned
	cancel   context.CancelCauseFunc
	work     sync.WaitGroup // requests under way
	refusals atomic.Pointer[map[string]*refusal]

	mu       sync.Mutex
	cfg      *config.Config
	p        *config.PresenceService
	dir      Directory // nil: not made yet, or its credentials are missing
	poll     task      // presences
	reading  task      // the directory
	people   people
	reports  outlet
	pbx      pbx
	shown    shown
	counters status.PresenceCounters
}

// task is something that is done again and again.
type task struct {
	at      time.Time // when it is due
	under   bool      // way
	number  uint64    // how often it was begun
	began   time.Time
	done    time.Time // when it last succeeded
	took    time.Duration
	err     error // of the last time
	failing int   // times in a row
}

// begin starts it once. It is due again after so long, or sooner when somebody changes at meanwhile.
func (t *task) begin(now time.Time, every time.Duration) {
	t.under, t.began, t.at = true, now, now.Add(every)
	t.number++
}

func (t *task) succeeded(now time.Time) {
	t.err, t.failing, t.done, t.took = nil, 0, now, now.Sub(t.began)
	if least := now.Add(time.Second); t.at.Before(least) { // it takes longer than it may: others want to work, too
		t.at = least
	}
}

// failed notes a failure, and when the task is tried again.
func (t *task) failed(err error, now time.Time, first, last time.Duration) {
	t.err = err
	t.failing++
	t.at = now.Add(pause(t.failing, first, last))
}

// pause is how long to wait after so many failures in a row.
func pause(failures int, first, last time.Duration) time.Duration {
	return min(first<<min(failures-1, 16), max(first, last))
}

// shown is the state that status and alarms have.
type shown struct {
	state     status.PresenceState
	since     time.Time
	why, cure string
}

func newService(e *Engine, cfg *config.Config, p *config.PresenceService) *service {
	s := &service{e: e, name: p.Name, kick: make(chan struct{}, 1), ended: make(chan struct{}), cfg: cfg, p: p, shown: shown{since: time.Now()}}
	s.refusals.Store(&map[string]*refusal{})
	s.people.byID, s.people.found = map[string]*person{}, &usermatch.Result{}
	return s
}

// follow takes a configuration. False: it is about another application, and the service has to begin anew.
func (s *service) follow(cfg *config.Config, p *config.PresenceService) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, before := s.p, s.cfg
	if old.Tenant != p.Tenant || old.Application != p.Application || old.Cloud != p.Cloud {
		return false
	}
	now := time.Now()
	s.cfg, s.p = cfg, p
	if old.Certificate != p.Certificate || old.Secret != p.Secret || old.Proxy != p.Proxy {
		s.disconnect()
		s.poll.at, s.reading.at = now, now
	}
	if p.PollInterval < old.PollInterval && s.poll.failing == 0 {
		s.poll.at = now
	}
	if old.Scope != p.Scope || old.Match != p.Match || !slices.Equal(old.Users, p.Users) || !slices.Equal(old.Exclude, p.Exclude) ||
		!slices.Equal(before.Location, cfg.Location) || !slices.Equal(before.CS, cfg.CS) {
		s.rematch(now)
		s.reading.at = now.Add(readSoon)
	}
	if !reflect.DeepEqual(old.Map, p.Map) {
		s.judge(now)
	}
	wake(s.kick)
	return true
}

// run does the work of the service until ctx ends.
func (s *service) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		s.mu.Lock()
		next := s.step(ctx, time.Now())
		s.mu.Unlock()
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
		case <-s.kick:
		case <-timer.C:
		}
	}
	s.work.Wait()
	s.end(context.Cause(ctx) == errRemoved)
}

// next collects the time of what comes first.
type next struct{ time.Time }

func (n *next) at(t time.Time) {
	if t.Before(n.Time) {
		n.Time = t
	}
}

// step begins what is due, and returns when something will be. It never waits.
func (s *service) step(ctx context.Context, now time.Time) time.Time {
	n := next{now.Add(longestRest)}
	s.age(now, &n)
	s.followPBX(ctx, now, &n)
	if s.ready(now, &n) {
		s.readDirectory(ctx, now, &n)
		s.readPresences(ctx, now, &n)
		s.report(ctx, now, &n)
	}
	s.show(now)
	return n.Time
}

// ready makes the client of Graph when there is none.
func (s *service) ready(now time.Time, n *next) bool {
	if s.dir != nil {
		return true
	}
	if now.Before(s.poll.at) && now.Before(s.reading.at) {
		n.at(s.poll.at)
		n.at(s.reading.at)
		return false
	}
	dir, err := s.e.connect(s.p)
	if err != nil {
		s.poll.failed(unready{err}, now, firstPause, pollPause)
		s.reading.at = s.poll.at
		n.at(s.poll.at)
		return false
	}
	s.dir = dir
	return true
}

// unready is why there are no credentials.
type unready struct{ error }

const cureUnready = "Check `tenant`, `application`, `cloud`, `certificate` or `secret`, and `http-proxy` of the presence-service: `show config problems` says more."

func (s *service) disconnect() {
	if s.dir != nil {
		s.dir.Close()
		s.dir = nil
	}
}

// begin does a request, and takes its outcome under the lock of the service.
func (s *service) begin(ctx context.Context, limit time.Duration, request func(ctx context.Context, dir Directory) error, outcome func(err error)) {
	dir := s.dir
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err := request(ctx, dir)
		s.mu.Lock()
		defer s.mu.Unlock()
		outcome(err)
		wake(s.kick)
	})
}

// learn notes what a failure says beyond the request that failed.
func (s *service) learn(err error, t *task) {
	switch kindOf(err) {
	case graph.Throttled:
		s.counters.Throttled++
		if s.dir != nil {
			if until := s.dir.Held(); until.After(t.at) {
				t.at = until
			}
		}
	case graph.SignIn: // a certificate or secret that was replaced meanwhile is taken into use
		s.disconnect()
	case graph.Network:
		if errors.As(err, new(*tls.CertificateVerificationError)) { // likewise the CA of a proxy
			s.disconnect()
		}
	}
}

// readDirectory reads the users of the directory when that is due.
func (s *service) readDirectory(ctx context.Context, now time.Time, n *next) {
	t := &s.reading
	if t.under {
		return
	}
	if now.Before(t.at) {
		n.at(t.at)
		return
	}
	t.begin(now, readEvery)
	read := s.directory()
	s.begin(ctx, readTime, func(ctx context.Context, dir Directory) error {
		if err := dir.Users(ctx, read.add); err != nil {
			return err
		}
		read.found = read.matcher.Result()
		return nil
	}, func(err error) {
		now := time.Now()
		t.under = false
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			last := lastPause
			if t.done.IsZero() { // nothing is known of anybody, as after a power cut that the line to the internet has had, too
				last = pollPause
			}
			t.failed(err, now, firstPause, last)
			s.learn(err, t)
			return
		}
		t.succeeded(now)
		s.people.found, s.people.left = read.found, max(0, len(read.found.Pairs)-mostUsers)
		s.take(read, now)
		s.warn(read)
	})
}

// readPresences polls when that is due.
func (s *service) readPresences(ctx context.Context, now time.Time, n *next) {
	t := &s.poll
	if t.under {
		return
	}
	if now.Before(t.at) {
		n.at(t.at)
		return
	}
	ids := s.people.ids()
	if len(ids) == 0 { // the directory has not been read, or nobody of it is ours
		t.at, t.err, t.failing = now.Add(s.p.PollInterval), nil, 0
		n.at(t.at)
		return
	}
	interval := s.p.PollInterval
	t.begin(now, interval)
	number, began := t.number, now
	answer := s.people.answer[:0]
	s.begin(ctx, pollsTake*interval, func(ctx context.Context, dir Directory) (err error) {
		answer, err = dir.Presences(ctx, ids, answer)
		return err
	}, func(err error) {
		now := time.Now()
		t.under = false
		s.people.answer = answer[:0]
		if ctx.Err() != nil {
			return
		}
		s.counters.Polls++
		for _, a := range answer { // of the requests before the one that failed, too
			s.hear(a, number, began, now)
		}
		if err != nil {
			s.counters.Failed++
			t.failed(err, now, interval, max(interval, pollPause))
			s.learn(err, t)
		} else {
			t.succeeded(now)
		}
		s.judge(now)
	})
}

// kindOf is what sort of failure an error is.
func kindOf(err error) graph.Kind {
	var e *graph.Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return graph.Network
	}
	return graph.Broken
}

// explained splits an error into what is wrong and what to do about it.
func explained(err error) (why, cure string) {
	var e *graph.Error
	switch {
	case errors.As(err, &e):
		cure = e.Cure
	case errors.As(err, new(unready)):
		cure = cureUnready
	}
	return err.Error(), cure
}

// stateOf is how a service is whose last request ended so.
func stateOf(err error) status.PresenceState {
	if errors.As(err, new(unready)) {
		return status.PresenceUnready
	}
	switch kindOf(err) {
	case graph.Network:
		return status.PresenceUnreachable
	case graph.Throttled:
		return status.PresenceThrottled
	case graph.Broken:
		return status.PresenceFaulty
	}
	return status.PresenceRefused
}

// show brings the state that others see up to date, and the alarms.
func (s *service) show(now time.Time) {
	to := shown{state: status.PresenceStarting}
	switch err := cmp.Or(s.poll.err, s.reading.err); {
	case err != nil:
		to.state = stateOf(err)
		to.why, to.cure = explained(err)
	case !s.poll.done.IsZero() || !s.reading.done.IsZero():
		to.state = status.PresenceWorking
	}
	if to.state == s.shown.state {
		to.since = s.shown.since
	} else {
		to.since = now
	}
	if to == s.shown {
		return
	}
	s.shown = to
	if alarm := alarmOf(to.state); alarm != nil {
		s.e.o.Health.Set(alarm, health.Args{"service": s.name, "why": to.why, "cure": to.cure})
	}
	for _, alarm := range stateAlarms {
		if alarm != alarmOf(to.state) {
			s.e.o.Health.Clear(alarm, s.name)
		}
	}
}

var stateAlarms = []*health.Warnable{health.PresenceRefused, health.PresenceAway, health.PresenceThrottled}

// alarmOf is the alarm of a state; nil: none.
func alarmOf(state status.PresenceState) *health.Warnable {
	switch state {
	case status.PresenceRefused, status.PresenceUnready:
		return health.PresenceRefused
	case status.PresenceUnreachable, status.PresenceFaulty:
		return health.PresenceAway
	case status.PresenceThrottled:
		return health.PresenceThrottled
	}
	return nil
}

// end ends what the service has told, as far as that takes no longer than a few seconds.
func (s *service) end(removed bool) {
	limit := shutdownTime
	if removed {
		limit = removalTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s.release(ctx, removed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	s.refusals.Store(&map[string]*refusal{})
	for _, alarm := range append(slices.Clone(stateAlarms), health.PresenceReports, health.PresenceUsers, health.PresenceStarface) {
		s.e.o.Health.Clear(alarm, s.name)
	}
}
