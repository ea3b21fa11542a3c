package presence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/usermatch"
)

// directory is the tenant's, as it is being read.
type directory struct {
	matcher *usermatch.Matcher
	found   *usermatch.Result
}

func (s *service) directory() *directory { return &directory{matcher: usermatch.New(s.cfg, s.p)} }

// add takes a user of the directory.
func (d *directory) add(u graph.User) error {
	d.matcher.Add(usermatch.User(u))
	return nil
}

// rematch has a configuration count for those who are known, before the directory is read again.
func (s *service) rematch(now time.Time) {
	d := s.directory()
	for _, p := range s.people.list {
		d.matcher.Add(p.user)
	}
	d.found = d.matcher.Result()
	s.take(d, now)
}

// take has those be ours who are matched. Who was so before keeps what is known of him.
func (s *service) take(d *directory, now time.Time) {
	l := &s.people
	matched := map[string]bool{}
	for _, f := range d.found.Pairs[:min(len(d.found.Pairs), mostUsers)] {
		matched[f.User.ID] = true
		p := l.byID[f.User.ID]
		if p == nil {
			p = &person{}
			l.list = append(l.list, p)
			l.byID[f.User.ID] = p
		} else if p.told && (p.identity != f.Identity || p.extension != f.Extension) {
			p.leaving = true // as that identity
			s.publish(p, config.PresenceMap{}, now)
		}
		p.user, p.identity, p.extension, p.leaving = f.User, f.Identity, f.Extension, false
	}
	for _, p := range l.list {
		if p.leaving = !matched[p.user.ID]; p.leaving {
			s.publish(p, config.PresenceMap{}, now) // before somebody else is told as his identity
		}
	}
	slices.SortFunc(l.list, func(a, b *person) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.user.UPN), strings.ToLower(b.user.UPN)), cmp.Compare(a.user.ID, b.user.ID))
	})
	l.asked = nil
	s.poll.at = now // somebody is new, perhaps
	s.judge(now)
}

// warn raises the alarm of those who are not matched: of everybody who is listed, and else of those who fit badly.
func (s *service) warn(d *directory) {
	found := d.found
	var list []string
	for _, m := range found.Missing {
		list = append(list, m.Name+": "+m.Reason)
	}
	bad := len(found.Missing) + found.Ambiguous + found.Double
	if !s.p.All() {
		bad += found.Unmatched
	}
	for _, f := range found.Problems {
		if f.State != usermatch.Unmatched || !s.p.All() {
			list = append(list, f.UPN+": "+f.Reason)
		}
	}
	if left := len(found.Pairs) - mostUsers; left > 0 {
		list = append(list, fmt.Sprintf("%s beyond the first %d", plural.Of(left, "user"), mostUsers))
		bad++
	}
	if len(list) == 0 {
		s.e.o.Health.Clear(health.PresenceUsers, s.name)
		return
	}
	why := list[0]
	if bad > 1 {
		why += fmt.Sprintf(", and %d more", bad-1)
	}
	s.e.o.Health.Set(health.PresenceUsers, health.Args{"service": s.name, "why": why})
}
