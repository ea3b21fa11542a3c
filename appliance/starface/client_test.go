package starface

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lab/starfacerest"
)

const (
	testURL  = "https://pbx.example"
	password = "geheim-4711"
)

// within is a transport that has a handler answer on the spot.
type within struct{ http.Handler }

func (w within) RoundTrip(q *http.Request) (*http.Response, error) {
	r := httptest.NewRecorder()
	w.ServeHTTP(r, q)
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	return r.Result(), nil
}

func number(n int64) *int64 { return &n }

// pbx has an administrator and three users.
func pbx(o starfacerest.Options) *starfacerest.Server {
	return starfacerest.New(o,
		starfacerest.User{ID: 1, Login: "presence", Password: password, Admin: true},
		starfacerest.User{ID: 21, Login: "user.21", Mail: "Anna@contoso.example", Phones: starfacerest.PhoneConfig{CallWaiting: true, DisplayNumberID: number(4), PrimaryPhoneID: number(9)}},
		starfacerest.User{ID: 22, Login: "user.22", Mail: "bert@contoso.example", Phones: starfacerest.PhoneConfig{PrimaryPhoneID: number(1 << 53)}},
		starfacerest.User{ID: 23, Login: "user.23"},
	)
}

func client(h http.Handler) *Client {
	return New(within{h}, Credentials{URL: testURL + "/", User: "presence", Password: password})
}

func toggle(t *testing.T, c *Client, id int64, on bool) {
	t.Helper()
	p, err := c.PhoneConfig(t.Context(), id)
	if err == nil {
		err = c.SetDoNotDisturb(t.Context(), id, p, on)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestASessionServesUntilItEnds(t *testing.T) {
	s := pbx(starfacerest.Options{})
	c := client(s)
	users, err := c.Users(t.Context())
	want := []User{{1, "presence", ""}, {21, "user.21", "Anna@contoso.example"}, {22, "user.22", "bert@contoso.example"}, {23, "user.23", ""}}
	if err != nil || !slices.Equal(users, want) {
		t.Fatal(users, err)
	}
	toggle(t, c, 21, true)
	if now, ever := s.Sessions(); now != 1 || ever != 1 {
		t.Errorf("%d sessions, %d logins", now, ever)
	}
	s.EndSessions()
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			if _, err := c.PhoneConfig(t.Context(), 21); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if _, ever := s.Sessions(); ever != 2 {
		t.Errorf("%d logins, although one session had ended", ever)
	}
	for range 2 {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if now, _ := s.Sessions(); now != 0 {
		t.Errorf("%d sessions are left", now)
	}
	if no := s.Refusals(); len(no) > 0 {
		t.Error(no)
	}
}

// A session that the STARFACE refuses at once is not made again and again.
func TestALoginIsRenewedOnce(t *testing.T) {
	s := pbx(starfacerest.Options{})
	s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/login") {
			return false
		}
		w.WriteHeader(401)
		return true
	})
	_, err := client(s).Users(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Status != 401 || e.Cure != cureRight {
		t.Error(err)
	}
	if _, ever := s.Sessions(); ever != 2 {
		t.Errorf("%d logins", ever)
	}
}

func TestANonceThatHasEndedIsNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{NonceLife: 5 * time.Second, SessionLife: time.Minute})
		slow := true
		s.Instead(func(_ http.ResponseWriter, q *http.Request) bool {
			if slow && q.Method == http.MethodPost {
				time.Sleep(6 * time.Second)
			}
			return false
		})
		c := client(s)
		if _, err := c.Users(t.Context()); err == nil {
			t.Fatal("a nonce lives for ever")
		}
		slow = false
		if _, err := c.Users(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := c.Users(t.Context()); err != nil {
			t.Error("after the end of the session:", err)
		}
	})
}

func TestDoNotDisturbChangesAlone(t *testing.T) {
	s := pbx(starfacerest.Options{Newer: map[string]json.RawMessage{"dndUntil": json.RawMessage(`{"a":[1.50,null]}`)}})
	c := client(s)
	for _, id := range []int64{21, 22, 23} {
		before := s.Phones(id)
		toggle(t, c, id, true)
		if got := s.Phones(id); !got.DoNotDisturb {
			t.Errorf("user %d: %+v", id, got)
		}
		toggle(t, c, id, false)
		if got := s.Phones(id); got != before {
			t.Errorf("user %d was %+v and is %+v", id, before, got)
		}
	}
	if no := s.Refusals(); len(no) > 0 { // it compares every other field
		t.Error(no)
	}
}

func TestWhatIsNotUnderstoodIsNotWritten(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON": `<html>`, "nothing": ``, "null": `null`, "a list": `[]`, "an empty object": `{}`,
		"a field is missing":  `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":false}`,
		"a word for a truth":  `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":"false","primaryPhoneId":9}`,
		"null for a truth":    `{"callWaiting":null,"displayNumberId":4,"doNotDisturb":false,"primaryPhoneId":9}`,
		"a word for a number": `{"callWaiting":true,"displayNumberId":"4","doNotDisturb":false,"primaryPhoneId":9}`,
		"a field twice":       `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":true,"primaryPhoneId":9,"doNotDisturb":false}`,
		"another case":        `{"callWaiting":true,"displayNumberId":4,"DoNotDisturb":false,"primaryPhoneId":9}`,
		"text behind":         `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":false,"primaryPhoneId":9} x`,
		"no end":              `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":false,"primaryPhoneId":9`,
		"too much":            `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":false,"primaryPhoneId":9` + strings.Repeat(" ", smallMost) + `}`,
		"too many fields":     `{"callWaiting":true,"displayNumberId":4,"doNotDisturb":false,"primaryPhoneId":9` + manyFields() + `}`,
		"an error with 200":   `"Unexpected error"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := pbx(starfacerest.Options{})
			s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
				if q.URL.Path != "/rest/users/21/phoneconfig" {
					return false
				}
				if q.Method != http.MethodGet {
					t.Error("it is written")
				}
				io.WriteString(w, body)
				return true
			})
			k := keeper(t, s, nil)
			k.Want([]Person{{Name: "anna", Mails: []string{"anna@contoso.example"}, Wish: Set}})
			k.round(t.Context())
			if state, why := k.How("anna"); state != Refused || !strings.Contains(why, "not understood") {
				t.Error(state, why)
			}
		})
	}
}

func manyFields() string {
	var b strings.Builder
	for n := range membersMost {
		fmt.Fprintf(&b, `,"f%d":0`, n)
	}
	return b.String()
}

func TestUsersAreReadWholeOrNotAtAll(t *testing.T) {
	many := "[" + strings.Repeat(`{"id":1},`, usersMost) + `{"id":1}]`
	for name, body := range map[string]string{
		"no list": `{}`, "null": `null`, "nothing": ``, "no end": `[{"id":1}`, "no id": `[{"login":"a"}]`, "a negative id": `[{"id":-1}]`, "an id as a word": `[{"id":"1"}]`,
		"a login as a number": `[{"id":1,"login":7}]`, "a part of a number": `[{"id":1.5}]`, "text behind": `[] []`, "too many": many,
		"a name that is too long": `[{"id":1,"login":"` + strings.Repeat("a", fieldMost+1) + `"}]`,
	} {
		if users, err := readUsers([]byte(body)); err == nil {
			t.Errorf("%s: %d users", name, len(users))
		}
	}
	if users, err := readUsers([]byte(`[{"id":7,"login":null,"email":"a@b","extra":[{}]}]`)); err != nil || !slices.Equal(users, []User{{7, "", "a@b"}}) {
		t.Error(users, err)
	}
}

// The description of the interface calls 200 an unexpected error: what holds is asked.
func TestAnswer200IsNotTakenForSuccess(t *testing.T) {
	for _, does := range []bool{true, false} {
		s := pbx(starfacerest.Options{})
		s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method != http.MethodPut {
				return false
			}
			s.Switch(21, does)
			return true
		})
		c := client(s)
		p, err := c.PhoneConfig(t.Context(), 21)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDoNotDisturb(t.Context(), 21, p, true); (err == nil) != does {
			t.Errorf("done %v: %v", does, err)
		}
	}
}

func TestEveryFailureHasItsCure(t *testing.T) {
	answers := func(path string, code int) func(w http.ResponseWriter, q *http.Request) bool {
		return func(w http.ResponseWriter, q *http.Request) bool {
			if q.URL.Path != path {
				return false
			}
			w.Header().Set("Location", "https://elsewhere.example/")
			http.Error(w, "because", code)
			return true
		}
	}
	for _, c := range []struct {
		name    string
		instead func(w http.ResponseWriter, q *http.Request) bool
		options starfacerest.Options
		access  Credentials
		text    string
		cure    string
	}{
		{name: "a wrong password", access: Credentials{URL: testURL, User: "presence", Password: "wrong"}, text: "log in: the STARFACE answers 400", cure: cureLogin},
		{name: "another account", access: Credentials{URL: testURL, User: "nobody", Password: password}, text: "log in: the STARFACE answers 400", cure: cureLogin},
		{name: "the directory's passwords", options: starfacerest.Options{LoginType: "ACTIVE_DIRECTORY"}, text: "another kind of login", cure: cureType},
		{name: "no REST", instead: answers("/rest/login", 404), text: "answers 404", cure: cureVersion},
		{name: "a redirect", instead: answers("/rest/login", 302), text: "answers 302: it leads elsewhere", cure: cureLead},
		{name: "not allowed", instead: answers("/rest/users", 403), text: "read its users: the STARFACE answers 403: because", cure: cureRight},
		{name: "a fault", instead: answers("/rest/users", 500), text: "read its users: the STARFACE answers 500: because", cure: cureLog},
		{name: "busy", instead: answers("/rest/users", 503), text: "answers 503", cure: cureBusy},
		{name: "plain HTTP", access: Credentials{URL: "http://pbx.example"}, text: "its URL cannot be used", cure: cureURL},
		{name: "a password in the URL", access: Credentials{URL: "https://a:geheim-4711@pbx.example"}, text: "its URL cannot be used", cure: cureURL},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := pbx(c.options)
			s.Instead(c.instead)
			if c.access == (Credentials{}) {
				c.access = Credentials{URL: testURL, User: "presence", Password: password}
			}
			_, err := New(within{s}, c.access).Users(t.Context())
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) || e.Cure != c.cure {
				t.Errorf("%v; %+v", err, e)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Error("the error tells the password")
			}
		})
	}
}

func FuzzPhoneConfig(f *testing.F) {
	f.Add([]byte(`{"callWaiting":true,"displayNumberId":4,"doNotDisturb":false,"primaryPhoneId":null,"x":{"doNotDisturb":1}}`))
	f.Add([]byte(`{"callWaiting":true,"displayNumberId":4,"doNotDisturb":true,"primaryPhoneId":9,"\u0064oNotDisturb":false}`))
	f.Add([]byte(`{"callWaiting":true,"displayNumberId":4e0,"doNotDisturb":true,"primaryPhoneId":9}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readPhoneConfig(body)
		if err != nil {
			return
		}
		var before map[string]any
		if err := json.Unmarshal(body, &before); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if before[fieldDND] != p.DoNotDisturb {
			t.Fatalf("%s: %v", body, p.DoNotDisturb)
		}
		for _, on := range []bool{true, false} {
			text := p.with(on)
			again, err := readPhoneConfig(text)
			if err != nil || again.DoNotDisturb != on {
				t.Fatalf("%s: %v", text, err)
			}
			var after map[string]any
			if err := json.Unmarshal(text, &after); err != nil {
				t.Fatal(err)
			}
			before[fieldDND] = on
			x, _ := json.Marshal(before)
			y, _ := json.Marshal(after)
			if string(x) != string(y) {
				t.Fatalf("%s became %s", x, y)
			}
		}
	})
}

func FuzzUsers(f *testing.F) {
	f.Add([]byte(`[{"id":7,"login":"0007","email":"a@b"},{"id":8}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		users, err := readUsers(body)
		if err != nil {
			return
		}
		var all []map[string]any
		if err := json.Unmarshal(body, &all); err != nil || len(all) != len(users) {
			t.Fatalf("%s: %d users (%v)", body, len(users), err)
		}
	})
}

// What answers a login says is not trusted with anything.
func FuzzLogin(f *testing.F) {
	f.Add([]byte(`{"loginType":"Internal","nonce":"n"}`), []byte(`{"token":"t"}`))
	f.Add([]byte(`{"loginType":"ACTIVE_DIRECTORY","nonce":"n"}`), []byte(`{"token":"a\r\nb"}`))
	f.Fuzz(func(t *testing.T, offer, answer []byte) {
		c := client(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			if strings.Contains(string(body), password) {
				t.Fatal("the password is sent")
			}
			switch {
			case q.Method == http.MethodPost:
				w.Write(answer)
			case strings.HasSuffix(q.URL.Path, "/login"):
				w.Write(offer)
			default:
				io.WriteString(w, "[]")
			}
		}))
		if _, err := c.Users(t.Context()); err != nil && strings.Contains(err.Error(), password) {
			t.Fatal(err)
		}
	})
}
