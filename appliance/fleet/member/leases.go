package member

import (
	"context"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

// Licenses are the pools of the box: a license.Manager.
type Licenses interface {
	Attach(headroom map[license.Kind]int)
	Detach()
	Wanted() <-chan struct{}
	Usage() []license.Usage
	SetLeased(kind license.Kind, count int)
	Shrink(kind license.Kind, count int) (left int)
	Deny(kind license.Kind)
}

// leases brings what the hub lends to the pools of the box: one keeper for each kind, and what they share.
type leases struct {
	o     Options
	link  fleet.Link
	start time.Time // of the steady time
	each  []*keeper
	poked chan struct{} // one token: run is to look again
	told  func()        // there are more or fewer of them

	mu       sync.Mutex
	trusted  []*config.LicenseAuthority
	on       bool // wanted by the configuration
	sane     bool // the clock has been right once: leases are judged by it
	headroom map[license.Kind]int
	use      map[license.Kind]license.Usage
}

func newLeases(o Options, link fleet.Link, told func()) *leases {
	l := &leases{o: o, link: link, told: told, start: time.Now(), poked: make(chan struct{}, 1), use: map[license.Kind]license.Usage{}}
	for _, kind := range []license.Kind{license.SIPSessions, license.SRTPChannels} {
		l.each = append(l.each, &keeper{l: l, kind: kind, nudge: make(chan struct{}, 1), log: o.Log.With("kind", string(kind))})
	}
	return l
}

func (l *leases) now() lease.Time { return lease.At(l.start, time.Now()) }

// apply says whether the box is to have leases, and who may sign the license keys of pools. What it held before is in force when apply returns, if
// the clock is right: no call has to wait for the hub after a restart.
func (l *leases) apply(on bool, trusted []*config.LicenseAuthority) {
	l.mu.Lock()
	others := !slices.EqualFunc(l.trusted, trusted, func(a, b *config.LicenseAuthority) bool { return *a == *b })
	news := others || l.on != on
	l.trusted, l.on = trusted, on
	l.mu.Unlock()
	for _, k := range l.each {
		news = k.enable(on, others) || news
	}
	if l.canJudge() {
		for _, k := range l.each {
			news = k.restore() || news
		}
	}
	if news {
		l.poke()
	}
}

// poke has run look again, and all keepers.
func (l *leases) poke() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

// canJudge reports whether leases can be judged: by the clock, and for which box they are. A clock that was right once goes on, whatever becomes of
// its servers.
func (l *leases) canJudge() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sane = l.sane || l.o.Sane() == nil
	return l.sane && l.o.Serial() != ""
}

func (l *leases) authorities() []*config.LicenseAuthority {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trusted
}

func (l *leases) nudge() {
	for _, k := range l.each {
		k.wake()
	}
}

// newsPause is between two questions because of news: any box of the customer can send them.
const newsPause = 10 * time.Second

// run keeps the leases until ctx ends. What the box holds then stays in force. A box without a name is never connected; its leases end like others.
func (l *leases) run(ctx context.Context, name string) error {
	news := make(chan struct{}, 1)
	if name != "" {
		stop, err := l.link.Listen(fleet.NewsFor(name), func(fleet.Message) {
			select {
			case news <- struct{}{}:
			default:
			}
		})
		if err != nil {
			return err
		}
		defer stop()
	}
	var running sync.WaitGroup
	defer running.Wait()
	for _, k := range l.each {
		running.Go(func() { k.run(ctx, name) })
	}
	defer l.detach()
	heard := time.Time{}
	for {
		connected, next := l.link.Changed()
		for _, k := range l.each {
			k.connected(connected)
		}
		l.follow(connected)
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		case <-l.poked:
		case <-l.o.Licenses.Wanted():
		case <-news:
			if time.Since(heard) >= newsPause {
				heard = time.Now()
				for _, k := range l.each {
					k.ask()
				}
			}
		}
		l.nudge()
	}
}

// follow reads how licenses are used, and has calls wait for more while there is somebody to bring it.
func (l *leases) follow(connected bool) {
	room := map[license.Kind]int{}
	for _, u := range l.look() {
		room[u.Kind] = roomFor(u.InUse)
	}
	l.mu.Lock()
	wanted := connected && l.on && l.sane
	old := l.headroom
	l.headroom = nil
	if wanted {
		l.headroom = room
	}
	l.mu.Unlock()
	switch {
	case !wanted && old != nil:
		l.o.Licenses.Detach()
	case wanted && !sameRoom(old, room):
		l.o.Licenses.Attach(room)
	}
}

// roomFor is how many are to be free, for the Manager to stay silent: about half of what package lease asks for above those in use.
func roomFor(used int) int { return 2 + used/16 }

// sameRoom has the Manager told of other numbers only when they differ by enough: it answers with a token.
func sameRoom(a, b map[license.Kind]int) bool {
	if a == nil {
		return false
	}
	for kind, n := range b {
		if d := a[kind] - n; d < -1 || d > 1 {
			return false
		}
	}
	return true
}

func (l *leases) detach() {
	l.mu.Lock()
	l.headroom = nil
	l.mu.Unlock()
	l.o.Licenses.Detach()
}

// look reads how licenses are used. The Manager forgets peaks as it tells them, so they are kept for the keeper that has not looked yet.
func (l *leases) look() []license.Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.o.Licenses.Usage()
	for _, u := range list {
		u.Peak = max(u.Peak, l.use[u.Kind].Peak)
		l.use[u.Kind] = u
	}
	return list
}

// usage is how a kind is used, and the peak since it was asked last.
func (l *leases) usage(kind license.Kind) license.Usage {
	l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.use[kind]
	rest := u
	rest.Peak = u.InUse
	l.use[kind] = rest
	return u
}

// status is how the leases stand: none while there never was one.
func (l *leases) status() (list []status.PoolLease) {
	for _, k := range l.each {
		if s, ok := k.status(); ok {
			list = append(list, s)
		}
	}
	return list
}

// refused says that the hub has turned the box away.
func (l *leases) refused(why string) {
	for _, k := range l.each {
		k.refused(why)
	}
}

// short reports whether nothing of a kind is free.
func (l *leases) short(kind license.Kind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.use[kind]
	return u.InUse >= u.Own+u.Leased
}

// giveBackTime is how long the box tries to give its leases back when it leaves its fleet.
const giveBackTime = 3 * time.Second

// leave gives everything back if the hub answers soon, and forgets it in any case. run goes on meanwhile.
func (l *leases) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, giveBackTime)
	defer cancel()
	l.apply(false, l.authorities())
	for _, k := range l.each {
		k.await(ctx)
	}
}

// forget removes what is kept of leases.
func (l *leases) forget() {
	for _, k := range l.each {
		if err := k.forget(); err != nil {
			l.o.Log.Warn("a lease that is over is not removed", "err", err)
		}
	}
}
