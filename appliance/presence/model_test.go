package presence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
)

// plain is what ought to come of all that happened to a user, without any regard to how the engine gets there.
type plain struct {
	heard   config.PresenceState // the last state of Teams that the box had not set, unless it is over
	ended   time.Time            // the last session of ours
	call    bool                 // of the user at the PBX
	carried bool                 // by the box
	since   time.Time            // the PBX tells that the extension is busy
	marked  time.Time            // since when the PBX is told that it is
}

// chase is a tenant and a PBX that tell each other through the engine. The PBX shows what it is told as if it were a call, as an Asterisk does whose
// hint has both.
type chase struct {
	*tenant
	r      *rig
	echoes bool
	users  []*plain
	polled int
	before time.Time // the last poll
}

func (c *chase) Presences(ctx context.Context, ids []string, dst []graph.Presence) ([]graph.Presence, error) {
	now := time.Now()
	dst, err := c.tenant.Presences(ctx, ids, dst)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polled++
	for i, u := range c.users {
		a := c.people[id(i)]
		switch state := a.shows(now); {
		case state != config.InACall || !now.Before(a.session) && u.ended.Before(c.before):
			u.heard = state
		case u.heard == config.DoNotDisturb || u.heard == config.Presenting || u.heard == config.Busy || u.heard == config.BeRightBack:
			u.heard = config.PresenceUnknown // it would be told
		case now.Before(a.session) && c.r.service.Follows(u.heard).Publish:
			u.heard = config.PresenceUnknown // it would keep itself alive
		}
	}
	c.before = now
	return dst, err
}

func (c *chase) Clear(ctx context.Context, user string) error {
	err := c.tenant.Clear(ctx, user)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, u := range c.users {
		if id(i) == user {
			u.ended = time.Now()
		}
	}
	return err
}

// Publish is what the PBX is told.
func (c *chase) Publish(p Publication) {
	c.r.watch.Publish(p)
	var i int
	fmt.Sscanf(p.Extension, "user.%d", &i)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch u := c.users[i]; {
	case !p.Busy:
		u.marked = time.Time{}
	case u.marked.IsZero():
		u.marked = time.Now()
	}
	if c.echoes {
		go c.tell(i)
	}
}

// tell has the PBX tell how an extension is.
func (c *chase) tell(i int) {
	c.mu.Lock()
	u := c.users[i]
	busy := u.call || c.echoes && !u.marked.IsZero()
	if was := !u.since.IsZero(); was == busy {
		c.mu.Unlock()
		return
	}
	u.since = time.Time{}
	if busy {
		u.since = time.Now()
	}
	since := u.since
	c.mu.Unlock()
	c.r.engine.Line(Line{Identity: identity(i), Origin: "subscription", Busy: busy, Since: since})
}

func id(i int) string       { return fmt.Sprintf("id-%04d", i) }
func identity(i int) string { return fmt.Sprintf("user.%04d", i) }

// happen has one thing change.
func (c *chase) happen(r *rand.Rand) {
	i := r.IntN(len(c.users))
	u := c.users[i]
	switch r.IntN(5) {
	case 0, 1:
		c.choose(id(i), config.PresenceStates[r.IntN(len(config.PresenceStates))])
		return
	case 2:
		c.choose(id(i), config.InACall)
		return
	case 3:
		c.be(func(*tenant) { u.call = !u.call })
	case 4:
		if u.carried = !u.carried; u.carried {
			c.r.carried.Store(identity(i), true)
		} else {
			c.r.carried.Delete(identity(i))
		}
	}
	c.tell(i)
}

func (c *chase) polls() (n int) {
	c.be(func(*tenant) { n = c.polled })
	return n
}

// look returns what there is, by user.
func (c *chase) look() (users []plain, accounts []account) {
	c.be(func(*tenant) {
		for i, u := range c.users {
			users, accounts = append(users, *u), append(accounts, *c.people[id(i)])
		}
	})
	return users, accounts
}

// compare looks whether the engine does what follows from what Teams tells.
func (c *chase) compare() {
	c.r.t.Helper()
	users, _ := c.look()
	for i, u := range users {
		f := c.r.service.Follows(u.heard)
		if code, _ := c.r.engine.Refuse(identity(i)); code != f.Refuse {
			c.r.t.Fatalf("%s gets %d, want %d: Teams told %s", identity(i), code, f.Refuse, u.heard)
		}
		if busy := c.r.watch.busy(identity(i)); busy != f.Publish {
			c.r.t.Fatalf("%s is busy at the PBX: %v, Teams told %s", identity(i), busy, u.heard)
		}
	}
}

// settled looks whether everybody knows what is.
func (c *chase) settled() {
	c.r.t.Helper()
	users, accounts := c.look()
	for i, u := range users {
		a := accounts[i]
		busy := !u.since.IsZero() && !u.carried && (u.marked.IsZero() || u.since.Before(u.marked))
		if session := time.Now().Before(a.session); session != busy {
			c.r.t.Fatalf("%s: Teams has a session: %v, want %v: %+v, %+v", identity(i), session, busy, u, c.r.user(i))
		}
		if busy && !u.call && !outranks(a.chosen) {
			c.r.t.Fatalf("%s is on the phone for ever: %+v, %+v", identity(i), u, c.r.user(i))
		}
		if !busy && u.heard != a.chosen {
			c.r.t.Fatalf("%s is %s, and known as %s", identity(i), a.chosen, u.heard)
		}
	}
}

func TestStatesThatChaseEachOtherSettle(t *testing.T) {
	for _, x := range []struct{ users, changes, rounds int }{{1, 100, 8}, {32, 400, 2}, {1000, 200, 1}} {
		for _, echoes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d users, echo %v", x.users, echoes), func(t *testing.T) {
				for round := range x.rounds {
					r := rand.New(rand.NewPCG(uint64(x.users), uint64(round)))
					synctest.Test(t, func(t *testing.T) { chased(t, r, x.users, x.changes, echoes) })
				}
			})
		}
	}
}

func chased(t *testing.T, random *rand.Rand, users, changes int, echoes bool) {
	c := &chase{tenant: newTenant(users), echoes: echoes}
	for range users {
		c.users = append(c.users, &plain{heard: config.Available})
	}
	c.r = prepared(t, c.tenant, func(p *config.PresenceService) {
		p.Map = []config.PresenceMap{{State: config.InACall, Refuse: 480, Publish: true}, {State: config.Busy, Refuse: 486}, {State: config.Away, Refuse: 603, Publish: true}}
	})
	c.r.publisher = c
	c.r.start(func(*config.PresenceService) (Directory, error) { return c, nil })
	for range changes {
		c.happen(random)
		if random.IntN(20) != 0 {
			time.Sleep(time.Duration(random.Int64N(int64(3 * time.Second))))
			continue
		}
		for before := c.polls(); c.polls() == before; { // after a poll
			c.r.pass(time.Second)
		}
		c.compare()
	}
	c.r.pass(2*poll + settle) // settles within two polls
	c.compare()
	c.r.pass(2 * poll) // for which an echo may linger
	c.settled()
	c.takeTold()
	c.r.watch.take()
	c.r.pass(4 * time.Minute)
	if told, published := c.takeTold(), c.r.watch.take(); published != "" || strings.Contains(told, "clear") {
		t.Errorf("it goes on by itself: Teams is told %s, the PBX %s", told, published)
	}
	c.compare()
}
