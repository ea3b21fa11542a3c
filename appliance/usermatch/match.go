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

// State is what became of a user.
type State string

const (
	Matched   State = "matched"
	Unmatched State = "unmatched" // no identity
	Ambiguous State = "ambiguous" // several identities
	Double    State = "double"    // one identity, which another user has or wants as well
	Excluded  State = "excluded"  // by an `exclude` line; with `users all` also who may not sign in
)

// Found is what became of a user.
type Found struct {
	User      User
	State     State
	Identity  string               // of a matched one, and the one that a double wants
	Extension string               // of a matched one
	By        config.PresenceMatch // the rule; "": a `user` line
	Reason    string               // why it is not matched, printable: "no location-service has an identity anna"
}

// Missing is a name in the configuration that no user of the directory has.
type Missing struct {
	Name    string
	Exclude bool   // in an `exclude` line, not in a `user` line
	Reason  string // printable
}

// Result is what became of a directory.
type Result struct {
	Found   []Found   // whom the service is about, by user principal name in any case
	Missing []Missing // in the order of the configuration
}

// Count is how many users came to a state.
func (r *Result) Count(s State) (n int) {
	for i := range r.Found {
		if r.Found[i].State == s {
			n++
		}
	}
	return n
}

// Match finds the identities of users. The order of users does not matter, and one who comes twice, with the same ID, counts once.
//
// A `user` line comes before the rule: who has one with an identity is asked for nothing else, and has the identity though the rule
// would give it to somebody else as well. Where two claims are as good, neither holds: a wrong match would have a call refused for the state of somebody else.
func Match(cfg *config.Config, service *config.PresenceService, users []User) *Result {
	m := &matcher{cfg: cfg, service: service, names: identities(cfg)}
	users = slices.Clone(users)
	slices.SortStableFunc(users, compareUsers)
	seen := map[string]bool{}
	users = slices.DeleteFunc(users, func(u User) bool {
		again := seen[u.ID]
		seen[u.ID] = true
		return again
	})
	m.users, m.directory = users, newDirectory(users)

	lines := m.lines()
	excluded := m.excluded()
	for i, u := range users {
		line, listed := lines[i]
		f := Found{User: u}
		switch why := excluded[i]; {
		case !listed && !service.All:
			continue
		case why != "":
			f.State, f.Reason = Excluded, "excluded by `exclude "+printable.Text(why)+"`"
		case !u.Enabled && !listed:
			f.State, f.Reason = Excluded, "may not sign in (the account is blocked in Entra)"
		case !u.Enabled:
			f.State, f.Reason = Unmatched, "may not sign in (the account is blocked in Entra)"
		default:
			m.find(&f, line)
		}
		m.result.Found = append(m.result.Found, f)
	}
	m.settle()
	return &m.result
}

// matcher is one run of Match.
type matcher struct {
	cfg       *config.Config
	service   *config.PresenceService
	names     index // of identities
	users     []User
	directory directory
	numbers   *numbers // made when the rule first needs it
	result    Result
}

// fold is the form in which names are compared in any case.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func compareUsers(a, b User) int {
	return cmp.Or(cmp.Compare(fold(a.UPN), fold(b.UPN)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.UPN, b.UPN), cmp.Compare(a.Mail, b.Mail),
		cmp.Compare(a.EmployeeID, b.EmployeeID), slices.Compare(a.Phones, b.Phones))
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

// directory has users by what a line may call them.
type directory struct {
	upn, mail, local map[string][]int
}

func newDirectory(users []User) directory {
	d := directory{map[string][]int{}, map[string][]int{}, map[string][]int{}}
	add := func(to map[string][]int, name string, i int) {
		if name = fold(name); name != "" && !slices.Contains(to[name], i) {
			to[name] = append(to[name], i)
		}
	}
	for i, u := range users {
		add(d.upn, u.UPN, i)
		add(d.mail, u.Mail, i)
		add(d.local, local(u.UPN), i)
		add(d.local, local(u.Mail), i)
	}
	return d
}

// local is the part of an address before its last @; "" when there is none.
func local(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return strings.TrimSpace(address[:at])
}

// named returns the users that a line means: the one with that user principal name, else those with that mail address.
func (d directory) named(name string) []int {
	if list := d.upn[fold(name)]; len(list) > 0 {
		return list
	}
	return d.mail[fold(name)]
}

// line is what the `user` lines say of one user.
type line struct {
	config.PresenceUser
	clash string // why they say nothing: "" when they do
}

// lines finds the users of the `user` lines.
func (m *matcher) lines() map[int]line {
	lines := map[int]line{}
	for _, p := range m.service.Users {
		list := m.directory.named(p.Name)
		if len(list) == 0 {
			m.miss(p.Name, false)
		}
		for _, i := range list {
			l := line{PresenceUser: p}
			if len(list) > 1 {
				l.clash = plural.Of(len(list), "user") + " of the directory are called " + printable.Text(p.Name) + ": write user principal names"
			}
			if old, again := lines[i]; again && (old.clash != "" || old.Identity != p.Identity || old.Extension != p.Extension) {
				l.clash = cmp.Or(old.clash, "two `user` lines name this user, and say different things")
			}
			lines[i] = l
		}
	}
	return lines
}

// excluded finds the users of the `exclude` lines, each with its line.
func (m *matcher) excluded() map[int]string {
	excluded := map[int]string{}
	for _, name := range m.service.Exclude {
		list := m.directory.named(name)
		if len(list) == 0 {
			m.miss(name, true)
		}
		for _, i := range list {
			excluded[i] = name
		}
	}
	return excluded
}

// miss notes a name that the directory does not have. Most such names have the wrong one of the tenant's domains.
func (m *matcher) miss(name string, exclude bool) {
	why := "the directory has no such user"
	if near := m.directory.local[fold(local(name))]; len(near) > 0 {
		why += "; it has " + some("and", near, func(i int) string { return m.users[i].UPN })
	}
	m.result.Missing = append(m.result.Missing, Missing{Name: name, Exclude: exclude, Reason: why})
}

// find sets what became of a user whom nothing excludes.
func (m *matcher) find(f *Found, line line) {
	var claim []string
	var why string
	switch {
	case line.clash != "":
		f.State, f.Reason = Ambiguous, line.clash
		return
	case line.Identity != "":
		claim = m.names.of(line.Identity)
		why = "no location-service has the identity " + printable.Text(line.Identity) + " of its `user` line"
	default:
		f.By = m.service.Match
		claim, why = m.by(m.service.Match, f.User)
	}
	switch len(claim) {
	case 0:
		f.State, f.Reason = Unmatched, why
		if f.By != "" {
			f.Reason += m.hint(f.User)
		}
	case 1:
		f.State, f.Identity, f.Extension = Matched, claim[0], cmp.Or(line.Extension, claim[0])
	default:
		f.State, f.Reason = Ambiguous, "may be "+some("or", claim, func(s string) string { return s })
	}
}

// by returns the identities of a user by a rule, and why there are none.
func (m *matcher) by(rule config.PresenceMatch, u User) (list []string, why string) {
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
			m.numbers = newNumbers(m.cfg)
		}
		return m.numbers.of(u.Phones)
	}
	if name == "" {
		return nil, "has no " + what + " in the directory"
	}
	return m.names.of(name), "no location-service has an identity " + printable.Text(name)
}

// hint says which other rule would find an identity, among those that cost nothing.
func (m *matcher) hint(u User) string {
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

// settle takes the identity away from those who share it. A `user` line holds against the rule.
func (m *matcher) settle() {
	claims := map[string][]int{}
	for i, f := range m.result.Found {
		if f.State == Matched {
			claims[f.Identity] = append(claims[f.Identity], i)
		}
	}
	for _, list := range claims {
		said := slices.DeleteFunc(slices.Clone(list), func(i int) bool { return m.result.Found[i].By != "" })
		for _, i := range list {
			f := &m.result.Found[i]
			if len(list) == 1 || len(said) == 1 && said[0] == i {
				continue
			}
			rivals := slices.DeleteFunc(slices.Clone(list), func(o int) bool { return o == i })
			f.State, f.Extension = Double, ""
			f.Reason = printable.Text(f.Identity) + " would also be that of " + some("and", rivals, func(o int) string { return m.result.Found[o].User.UPN })
			if len(said) == 1 {
				f.Reason = printable.Text(f.Identity) + " is that of " + printable.Text(m.result.Found[said[0]].User.UPN) + " by a `user` line"
			}
		}
	}
}

// named is how many names a reason has.
const named = 3

// some names a few of a list: "a, b and c", "a, b, c or 7 others".
func some[T any](and string, list []T, name func(T) string) string {
	var words []string
	for _, x := range list[:min(len(list), named)] {
		words = append(words, printable.Text(name(x)))
	}
	if more := len(list) - len(words); more > 0 {
		return strings.Join(words, ", ") + " " + and + " " + plural.Of(more, "other")
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
	}
	return words[0]
}
