// Package usermatch finds out which user of a directory is which identity of a location-service, and with which extension at the PBX: by the
// `user` lines of a presence-service, by name, mail address or employee id, or by the telephone number that the routing of the configuration
// leads to the identity. It also reads tables of such pairs, as ProCall keeps them (see ReadTable).
//
// It owns what counts as a match, and why there is none. It does not own the directory, nor what follows from a match. Texts of the directory
// are those of strangers: a Reason is printable, the fields of a User are as they came. It has no goroutines, reads no clock and opens nothing.
package usermatch

import (
	"cmp"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// User is a user of the directory.
type User struct {
	ID         string // of the object
	UPN        string
	Mail       string // "" for none, as in the following
	EmployeeID string
	Phones     []string // businessPhones, as people have written them
	Enabled    bool     // may sign in
}

// State is why a user is not matched.
type State string

const (
	Unmatched State = "unmatched" // no identity
	Ambiguous State = "ambiguous" // several identities
	Double    State = "double"    // one identity, which another user has or wants as well
)

// Pair is a user who is an identity. No other user is.
type Pair struct {
	User
	Identity  string
	Extension string               // at the PBX
	By        config.PresenceMatch // the rule that found it; "": a `user` line says so
}

// Problem is a user who should be an identity and is none.
type Problem struct {
	ID, UPN string
	State   State
	Reason  string // printable: "no location-service has an identity anna"
}

// Missing is a name in the configuration that no user of the directory has.
type Missing struct {
	Name    string
	Exclude bool   // in an `exclude` line, not in a `user` line
	Reason  string // printable
}

// MaxProblems is how many problems a Result tells; all are counted.
const MaxProblems = 500

// Result is what became of a directory.
type Result struct {
	Pairs    []Pair    // by user principal name, in any case
	Problems []Problem // likewise; the first MaxProblems
	Missing  []Missing // in the order of the configuration

	Read                         int // users that were added
	Unmatched, Ambiguous, Double int
	Excluded                     int // by `exclude` lines, and with `users all` those who may not sign in
}

// Matcher finds the identities of the users of a directory, which come one by one, in any order. It keeps those who claim an identity, those
// whom the configuration names, and MaxProblems more.
//
// A `user` line comes before the rule: who has one with an identity is asked for nothing else, and has the identity though the rule would
// give it to somebody else as well. Where two claims are as good, neither holds: a wrong match would have a call refused for the state of
// somebody else.
type Matcher struct {
	cfg     *config.Config
	service *config.PresenceService
	names   index    // of identities
	numbers *numbers // made when the rule first needs it

	lines    map[string]*line    // by name
	excluded map[string]bool     // by name, whether somebody has it
	near     map[string][]string // user principal names by the part before the @, for those parts that lines have
	claims   map[string][]Pair   // by identity
	result   Result
}

// line is what the `user` lines with one name say, and who has that name.
type line struct {
	says      []config.PresenceUser
	upn, mail []User
	excluded  bool // somebody has it who is left out
}

// New returns a matcher for a service of a configuration.
func New(cfg *config.Config, service *config.PresenceService) *Matcher {
	m := &Matcher{cfg: cfg, service: service, names: identities(cfg), lines: map[string]*line{}, excluded: map[string]bool{}, near: map[string][]string{}, claims: map[string][]Pair{}}
	for _, u := range service.Users {
		name := fold(u.Name)
		if m.lines[name] == nil {
			m.lines[name] = &line{}
		}
		m.lines[name].says = append(m.lines[name].says, u)
		m.near[fold(local(name))] = nil
	}
	for _, name := range service.Exclude {
		m.excluded[fold(name)] = false
		m.near[fold(local(name))] = nil
	}
	return m
}

// Add looks at a user.
func (m *Matcher) Add(u User) {
	m.result.Read++
	upn, mail := fold(u.UPN), fold(u.Mail)
	m.remember(u, local(upn))
	m.remember(u, local(mail))

	byUPN, byMail := m.lines[upn], m.lines[mail]
	if m.leftOut(upn) || m.leftOut(mail) {
		for _, l := range []*line{byUPN, byMail} {
			if l != nil {
				l.excluded = true
			}
		}
		if byUPN != nil || byMail != nil || m.service.All() {
			m.result.Excluded++
		}
		return
	}
	if byUPN != nil {
		byUPN.upn = append(byUPN.upn, u)
	}
	if byMail != nil && byMail != byUPN {
		byMail.mail = append(byMail.mail, u)
	}
	if byUPN == nil && byMail == nil {
		m.unlisted(u)
	}
}

// remember notes who is called as somebody in a line, but for the domain. Most names that are wrong have the wrong domain.
func (m *Matcher) remember(u User, part string) {
	if list, wanted := m.near[part]; wanted && part != "" && !slices.Contains(list, u.UPN) {
		i, _ := slices.BinarySearch(list, u.UPN)
		list = slices.Insert(list, i, u.UPN)
		m.near[part] = list[:min(len(list), some+1)]
	}
}

// leftOut reports whether an `exclude` line has the name.
func (m *Matcher) leftOut(name string) bool {
	_, is := m.excluded[name]
	if is {
		m.excluded[name] = true
	}
	return is
}

// unlisted looks at a user whom no line names.
func (m *Matcher) unlisted(u User) {
	switch {
	case !m.service.All():
	case !u.Enabled:
		m.result.Excluded++
	default:
		m.find(u, config.PresenceUser{})
	}
}

// Result settles who is who, after the last user was added.
func (m *Matcher) Result() *Result {
	type named struct {
		User
		says  []config.PresenceUser
		clash string // why they say nothing
	}
	listed := map[string]*named{} // by ID
	var others []User
	for _, u := range m.service.Users {
		l := m.lines[fold(u.Name)]
		if len(l.says) == 0 { // a further line with this name
			continue
		}
		who := l.upn
		if len(who) == 0 {
			who = l.mail
		} else {
			others = append(others, l.mail...)
		}
		who = distinct(who, func(u User) string { return u.ID })
		if len(who) == 0 && !l.excluded {
			m.miss(u.Name, false)
		}
		for _, x := range who {
			n := listed[x.ID]
			if n == nil {
				n = &named{User: x}
				listed[x.ID] = n
			}
			n.says = append(n.says, l.says...)
			if len(who) > 1 {
				n.clash = plural.Of(len(who), "user") + " of the directory are called " + printable.Text(u.Name) + ": write user principal names"
			}
		}
		l.says = nil
	}
	for _, name := range m.service.Exclude {
		if seen, again := m.excluded[fold(name)]; again && !seen {
			m.miss(name, true)
			delete(m.excluded, fold(name))
		}
	}
	for _, u := range distinct(others, func(u User) string { return u.ID }) {
		if listed[u.ID] == nil {
			m.unlisted(u)
		}
	}
	for _, n := range listed {
		differ := slices.ContainsFunc(n.says, func(p config.PresenceUser) bool {
			return p.Identity != n.says[0].Identity || p.Extension != n.says[0].Extension
		})
		switch {
		case n.clash != "":
			m.problem(n.ID, n.UPN, Ambiguous, func() string { return n.clash })
		case differ:
			m.problem(n.ID, n.UPN, Ambiguous, func() string { return "two `user` lines name this user, and say different things" })
		case !n.Enabled:
			m.problem(n.ID, n.UPN, Unmatched, func() string { return "may not sign in (the account is blocked in Entra)" })
		default:
			m.find(n.User, n.says[0])
		}
	}
	m.settle()
	return &m.result
}

// distinct returns each user once: pages of a directory may overlap.
func distinct[T any](list []T, id func(T) string) []T {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool {
		again := seen[id(x)]
		seen[id(x)] = true
		return again
	})
}

// miss notes a name that the directory does not have.
func (m *Matcher) miss(name string, exclude bool) {
	why := "the directory has no such user"
	if near := m.near[local(fold(name))]; len(near) > 0 {
		why += "; it has " + several("and", near)
	}
	m.result.Missing = append(m.result.Missing, Missing{Name: name, Exclude: exclude, Reason: why})
}

// problem counts a problem, and keeps it if it is among the first.
func (m *Matcher) problem(id, upn string, s State, reason func() string) {
	list := m.result.Problems
	i, again := slices.BinarySearchFunc(list, Problem{ID: id, UPN: upn}, func(a, b Problem) int { return before(a.UPN, a.ID, b.UPN, b.ID) })
	if again {
		return
	}
	switch s {
	case Unmatched:
		m.result.Unmatched++
	case Ambiguous:
		m.result.Ambiguous++
	case Double:
		m.result.Double++
	}
	if i < MaxProblems {
		list = slices.Insert(list, i, Problem{ID: id, UPN: upn, State: s, Reason: reason()})
		m.result.Problems = list[:min(len(list), MaxProblems)]
	}
}

// before orders users.
func before(upn, id, otherUPN, otherID string) int {
	return cmp.Or(cmp.Compare(fold(upn), fold(otherUPN)), cmp.Compare(upn, otherUPN), cmp.Compare(id, otherID))
}

// find looks for the identity of a user, of whom a line may say something.
func (m *Matcher) find(u User, line config.PresenceUser) {
	p := Pair{User: u, Extension: line.Extension}
	var claim []string
	var why func() string
	if line.Identity != "" {
		claim = m.names.of(line.Identity)
		why = func() string {
			return "no location-service has the identity " + printable.Text(line.Identity) + " of its `user` line"
		}
	} else {
		p.By = m.service.Match
		claim, why = m.by(p.By, u)
	}
	switch len(claim) {
	case 0:
		m.problem(u.ID, u.UPN, Unmatched, func() string {
			if p.By == "" {
				return why()
			}
			return why() + m.hint(u)
		})
	case 1:
		p.Identity = claim[0]
		p.Extension = cmp.Or(p.Extension, p.Identity)
		m.claims[p.Identity] = append(m.claims[p.Identity], p)
	default:
		m.problem(u.ID, u.UPN, Ambiguous, func() string { return "may be " + several("or", claim) })
	}
}

// by returns the identities of a user by a rule, and why there are none.
func (m *Matcher) by(rule config.PresenceMatch, u User) (list []string, why func() string) {
	var name, what string
	switch rule {
	case config.MatchUPN:
		name, what = local(u.UPN), "user principal name"
	case config.MatchMail:
		name, what = local(u.Mail), "mail address"
	case config.MatchEmployeeID:
		name, what = strings.TrimSpace(u.EmployeeID), "employee id"
	case config.MatchPhone:
		if m.numbers == nil {
			m.numbers = newNumbers(m.cfg, m.names)
		}
		return m.numbers.of(u.Phones)
	}
	if name == "" {
		return nil, func() string { return "has no " + what + " in the directory" }
	}
	return m.names.of(name), func() string { return "no location-service has an identity " + printable.Text(name) }
}

// hint says which other rule would find an identity, among those that cost nothing.
func (m *Matcher) hint(u User) string {
	for _, rule := range []config.PresenceMatch{config.MatchUPN, config.MatchMail, config.MatchEmployeeID} {
		if rule == m.service.Match {
			continue
		}
		if list, _ := m.by(rule, u); len(list) == 1 {
			return "; `match " + string(rule) + "` would find " + printable.Text(list[0])
		}
	}
	return ""
}

// settle gives each identity to the one who claims it, or to nobody. A `user` line holds against the rule.
func (m *Matcher) settle() {
	for identity, list := range m.claims {
		slices.SortFunc(list, func(a, b Pair) int { return before(a.UPN, a.ID, b.UPN, b.ID) })
		list = distinct(list, func(p Pair) string { return p.ID })
		owner := -1
		if said := slices.DeleteFunc(slices.Clone(list), func(p Pair) bool { return p.By != "" }); len(said) == 1 {
			owner = slices.IndexFunc(list, func(p Pair) bool { return p.ID == said[0].ID })
		} else if len(list) == 1 {
			owner = 0
		}
		for i, p := range list {
			if i == owner {
				m.result.Pairs = append(m.result.Pairs, p)
				continue
			}
			m.problem(p.ID, p.UPN, Double, func() string {
				if owner >= 0 {
					return printable.Text(identity) + " is that of " + printable.Text(list[owner].UPN) + " by a `user` line"
				}
				var rivals []string
				for o, r := range list {
					if o != i && len(rivals) <= some {
						rivals = append(rivals, r.UPN)
					}
				}
				return printable.Text(identity) + " would also be that of " + several("and", rivals)
			})
		}
	}
	slices.SortFunc(m.result.Pairs, func(a, b Pair) int { return before(a.UPN, a.ID, b.UPN, b.ID) })
}

// fold is the form in which names are compared in any case.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// local is the part of an address before its last @; "" when there is none.
func local(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return strings.TrimSpace(address[:at])
}

// index has the identities by their names, and by their aliases, in any case.
type index map[string][]string

// identities lists those of all location-services.
func identities(cfg *config.Config) index {
	x := index{}
	add := func(name, identity string) {
		if name = fold(name); name != "" && !slices.Contains(x[name], identity) {
			x[name] = append(x[name], identity)
		}
	}
	for _, l := range cfg.Location {
		for _, i := range l.Identities {
			add(i.Name, i.Name)
			for _, a := range i.Aliases {
				add(a, i.Name)
			}
		}
	}
	return x
}

// of returns the identities that a name may mean: the one that is spelled so, else all that are so in any case.
func (x index) of(name string) []string {
	all := x[fold(name)]
	if slices.Contains(all, name) {
		return []string{name}
	}
	return all
}

// some is how many names a reason has.
const some = 3

// several joins names: "a", "a and b", "a, b, c and others".
func several(and string, names []string) string {
	var words []string
	for _, n := range names[:min(len(names), some)] {
		words = append(words, printable.Text(n))
	}
	if len(names) > some {
		return strings.Join(words, ", ") + " " + and + " others"
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
}
