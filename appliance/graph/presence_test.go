package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// everybody answers getPresencesByUserId for those who are asked for, as strictly as Graph.
func everybody(t *testing.T, w http.ResponseWriter, body string, sizes *[]int) {
	t.Helper()
	var q struct{ IDs []string }
	if err := json.Unmarshal([]byte(body), &q); err != nil || len(q.IDs) == 0 || len(q.IDs) > 650 {
		sayError(w, http.StatusBadRequest, "BadRequest", "ids")
		return
	}
	*sizes = append(*sizes, len(q.IDs))
	list := make([]any, len(q.IDs))
	for i, id := range q.IDs {
		list[i] = one(id, "Busy", "InACall")
	}
	say(w, http.StatusOK, map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#x", "value": list})
}

func numberedIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x-1111-2222-3333-444444444444", i)
	}
	return ids
}

func TestPresencesAreReadBy650(t *testing.T) {
	for n, want := range map[int][]int{0: nil, 1: {1}, 649: {649}, 650: {650}, 651: {650, 1}, 1300: {650, 650}, 1301: {650, 650, 1}} {
		var sizes []int
		o := newOffice(nil)
		o.graph = func(w http.ResponseWriter, _ *http.Request) {
			asked, body := o.last()
			if asked != "POST /v1.0/communications/getPresencesByUserId" {
				t.Errorf("asked %s", asked)
			}
			everybody(t, w, body, &sizes)
		}
		ids := numberedIDs(n)
		got, err := o.client().Presences(t.Context(), ids, nil)
		must(t, err)
		if !slices.Equal(sizes, want) {
			t.Errorf("%d ids: requests of %v, want %v", n, sizes, want)
		}
		var back []string
		for _, p := range got {
			back = append(back, p.ID)
			if p.State != config.InACall || p.OutOfOffice {
				t.Errorf("%+v", p)
			}
		}
		if !slices.Equal(back, ids) {
			t.Errorf("%d ids: %d come back", n, len(back))
		}
	}
}

func TestWhatWasReadBeforeAFailureIsKept(t *testing.T) {
	var sizes []int
	o := newOffice(nil)
	o.graph = func(w http.ResponseWriter, _ *http.Request) {
		if len(sizes) > 0 {
			sayError(w, http.StatusServiceUnavailable, "ServiceUnavailable", "later")
			return
		}
		_, body := o.last()
		everybody(t, w, body, &sizes)
	}
	got, err := o.client().Presences(t.Context(), numberedIDs(1300), nil)
	wantError(t, err, Broken)
	if len(got) != 650 {
		t.Errorf("%d presences, want those of the first request", len(got))
	}
}

// What the user sees, and what Graph says then (Microsoft Graph, manage presence state).
func TestStates(t *testing.T) {
	for pair, want := range map[string]config.PresenceState{
		"Available Available": config.Available, "AvailableIdle Inactive": config.Available, "Available OutOfOffice": config.OutOfOffice,
		"Busy Busy": config.Busy, "BusyIdle Inactive": config.Busy, "Busy InACall": config.InACall, "BusyIdle InACall": config.InACall,
		"Busy InAConferenceCall": config.InAConference, "Busy InAMeeting": config.InAMeeting,
		"DoNotDisturb DoNotDisturb": config.DoNotDisturb, "DoNotDisturb Presenting": config.Presenting, "DoNotDisturb UrgentInterruptionsOnly": config.DoNotDisturb,
		"Away Away": config.Away, "Away Inactive": config.Away, "Away OutOfOffice": config.OutOfOffice, "Away OffWork": config.OffWork,
		"BeRightBack BeRightBack": config.BeRightBack, "Offline Offline": config.Offline, "Offline OffWork": config.OffWork,
		// What this firmware does not know is neither free nor busy. An activity alone that is new changes nothing of what its availability says.
		"PresenceUnknown PresenceUnknown": config.PresenceUnknown, "Focusing Available": config.PresenceUnknown, "available available": config.PresenceUnknown,
		"Unheard DoNotDisturb": config.PresenceUnknown, " ": config.PresenceUnknown, "Busy InAVideoCall": config.Busy, "DoNotDisturb Focusing": config.DoNotDisturb,
	} {
		availability, activity, _ := strings.Cut(pair, " ")
		if got := StateOf(availability, activity); got != want {
			t.Errorf("%s is %q, want %q", pair, got, want)
		}
	}
}

func TestAnswersThatAreOdd(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"another order", `{"value":[{"id":"b","availability":"Away"},{"id":"a","availability":"Busy"}]}`, "b:away a:busy"},
		{"ids in capitals", `{"value":[{"id":"A","availability":"Away"}]}`, "a:away"},
		{"nobody asked", `{"value":[{"id":"x","availability":"Busy"},{"id":"a","availability":"Away"}]}`, "a:away"},
		{"one twice", `{"value":[{"id":"a","availability":"Busy"},{"id":"a","availability":"Available"}]}`, "a:busy"},
		{"no state", `{"value":[{"id":"a"},{"id":"b","availability":null,"activity":null}]}`, "a: b:"},
		{"wrong types", `{"value":[{"id":"a","availability":7},{"id":7},"x",null,[],{"id":"b","availability":"Busy"}]}`, "b:busy"},
		{"out of office", `{"value":[{"id":"a","availability":"Busy","outOfOfficeSettings":{"isOutOfOffice":true,"message":"x"}}]}`, "a:busy+"},
		{"more around", `{"@odata.context":"x","y":{"z":[1,{"a":2}]},"value":[{"id":"a","availability":"Busy","statusMessage":{"x":[1]}}],"n":null}`, "a:busy"},
		{"long words", `{"value":[{"id":"a","availability":"` + strings.Repeat("x", 9999) + `"}]}`, "a:"},
		{"long id", `{"value":[{"id":"` + strings.Repeat("a", 9999) + `","availability":"Busy"}]}`, ""},
	} {
		o := newOffice(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) })
		got, err := o.client().Presences(t.Context(), []string{"a", "b"}, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var text []string
		for _, p := range got {
			mark := ""
			if p.OutOfOffice {
				mark = "+"
			}
			text = append(text, p.ID+":"+string(p.State)+mark)
			if len(p.Availability) > wordMax || len(p.Activity) > wordMax {
				t.Errorf("%s: words of %d and %d octets", c.name, len(p.Availability), len(p.Activity))
			}
		}
		if got := strings.Join(text, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRubbishIsNoAnswer(t *testing.T) {
	for _, body := range []string{
		"", "null", "[]", "<html>login to the hotel</html>", `{}`, `{"value":null}`, `{"value":{}}`, `{"value":[`, `{"value":[{"id":"a"`, `{"value":[{"id":"a"}]`,
		`{"value":[}]}`, `{"value":[{"id":"a"}],}`, "{\"value\":[{\"id\":\"\x00", `7`, strings.Repeat("[", 100_000), `{"x":` + strings.Repeat("[", 100_000),
	} {
		o := newOffice(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		e := wantError(t, read(t, o.client()), Broken)
		if e.Status != 0 {
			t.Errorf("%.40q: status %d, as if it were an answer of Graph", body, e.Status)
		}
	}
}

// endless is a body without an end, whose reader counts.
type endless struct {
	start, again string
	read         int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if e.start == "" {
			e.start = e.again
		}
		k := copy(p[n:], e.start)
		e.start, n = e.start[k:], n+k
	}
	e.read += n
	return n, nil
}

func (e *endless) Close() error { return nil }

func TestAnAnswerHasABound(t *testing.T) {
	for name, c := range map[string]struct {
		body endless
		most int
	}{
		"elements without an end": {endless{start: `{"value":[{"id":"a"}`, again: `,{"x":"` + strings.Repeat("a", 32<<10) + `"}`}, answerMax},
		"one long text":           {endless{start: `{"value":[{"id":"`, again: strings.Repeat("a", 4096)}, elementMax + 8<<10},
		"one long message":        {endless{start: `{"value":[{"id":"a","statusMessage":{"message":{"content":"`, again: strings.Repeat("a", 4096)}, elementMax + 8<<10},
		"something else":          {endless{start: `{"x":["`, again: strings.Repeat("a", 4096)}, elementMax + 8<<10},
		"spaces":                  {endless{start: `{"value":[`, again: strings.Repeat(" ", 4096)}, elementMax + 8<<10},
	} {
		o := newOffice(nil)
		err := read(t, New(roundTrip(func(q *http.Request) (*http.Response, error) {
			if q.URL.Path == tokenPath {
				return direct{o}.RoundTrip(q)
			}
			return &http.Response{StatusCode: http.StatusOK, Body: &c.body, Request: q}, nil
		}), testCredentials()))
		e := wantError(t, err, Broken)
		if c.body.read > c.most || !strings.Contains(e.Text, "longer than") {
			t.Errorf("%s: %d octets read, %v", name, c.body.read, e)
		}
	}
}

func TestBusyIsASessionThatEndsByItself(t *testing.T) {
	o := newOffice(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := o.client()
	for life, want := range map[time.Duration]string{10 * time.Minute: "PT10M", time.Second: "PT5M", 9 * time.Hour: "PT240M", 330 * time.Second: "PT6M"} {
		must(t, c.SetBusy(t.Context(), "id/../x", life))
		asked, body := o.last()
		if asked != "POST /v1.0/users/id%2F..%2Fx/presence/setPresence" {
			t.Errorf("asked %s", asked)
		}
		if want := `{"sessionId":"` + testApp + `","availability":"Busy","activity":"InACall","expirationDuration":"` + want + `"}`; body != want {
			t.Errorf("body %s, want %s", body, want)
		}
	}
	must(t, c.Clear(t.Context(), "i"))
	if asked, body := o.last(); asked != "POST /v1.0/users/i/presence/clearPresence" || body != `{"sessionId":"`+testApp+`"}` {
		t.Errorf("%s %s", asked, body)
	}
}

func TestPreferredPairs(t *testing.T) {
	o := newOffice(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := o.client()
	for state, want := range map[config.PresenceState]string{
		config.Available: `{"availability":"Available","activity":"Available"}`, config.Busy: `{"availability":"Busy","activity":"Busy"}`,
		config.DoNotDisturb: `{"availability":"DoNotDisturb","activity":"DoNotDisturb"}`, config.BeRightBack: `{"availability":"BeRightBack","activity":"BeRightBack"}`,
		config.Away: `{"availability":"Away","activity":"Away"}`, config.Offline: `{"availability":"Offline","activity":"OffWork"}`,
		config.OffWork: `{"availability":"Offline","activity":"OffWork"}`,
	} {
		must(t, c.Prefer(t.Context(), "i", Preferred{State: state}))
		if asked, body := o.last(); asked != "POST /v1.0/users/i/presence/setUserPreferredPresence" || body != want || !Preferable(state) {
			t.Errorf("%s %s, want %s", asked, body, want)
		}
	}
	must(t, c.Prefer(t.Context(), "i", Preferred{State: config.Busy, Life: 10 * time.Minute}))
	if _, body := o.last(); body != `{"availability":"Busy","activity":"Busy","expirationDuration":"PT10M"}` {
		t.Error(body)
	}
	n := o.requests()
	for _, state := range []config.PresenceState{config.InACall, config.OutOfOffice, config.PresenceUnknown, "x"} {
		wantError(t, c.Prefer(t.Context(), "i", Preferred{State: state}), Refused)
		if Preferable(state) || o.requests() != n {
			t.Errorf("%q can be preferred", state)
		}
	}
	must(t, c.ClearPreferred(t.Context(), "i"))
	if asked, body := o.last(); asked != "POST /v1.0/users/i/presence/clearUserPreferredPresence" || body != "{}" {
		t.Errorf("%s %s", asked, body)
	}
}

func TestAUserWithoutTeams(t *testing.T) {
	o := newOffice(func(w http.ResponseWriter, _ *http.Request) {
		sayError(w, http.StatusNotFound, "NotFound", "User not found")
	})
	c := o.client()
	if e := wantError(t, c.SetBusy(t.Context(), "i", time.Minute), NoUser); e.Status != http.StatusNotFound || !strings.Contains(e.Cure, "licence") {
		t.Errorf("%v, cure %q", e, e.Cure)
	}
	wantError(t, c.Prefer(t.Context(), "i", Preferred{State: config.Busy}), NoUser)
	must(t, c.Clear(t.Context(), "i"))
	must(t, c.ClearPreferred(t.Context(), "i"))
	wantError(t, read(t, c), Refused) // there the user is not part of the path: the cloud has no such service
}

func TestOverARealConnection(t *testing.T) {
	o := newOffice(sayPresences("DoNotDisturb", "Presenting"))
	s := httptest.NewTLSServer(o)
	defer s.Close()
	credentials := testCredentials()
	credentials.Hosts = Hosts{Login: s.URL, Graph: s.URL}
	c := New(s.Client().Transport, credentials)
	defer c.Close()
	got, err := c.Presences(context.Background(), []string{"a"}, nil)
	must(t, err)
	if len(got) != 1 || got[0].State != config.Presenting {
		t.Errorf("%+v", got)
	}
	if got, want := o.signIns[0].PostForm.Get("scope"), s.URL+"/.default"; got != want {
		t.Errorf("scope %q, want %q", got, want)
	}
}
