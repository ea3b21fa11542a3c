package presence

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/lab/starfacerest"
	"viaduct/appliance/starface"
	"viaduct/appliance/status"
)

// at answers requests on the spot.
type at struct{ *starfacerest.Server }

func (a at) RoundTrip(q *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, q)
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

const pbxURL = "https://pbx.example"

// atPBX is a rig with a STARFACE, whose users have the addresses of the first users of the tenant, save that of the last, who is found by his login id.
func atPBX(t *testing.T, users int, f func(r *rig, s *starfacerest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := starfacerest.New(starfacerest.Options{}, starfacerest.User{ID: 1, Login: "presence", Password: "pw", Admin: true})
		for i := range users {
			u := starfacerest.User{ID: int64(100 + i), Login: fmt.Sprintf("user.%04d", i)}
			if i < users-1 {
				u.Login, u.Mail = fmt.Sprint(i), fmt.Sprintf("User.%04d@Example.com", i)
			}
			s.Put(u)
		}
		d := newTenant(users)
		d.starface = func(a config.StarfaceAccess) (http.RoundTripper, starface.Credentials, error) {
			if a.CA == "missing" {
				return nil, starface.Credentials{}, errors.New("there is no certificate pki:trusted-certificate/missing")
			}
			return at{s}, starface.Credentials{URL: a.URL, User: a.User, Password: string(a.Password)}, nil
		}
		r := newRig(t, d, func(p *config.PresenceService) {
			p.Map = []config.PresenceMap{{State: config.DoNotDisturb, StarfaceDND: true}}
			p.Starface = config.StarfaceAccess{URL: pbxURL, User: "presence", Password: "pw"}
		})
		f(r, s)
		if no := s.Refusals(); len(no) > 0 {
			t.Error(no)
		}
	})
}

func (r *rig) wantDND(s *starfacerest.Server, i int, want bool) {
	r.t.Helper()
	synctest.Wait()
	if got := s.Phones(int64(100 + i)).DoNotDisturb; got != want {
		r.t.Errorf("user %d has do not disturb %v at the STARFACE", i, got)
	}
}

func TestDoNotDisturbInTeamsIsSetAtTheStarface(t *testing.T) {
	atPBX(t, 3, func(r *rig, s *starfacerest.Server) {
		r.pass(poll)
		if len(s.Requests()) > 0 || r.status().Starface.State != status.SinkIdle {
			r.t.Error("a STARFACE is asked of which nothing is wanted:", s.Requests(), r.status().Starface)
		}
		for _, i := range []int{0, 2} {
			r.tenant.choose(fmt.Sprintf("id-%04d", i), config.DoNotDisturb)
		}
		s.Switch(101, true) // his own
		r.tenant.choose("id-0001", config.DoNotDisturb)
		r.pass(poll)
		for i := range 3 {
			r.wantDND(s, i, true)
			r.tenant.choose(fmt.Sprintf("id-%04d", i), config.Available)
		}
		if st := r.status(); st.Starface.State != status.SinkTelling || !r.user(0).Starface || r.user(0).Error != "" {
			r.t.Errorf("%+v; %+v", st.Starface, r.user(0))
		}
		r.pass(poll)
		r.wantDND(s, 0, false)
		r.wantDND(s, 1, true)
		r.wantDND(s, 2, false)
	})
}

func TestARestartOfTheBoxKeepsWhatIsOurs(t *testing.T) {
	atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.tenant.choose("id-0001", config.DoNotDisturb)
		r.pass(poll)
		r.stop()
		r.wantDND(s, 0, true)
		away := &graph.Error{Op: "reading users", Kind: graph.Network, Text: "no route"}
		r.tenant.fail(away)
		r.start(r.connect)
		r.pass(time.Minute) // nobody is known yet
		r.wantDND(s, 0, true)
		r.stop()
		r.tenant.fail(nil)
		r.tenant.choose("id-0000", config.Available)
		r.start(r.connect)
		r.pass(poll)
		r.wantDND(s, 0, false)
		r.wantDND(s, 1, true)
		if n := len(s.Changes()); n != 3 {
			r.t.Errorf("%d changes", n)
		}
		r.tenant.fail(&graph.Error{Op: "reading presences", Kind: graph.Network, Text: "no route"})
		r.pass(5 * time.Minute)
		r.wantDND(s, 1, true)
		r.pass(6 * time.Minute) // nobody stays unreachable because Microsoft is
		r.wantDND(s, 1, false)
	})
}

func TestWhoIsNotToBeDisturbedNoMoreByConfiguration(t *testing.T) {
	for name, change := range map[string]func(p *config.PresenceService){
		"no starface":      func(p *config.PresenceService) { p.Starface = config.StarfaceAccess{} },
		"no starface-dnd":  func(p *config.PresenceService) { p.Map = nil },
		"shutdown":         func(p *config.PresenceService) { p.Enabled = false },
		"another tenant":   func(p *config.PresenceService) { p.Tenant, p.Scope = "other.example", config.ScopeListed },
		"the user is left": func(p *config.PresenceService) { p.Exclude = []string{"user.0000@example.com"} },
	} {
		t.Run(name, func(t *testing.T) {
			atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
				r.tenant.choose("id-0000", config.DoNotDisturb)
				r.pass(poll)
				r.wantDND(s, 0, true)
				r.change(change)
				r.pass(2 * poll)
				r.wantDND(s, 0, false)
				if now, _ := s.Sessions(); now > 0 && name != "the user is left" {
					r.t.Errorf("%d sessions are left at the STARFACE", now)
				}
			})
		})
	}
	t.Run("another password", func(t *testing.T) {
		atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
			r.tenant.choose("id-0000", config.DoNotDisturb)
			r.pass(poll)
			s.Put(starfacerest.User{ID: 1, Login: "presence", Password: "new", Admin: true})
			s.EndSessions()
			r.change(func(p *config.PresenceService) { p.Starface.Password = "new" })
			r.pass(poll)
			r.wantDND(s, 0, true)
			r.tenant.choose("id-0000", config.Away)
			r.pass(poll)
			r.wantDND(s, 0, false)
			if n := len(s.Changes()); n != 2 {
				r.t.Errorf("%d changes", n)
			}
		})
	})
}

// What cannot be taken back when its service goes is an alarm until somebody takes it back, over a restart, too.
func TestWhatIsLeftAtAStarfaceIsAnAlarm(t *testing.T) {
	atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
		left := func() bool { r.pass(time.Minute); return strings.Contains(r.alarms(), "presence-starface-left") }
		r.tenant.choose("id-0000", config.DoNotDisturb)
		if left() {
			r.t.Error("an alarm about what is cared for")
		}
		r.wantDND(s, 0, true)
		s.Instead(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		r.change(func(p *config.PresenceService) { p.Starface = config.StarfaceAccess{} })
		if !left() {
			r.t.Error("no alarm:", r.alarms())
		}
		r.wantDND(s, 0, true)
		r.stop()
		r.start(r.connect)
		if !left() {
			r.t.Error("no alarm after a restart:", r.alarms())
		}
		s.Instead(nil)
		r.tenant.choose("id-0000", config.Available)
		r.change(func(p *config.PresenceService) {
			p.Starface = config.StarfaceAccess{URL: pbxURL, User: "presence", Password: "pw"}
		})
		if left() {
			r.t.Error("the alarm stays")
		}
		r.wantDND(s, 0, false)
	})
}

// Polls, refusals of calls and reports to Teams go on, whatever a STARFACE does.
func TestABadStarfaceHoldsUpNothing(t *testing.T) {
	for name, behave := range map[string]func(w http.ResponseWriter, q *http.Request){
		"silent":  func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() },
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"rubbish": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("\x1b[2J")) },
	} {
		t.Run(name, func(t *testing.T) {
			atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
				s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
					behave(w, q)
					return true
				})
				r.change(func(p *config.PresenceService) {
					p.Map = []config.PresenceMap{{State: config.DoNotDisturb, Refuse: 486, StarfaceDND: true}}
				})
				r.tenant.choose("id-0000", config.DoNotDisturb)
				r.pass(poll)
				r.wantRefuse("user.0000", 486)
				before := r.tenant.count("presences")
				r.pass(10 * time.Minute)
				if n := r.tenant.count("presences") - before; n != 60 {
					r.t.Errorf("%d polls in ten minutes", n)
				}
				st := r.status()
				if st.Starface.State != status.SinkFailing || st.Starface.Error == "" || strings.Contains(st.Starface.Error, "\x1b") || !strings.Contains(r.alarms(), "presence-starface") {
					r.t.Errorf("%+v; %s", st.Starface, r.alarms())
				}
				s.Instead(nil)
				r.pass(31 * time.Minute)
				r.wantDND(s, 0, true)
				if strings.Contains(r.alarms(), "presence-starface") {
					r.t.Error(r.alarms())
				}
			})
		})
	}
}

func TestNoCredentialsForTheStarface(t *testing.T) {
	atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
		r.change(func(p *config.PresenceService) { p.Starface.CA = "missing" })
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.pass(time.Minute)
		if st := r.status().Starface; st.State != status.SinkFailing || !strings.Contains(r.alarms(), "presence-starface") {
			r.t.Errorf("%+v; %s", st, r.alarms())
		}
		r.change(func(p *config.PresenceService) { p.Starface.CA = "" })
		r.pass(poll)
		r.wantDND(s, 0, true)
		if strings.Contains(r.alarms(), "presence-starface") {
			r.t.Error(r.alarms())
		}
	})
}

func TestWhoIsAmbiguousAtTheStarface(t *testing.T) {
	atPBX(t, 3, func(r *rig, s *starfacerest.Server) {
		s.Put(starfacerest.User{ID: 200, Mail: "user.0000@example.com"})
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.pass(poll)
		if why := r.user(0).Error; !strings.Contains(why, "several users of the STARFACE") || len(s.Changes()) > 0 {
			r.t.Error(why, s.Changes())
		}
	})
}

func TestATestTriesTheStarface(t *testing.T) {
	atPBX(t, 2, func(r *rig, s *starfacerest.Server) {
		step := func() (x status.CheckStep) {
			r.engine.Test(r.t.Context(), "TEAMS", func(of status.CheckStep) {
				if of.ID == StepStarface {
					x = of
				}
			})
			return x
		}
		if x := step(); x.State != status.CheckOK || len(x.Seen) != 1 || x.Seen[0] != "3 users that the account may see" {
			r.t.Errorf("%+v", x)
		}
		if now, _ := s.Sessions(); now != 0 {
			r.t.Errorf("%d sessions are left", now)
		}
		s.Put(starfacerest.User{ID: 1, Login: "presence", Password: "pw"})
		if x := step(); x.State != status.CheckWarning || x.Advice == "" {
			r.t.Errorf("%+v", x)
		}
		s.Instead(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true })
		if x := step(); x.State != status.CheckFailed || x.Problem != "log in: the STARFACE answers 403" || x.Advice == "" {
			r.t.Errorf("%+v", x)
		}
		s.Instead(nil)
		r.change(func(p *config.PresenceService) { p.Starface.CA = "missing" })
		if x := step(); x.State != status.CheckFailed || x.Advice != checkLine {
			r.t.Errorf("%+v", x)
		}
		r.change(func(p *config.PresenceService) { p.Starface = config.StarfaceAccess{} })
		if x := step(); x.ID != "" {
			r.t.Errorf("%+v", x)
		}
	})
}
