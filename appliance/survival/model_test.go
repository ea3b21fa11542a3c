package survival

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

// plain decides from the whole history of one peer, once a second, what Survivals decide from a state: other ways are taken when the last
// things known, for as long as After, say that the peer is gone, and left when they say for as long as Back that it is there, or when
// nothing is known for two minutes.
type plain struct {
	conf    *config.Survival
	history []seen
	active  bool
}

type seen struct {
	at   time.Time
	gone bool
}

func (p *plain) look(at time.Time, gone, known bool) {
	if !known {
		if n := len(p.history); n > 0 && at.Sub(p.history[n-1].at) >= mute {
			p.history, p.active = nil, false
		}
		return
	}
	p.history = append(p.history, seen{at, gone})
	began := p.history // what speaks against the present ways, without a word for them
	for n, x := range slices.Backward(p.history) {
		if x.gone == p.active {
			began = p.history[n+1:]
			break
		}
	}
	enough := p.conf.After
	if p.active {
		enough = p.conf.Back
	}
	if len(began) > 0 && at.Sub(began[0].at) >= enough {
		p.active = !p.active
	}
}

// Peers that come and go at random have calls go where the plain implementation says, second by second.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 17))
			between := func() time.Duration { return time.Duration(5+r.IntN(40)) * time.Second }
			names := []string{"IF_PBX", "IF_TEAMS", "IF_PHONES"}
			models := map[string]*plain{}
			var list []*config.Survival
			for n, name := range names {
				c := watching("S"+name, name, between(), between(), from(names[(n+1)%3], service("A"+name)), from(names[(n+2)%3], service("B"+name)))
				list = append(list, c)
				models[name] = &plain{conf: c}
			}
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			x := newBox(t, office(list...))
			turns := 0
			for range 2000 {
				for _, name := range names {
					switch r.IntN(40) {
					case 0:
						x.peer(name, silent)
					case 1:
						x.peer(name, "")
					case 2:
						x.mu.Lock()
						delete(x.peers, name)
						x.mu.Unlock()
					}
				}
				x.pass(time.Second)
				now := time.Now().Truncate(time.Second)
				ways, emergency := map[string]string{}, false
				for _, c := range list {
					m := models[c.Watch.Name]
					why, known := x.peers[c.Watch.Name]
					was := m.active
					if m.look(now, why != "", known); m.active != was {
						turns++
					}
					if !m.active {
						continue
					}
					emergency = true
					for _, route := range c.Routes {
						if ways[route.From.Name] == "" {
							ways[route.From.Name] = destination(route.Dest) + " by " + c.Name
						}
					}
				}
				for _, name := range names {
					x.goes(now.Format(time.TimeOnly), name, ways[name])
				}
				if x.Emergency() != emergency {
					t.Fatalf("seed %d: emergency %v at %v", seed, x.Emergency(), now)
				}
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			if turns < 10 {
				t.Errorf("seed %d: only %d turns", seed, turns)
			}
		})
	}
}
