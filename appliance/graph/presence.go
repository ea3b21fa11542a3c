package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"viaduct/appliance/config"
)

const (
	idsMax   = 650 // of one getPresencesByUserId
	idMax    = 64  // octets of a user's id; a GUID has 36
	wordMax  = 64  // of availability and activity
	lifeMin  = 5 * time.Minute
	lifeMax  = 4 * time.Hour
	preferMx = 7 * 24 * time.Hour
)

// Presence is how a user is.
type Presence struct {
	ID           string
	State        config.PresenceState // PresenceUnknown: Graph does not know, or says what this firmware does not know
	Availability string               // as Graph has it, at most 64 octets; made printable where it is shown
	Activity     string               // likewise
	OutOfOffice  bool                 // whatever the state is
}

// word is a text that is mostly one of a few, for which nothing is allocated.
type word string

var words = func() map[string]word {
	m := map[string]word{}
	for _, w := range strings.Fields("Available AvailableIdle Away BeRightBack Busy BusyIdle DoNotDisturb Offline PresenceUnknown " +
		"InACall InAConferenceCall Inactive InAMeeting OffWork OutOfOffice Presenting UrgentInterruptionsOnly") {
		m[w] = word(w)
	}
	return m
}()

func (w *word) UnmarshalText(text []byte) error {
	known, ok := words[string(text)]
	if !ok {
		known = word(text[:min(len(text), wordMax)])
	}
	*w = known
	return nil
}

// identifier is a user's id, kept in place until it is found among those that were asked for.
type identifier struct {
	text [idMax]byte
	n    int
}

func (i *identifier) UnmarshalText(text []byte) error {
	if i.n = 0; len(text) <= idMax {
		i.n = copy(i.text[:], text)
	}
	return nil
}

type wirePresence struct {
	ID           identifier `json:"id"`
	Availability word       `json:"availability"`
	Activity     word       `json:"activity"`
	OutOfOffice  struct {
		Is bool `json:"isOutOfOffice"`
	} `json:"outOfOfficeSettings"`
}

// StateOf is what availability and activity of Graph say together. The first decides, and the second says more where it fits. An availability that
// is not known is PresenceUnknown: never free, never busy.
func StateOf(availability, activity string) config.PresenceState {
	switch availability {
	case "Available", "AvailableIdle":
		return away(activity, config.Available)
	case "Busy", "BusyIdle":
		switch activity {
		case "InACall":
			return config.InACall
		case "InAConferenceCall":
			return config.InAConference
		case "InAMeeting":
			return config.InAMeeting
		}
		return config.Busy
	case "DoNotDisturb":
		if activity == "Presenting" {
			return config.Presenting
		}
		return config.DoNotDisturb
	case "Away":
		return away(activity, config.Away)
	case "BeRightBack":
		return away(activity, config.BeRightBack)
	case "Offline":
		return away(activity, config.Offline)
	}
	return config.PresenceUnknown
}

func away(activity string, otherwise config.PresenceState) config.PresenceState {
	switch activity {
	case "OutOfOffice":
		return config.OutOfOffice
	case "OffWork":
		return config.OffWork
	}
	return otherwise
}

// Presences reads how users are, 650 a request, and appends it to dst in no order. Users of whom Graph says nothing, or nothing that is understood, are
// left out. After an error some of them may have been appended.
func (c *Client) Presences(ctx context.Context, ids []string, dst []Presence) ([]Presence, error) {
	link := c.hosts.Graph + version + "/communications/getPresencesByUserId"
	for len(ids) > 0 {
		some := ids[:min(len(ids), idsMax)]
		ids = ids[len(some):]
		asked := finder{ids: some}
		err := c.request(ctx, opPresences, http.MethodPost, link, struct {
			IDs []string `json:"ids"`
		}{some}, func(m *meter) error {
			_, err := collection(m, func(w *wirePresence) error {
				if id, ok := asked.take(w.ID.text[:w.ID.n]); ok {
					dst = append(dst, Presence{ID: id, State: StateOf(string(w.Availability), string(w.Activity)),
						Availability: string(w.Availability), Activity: string(w.Activity), OutOfOffice: w.OutOfOffice.Is})
				}
				return nil
			})
			return err
		})
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// finder finds ids among those that were asked for, each once. Graph answers in their order mostly.
type finder struct {
	ids   []string
	next  int
	taken [idsMax]bool
	index map[string]int // made when the order is another
}

func (f *finder) take(id []byte) (string, bool) {
	i := f.next
	if i >= len(f.ids) || f.ids[i] != string(id) {
		if f.index == nil {
			f.index = make(map[string]int, len(f.ids))
			for i, id := range f.ids {
				f.index[strings.ToLower(id)] = i
			}
		}
		var ok bool
		if i, ok = f.index[string(id)]; !ok {
			if i, ok = f.index[strings.ToLower(string(id))]; !ok {
				return "", false
			}
		}
	}
	if f.taken[i] {
		return "", false
	}
	f.taken[i], f.next = true, i+1
	return f.ids[i], true
}

// setPresence is the body of setPresence and setUserPreferredPresence, whose session is none.
type setPresence struct {
	Session      string `json:"sessionId,omitempty"`
	Availability string `json:"availability"`
	Activity     string `json:"activity"`
	Life         string `json:"expirationDuration,omitempty"`
}

// SetBusy has a user be busy in a call, in a session of the application that ends by itself after life: 5 minutes to 4 hours, in whole minutes.
// A user who has chosen a state himself keeps it.
func (c *Client) SetBusy(ctx context.Context, id string, life time.Duration) error {
	body := setPresence{Session: c.c.Application, Availability: "Busy", Activity: "InACall", Life: lasting(max(lifeMin, min(life, lifeMax)))}
	return c.request(ctx, opSet, http.MethodPost, c.presenceOf(id, "setPresence"), body, nil)
}

// Clear ends the session of the application. That there is none is no error.
func (c *Client) Clear(ctx context.Context, id string) error {
	body := struct {
		Session string `json:"sessionId"`
	}{c.c.Application}
	return absent(c.request(ctx, opClear, http.MethodPost, c.presenceOf(id, "clearPresence"), body, nil))
}

// Preferred is a state that stands above all sessions of a user, as if he had chosen it himself.
type Preferred struct {
	State config.PresenceState // Available, Busy, DoNotDisturb, BeRightBack, Away, Offline or OffWork
	Life  time.Duration        // in whole minutes; 0: as long as Microsoft likes, a day or a week
}

// Preferable reports whether a state may be preferred. In a call, for one, is Busy then.
func Preferable(s config.PresenceState) bool {
	_, ok := preferred[s]
	return ok
}

// preferred are the pairs that setUserPreferredPresence takes.
var preferred = map[config.PresenceState][2]string{
	config.Available:    {"Available", "Available"},
	config.Busy:         {"Busy", "Busy"},
	config.DoNotDisturb: {"DoNotDisturb", "DoNotDisturb"},
	config.BeRightBack:  {"BeRightBack", "BeRightBack"},
	config.Away:         {"Away", "Away"},
	config.Offline:      {"Offline", "OffWork"},
	config.OffWork:      {"Offline", "OffWork"},
}

// Prefer sets what a user prefers to be. It lasts while a session of him exists; without one he is offline.
func (c *Client) Prefer(ctx context.Context, id string, p Preferred) error {
	pair, ok := preferred[p.State]
	if !ok {
		return &Error{Op: opPrefer, Kind: Refused, Text: fmt.Sprintf("nobody can prefer to be %q", string(p.State)), Cure: cureReport}
	}
	body := setPresence{Availability: pair[0], Activity: pair[1]}
	if p.Life > 0 {
		body.Life = lasting(max(lifeMin, min(p.Life, preferMx)))
	}
	return c.request(ctx, opPrefer, http.MethodPost, c.presenceOf(id, "setUserPreferredPresence"), body, nil)
}

// ClearPreferred has the sessions of a user speak again. That nothing was preferred is no error.
func (c *Client) ClearPreferred(ctx context.Context, id string) error {
	return absent(c.request(ctx, opUnprefer, http.MethodPost, c.presenceOf(id, "clearUserPreferredPresence"), struct{}{}, nil))
}

func (c *Client) presenceOf(id, action string) string {
	return c.hosts.Graph + version + "/users/" + url.PathEscape(id) + "/presence/" + action
}

// lasting writes a duration (ISO 8601), whole minutes upwards.
func lasting(d time.Duration) string {
	return fmt.Sprintf("PT%dM", (d+time.Minute-1)/time.Minute)
}

// absent takes what is not there for cleared.
func absent(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}
