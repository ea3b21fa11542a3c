package checkup

import (
	"slices"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// The step tells what the trial found at its end, and of a failure what failed first and how to cure it.
func TestPresenceIsTried(t *testing.T) {
	f := sound()
	f.cfg.Presence = []*config.PresenceService{{Name: "OFF"}, {Name: "TEAMS", Enabled: true}}
	f.presence = []status.CheckStep{{ID: "presence-sign-in", Title: "Sign-in", Seen: []string{"with a secret"}}, {ID: "presence-read", Title: "Presence", Seen: []string{"10 of 10 users read"}}}
	if got := outcomeOf(t, f, "presence"); got.State != status.CheckOK || got.Subject != "TEAMS" || !slices.Equal(got.Seen, []string{"10 of 10 users read"}) {
		t.Errorf("%+v", got)
	}
	f.presence = []status.CheckStep{{Title: "Sign-in", State: status.CheckFailed, Problem: "the secret has expired (AADSTS7000222)", Advice: "Make a new one."}, {Title: "Presence", State: status.CheckSkipped, Because: "Sign-in"}}
	if got := outcomeOf(t, f, "presence"); got.State != status.CheckFailed || got.Problem != "Sign-in: the secret has expired (AADSTS7000222)" || got.Advice != "Make a new one." {
		t.Errorf("%+v", got)
	}
	f.presence = []status.CheckStep{{Title: "Users", State: status.CheckWarning, Problem: "2 are not matched"}}
	if got := outcomeOf(t, f, "presence"); got.State != status.CheckWarning || got.Problem != "Users: 2 are not matched" {
		t.Errorf("%+v", got)
	}
}
