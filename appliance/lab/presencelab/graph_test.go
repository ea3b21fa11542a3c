package presencelab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/lab/entra"
)

// TestClientIsTakenByAStrictService has all requests of the client pass where nothing is taken that Microsoft would not, for three hours.
func TestClientIsTakenByAStrictService(t *testing.T) {
	for name, secret := range map[string]string{"certificate": "", "secret": "s3cret~value"} {
		t.Run(name, func(t *testing.T) {
			key()
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t)
				if secret != "" {
					o.app.Forget()
					o.app.AddSecret(secret, time.Now().Add(24*time.Hour))
					o.credentials.Secret, o.credentials.Certificate, o.credentials.Key = secret, nil, nil
				}
				var ids []string
				for n := range 1301 {
					u := o.AddUser(entra.User{UPN: user(n), Mail: user(n), EmployeeID: fmt.Sprint(n), Phones: []string{"+49 30 1"}, Disabled: n == 1300})
					o.SignIn(u.ID, entra.Available)
					ids = append(ids, u.ID)
				}
				c := o.client()
				ctx := t.Context()
				var read []graph.User
				if err := c.Users(ctx, func(u graph.User) error { read = append(read, u); return nil }); err != nil {
					t.Fatal(err)
				}
				if len(read) != 1301 || read[7].ID != ids[7] || read[7].EmployeeID != "7" || len(read[7].Phones) != 1 || !read[7].Enabled || read[1300].Enabled || o.Requests("users") != 2 {
					t.Errorf("%d users, %+v, %d pages", len(read), read[7], o.Requests("users"))
				}
				roles, err := c.Roles(ctx)
				if err != nil || !slices.Equal(roles, []string{entra.PresenceWrite, entra.UsersRead}) {
					t.Errorf("roles %q, %v", roles, err)
				}
				signIns := o.Requests("token")
				for range 18 { // three hours
					var got []graph.Presence
					if got, err = c.Presences(ctx, ids, nil); err != nil || len(got) != 1301 {
						t.Fatalf("%d presences, %v", len(got), err)
					}
					if err := errors.Join(c.SetBusy(ctx, ids[0], 10*time.Minute), c.Prefer(ctx, ids[1], graph.Preferred{State: config.Busy, Life: 10 * time.Minute})); err != nil {
						t.Fatal(err)
					}
					if o.Shows(ids[0]) != entra.InACall || o.Shows(ids[1]) != (entra.State{Availability: "Busy", Activity: "Busy"}) {
						t.Errorf("%v, %v", o.Shows(ids[0]), o.Shows(ids[1]))
					}
					if got, err = c.Presences(ctx, ids[:2], nil); err != nil || len(got) != 2 {
						t.Fatalf("%d presences, %v", len(got), err)
					}
					for _, p := range got {
						if want := map[string]config.PresenceState{ids[0]: config.InACall, ids[1]: config.Busy}[p.ID]; p.State != want {
							t.Errorf("%+v is not %s", p, want)
						}
					}
					time.Sleep(10 * time.Minute)
				}
				if n := o.Requests("getPresencesByUserId"); n != 18*4 {
					t.Errorf("%d requests", n)
				}
				if n := o.Requests("token") - signIns; n < 2 || n > 4 {
					t.Errorf("%d sign-ins in three hours", n)
				}
				if text := o.refused(); text != "" {
					t.Errorf("Microsoft did not take:\n%s", text)
				}
				// What is not there is cleared.
				if err := errors.Join(c.Clear(ctx, ids[5]), c.ClearPreferred(ctx, ids[5])); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestConsentLink has an administrator follow the link of somebody who lacks consent.
func TestConsentLink(t *testing.T) {
	key()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.app.Grant()
		u := o.AddUser(entra.User{UPN: user(0)})
		c := o.client()
		_, err := c.Presences(t.Context(), []string{u.ID}, nil)
		var e *graph.Error
		if !errors.As(err, &e) || e.Kind != graph.Consent || !strings.Contains(e.Cure, c.ConsentLink()) || !strings.Contains(e.Text, entra.UsersRead) {
			t.Fatalf("%v: %+v", err, e)
		}
		if err := o.Consent(c.ConsentLink()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := c.Presences(t.Context(), []string{u.ID}, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestEveryCodeOfTheReferenceHasItsCure has the sign-in service answer each, in its own form.
func TestEveryCodeOfTheReferenceHasItsCure(t *testing.T) {
	key()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		for code, words := range map[int]string{
			7000215: "not its ID", 7000222: "Make a new one", 700016: "`application`", 90002: "`tenant`", 900382: "`cloud`", 90038: "`cloud`", 7000218: "`certificate`",
			7000112: "Enable", 700027: o.credentials.Thumbprint(), 50012: o.credentials.Thumbprint(), 700024: "show clock", 500133: "show clock", 65001: "adminconsent", 90094: "adminconsent",
			53003: "conditional access", 530032: "service principal", 50076: "service principal", 500011: "`cloud`", 70011: "report", 28002: "report", 90055: "wait",
		} {
			o.RefuseSignIn(code)
			_, err := o.client().Presences(t.Context(), []string{"11111111-2222-3333-4444-555555555555"}, nil)
			var e *graph.Error
			if !errors.As(err, &e) || e.Code != fmt.Sprintf("AADSTS%d", code) || !strings.Contains(e.Text+" "+e.Cure, words) {
				t.Errorf("%d: want %q: %v: %+v", code, words, err, e)
			}
		}
	})
}
