package usermatch_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/printable/printabletest"
	"viaduct/appliance/usermatch"
)

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, problems := lang.New().Parse([]byte(text))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatal(p)
		}
	}
	return cfg
}

// guide is the configuration that integrators paste: user.01 to user.03 are +497123222 to 224.
func guide(t testing.TB, changes ...string) *config.Config {
	t.Helper()
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, strings.NewReplacer(changes...).Replace(string(text)))
}

func user(name string, change ...func(*usermatch.User)) usermatch.User {
	u := usermatch.User{ID: "id-" + strings.ToLower(name), UPN: name, Mail: name, Enabled: true}
	for _, c := range change {
		c(&u)
	}
	return u
}

func phones(list ...string) func(*usermatch.User) {
	return func(u *usermatch.User) { u.Phones = list }
}
func mail(s string) func(*usermatch.User)     { return func(u *usermatch.User) { u.Mail = s } }
func employee(s string) func(*usermatch.User) { return func(u *usermatch.User) { u.EmployeeID = s } }
func blocked(u *usermatch.User)               { u.Enabled = false }

func match(cfg *config.Config, service *config.PresenceService, users []usermatch.User) *usermatch.Result {
	m := usermatch.New(cfg, service)
	for _, u := range users {
		m.Add(u)
	}
	return m.Result()
}

// said writes a result down.
func said(r *usermatch.Result) (list []string) {
	for _, p := range r.Pairs {
		list = append(list, strings.TrimSpace(fmt.Sprint(p.UPN, " is ", p.Identity, " ", p.Extension, " by ", p.By)))
	}
	for _, p := range r.Problems {
		list = append(list, fmt.Sprint(p.UPN, " ", p.State, ": ", p.Reason))
	}
	for _, m := range r.Missing {
		list = append(list, fmt.Sprint("missing ", m.Name, " ", m.Exclude, ": ", m.Reason))
	}
	if r.Excluded > 0 {
		list = append(list, fmt.Sprint("excluded ", r.Excluded))
	}
	return list
}

func TestMatch(t *testing.T) {
	named := guide(t, "identity user.02 inherits teams", "identity anna inherits teams\n    alias name Anna.Muster", "identity user.03 inherits teams", "identity 21 inherits teams")
	for _, x := range []struct {
		name    string
		cfg     *config.Config
		service config.PresenceService
		users   []usermatch.User
		want    []string
	}{
		{"only those of the lines, though others would match", named, config.PresenceService{Match: config.MatchUPN, Users: []config.PresenceUser{{Name: "ANNA@contoso.com"}}},
			[]usermatch.User{user("21@contoso.com"), user("anna@contoso.com")},
			[]string{"anna@contoso.com is anna anna by upn"}},
		{"an alias is the identity, in any case", named, config.PresenceService{Match: config.MatchMail, Scope: config.ScopeAll},
			[]usermatch.User{user("x@contoso.com", mail("ANNA.MUSTER@contoso.com")), user("y@contoso.com", mail(""))},
			[]string{"x@contoso.com is anna anna by mail", "y@contoso.com unmatched: has no mail address in the directory"}},
		{"the reason names the rule that would do", named, config.PresenceService{Match: config.MatchMail, Scope: config.ScopeAll},
			[]usermatch.User{user("anna@contoso.com", mail("a.muster@contoso.com"))},
			[]string{"anna@contoso.com unmatched: no location-service has an identity a.muster; `match upn` would find anna"}},
		{"employee id", named, config.PresenceService{Match: config.MatchEmployeeID, Scope: config.ScopeAll},
			[]usermatch.User{user("a@contoso.com", employee(" 21 ")), user("b@contoso.com")},
			[]string{"a@contoso.com is 21 21 by employee-id", "b@contoso.com unmatched: has no employee id in the directory"}},
		{"a line says more than the rule", named, config.PresenceService{Match: config.MatchUPN, Scope: config.ScopeAll,
			Users: []config.PresenceUser{{Name: "boss@contoso.com", Identity: "ANNA", Extension: "10"}, {Name: "21@contoso.com", Extension: "121"}}},
			[]usermatch.User{user("anna@contoso.com"), user("boss@contoso.com"), user("21@contoso.com")},
			[]string{
				"21@contoso.com is 21 121 by upn",
				"boss@contoso.com is anna 10 by",
				"anna@contoso.com double: anna is that of boss@contoso.com by a `user` line",
			}},
		{"two users of one identity have none", named, config.PresenceService{Match: config.MatchMail, Scope: config.ScopeAll},
			[]usermatch.User{user("anna@contoso.com"), user("anna@contoso.de")},
			[]string{
				"anna@contoso.com double: anna would also be that of anna@contoso.de",
				"anna@contoso.de double: anna would also be that of anna@contoso.com",
			}},
		{"two lines for one identity, too", named, config.PresenceService{Users: []config.PresenceUser{{Name: "a@x", Identity: "21"}, {Name: "b@x", Identity: "21"}}},
			[]usermatch.User{user("a@x"), user("b@x")},
			[]string{"a@x double: 21 would also be that of b@x", "b@x double: 21 would also be that of a@x"}},
		{"lines that contradict each other", named, config.PresenceService{Users: []config.PresenceUser{{Name: "a@x", Identity: "21"}, {Name: "a.m@x", Identity: "anna"}}},
			[]usermatch.User{user("a@x", mail("a.m@x"))},
			[]string{"a@x ambiguous: two `user` lines name this user, and say different things"}},
		{"a mail address of two users", named, config.PresenceService{Users: []config.PresenceUser{{Name: "team@x", Identity: "21"}}},
			[]usermatch.User{user("a@x", mail("team@x")), user("b@x", mail("team@x"))},
			[]string{
				"a@x ambiguous: 2 users of the directory are called team@x: write user principal names",
				"b@x ambiguous: 2 users of the directory are called team@x: write user principal names",
			}},
		{"an identity that is not there", named, config.PresenceService{Match: config.MatchUPN, Users: []config.PresenceUser{{Name: "anna@x", Identity: "user.99"}}},
			[]usermatch.User{user("anna@x")},
			[]string{"anna@x unmatched: no location-service has the identity user.99 of its `user` line"}},
		{"names that the directory does not have", named, config.PresenceService{Match: config.MatchUPN, Scope: config.ScopeAll,
			Users: []config.PresenceUser{{Name: "anna@contoso.com"}, {Name: "nobody@contoso.com"}}, Exclude: []string{"Boss@contoso.com", "21@contoso.de"}},
			[]usermatch.User{user("anna@contoso.onmicrosoft.com"), user("21@contoso.de")},
			[]string{
				"anna@contoso.onmicrosoft.com is anna anna by upn",
				"missing anna@contoso.com false: the directory has no such user; it has anna@contoso.onmicrosoft.com",
				"missing nobody@contoso.com false: the directory has no such user",
				"missing Boss@contoso.com true: the directory has no such user",
				"excluded 1",
			}},
		{"an exclusion is stronger than a line", named, config.PresenceService{Users: []config.PresenceUser{{Name: "anna@x", Identity: "anna"}}, Exclude: []string{"ANNA@X"}},
			[]usermatch.User{user("anna@x")},
			[]string{"excluded 1"}},
		{"blocked accounts", named, config.PresenceService{Match: config.MatchUPN, Scope: config.ScopeAll, Users: []config.PresenceUser{{Name: "21@x"}}},
			[]usermatch.User{user("anna@x", blocked), user("21@x", blocked)},
			[]string{
				"21@x unmatched: may not sign in (the account is blocked in Entra)",
				"excluded 1",
			}},
		{"numbers, as people write them", guide(t), config.PresenceService{Match: config.MatchPhone, Scope: config.ScopeAll},
			[]usermatch.User{
				user("a@x", phones("+49 (0)7123 / 222")), user("b@x", phones("ext. 7", "tel:+49-7123-223")),
				user("c@x", phones("+1 555 0100")), user("d@x"), user("e@x", phones("none")), user("f@x", phones("+497123222", "+497123224")),
			},
			[]string{
				"a@x is user.01 user.01 by phone",
				"b@x is user.02 user.02 by phone",
				"c@x unmatched: the routing leads no identity to or from the business phone +15550100",
				"d@x unmatched: has no business phone in the directory",
				"e@x unmatched: the business phone none is no telephone number",
				"f@x ambiguous: may be user.01 or user.03",
			}},
	} {
		t.Run(x.name, func(t *testing.T) {
			if diff := cmp.Diff(x.want, said(match(x.cfg, &x.service, x.users))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A number belongs to an identity by either way of a call: out of the PBX by the table of called numbers, or into it by that of callers.
func TestNumbersOfEitherWay(t *testing.T) {
	const called, callers = `    map sip:user.01@.+ to +497123222`, `    map \+497123222 to sip:user.01@192.168.1.100`
	for _, x := range []struct {
		name string
		cfg  *config.Config
		want string
	}{
		{"called numbers alone", guide(t, callers, ""), "a@x is user.01 user.01 by phone"},
		{"callers alone", guide(t, called, ""), "a@x is user.01 user.01 by phone"},
		{"national numbers", guide(t, called, "map sip:user.01@.+ to 07123222", callers, "", "context cs SWITCH\n\n", "context cs SWITCH\n  country-code 49\n  national-prefix 0\n\n"), "a@x is user.01 user.01 by phone"},
		{"without +", guide(t, called, "map sip:user.01@.+ to 00497123222", callers, ""), "a@x is user.01 user.01 by phone"},
		{"each way another identity", guide(t, called, "", `    map \+497123223 to sip:user.02@192.168.1.100`, `    map \+497123222 to sip:user.02@192.168.1.100`, "sip:user.02@.+ to +497123223", "sip:user.01@.+ to +497123222"),
			"a@x ambiguous: may be user.01 or user.02"},
		{"neither", guide(t, called, "", callers, ""), "a@x unmatched: the routing leads no identity to or from the business phone +497123222"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := match(x.cfg, &config.PresenceService{Match: config.MatchPhone, Scope: config.ScopeAll}, []usermatch.User{user("a@x", phones("+497123222"))})
			if got := said(r); !slices.Equal(got, []string{x.want}) {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

// Whose calls go to the main number, for want of a line of their own, cannot be told by it.
func TestTheMainNumberIsNobodys(t *testing.T) {
	cfg := guide(t, "identity user.03 inherits teams", "identity user.03 inherits teams\n  identity user.04 inherits teams\n  identity user.05 inherits teams\n  identity user.06 inherits teams\n  identity user.07 inherits teams")
	r := match(cfg, &config.PresenceService{Match: config.MatchPhone, Scope: config.ScopeAll}, []usermatch.User{user("a@x", phones("+4971234567890"))})
	if got := said(r); !slices.Equal(got, []string{"a@x ambiguous: may be user.04, user.05, user.06 or others"}) {
		t.Errorf("%q", got)
	}
}

// company is a configuration of n identities and as many users, some of whom are in disorder. Each has a number of its own.
func company(t testing.TB, n int, rnd *rand.Rand) (*config.Config, *config.PresenceService, []usermatch.User) {
	var identities, called, callers strings.Builder
	var users []usermatch.User
	service := &config.PresenceService{Scope: []config.PresenceScope{config.ScopeListed, config.ScopeAll}[rnd.IntN(2)]}
	for i := range n {
		fmt.Fprintf(&identities, "  identity u%d inherits teams\n", i)
		if i%3 != 0 {
			fmt.Fprintf(&called, "    map sip:u%d@.+ to +4971230%04d\n", i, i)
		}
		if i%3 != 1 {
			fmt.Fprintf(&callers, "    map \\+4971230%04d to sip:u%d@192.168.1.100\n", i, i)
		}
		who := func() int { return rnd.IntN(n + n/4 + 1) } // mostly somebody
		if rnd.IntN(4) > 0 {
			who = func() int { return i } // mostly oneself
		}
		u := usermatch.User{ID: fmt.Sprint("id", i), UPN: fmt.Sprintf("U%d@contoso.com", who()), Enabled: rnd.IntN(10) > 0}
		u.UPN = strings.Replace(u.UPN, "@", fmt.Sprint([]string{"", "x"}[rnd.IntN(2)], "@", i, "."), 1)
		if rnd.IntN(5) > 0 {
			u.Mail = fmt.Sprintf("u%d@Contoso.com", who())
		}
		if rnd.IntN(5) > 0 {
			u.EmployeeID = fmt.Sprintf("u%d", who())
		}
		for range rnd.IntN(3) {
			u.Phones = append(u.Phones, fmt.Sprintf("+49 (0)7123-0%04d", []int{i, i, who(), rnd.IntN(n)}[rnd.IntN(4)]))
		}
		users = append(users, u)
		if rnd.IntN(6) == 0 {
			service.Users = append(service.Users, config.PresenceUser{Name: []string{u.UPN, strings.ToUpper(u.UPN), u.Mail + "x", strings.ToLower(u.UPN)}[rnd.IntN(4)],
				Identity: []string{"", fmt.Sprint("u", who()), fmt.Sprint("U", who())}[rnd.IntN(3)], Extension: []string{"", fmt.Sprint(100 + i)}[rnd.IntN(2)]})
		}
		if rnd.IntN(20) == 0 {
			service.Exclude = append(service.Exclude, strings.ToUpper(u.UPN))
		}
	}
	return guide(t, "  identity user.01 inherits teams\n  identity user.02 inherits teams\n  identity user.03 inherits teams\n", identities.String(),
		"    map sip:user.01@.+ to +497123222\n    map sip:user.02@.+ to +497123223\n    map sip:user.03@.+ to +497123224\n", called.String(),
		"    map sip:(.+)@(.+) to +4971234567890\n", "",
		"    map \\+497123222 to sip:user.01@192.168.1.100\n    map \\+497123223 to sip:user.02@192.168.1.100\n    map \\+497123224 to sip:user.03@192.168.1.100\n", callers.String()), service, users
}

// plain is Match of a company, written down as one would explain it.
func plain(n int, s *config.PresenceService, users []usermatch.User) map[string]string {
	exists := func(identity string) []string {
		for i := range n {
			if strings.EqualFold(identity, fmt.Sprint("u", i)) {
				return []string{fmt.Sprint("u", i)}
			}
		}
		return nil
	}
	type claim struct {
		identity, extension string
		byLine              bool
	}
	result, claims := map[string]string{}, map[string]claim{}
	for _, u := range users {
		var lines []config.PresenceUser
		for _, l := range s.Users {
			if strings.EqualFold(l.Name, u.UPN) {
				lines = append(lines, l)
			}
		}
		if !s.All() && len(lines) == 0 {
			continue
		}
		if slices.ContainsFunc(s.Exclude, func(e string) bool { return strings.EqualFold(e, u.UPN) }) || !u.Enabled && len(lines) == 0 {
			result[u.ID] = "excluded"
			continue
		}
		if !u.Enabled {
			result[u.ID] = "unmatched"
			continue
		}
		var c claim
		var may []string
		if len(lines) > 0 {
			c.extension, c.byLine = lines[0].Extension, lines[0].Identity != ""
		}
		switch before := func(a string) []string { head, _, _ := strings.Cut(a, "@"); return exists(head) }; {
		case c.byLine:
			may = exists(lines[0].Identity)
		case s.Match == config.MatchUPN:
			may = before(u.UPN)
		case s.Match == config.MatchMail:
			may = before(u.Mail)
		case s.Match == config.MatchEmployeeID:
			may = exists(u.EmployeeID)
		case s.Match == config.MatchPhone:
			for _, p := range u.Phones {
				var i int
				if fmt.Sscanf(p, "+49 (0)7123-0%d", &i); i < n && !slices.Contains(may, fmt.Sprint("u", i)) {
					may = append(may, fmt.Sprint("u", i))
				}
			}
		}
		switch len(may) {
		case 0:
			result[u.ID] = "unmatched"
		case 1:
			c.identity = may[0]
			if c.extension == "" {
				c.extension = c.identity
			}
			claims[u.ID] = c
		default:
			result[u.ID] = "ambiguous"
		}
	}
	for id, c := range claims {
		rivals, sayings := 0, 0
		for other, o := range claims {
			if other != id && o.identity == c.identity {
				rivals++
				if o.byLine {
					sayings++
				}
			}
		}
		result[id] = "matched " + c.identity + " " + c.extension
		if rivals > 0 && (!c.byLine || sayings > 0) {
			result[id] = "double"
		}
	}
	return result
}

func TestMatchIsThePlainOne(t *testing.T) {
	came := map[string]int{}
	for _, n := range []int{1, 32, 1000} {
		for seed := range map[int]uint64{1: 40, 32: 10, 1000: 1}[n] {
			rnd := rand.New(rand.NewPCG(seed, uint64(n)))
			cfg, service, users := company(t, n, rnd)
			for _, service.Match = range []config.PresenceMatch{config.MatchUPN, config.MatchMail, config.MatchEmployeeID, config.MatchPhone} {
				r := match(cfg, service, users)
				got, want := map[string]string{}, plain(n, service, users)
				for _, p := range r.Pairs {
					got[p.ID] = "matched " + p.Identity + " " + p.Extension
				}
				for _, p := range r.Problems {
					if got[p.ID] = string(p.State); p.Reason == "" {
						t.Errorf("no reason for %v", p)
					}
				}
				counts := map[string]int{"unmatched": r.Unmatched, "ambiguous": r.Ambiguous, "double": r.Double, "excluded": r.Excluded, "matched": len(r.Pairs)}
				for id, w := range want {
					state, _, _ := strings.Cut(w, " ")
					came[state]++
					counts[state]--
					if state == "excluded" || got[id] == "" && len(r.Problems) == usermatch.MaxProblems {
						delete(want, id)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%d users, seed %d, match %s:\n%s", n, seed, service.Match, diff)
				}
				for state, more := range counts {
					if more != 0 {
						t.Errorf("%d users, seed %d, match %s: %d more are counted as %s than there are", n, seed, service.Match, more, state)
					}
				}
				rnd.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
				again := match(cfg, service, append(users, users[:len(users)/2]...))
				if !reflect.DeepEqual(r.Pairs, again.Pairs) || !reflect.DeepEqual(r.Problems, again.Problems) || !reflect.DeepEqual(r.Missing, again.Missing) {
					t.Fatalf("%d users, seed %d: another order, or users that come twice, change the result:\n%s", n, seed, cmp.Diff(r, again))
				}
			}
		}
	}
	for _, s := range []string{"matched", "unmatched", "ambiguous", "double", "excluded"} {
		if came[s] < 20 {
			t.Errorf("%d users were %s: the companies have too few", came[s], s)
		}
	}
}

// A directory may have a hundred thousand users who are nobody here.
func TestProblemsAreBounded(t *testing.T) {
	m := usermatch.New(guide(t), &config.PresenceService{Scope: config.ScopeAll, Match: config.MatchUPN})
	for i := range 3 * usermatch.MaxProblems {
		m.Add(user(fmt.Sprintf("%04d@contoso.com", i*7919%(3*usermatch.MaxProblems))))
	}
	r := m.Result()
	if len(r.Problems) != usermatch.MaxProblems || r.Unmatched != 3*usermatch.MaxProblems || r.Problems[usermatch.MaxProblems-1].UPN != "0499@contoso.com" {
		t.Errorf("%d problems of %d, the last is that of %s", len(r.Problems), r.Unmatched, r.Problems[len(r.Problems)-1].UPN)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("anna@contoso.com", "anna@contoso.de", "user.01", "+49 (0)7123 222", "user.01", "upn")
	f.Add("user.01@x", "@", printabletest.Text, "sip:user.01@x", "USER.01", "phone")
	f.Add("", "a@b@c", "", "tel:07123222;ext=1", "", "mail")
	cfg := guide(f)
	f.Fuzz(func(t *testing.T, upn, mail, employee, phone, identity, rule string) {
		users := []usermatch.User{{ID: "1", UPN: upn, Mail: mail, EmployeeID: employee, Phones: []string{phone}, Enabled: true}, {ID: "2", UPN: mail, Mail: upn, Phones: []string{phone, employee}, Enabled: true}}
		s := &config.PresenceService{Scope: config.ScopeAll, Match: config.PresenceMatch(rule), Users: []config.PresenceUser{{Name: mail, Identity: identity}}, Exclude: []string{employee}}
		r := match(cfg, s, users)
		if n := len(r.Pairs) + len(r.Problems) + r.Excluded; n != 2 {
			t.Errorf("%d of 2 users are found", n)
		}
		if len(r.Pairs) == 2 && r.Pairs[0].Identity == r.Pairs[1].Identity {
			t.Errorf("two users are %s", r.Pairs[0].Identity)
		}
		for _, p := range r.Problems {
			if p.Reason == "" || strings.ContainsFunc(p.Reason, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
				t.Errorf("%s: reason %q", p.State, p.Reason)
			}
		}
	})
}
