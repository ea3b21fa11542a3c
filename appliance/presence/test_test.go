package presence

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/status"
)

func (r *rig) test(name string) string {
	r.t.Helper()
	var all []string
	if !r.engine.Test(r.t.Context(), name, func(s status.CheckStep) {
		if s.Title == "" || s.State == status.CheckFailed && s.ID != graph.StepSignIn && (s.Problem == "" || s.Advice == "") {
			r.t.Errorf("%+v", s)
		}
		all = append(all, fmt.Sprint(s.ID, " ", s.State))
	}) {
		return "unknown"
	}
	return strings.Join(all, ", ")
}

func TestATestSaysEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newTenant(3), nil)
		want := func(name, want string) {
			t.Helper()
			if got := r.test(name); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		}
		want("OTHER", "unknown")
		want("TEAMS", "presence-credentials ok, presence-sign-in ok, presence-users ok")
		r.change(func(p *config.PresenceService) { p.Users = []config.PresenceUser{{Name: "nobody@example.com"}} })
		want("TEAMS", "presence-credentials ok, presence-sign-in ok, presence-users warning")
		r.change(func(p *config.PresenceService) { p.Scope = config.ScopeListed })
		want("TEAMS", "presence-credentials ok, presence-sign-in ok, presence-users failed")
		r.tenant.fail(&graph.Error{Op: "signing in", Kind: graph.SignIn, Text: "no"})
		want("TEAMS", "presence-credentials ok, presence-sign-in failed, presence-users skipped")
		r.tenant.be(func(d *tenant) { d.ready = errors.New("no key") })
		want("TEAMS", "presence-credentials failed, presence-users skipped")
		r.change(func(p *config.PresenceService) { p.Application = "other" })
		if st := r.status(); st.State != status.PresenceUnready || st.Cure == "" {
			t.Errorf("%v (%s) has the cure %q", st.State, st.Error, st.Cure)
		}
	})
}
