package starface

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lab/starfacerest"
)

// A STARFACE that is away is asked seldom, nobody waits for it, and everything is done when it comes back.
func TestAStarfaceThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		s.Instead(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(503)
			return true
		})
		k := keeper(t, s, nil)
		var mu sync.Mutex
		var told []string
		k.o.Report = func(why, _ string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, why)
		}
		defer run(t, k)()
		k.Want(append(anna(Set), Person{Name: "bert", Logins: []string{"user.22"}, Wish: Set}))
		for n := range 360 {
			k.Want(append(anna(Set), Person{Name: "bert", Logins: []string{"user.22"}, Wish: []Wish{Set, Release}[n%2]}))
			time.Sleep(10 * time.Second)
		}
		expect(t, k, s, Waiting, false)
		if n := len(s.Requests()); n > 20 || n < 10 {
			t.Errorf("%d requests in an hour", n)
		}
		s.Instead(nil)
		k.Want(anna(Set))
		time.Sleep(lastPause + time.Second)
		expect(t, k, s, Ours, true)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 || !strings.Contains(told[0], "503") || told[1] != "" {
			t.Errorf("%q", told)
		}
	})
}

func TestAWrongPasswordIsNotTriedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		s.Put(starfacerest.User{ID: 1, Login: "presence", Password: "another"})
		k := keeper(t, s, nil)
		defer run(t, k)()
		for n := range 8640 { // a day
			k.Want(anna([]Wish{Set, Set, Release}[n%3]))
			time.Sleep(10 * time.Second)
		}
		if n := len(s.Refusals()); n > 55 || n < 20 {
			t.Errorf("%d logins in a day", n)
		}
		if err := k.Failure(); err == nil || strings.Contains(err.Error(), password) {
			t.Error(err)
		}
	})
}

// What goes wrong for one user alone keeps nobody else waiting for long.
func TestOneUserWhoIsRefused(t *testing.T) {
	for name, behave := range map[string]func(w http.ResponseWriter, q *http.Request){
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"403":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"401":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"silence": func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() },
		"rubbish": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := pbx(starfacerest.Options{})
				s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
					if q.URL.Path == "/rest/users/21/phoneconfig" {
						behave(w, q)
						return true
					}
					return false
				})
				k := keeper(t, s, nil)
				defer run(t, k)()
				k.Want(append(anna(Set), Person{Name: "bert", Logins: []string{"user.22"}, Wish: Set}))
				time.Sleep(3 * refusedFirst)
				synctest.Wait()
				if state, _ := k.How("bert"); state != Ours || !s.Phones(22).DoNotDisturb {
					t.Error("the other user is", state)
				}
				if state, why := k.How("anna"); state != Refused || why == "" {
					t.Error(state, why)
				}
				if k.report == "" {
					t.Error("nothing is reported")
				}
				s.Instead(nil)
				time.Sleep(refusedLast)
				expect(t, k, s, Ours, true)
				if k.report != "" {
					t.Error(k.report)
				}
			})
		})
	}
}

func TestAServiceThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := pbx(starfacerest.Options{}), &memory{}
		k := keeper(t, s, m)
		stop := run(t, k)
		k.Want(append(anna(Set), Person{Name: "bert", Logins: []string{"user.22"}, Wish: Set}))
		expect(t, k, s, Ours, true)
		stop()
		if err := k.ReleaseAll(t.Context()); err != nil {
			t.Error(err)
		}
		if now, _ := s.Sessions(); now != 0 || s.Phones(21).DoNotDisturb || s.Phones(22).DoNotDisturb || string(m.text) != "[]" {
			t.Errorf("%d sessions; %s", now, m.text)
		}

		k = keeper(t, s, m)
		stop = run(t, k)
		k.Want(anna(Set))
		expect(t, k, s, Ours, true)
		stop()
		s.Instead(func(_ http.ResponseWriter, q *http.Request) bool {
			<-q.Context().Done()
			return true
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.ReleaseAll(short); err == nil || !strings.Contains(err.Error(), "of 1 user stays set") {
			t.Error(err)
		}
		s.Instead(nil)
		k = keeper(t, s, m)
		if err := k.ReleaseAll(t.Context()); err != nil || s.Phones(21).DoNotDisturb {
			t.Error(err)
		}
	})
}

// A request that fails, and has done nothing, makes nothing ours: the user may switch it on himself before it is tried again.
func TestWhatAUserSwitchesOnAfterARequestThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pbx(starfacerest.Options{})
		s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method == http.MethodPut {
				w.WriteHeader(500)
			}
			return q.Method == http.MethodPut
		})
		k := keeper(t, s, nil)
		defer run(t, k)()
		k.Want(anna(Set))
		expect(t, k, s, Refused, false)
		s.Switch(21, true)
		s.Instead(nil)
		time.Sleep(2 * refusedFirst)
		expect(t, k, s, Own, true)
		k.Want(anna(Release))
		expect(t, k, s, Idle, true)
	})
}

// Users switch do not disturb in Teams and at their phones, the STARFACE fails now and then, the box restarts: what a user has switched on himself is
// never switched off, nobody has two writers, and at the end all is as it should be.
func TestManyUsersForHours(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			const people = 60
			r, faults := rand.New(rand.NewPCG(seed, 16)), rand.New(rand.NewPCG(seed, 17))
			s, m := pbx(starfacerest.Options{}), &memory{}
			var mu sync.Mutex
			writing := map[string]int{}
			own := map[int64]bool{} // switched on by the user himself
			s.Instead(func(w http.ResponseWriter, q *http.Request) bool {
				mu.Lock()
				writing[q.URL.Path]++
				if q.Method == http.MethodPut && writing[q.URL.Path] > 1 {
					t.Error("two requests for one user")
				}
				fails := faults.IntN(20) == 0
				mu.Unlock()
				time.Sleep(300 * time.Millisecond)
				mu.Lock()
				writing[q.URL.Path]--
				mu.Unlock()
				if fails {
					w.WriteHeader(500)
				}
				return fails
			})
			var wishes []Person
			for n := range int64(people) {
				s.Put(starfacerest.User{ID: 100 + n, Login: fmt.Sprint("u", n)})
				wishes = append(wishes, Person{Name: fmt.Sprint("p", n), Logins: []string{fmt.Sprint("u", n)}, Wish: Release})
			}
			k := keeper(t, s, m)
			stop := run(t, k)
			for range 500 {
				synctest.Wait()
				mu.Lock()
				n := r.IntN(people)
				id := int64(100 + n)
				switch r.IntN(10) {
				case 0:
					if !own[id] && m.has(fmt.Sprintf(`"name":"p%d"`, n)) { // what he switches on now, the box takes for its own: it cannot tell
						s.Switch(id, false)
					} else if s.Phones(id).DoNotDisturb == own[id] { // who sees it on by us leaves it to us, or switches it off
						own[id] = !own[id]
						s.Switch(id, own[id])
					} else {
						s.Switch(id, false)
					}
				case 1:
					if r.IntN(10) == 0 {
						mu.Unlock()
						stop()
						mu.Lock()
						k = keeper(t, s, m)
						stop = run(t, k)
					}
				default:
					wishes = slices.Clone(wishes)
					wishes[n].Wish = Wish(r.IntN(3))
				}
				mu.Unlock()
				k.Want(wishes)
				time.Sleep(time.Duration(r.IntN(40)) * time.Second)
				for id, on := range own {
					if on && !s.Phones(id).DoNotDisturb {
						t.Fatalf("seed %d: what user %d had switched on was switched off", seed, id)
					}
				}
			}
			wishes = slices.Clone(wishes)
			for n := range wishes {
				wishes[n].Wish = Release
			}
			k.Want(wishes)
			time.Sleep(3 * time.Hour)
			stop()
			for n := range int64(people) {
				if id := 100 + n; s.Phones(id).DoNotDisturb != own[id] {
					t.Errorf("seed %d: user %d has do not disturb %v, his own is %v", seed, id, !own[id], own[id])
				}
			}
			if string(m.text) != "[]" {
				t.Errorf("remembered is %s", m.text)
			}
			if no := s.Refusals(); len(no) > 0 {
				t.Error(no)
			}
		})
	}
}
