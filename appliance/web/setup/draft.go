package setup

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
	"viaduct/appliance/wizard"
)

// Bounds of what is kept.
const (
	maxDrafts = 8
	longest   = 12 * time.Hour // without a visit
)

// draft is what somebody has typed so far. It is the account's and not the session's: whoever logs in again goes on where he was.
type draft struct {
	mu       sync.Mutex
	Answers  wizard.Answers
	found    bool // the configuration that ran at the beginning had calls
	tried    map[string]bool
	left     string // lines of a table that are not understood
	wrong    []wizard.Problem
	ignored  []string
	repeated int
	said     string    // by the box, which refused it
	seen     time.Time // of the desk
}

// drafts are those of all accounts.
type drafts struct {
	mu sync.Mutex
	of map[string]*draft
}

// desk is where they lie.
var desk = drafts{of: map[string]*draft{}}

// find is the draft of an account, nil if it has none.
func (l *drafts) find(user string) *draft {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, d := range l.of {
		if time.Since(d.seen) > longest {
			delete(l.of, name)
		}
	}
	d := l.of[user]
	if d != nil {
		d.seen = time.Now()
	}
	return d
}

// put keeps a draft, in place of the oldest when there are too many. One that came meanwhile stays.
func (l *drafts) put(user string, d *draft) *draft {
	l.mu.Lock()
	defer l.mu.Unlock()
	if there := l.of[user]; there != nil {
		return there
	}
	if len(l.of) >= maxDrafts {
		oldest := ""
		for name, o := range l.of {
			if oldest == "" || o.seen.Before(l.of[oldest].seen) {
				oldest = name
			}
		}
		delete(l.of, oldest)
	}
	d.seen = time.Now()
	l.of[user] = d
	return d
}

func (l *drafts) forget(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, user)
}

// drafted is the user's draft; the first one is read from what runs.
func drafted(q *page.Request) (*draft, error) {
	if d := desk.find(q.User); d != nil {
		return d, nil
	}
	now, err := running(q)
	if err != nil {
		return nil, err
	}
	d := &draft{Answers: wizard.Read(now), tried: map[string]bool{}, found: strings.Contains(now, "\n  interface sip ")}
	if err := suggest(q, d, now); err != nil {
		return nil, err
	}
	return desk.put(q.User, d), nil
}

// unasked takes from what runs the answer that no step asks: who has trusted an issuer since the draft began does not lose it.
func (d *draft) unasked(now string) {
	d.Answers.Certificate.Trusted = wizard.Read(now).Certificate.Trusted
}

// suggest puts what the box knows of itself in the place of answers that its configuration does not have.
func suggest(q *page.Request, d *draft, now string) error {
	if !strings.Contains(now, "clock local zone ") {
		d.Answers.Box.Zone = "" // the browser fills in its own
	}
	var s status.System
	if err := q.Status("system", nil, &s); err != nil {
		return err
	}
	if n := len(s.Serial); n >= 6 && !strings.Contains(now, "system hostname ") {
		d.Answers.Box.Name = "sbc-" + strings.ToLower(s.Serial[n-6:])
	}
	var l status.Licenses
	if err := q.Status("licenses", nil, &l); err != nil {
		return err
	}
	for _, p := range l.Pools {
		if p.Name == status.SessionPool && p.Total > 0 {
			d.Answers.Teams.Sessions = strconv.Itoa(p.Total)
		}
	}
	return nil
}
