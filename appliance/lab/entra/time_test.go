package entra

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionsFadeAndTheStrongestIsSeen(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, PresenceWrite)
		u := r.s.AddUser(User{UPN: "anna@contoso.com"}).UPN
		set := func(st State, life string) {
			t.Helper()
			r.enter()
			if a := r.post("users/"+u+"/presence/setPresence", fmt.Sprintf(`{"sessionId":%q,"availability":%q,"activity":%q,"expirationDuration":%q}`, appID, st.Availability, st.Activity, life)); a.StatusCode != 200 {
				t.Fatalf("%s %s", a.Status, a.text)
			}
		}
		sees := func(want State) {
			t.Helper()
			if got := r.s.Shows(u); got != want {
				t.Errorf("%v is seen in place of %v", got, want)
			}
		}
		sees(Offline)
		set(InACall, "PT10M")
		sees(InACall)
		time.Sleep(10*time.Minute - 1)
		sees(InACall)
		if _, left, ok := r.s.Session(u, appID); !ok || left != 1 {
			t.Errorf("left %v, %v", left, ok)
		}
		time.Sleep(time.Nanosecond)
		sees(Offline)
		if _, _, ok := r.s.Session(u, appID); ok {
			t.Error("the session is still there")
		}

		set(Available, "PT1H")
		time.Sleep(5 * time.Minute)
		sees(State{"AvailableIdle", "Available"})
		time.Sleep(5 * time.Minute)
		sees(Away)
		time.Sleep(50 * time.Minute)
		sees(Offline)

		dnd, meeting := State{"DoNotDisturb", "DoNotDisturb"}, State{"Busy", "InAMeeting"}
		for _, c := range []struct{ teams, ours, want State }{
			{Available, InACall, InACall}, {dnd, InACall, dnd}, {Away, InACall, InACall}, {meeting, InACall, InACall}, {Available, Away, Available},
			{State{"BeRightBack", "BeRightBack"}, Away, State{"BeRightBack", "BeRightBack"}}, {State{"Busy", "InAConferenceCall"}, InACall, State{"Busy", "InAConferenceCall"}},
		} {
			r.s.SignIn(u, c.teams)
			set(c.ours, "PT5M")
			sees(c.want)
		}
		// What the user chose stands above all sessions, but needs one.
		r.s.Choose(u, dnd)
		set(InACall, "PT4H")
		sees(dnd)
		r.s.Unchoose(u)
		sees(State{"Busy", "InAConferenceCall"})
		r.s.Choose(u, dnd)
		r.s.SignOut(u)
		sees(dnd)
		time.Sleep(4 * time.Hour)
		sees(Offline)
		r.s.SignIn(u, Available)
		sees(dnd)
		time.Sleep(20 * time.Hour)
		sees(Available)
		r.enter()
		if a := r.post("users/"+u+"/presence/setUserPreferredPresence", `{"availability":"Away","activity":"Away"}`); a.StatusCode != 200 {
			t.Errorf("%s", a.Status)
		}
		time.Sleep(7*24*time.Hour - 1)
		sees(Away)
		time.Sleep(time.Nanosecond)
		sees(Available)
	})
}

func TestTooManyRequests(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, PresenceRead, UsersRead)
		u := r.s.AddUser(User{UPN: "anna@contoso.com"})
		r.enter()
		ask := func() *answer { return r.do("GET", "https://"+Graph+"/v1.0/users/"+u.ID+"/presence", "", "") }
		time.Sleep(time.Second)
		for n := range 1500 {
			if a := ask(); a.StatusCode != 200 {
				t.Fatalf("request %d: %s", n, a.Status)
			}
		}
		time.Sleep(10500 * time.Millisecond)
		if a := ask(); a.StatusCode != 429 || a.Header.Get("Retry-After") != "20" || a.code() != "TooManyRequests" {
			t.Errorf("%s, %s", a.Status, a.Header.Get("Retry-After"))
		}
		early := func() (n int) {
			for _, text := range r.s.Refusals() {
				if strings.Contains(text, "before Retry-After") {
					n++
				}
			}
			return n
		}
		if early() != 0 {
			t.Errorf("%q", r.s.Refusals())
		}
		time.Sleep(5 * time.Second)
		if a := r.do("GET", "https://"+Graph+"/v1.0/users", "", ""); a.StatusCode != 429 || a.Header.Get("Retry-After") != "15" || early() != 1 {
			t.Errorf("early: %s, %s, %d", a.Status, a.Header.Get("Retry-After"), early())
		}
		time.Sleep(14500 * time.Millisecond)
		if a := ask(); a.StatusCode != 200 {
			t.Errorf("afterwards: %s", a.Status)
		}
		r.s.Fail(Graph, Fault{Status: 429, RetryAfter: 10 * time.Second})
		if a := ask(); a.StatusCode != 429 || a.Header.Get("Retry-After") != "10" || early() != 1 {
			t.Errorf("as wanted: %s, %s, %d", a.Status, a.Header.Get("Retry-After"), early())
		}
		if ask(); early() != 2 {
			t.Errorf("at once again: %d", early())
		}
		r.s.Heal()
		if a := ask(); a.StatusCode != 200 {
			t.Errorf("healed: %s", a.Status)
		}
	})
}

func TestFaults(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, PresenceRead)
		u := r.s.AddUser(User{UPN: "anna@contoso.com"})
		r.enter()
		ask := func(ctx context.Context) (*answer, error) {
			return r.try(ctx, "GET", "https://"+Graph+"/v1.0/users/"+u.ID+"/presence", "", "")
		}
		ctx := t.Context()
		r.s.Fail(Graph, Fault{Delay: 30 * time.Second})
		begin := time.Now()
		if a, err := ask(ctx); err != nil || a.StatusCode != 200 || time.Since(begin) != 30*time.Second {
			t.Errorf("slow: %v after %v", err, time.Since(begin))
		}
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := ask(short); err == nil || time.Since(begin) != 40*time.Second {
			t.Errorf("too slow: %v after %v", err, time.Since(begin))
		}
		if _, err := ask(short); err == nil {
			t.Error("too late, and an answer")
		}
		r.s.Fail(Graph, Fault{Down: true})
		if _, err := ask(ctx); err == nil {
			t.Error("down, and an answer")
		}
		r.s.Fail(Graph, Fault{Status: 503, RetryAfter: time.Minute})
		if a, err := ask(ctx); err != nil || a.StatusCode != 503 || a.Header.Get("Retry-After") != "60" || a.code() != "ServiceUnavailable" {
			t.Errorf("503: %v", err)
		}
		r.s.Fail(Graph, Fault{Body: "<html>", Type: "text/html"})
		if a, err := ask(ctx); err != nil || string(a.text) != "<html>" || a.Header.Get("Content-Type") != "text/html" {
			t.Errorf("rubbish: %v", err)
		}
		r.s.Fail(Graph, Fault{Body: `{"value":`, Type: "application/json", Cut: true})
		if _, err := ask(ctx); err == nil {
			t.Error("cut, and an answer")
		}
		r.s.Fail(Graph, Fault{Body: strings.Repeat(" ", 1<<10), Type: "application/json", Endless: true})
		if a, err := ask(ctx); err != nil || len(a.text) < 16<<20 {
			t.Errorf("endless: %v", err)
		}
		r.s.Fail(Login, Fault{Status: 500})
		if a := r.signIn(form()); a.StatusCode != 500 {
			t.Errorf("login: %s", a.Status)
		}
		r.s.Heal()
		if a, err := ask(ctx); err != nil || a.StatusCode != 200 {
			t.Errorf("healed: %v", err)
		}
		if _, err := r.try(ctx, "GET", "http://"+Graph+"/v1.0/users", "", ""); err == nil {
			t.Error("without TLS")
		}
	})
}
