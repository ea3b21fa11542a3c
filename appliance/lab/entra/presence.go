package entra

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// User is who stands in the directory.
type User struct {
	ID, UPN, Mail, EmployeeID string // ID "": one is made
	Phones                    []string
	Disabled                  bool
	NoTeams                   bool // without a licence, or a guest: nobody knows the presence
}

// State is a pair of Graph: availability and activity.
type State struct{ Availability, Activity string }

// States of Graph.
var (
	Available = State{"Available", "Available"}
	Away      = State{"Away", "Away"}
	InACall   = State{"Busy", "InACall"}
	Offline   = State{"Offline", "Offline"}
)

// user is a User with what is known of the presence.
type user struct {
	User
	sessions    map[string]session // by application, teamsClient for Teams itself
	preferred   *session
	outOfOffice bool
}

// teamsClient is the session of a user's own Teams.
const teamsClient = "Teams"

// session is what one program says of a user.
type session struct {
	State
	set, end time.Time // end zero: none
}

// AddUser adds somebody to the directory.
func (s *Service) AddUser(u User) User {
	if u.ID == "" {
		u.ID = newID()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &user{User: u, sessions: map[string]session{}}
	s.users = append(s.users, added)
	s.named[strings.ToLower(u.ID)], s.named[strings.ToLower(u.UPN)] = added, added
	return u
}

// find finds a user by id or user principal name; nil: there is none. s.mu is held.
func (s *Service) find(name string) *user { return s.named[strings.ToLower(name)] }

// change changes a user, who must exist.
func (s *Service) change(name string, do func(u *user)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.find(name)
	if u == nil {
		panic("no such user: " + name)
	}
	do(u)
}

// SignIn has a user's own Teams say how the user is, as it does of itself in a call or a meeting.
func (s *Service) SignIn(name string, st State) {
	s.change(name, func(u *user) { u.sessions[teamsClient] = session{State: st, set: time.Now()} })
}

// SignOut ends a user's Teams.
func (s *Service) SignOut(name string) {
	s.change(name, func(u *user) { delete(u.sessions, teamsClient) })
}

// Choose is what a user does in Teams' menu: the preferred presence, for a day.
func (s *Service) Choose(name string, st State) {
	s.change(name, func(u *user) {
		u.preferred = &session{State: st, set: time.Now(), end: time.Now().Add(24 * time.Hour)}
	})
}

// Unchoose is "reset status" in Teams' menu.
func (s *Service) Unchoose(name string) { s.change(name, func(u *user) { u.preferred = nil }) }

// SetOutOfOffice is what a user's calendar says.
func (s *Service) SetOutOfOffice(name string, out bool) {
	s.change(name, func(u *user) { u.outOfOffice = out })
}

// Shows is what others see of a user.
func (s *Service) Shows(name string) (st State) {
	s.change(name, func(u *user) { st = u.seen(time.Now()) })
	return st
}

// Session is what an application says of a user now, and how much longer.
func (s *Service) Session(name, application string) (st State, left time.Duration, ok bool) {
	s.change(name, func(u *user) {
		u.fade(time.Now())
		var x session
		if x, ok = u.sessions[strings.ToLower(application)]; ok {
			st, left = x.State, time.Until(x.end)
		}
	})
	return st, left, ok
}

// Preferred is what the user has chosen.
func (s *Service) Preferred(name string) (st State, ok bool) {
	s.change(name, func(u *user) {
		u.fade(time.Now())
		if u.preferred != nil {
			st, ok = u.preferred.State, true
		}
	})
	return st, ok
}

// fadeTime is after how long an application's Available becomes AvailableIdle, and once more after how long Away.
const fadeTime = 5 * time.Minute

// fade ends what has ended and weakens what was not said again ("Timeout, expiration, and keep alive").
func (u *user) fade(now time.Time) {
	for id, x := range u.sessions {
		switch {
		case !x.end.IsZero() && !now.Before(x.end):
			delete(u.sessions, id)
		case id == teamsClient || x.Activity != "Available":
		case now.Sub(x.set) >= 2*fadeTime:
			x.State = Away
			u.sessions[id] = x
		case now.Sub(x.set) >= fadeTime:
			x.State = State{"AvailableIdle", "Available"}
			u.sessions[id] = x
		}
	}
	if u.preferred != nil && !now.Before(u.preferred.end) {
		u.preferred = nil
	}
}

// Precedence among sessions, the weakest first; of two activities of one availability the later one.
var (
	availabilities = []string{"PresenceUnknown", "Offline", "Away", "BeRightBack", "AvailableIdle", "Available", "BusyIdle", "Busy", "DoNotDisturb"}
	activities     = []string{"Busy", "InAMeeting", "InACall", "InAConferenceCall", "DoNotDisturb", "UrgentInterruptionsOnly", "Presenting"}
)

// seen is the state that others see.
func (u *user) seen(now time.Time) State {
	if u.NoTeams {
		return State{"PresenceUnknown", "PresenceUnknown"}
	}
	u.fade(now)
	var st State
	for _, x := range u.sessions {
		if cmp.Or(cmp.Compare(slices.Index(availabilities, x.Availability), slices.Index(availabilities, st.Availability)),
			cmp.Compare(slices.Index(activities, x.Activity), slices.Index(activities, st.Activity))) > 0 {
			st = x.State
		}
	}
	if st == (State{}) {
		st = Offline
	}
	if len(u.sessions) > 0 && u.preferred != nil {
		st = u.preferred.State
	}
	if u.outOfOffice && (st == Available || st == Offline) {
		st.Activity = "OutOfOffice"
	}
	return st
}

// presence is the resource of that name.
func (u *user) presence(now time.Time) any {
	st := u.seen(now)
	return map[string]any{"id": u.ID, "availability": st.Availability, "activity": st.Activity, "statusMessage": nil, "sequenceNumber": nil, "workLocation": nil,
		"outOfOfficeSettings": map[string]any{"message": nil, "isOutOfOffice": u.outOfOffice}}
}

func missing(name string) *problem {
	return &problem{status: http.StatusNotFound, code: "NotFound", text: "The user was not found, or has no presence: " + name}
}

// readPresence is GET /users/{id}/presence.
func (s *Service) readPresence(t *token, id string, r *http.Request) (any, *problem) {
	if p := t.may(PresenceRead, PresenceWrite); p != nil {
		return nil, p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.find(id)
	if u == nil || u.NoTeams {
		return nil, missing(id)
	}
	return u.presence(time.Now()), nil
}

// sessionRequest is the body of what changes a session.
type sessionRequest struct {
	SessionID          string `json:"sessionId"`
	Availability       string `json:"availability"`
	Activity           string `json:"activity"`
	ExpirationDuration string `json:"expirationDuration"`
}

// sessionPairs and preferredPairs are what can be set.
var (
	sessionPairs = []State{Available, InACall, {"Busy", "InAConferenceCall"}, Away, {"DoNotDisturb", "Presenting"}}

	preferredPairs = []State{Available, {"Busy", "Busy"}, {"DoNotDisturb", "DoNotDisturb"}, {"BeRightBack", "BeRightBack"}, Away, {"Offline", "OffWork"}}
)

// setPresence is POST /users/{id}/presence/setPresence.
func (s *Service) setPresence(t *token, id string, r *http.Request) (any, *problem) {
	var asked sessionRequest
	if p := t.mayWrite(r, &asked, false); p != nil {
		return nil, p
	}
	st := State{asked.Availability, asked.Activity}
	life := 5 * time.Minute
	switch {
	case asked.SessionID != t.application.id:
		return nil, bad("sessionId %q is not the application's id.", asked.SessionID)
	case !slices.Contains(sessionPairs, st):
		return nil, bad("The combination of availability %q and activity %q is not supported.", st.Availability, st.Activity)
	case asked.ExpirationDuration != "":
		var err error
		if life, err = duration(asked.ExpirationDuration); err != nil || life < 5*time.Minute || life > 4*time.Hour {
			return nil, bad("expirationDuration %q is not between PT5M and PT4H.", asked.ExpirationDuration)
		}
	}
	return s.onUser(id, func(u *user, now time.Time) *problem {
		u.sessions[strings.ToLower(t.application.id)] = session{State: st, set: now, end: now.Add(life)}
		return nil
	})
}

// clearPresence is POST /users/{id}/presence/clearPresence.
func (s *Service) clearPresence(t *token, id string, r *http.Request) (any, *problem) {
	var asked struct {
		SessionID string `json:"sessionId"`
	}
	if p := t.mayWrite(r, &asked, false); p != nil {
		return nil, p
	}
	if asked.SessionID != t.application.id {
		return nil, bad("sessionId %q is not the application's id.", asked.SessionID)
	}
	return s.onUser(id, func(u *user, now time.Time) *problem {
		if _, there := u.sessions[strings.ToLower(t.application.id)]; !there {
			return &problem{status: http.StatusNotFound, code: "NotFound", text: "The presence session was not found."}
		}
		delete(u.sessions, strings.ToLower(t.application.id))
		return nil
	})
}

// setPreferred is POST /users/{id}/presence/setUserPreferredPresence.
func (s *Service) setPreferred(t *token, id string, r *http.Request) (any, *problem) {
	var asked struct {
		Availability       string `json:"availability"`
		Activity           string `json:"activity"`
		ExpirationDuration string `json:"expirationDuration"`
	}
	if p := t.mayWrite(r, &asked, false); p != nil {
		return nil, p
	}
	st := State{asked.Availability, asked.Activity}
	if !slices.Contains(preferredPairs, st) {
		return nil, bad("The combination of availability %q and activity %q is not supported.", st.Availability, st.Activity)
	}
	life := 7 * 24 * time.Hour
	if st.Availability == "Busy" || st.Availability == "DoNotDisturb" {
		life = 24 * time.Hour
	}
	if asked.ExpirationDuration != "" {
		var err error
		if life, err = duration(asked.ExpirationDuration); err != nil || life <= 0 {
			return nil, bad("expirationDuration %q is no duration.", asked.ExpirationDuration)
		}
	}
	return s.onUser(id, func(u *user, now time.Time) *problem {
		u.preferred = &session{State: st, set: now, end: now.Add(life)}
		return nil
	})
}

// clearPreferred is POST /users/{id}/presence/clearUserPreferredPresence.
func (s *Service) clearPreferred(t *token, id string, r *http.Request) (any, *problem) {
	if p := t.mayWrite(r, &struct{}{}, true); p != nil {
		return nil, p
	}
	return s.onUser(id, func(u *user, now time.Time) *problem {
		u.preferred = nil
		return nil
	})
}

// mayWrite wants the role, and reads the body.
func (t *token) mayWrite(r *http.Request, to any, mayBeEmpty bool) *problem {
	if p := t.may(PresenceWrite); p != nil {
		return p
	}
	return read(r, to, mayBeEmpty)
}

// onUser changes the presence of a user.
func (s *Service) onUser(id string, do func(u *user, now time.Time) *problem) (any, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.find(id)
	if u == nil || u.NoTeams {
		return nil, missing(id)
	}
	now := time.Now()
	u.fade(now)
	return nil, do(u, now)
}

// duration reads a duration of ISO 8601 of days and shorter units.
func duration(text string) (time.Duration, error) {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok || rest == "" {
		return 0, fmt.Errorf("read duration %q: it has no P", text)
	}
	days, clock, hasClock := strings.Cut(rest, "T")
	if hasClock && clock == "" {
		return 0, fmt.Errorf("read duration %q: nothing stands after T", text)
	}
	var sum time.Duration
	for _, part := range []struct {
		text, letters string
		units         []time.Duration
	}{{days, "D", []time.Duration{24 * time.Hour}}, {clock, "HMS", []time.Duration{time.Hour, time.Minute, time.Second}}} {
		for rest, from := part.text, 0; rest != ""; {
			end := strings.IndexAny(rest, part.letters[from:])
			if end < 1 {
				return 0, fmt.Errorf("read duration %q: %q", text, rest)
			}
			n, err := strconv.ParseUint(rest[:end], 10, 31)
			if err != nil {
				return 0, fmt.Errorf("read duration %q: %w", text, err)
			}
			unit := strings.IndexByte(part.letters, rest[end])
			sum, from, rest = sum+time.Duration(n)*part.units[unit], unit+1, rest[end+1:]
		}
	}
	return sum, nil
}
