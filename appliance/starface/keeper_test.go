package starface

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lab/starfacerest"
)

// memory is a file.
type memory struct {
	mu   sync.Mutex
	text []byte
	full bool
}

func (m *memory) load(parse func([]byte) error) error {
	if m.text == nil {
		return nil
	}
	return parse(m.text)
}

func (m *memory) save(text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return errors.New("no space left on device")
	}
	m.text = bytes.Clone(text)
	return nil
}

func (m *memory) has(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Contains(string(m.text), text)
}

// keeper makes one whose book is in a file of its own, or in m.
func keeper(t *testing.T, h http.Handler, m *memory) *Keeper {
	t.Helper()
	if m == nil {
		m = &memory{}
	}
	book, err := OpenBook(m.load, m.save)
	if err != nil {
		t.Fatal(err)
	}
	return NewKeeper(KeeperOptions{Service: "TEAMS", Log: slog.New(slog.DiscardHandler), Client: client(h), Book: book, Report: func(string, string) {}})
}

// run runs a keeper until the function that it returns is called.
func run(t *testing.T, k *Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func anna(w Wish) []Person {
	return []Person{{Name: "anna", Mails: []string{"", "anna@CONTOSO.example"}, Logins: []string{"user.99"}, Wish: w}}
}

func expect(t *testing.T, k *Keeper, s *starfacerest.Server, state State, dnd bool) {
	t.Helper()
	synctest.Wait()
	if got, why := k.How("anna"); got != state {
		t.Errorf("the state is %s (%s), and should be %s", got, why, state)
	}
	if got := s.Phones(21).DoNotDisturb; got != dnd {
		t.Errorf("do not disturb is %v", got)
	}
}

func TestWishesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := pbx(starfacerest.Options{}), &memory{}
		k := keeper(t, s, m)
		defer run(t, k)()
		expect(t, k, s, Idle, false)
		k.Want(anna(Keep))
		expect(t, k, s, Idle, false)
		if len(s.Requests()) > 0 {
			t.Error("without a wish the STARFACE is asked")
		}
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		if !strings.Contains(string(m.text), `"name":"anna"`) {
			t.Errorf("remembered is %s", m.text)
		}
		k.Want(anna(Release))
		expect(t, k, s, Idle, false)
		if string(m.text) != "[]" {
			t.Errorf("remembered is %s", m.text)
		}
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		k.Want(nil)
		expect(t, k, s, Idle, false)
		if no := s.Refusals(); len(no) > 0 {
			t.Error(no)
		}
	})
}

func TestTheUsersOwnStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		k := keeper(t, s, nil)
		defer run(t, k)()
		s.Switch(21, true)
		k.Want(anna(Set))
		expect(t, k, s, Own, true)
		k.Want(anna(Release))
		expect(t, k, s, Idle, true)
		time.Sleep(time.Hour)
		if c := s.Changes(); len(c) > 0 {
			t.Error(c)
		}
	})
}

func TestTheUsersLaterChangeWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		k := keeper(t, s, nil)
		defer run(t, k)()
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		s.Switch(21, false)
		time.Sleep(2 * look)
		expect(t, k, s, Yielded, false)
		s.Switch(21, true) // this one is his own
		k.Want(anna(Release))
		time.Sleep(time.Hour)
		expect(t, k, s, Idle, true)
		s.Switch(21, false)
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		s.Switch(21, false)
		k.Want(anna(Release)) // before anybody has looked
		expect(t, k, s, Idle, false)
		if want := []starfacerest.Change{{ID: 21, DND: true}, {ID: 21, DND: true}}; !slices.Equal(s.Changes(), want) {
			t.Error(s.Changes())
		}
	})
}

func TestARestartTakesBackWhatWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := pbx(starfacerest.Options{}), &memory{}
		k := keeper(t, s, m)
		stop := run(t, k)
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		stop()
		expect(t, k, s, Ours, true)

		k = keeper(t, s, m)
		stop = run(t, k)
		time.Sleep(keepMost / 2) // nobody has told it anything yet
		expect(t, k, s, Ours, true)
		k.Want(anna(Keep))
		time.Sleep(keepMost/2 - time.Second)
		expect(t, k, s, Ours, true)
		k.Want(anna(Release))
		expect(t, k, s, Idle, false)
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		stop()

		s.Switch(21, false) // while the box is away
		k = keeper(t, s, m)
		defer run(t, k)()
		k.Want(anna(Set))
		expect(t, k, s, Yielded, false)
		k.Want(anna(Release))
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)

		k = keeper(t, s, m) // a box that does not reach Teams after its start
		defer run(t, k)()
		time.Sleep(keepMost + time.Second)
		expect(t, k, s, Idle, false)
	})
}

// Nobody stays unreachable because Teams is not reached.
func TestWhatIsNotKnownForLongIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		k := keeper(t, s, nil)
		defer run(t, k)()
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		for range 59 {
			k.Want(anna(Keep))
			time.Sleep(10 * time.Second)
		}
		expect(t, k, s, Ours, true)
		time.Sleep(20 * time.Second)
		expect(t, k, s, Idle, false)
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
	})
}

// The power goes, or the connection, at each point of a change.
func TestAChangeThatWasCut(t *testing.T) {
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("done %v", done), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, m := pbx(starfacerest.Options{}), &memory{}
				s.Instead(func(_ http.ResponseWriter, q *http.Request) bool {
					if q.Method != http.MethodPut {
						return false
					}
					if done {
						s.Switch(21, true)
					}
					<-q.Context().Done()
					return true
				})
				k := keeper(t, s, m)
				stop := run(t, k)
				k.Want(anna(Set))
				time.Sleep(requestTime)
				expect(t, k, s, Refused, done)
				if !strings.Contains(string(m.text), "anna") {
					t.Error("it is not remembered")
				}
				power := bytes.Clone(m.text)
				s.Instead(nil)
				time.Sleep(2 * refusedFirst)
				expect(t, k, s, Ours, true)
				k.Want(anna(Release))
				expect(t, k, s, Idle, false)
				stop()

				s.Switch(21, done)
				k = keeper(t, s, &memory{text: power})
				defer run(t, k)()
				k.Want(anna(Release))
				expect(t, k, s, Idle, false)
			})
		})
	}
}

// A wish may end while the STARFACE still answers.
func TestAWishThatEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		s.Instead(func(http.ResponseWriter, *http.Request) bool {
			time.Sleep(3 * time.Second)
			return false
		})
		k := keeper(t, s, nil)
		defer run(t, k)()
		k.Want(anna(Set))
		time.Sleep(10 * time.Second) // the phone configuration is being read
		k.Want(anna(Release))
		time.Sleep(time.Minute)
		expect(t, k, s, Idle, false)
		if c := s.Changes(); len(c) > 0 {
			t.Error(c)
		}
		k.Want(anna(Set))
		time.Sleep(time.Minute)
		expect(t, k, s, Ours, true)
		k.Want(anna(Release))
		time.Sleep(time.Second)
		k.Want(anna(Set))
		time.Sleep(time.Minute)
		expect(t, k, s, Ours, true)
		if c := s.Changes(); len(c) != 1 {
			t.Error(c)
		}
	})
}

func TestWhatCannotBeRememberedIsNotSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := pbx(starfacerest.Options{}), &memory{full: true}
		k := keeper(t, s, m)
		defer run(t, k)()
		k.Want(anna(Set))
		expect(t, k, s, Refused, false)
		m.mu.Lock()
		m.full = false
		m.mu.Unlock()
		time.Sleep(2 * refusedFirst)
		expect(t, k, s, Ours, true)
		m.mu.Lock()
		m.full = true
		m.mu.Unlock()
		k.Want(anna(Release))
		expect(t, k, s, Idle, false)
		m.mu.Lock()
		m.full = false
		m.mu.Unlock()
		time.Sleep(idle + time.Second)
		synctest.Wait()
		if string(m.text) != "[]" {
			t.Errorf("remembered is %s", m.text)
		}
	})
}

func TestADamagedFile(t *testing.T) {
	for _, text := range []string{"", "{}", `[{"url":"x"}]`, `[{"url":"x","id":-1,"service":"a","name":"b"}]`, "[" + strings.Repeat(`{"url":"x","service":"a","name":"b"},`, keptMost) + `{}]`} {
		m := &memory{text: []byte(text)}
		if b, err := OpenBook(m.load, m.save); err == nil || b.add(Entry{URL: "x", Service: "a", Name: "b"}) != nil {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func TestWhoIsWho(t *testing.T) {
	users := []User{{1, "0001", "a@x"}, {2, "b", "double@x"}, {3, "c", "DOUBLE@X"}, {4, "d", ""}, {5, "E", "e@x"}}
	people := []Person{
		{Name: "by mail", Mails: []string{"A@X", "a@x"}, Logins: []string{"d"}},
		{Name: "a double", Mails: []string{"double@x"}, Logins: []string{"b"}},
		{Name: "by login", Mails: []string{"other@x", ""}, Logins: []string{"D"}},
		{Name: "one of two", Mails: []string{"e@x"}},
		{Name: "other of two", Logins: []string{"e"}},
		{Name: "two addresses", Mails: []string{"a@x", "double@x"}},
		{Name: "nobody", Mails: []string{""}, Logins: []string{""}},
	}
	got := match(people, users)
	for name, want := range map[string]found{
		"by mail": {id: 1}, "a double": {state: Ambiguous}, "by login": {id: 4}, "one of two": {state: Ambiguous}, "other of two": {state: Ambiguous},
		"two addresses": {state: Ambiguous}, "nobody": {state: Unknown},
	} {
		if got[name].id != want.id || got[name].state != want.state || (got[name].why == "") != (want.state == "") {
			t.Errorf("%s: %+v", name, got[name])
		}
	}
}

func TestWhoIsNotFoundIsLookedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		k := keeper(t, s, nil)
		defer run(t, k)()
		s.Remove(21)
		k.Want(anna(Set))
		synctest.Wait()
		if state, why := k.How("anna"); state != Unknown || why == "" {
			t.Error(state, why)
		}
		s.Put(starfacerest.User{ID: 21, Mail: "anna@contoso.example"})
		s.Put(starfacerest.User{ID: 24, Mail: "anna@contoso.example"})
		time.Sleep(listAgain)
		expect(t, k, s, Ambiguous, false)
		s.Remove(24)
		time.Sleep(listAgain)
		expect(t, k, s, Ours, true)
		s.Remove(21)
		k.Want(anna(Release))
		synctest.Wait()
		if state, why := k.How("anna"); state != Idle {
			t.Error(state, why)
		}
		if n := strings.Count(strings.Join(s.Requests(), "\n")+"\n", "GET /rest/users\n"); n != 3 {
			t.Errorf("the users are read %d times", n)
		}
	})
}

// A STARFACE that does not know the user any more may answer 500 (the description of the interface has no 404 there).
func TestWhoIsGoneIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := pbx(starfacerest.Options{}), &memory{}
		k := keeper(t, s, m)
		defer run(t, k)()
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		s.Remove(21)
		s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
			if q.URL.Path == "/rest/users/21/phoneconfig" {
				w.WriteHeader(500)
				return true
			}
			return false
		})
		k.Want(anna(Release))
		time.Sleep(2 * time.Hour)
		if state, why := k.How("anna"); state != Idle || string(m.text) != "[]" {
			t.Error(state, why, string(m.text))
		}
	})
}

func FuzzBook(f *testing.F) {
	f.Add([]byte(`[{"url":"https://x","id":7,"service":"TEAMS","name":"anna","since":"2026-11-30T05:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := &memory{text: text}
		b, err := OpenBook(m.load, m.save)
		if err != nil {
			return
		}
		if err := b.write(); err != nil {
			t.Fatal(err)
		}
		again, err := OpenBook(m.load, m.save)
		if err != nil || len(again.ours) != len(b.ours) {
			t.Fatalf("%s: %v", m.text, err)
		}
	})
}
