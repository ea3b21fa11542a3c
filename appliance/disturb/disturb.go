// Package disturb decides whether a call of the PBX for a Teams user goes out, by how that user is.
//
// It owns for which identity of a location-service a call to Teams is, that callers of an emergency number may be called back whatever they
// say, and which identities the box has calls of. It does not own how users are (package presence), nor calls (package call).
//
// It has no goroutine. A Guard may be asked from any; it never waits.
package disturb

import (
	"maps"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/route"
)

// Presence knows how Teams users are. Package presence implements it.
type Presence interface {
	// Refuse says with which code a call of the PBX for an identity is refused, and why; 0: it goes out. It must not wait.
	Refuse(identity string) (code int, why string)
}

const (
	// Rescue is how long somebody who has called an emergency number is rung whatever he says.
	Rescue = 4 * time.Hour

	mostRescued = 1024 // identities and numbers, the last ones
	mostNumbers = 4096 // whose identity is kept
)

// Guard is asked before each call to Teams.
type Guard struct {
	presence Presence

	mu      sync.Mutex
	cfg     *config.Config       // that known belongs to
	known   map[string]string    // identities by number
	rescued map[string]time.Time // when they have called an emergency number: identities and numbers
	carried map[string]int       // calls of each identity
}

// New returns the guard of calls. A nil p lets all of them out.
func New(p Presence) *Guard {
	return &Guard{presence: p, known: map[string]string{}, rescued: map[string]time.Time{}, carried: map[string]int{}}
}

// Asked is what a call is asked with: the interface that it came by (nil: none), and its properties there.
type Asked struct {
	From *config.SIPInterface
	Call *route.Call
}

// User is a Teams user whom the PBX calls; zero: the call is not for one, or nobody knows for whom.
type User struct {
	Identity string // as which the box is registered for him at the PBX
	Number   string // of his in Teams
}

// Whom tells for which Teams user an attempt is. The PBX names an identity in the Request-URI, which is the contact of its registration;
// or it names a number, and the identity is the one as which a call of this number would come to the PBX.
func (g *Guard) Whom(cfg *config.Config, q Asked, a *route.Attempt) User {
	if g.presence == nil || len(cfg.Presence) == 0 || q.From == nil || q.From.Teams() {
		return User{}
	}
	sw, to := a.Interface.In(cfg)
	if to == nil || !to.Teams() {
		return User{}
	}
	u := User{Identity: q.Call.CalledE164, Number: party.International(sw, a.Call.CalledE164)}
	named := party.ParseAddress(q.Call.CalledURI).User
	if u.Identity == named && isIdentity(cfg, q.From, named) {
		return u
	}
	if number := g.by(cfg, q.From, to, u.Number, &a.Call); number != "" {
		u.Identity = number
	} else if !isIdentity(cfg, q.From, u.Identity) {
		u.Identity = ""
	}
	return u
}

// isIdentity reports whether the box is somebody at the peer of an interface.
func isIdentity(cfg *config.Config, i *config.SIPInterface, name string) bool {
	gw := i.Gateway.In(cfg)
	return name != "" && gw != nil && slices.ContainsFunc(gw.Location, func(r config.Ref[config.Config, config.LocationService]) bool {
		l := r.In(cfg)
		return l != nil && slices.ContainsFunc(l.Identities, func(x *config.Identity) bool { return x.Name == name })
	})
}

// by is the identity of a number: it is routed as a call from Teams back to the caller. "": it has none.
func (g *Guard) by(cfg *config.Config, pbx, teams *config.SIPInterface, number string, c *route.Call) string {
	gw := pbx.Gateway.In(cfg)
	if gw == nil || len(gw.Location) == 0 {
		return ""
	}
	g.mu.Lock()
	if g.cfg != cfg || len(g.known) >= mostNumbers {
		g.cfg, g.known = cfg, map[string]string{}
	}
	identity, ok := g.known[number]
	g.mu.Unlock()
	if ok {
		return identity
	}
	back, _ := route.New(cfg, teams.ID(), route.Call{CalledE164: c.CallingE164, CallingE164: number, CallingURI: "sip:" + number + "@" + teams.Remote.Host + ";user=phone", Time: c.Time})
	for n := range back.Attempts {
		b := &back.Attempts[n]
		if user := party.ParseAddress(b.Call.CallingURI).User; b.Interface == pbx.ID() && isIdentity(cfg, pbx, user) {
			identity = user
			break
		}
	}
	if identity != "" { // else another caller may have a way back
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.cfg == cfg {
			g.known[number] = identity
		}
	}
	return identity
}

// Refuses says with which code a call for a user is refused, and why; 0: it goes out.
func (g *Guard) Refuses(u User) (code int, why string) {
	if u.Identity == "" {
		return 0, ""
	}
	if code, why = g.presence.Refuse(u.Identity); code == 0 || g.isRescued(u) {
		return 0, ""
	}
	return code, why
}

// Rescues notes that a user has called an emergency number.
func (g *Guard) Rescues(u User) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.rescued, func(_ string, at time.Time) bool { return now.Sub(at) >= Rescue })
	for _, key := range []string{u.Identity, u.Number} {
		if key == "" {
			continue
		}
		g.rescued[key] = now
		if len(g.rescued) > mostRescued {
			oldest := key
			for k, at := range g.rescued {
				if at.Before(g.rescued[oldest]) {
					oldest = k
				}
			}
			delete(g.rescued, oldest)
		}
	}
}

// Rescued is who has called an emergency number, and when, for another box.
func (g *Guard) Rescued() map[string]time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.rescued)
}

// Resume takes what Rescued of another box has said.
func (g *Guard) Resume(rescued map[string]time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, at := range rescued {
		if at.After(g.rescued[key]) && time.Since(at) < Rescue && len(g.rescued) < mostRescued {
			g.rescued[key] = at
		}
	}
}

func (g *Guard) isRescued(u User) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range []string{u.Identity, u.Number} {
		if at, ok := g.rescued[key]; ok && key != "" && time.Since(at) < Rescue {
			return true
		}
	}
	return false
}

// Carry notes that a call has become one of an identity (now), and is one of another (was) no more; "": none.
func (g *Guard) Carry(was, now string) {
	if was == now {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if was != "" {
		if g.carried[was]--; g.carried[was] == 0 {
			delete(g.carried, was)
		}
	}
	if now != "" {
		g.carried[now]++
	}
}

// Carries reports whether the box itself has a call from or to Teams in which an identity takes part.
func (g *Guard) Carries(identity string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.carried[identity] > 0
}
