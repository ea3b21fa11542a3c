package starface

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	workers      = 4 // requests under way at once
	listLife     = time.Hour
	listAgain    = 10 * time.Minute // after which the list is read anew for somebody who is not in it
	look         = time.Minute      // between looks at what was set: who switches it off himself has the last word
	keepMost     = 10 * time.Minute // for which a state that is not known leaves things as they are
	firstPause   = 10 * time.Second
	lastPause    = 5 * time.Minute
	refusedFirst = time.Minute // a refused login is not repeated often: the STARFACE might lock the account
	refusedLast  = 30 * time.Minute
)

// Wish is what ought to be for a user.
type Wish uint8

const (
	Keep    Wish = iota // his state in Teams is not known: as it is, but not for ever
	Release             // he may be disturbed, as far as Teams says
	Set                 // do not disturb
)

// Person is a Teams user, and what ought to be for him at the STARFACE.
type Person struct {
	Name   string   // of the Teams user; no two have the same
	Mails  []string // his addresses in Teams: one of them is that of the user at the STARFACE, in any case; not changed any more
	Logins []string // what may be his login id there, if no address of his is known there: extension and identity; not changed any more
	Wish   Wish
}

// State is how somebody is as seen by a Keeper.
type State string

const (
	Idle      State = "idle"      // nothing of ours
	Waiting   State = "waiting"   // to be set or taken back as soon as the STARFACE can be asked
	Ours      State = "ours"      // do not disturb is on, by us
	Own       State = "own"       // it was on already: the user's own, which stays
	Yielded   State = "yielded"   // it was ours, and the user has switched it off
	Unknown   State = "unknown"   // no user of the STARFACE is found
	Ambiguous State = "ambiguous" // several are
	Refused   State = "refused"   // the STARFACE does not do it; it is tried again
)

// KeeperOptions are what a Keeper is given.
type KeeperOptions struct {
	Service string // name of the presence-service
	Log     *slog.Logger
	Client  *Client
	Book    *Book
	Report  func(why, cure string) // something lasting is wrong with the STARFACE, or nothing is any more ("")
}

// Keeper sees to it that do not disturb is as wished for the users of one STARFACE.
type Keeper struct {
	o       KeeperOptions
	changed chan struct{} // one token: there are other wishes

	mu     sync.Mutex
	told   bool
	people map[string]*person
	down   *Error // why nothing can be done at all
	report string // what Report was told last
	asked  bool   // the STARFACE was, and has answered

	// Of Run alone.
	users      []User
	read       time.Time // when
	pause      time.Duration
	resumption time.Time
}

// person is somebody whom the Keeper was told of, or for whom something is ours.
type person struct {
	Person
	state   State
	why     string // for Unknown, Ambiguous, Refused
	cure    string
	since   time.Time // of the wish
	looked  time.Time // at what is ours
	after   time.Time // not before
	pause   time.Duration
	entry   *Entry // what is ours; nil: nothing
	certain bool   // it was seen to be set
}

// NewKeeper returns one that knows of nothing yet.
func NewKeeper(o KeeperOptions) *Keeper {
	return &Keeper{o: o, changed: make(chan struct{}, 1), people: map[string]*person{}}
}

// recall takes over what is ours from those who ran before, in this process or an earlier one. Without wishes it is taken back after a while.
func (k *Keeper) recall() {
	own := k.o.Book.of(k.o.Service, k.o.Client.access.URL)
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, e := range own {
		p := k.people[name]
		if p == nil {
			p = &person{Person: Person{Name: name}, since: time.Now()}
			if k.told {
				p.Wish = Release
			}
			k.people[name] = p
		}
		p.state, p.entry, p.certain = Ours, &e, true
	}
}

// Want takes the wishes for all users at once; for who is not among them nothing is wished any more. It never waits.
func (k *Keeper) Want(people []Person) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = true
	now := time.Now()
	named := make(map[string]bool, len(people))
	different := false
	for _, p := range people {
		named[p.Name] = true
		old := k.people[p.Name]
		if old == nil {
			old = &person{state: Idle, since: now}
			k.people[p.Name] = old
		}
		different = old.wish(p, now) || different
	}
	for name, p := range k.people {
		switch {
		case named[name]:
		case p.entry == nil:
			delete(k.people, name)
		default:
			different = p.wish(Person{Name: name, Mails: p.Mails, Logins: p.Logins, Wish: Release}, now) || different
		}
	}
	if different {
		select {
		case k.changed <- struct{}{}:
		default:
		}
	}
}

// wish takes over another wish, and says whether there may be something to do.
func (p *person) wish(to Person, now time.Time) bool {
	from := p.Person
	p.Person = to
	if from.Wish == to.Wish && slices.Equal(from.Logins, to.Logins) && slices.Equal(from.Mails, to.Mails) {
		return false
	}
	if from.Wish != to.Wish {
		p.since = now
	}
	if to.Wish == Release && p.entry == nil {
		p.rest()
	}
	p.after, p.pause = time.Time{}, 0
	return true
}

// rest is the state of somebody for whom nothing is ours and nothing is to be done.
func (p *person) rest() { p.state, p.why, p.cure, p.entry, p.certain = Idle, "", "", nil, false }

// due is what is to be done for somebody, and when.
func (p *person) due(now time.Time) (todo, time.Time) {
	wish, at := p.Wish, p.after
	if wish == Keep {
		if p.entry == nil {
			return nothing, time.Time{}
		}
		if end := p.since.Add(keepMost); now.Before(end) {
			return nothing, end
		}
		wish = Release
	}
	switch {
	case wish == Release && p.entry != nil:
		return release, at
	case wish == Set && p.entry != nil && !p.certain:
		return set, at // it was not heard what became of it
	case wish == Set && p.entry != nil:
		return watch, later(at, p.looked.Add(look))
	case wish == Set && (p.state == Idle || p.state == Waiting || p.state == Refused || p.state == Unknown || p.state == Ambiguous):
		return set, at
	}
	return nothing, time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// todo is what is to be done for somebody.
type todo uint8

const (
	nothing todo = iota
	set
	release
	watch // whether it still is as we set it
)
