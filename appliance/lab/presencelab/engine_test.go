package presencelab

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lab/entra"
	"viaduct/appliance/presence"
	"viaduct/appliance/status"
)

// pairs are the states of the table as Graph tells them.
var pairs = map[config.PresenceState]entra.State{
	config.DoNotDisturb: {Availability: "DoNotDisturb", Activity: "DoNotDisturb"}, config.Presenting: {Availability: "DoNotDisturb", Activity: "Presenting"}, config.InACall: entra.InACall,
	config.InAConference: {Availability: "Busy", Activity: "InAConferenceCall"}, config.InAMeeting: {Availability: "Busy", Activity: "InAMeeting"}, config.Busy: {Availability: "Busy", Activity: "Busy"},
	config.Away: entra.Away, config.BeRightBack: {Availability: "BeRightBack", Activity: "BeRightBack"}, config.Available: entra.Available, config.Offline: entra.Offline,
	config.OutOfOffice: {Availability: "Available", Activity: "OutOfOffice"}, config.OffWork: {Availability: "Offline", Activity: "OffWork"},
}

// TestEveryStateOfTheTable has each state do what the configuration says, and nothing without a line but what the defaults are.
func TestEveryStateOfTheTable(t *testing.T) {
	key()
	codes := []int{486, 480, 603, 0}
	for name, change := range map[string]func(*config.PresenceService){
		"default": nil,
		"mapped": func(p *config.PresenceService) {
			for n, s := range config.PresenceStates {
				p.Map = append(p.Map, config.PresenceMap{State: s, Refuse: codes[n%4], Publish: n%2 == 1})
			}
		},
		"none": func(p *config.PresenceService) {
			for _, s := range config.PresenceStates {
				p.Map = append(p.Map, config.PresenceMap{State: s, None: true})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(newOffice(t), 1, change)
				for n, s := range config.PresenceStates {
					b.SignIn(user(0), pairs[s])
					b.pass(poll)
					code, key := 0, false
					switch name {
					case "mapped":
						code, key = codes[n%4], n%2 == 1
					case "default":
						if s == config.DoNotDisturb || s == config.Presenting {
							code = 486
						}
						key = code > 0 || s == config.InACall || s == config.InAConference
					}
					if u := b.status().Users[0]; u.State != string(s) || b.code(0) != code || b.keys.lit(0) != key {
						t.Errorf("%s: state %q, calls get %d (want %d), key %v (want %v)", s, u.State, b.code(0), code, b.keys.lit(0), key)
					}
				}
				b.SignIn(user(0), entra.State{Availability: "PresenceUnknown", Activity: "PresenceUnknown"})
				b.pass(poll)
				if b.code(0) != 0 || b.keys.lit(0) {
					t.Errorf("unknown: calls get %d, key %v", b.code(0), b.keys.lit(0))
				}
			})
		})
	}
}

// TestACallOfThePBX makes its user busy within a poll, and free at its end. The session lives as long as the call, and ten minutes longer than a
// box that dies.
func TestACallOfThePBX(t *testing.T) {
	key()
	synctest.Test(t, func(t *testing.T) {
		b := newBox(newOffice(t), 2, nil)
		b.pass(poll)
		b.line(0, true)
		b.pass(poll)
		if b.Shows(user(0)) != entra.InACall || b.Shows(user(1)) != entra.Available {
			t.Errorf("%v, %v", b.Shows(user(0)), b.Shows(user(1)))
		}
		for range 12 * 5 { // an hour
			b.pass(time.Minute)
			if _, left, ok := b.Session(user(0), appID); !ok || left < 4*time.Minute || left > 10*time.Minute {
				t.Fatalf("the session has %v left", left)
			}
		}
		if n := b.Requests("setPresence"); n > 14 {
			t.Errorf("%d times told in an hour", n)
		}
		b.line(0, false)
		b.pass(poll)
		if b.Shows(user(0)) != entra.Available {
			t.Errorf("after the call: %v", b.Shows(user(0)))
		}

		b.line(1, true)
		b.pass(poll)
		if b.Shows(user(1)) != entra.InACall {
			t.Fatalf("%v", b.Shows(user(1)))
		}
		// The box dies: nothing that it still asks arrives.
		b.Fail(entra.Graph, entra.Fault{Down: true})
		b.stop()
		time.Sleep(10 * time.Minute)
		if b.Shows(user(1)) != entra.Available {
			t.Errorf("ten minutes after the box has died: %v", b.Shows(user(1)))
		}
	})
}

// TestABoxThatStops ends its sessions. One that was killed and starts again while the call is over does, too.
func TestABoxThatStops(t *testing.T) {
	key()
	synctest.Test(t, func(t *testing.T) {
		b := newBox(newOffice(t), 1, nil)
		b.pass(poll)
		b.line(0, true)
		b.pass(poll)
		b.stop()
		if b.Shows(user(0)) != entra.Available {
			t.Errorf("after its end: %v", b.Shows(user(0)))
		}
		b.start()
		b.pass(poll)
		b.line(0, true)
		b.pass(poll)
		b.Fail(entra.Graph, entra.Fault{Down: true})
		b.stop()
		b.Heal()
		b.start()
		b.pass(poll)
		b.line(0, false)
		b.pass(2 * poll)
		if b.Shows(user(0)) != entra.Available {
			t.Errorf("after another start: %v", b.Shows(user(0)))
		}
	})
}

// TestWhoChoseSomethingKeepsIt has a user who does not want to be disturbed be on the phone.
func TestWhoChoseSomethingKeepsIt(t *testing.T) {
	key()
	synctest.Test(t, func(t *testing.T) {
		b := newBox(newOffice(t), 1, nil)
		b.Choose(user(0), pairs[config.DoNotDisturb])
		b.pass(poll)
		b.line(0, true)
		b.pass(3 * poll)
		if b.Shows(user(0)) != pairs[config.DoNotDisturb] || b.code(0) != 486 {
			t.Errorf("on the phone: %v, calls get %d", b.Shows(user(0)), b.code(0))
		}
		b.line(0, false)
		b.pass(3 * poll)
		if st, there := b.Preferred(user(0)); !there || st != pairs[config.DoNotDisturb] || b.code(0) != 486 {
			t.Errorf("afterwards: %v, calls get %d", st, b.code(0))
		}
		b.Unchoose(user(0))
		b.pass(poll)
		if b.code(0) != 0 {
			t.Errorf("calls get %d", b.code(0))
		}
		if n := b.Requests("setUserPreferredPresence") + b.Requests("clearUserPreferredPresence"); n != 0 {
			t.Errorf("what the user prefers was touched %d times", n)
		}
	})
}

// TestThePreferredPresence is changed where the configuration wants it, and is as the user had it after the call, save what he chose meanwhile.
func TestThePreferredPresence(t *testing.T) {
	key()
	busy, brb, dnd := entra.State{Availability: "Busy", Activity: "Busy"}, pairs[config.BeRightBack], pairs[config.DoNotDisturb]
	none := entra.State{}
	for _, c := range []struct {
		name                  string
		before, during, chose entra.State // none: nothing is chosen
		after                 entra.State
	}{
		{"nothing chosen", none, busy, none, none},
		{"be right back", brb, busy, none, brb},
		{"do not disturb", dnd, dnd, none, dnd},
		{"chosen in the call", none, busy, dnd, dnd},
		{"chosen in the call after something else", brb, busy, dnd, dnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(newOffice(t), 1, func(p *config.PresenceService) { p.Preferred = true })
				if c.before != none {
					b.Choose(user(0), c.before)
				}
				b.pass(2 * poll)
				b.line(0, true)
				b.pass(2 * poll)
				if st, _ := b.Preferred(user(0)); st != c.during || b.Shows(user(0)) != c.during {
					t.Errorf("in the call %v is preferred, %v is seen; want %v", st, b.Shows(user(0)), c.during)
				}
				if c.chose != none {
					b.Choose(user(0), c.chose)
				}
				b.pass(23 * time.Minute)
				want := c.during
				if c.chose != none {
					want = c.chose
				}
				if st, _ := b.Preferred(user(0)); st != want {
					t.Errorf("later in the call %v is preferred, want %v", st, want)
				}
				b.line(0, false)
				b.pass(2 * poll)
				if st, _ := b.Preferred(user(0)); st != c.after {
					t.Errorf("after the call %v is preferred, want %v", st, c.after)
				}
				if _, _, session := b.Session(user(0), appID); session {
					t.Error("the session is still there")
				}
			})
		})
	}
}

// TestWhoEndsDoNotDisturbOnThePhone is rung again, although Teams shows nothing but what the box has told.
func TestWhoEndsDoNotDisturbOnThePhone(t *testing.T) {
	key()
	for _, s := range []config.PresenceState{config.DoNotDisturb, config.Presenting} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(newOffice(t), 1, nil)
			b.SignIn(user(0), pairs[s])
			b.line(0, true)
			b.pass(2 * poll)
			if _, _, session := b.Session(user(0), appID); !session || b.code(0) != 486 {
				t.Fatalf("%s: session %v, calls get %d", s, session, b.code(0))
			}
			b.SignIn(user(0), entra.Available)
			b.pass(poll)
			if b.Shows(user(0)) != entra.InACall || b.code(0) != 0 || b.keys.lit(0) {
				t.Errorf("%s is over: %v, calls get %d, key %v", s, b.Shows(user(0)), b.code(0), b.keys.lit(0))
			}
			b.SignIn(user(0), pairs[s])
			b.pass(poll)
			if b.code(0) != 486 {
				t.Errorf("%s again: calls get %d", s, b.code(0))
			}
		})
	}
}

// TestFaultsOfMicrosoft has each last for an hour: calls go through as soon as states are too old, the alarm names the cure, the log has a handful
// of lines, and Microsoft is not asked more than it wants. Then all is as before.
func TestFaultsOfMicrosoft(t *testing.T) {
	key()
	for _, c := range []struct {
		name         string
		plant        func(b *box)
		alarm, words string
		state        status.PresenceState
		cure         func(b *box) // beside Heal
	}{
		{"away", func(b *box) { b.Fail(entra.Graph, entra.Fault{Down: true}) }, "presence-away", "proxy or a firewall", status.PresenceUnreachable, nil},
		{"slow by 30 s", func(b *box) { b.Fail(entra.Graph, entra.Fault{Delay: 30 * time.Second}) }, "presence-away", "in time", status.PresenceUnreachable, nil},
		{"out of order", func(b *box) { b.Fail(entra.Graph, entra.Fault{Status: 503}) }, "presence-away", "Microsoft", status.PresenceFaulty, nil},
		{"rubbish", func(b *box) { b.Fail(entra.Graph, entra.Fault{Body: "\x00\xff{{", Type: "application/json"}) }, "presence-away", "proxy", status.PresenceFaulty, nil},
		{"a page", func(b *box) {
			b.Fail(entra.Graph, entra.Fault{Body: "<html>Log in to the hotel's network</html>", Type: "text/html"})
		}, "presence-away", "proxy", status.PresenceFaulty, nil},
		{"wrong types", func(b *box) {
			b.Fail(entra.Graph, entra.Fault{Body: `{"value":{"id":1,"availability":[]}}`, Type: "application/json"})
		}, "presence-away", "proxy", status.PresenceFaulty, nil},
		{"cut", func(b *box) {
			b.Fail(entra.Graph, entra.Fault{Body: `{"value":[{"id":`, Type: "application/json", Cut: true})
		}, "presence-away", "", status.PresenceUnreachable, nil},
		{"endless", func(b *box) {
			b.Fail(entra.Graph, entra.Fault{Body: strings.Repeat(" ", 64<<10), Type: "application/json", Endless: true})
		}, "presence-away", "proxy", status.PresenceFaulty, nil},
		{"429", func(b *box) { b.Fail(entra.Graph, entra.Fault{Status: 429, RetryAfter: 2 * time.Minute}) }, "presence-throttled", "waits", status.PresenceThrottled, nil},
		{"429 without Retry-After", func(b *box) { b.Fail(entra.Graph, entra.Fault{Status: 429}) }, "presence-throttled", "waits", status.PresenceThrottled, nil},
		{"no sign-in", func(b *box) { b.Fail(entra.Login, entra.Fault{Down: true}); b.Revoke() }, "presence-away", "signing in: the connection breaks off", status.PresenceUnreachable, nil},
		{"certificate removed", func(b *box) { b.app.Forget(); b.Revoke() }, "presence-refused", "Upload the certificate", status.PresenceRefused, func(b *box) { b.app.Upload(b.credentials.Certificate) }},
		{"secret expired", func(b *box) { b.RefuseSignIn(7000222); b.Revoke() }, "presence-refused", "Make a new one", status.PresenceRefused, nil},
		{"consent withdrawn", func(b *box) { b.app.Grant(); b.Revoke() }, "presence-refused", "/adminconsent?client_id=" + appID, status.PresenceRefused, func(b *box) { b.app.Grant(entra.UsersRead, entra.PresenceWrite) }},
		{"application disabled", func(b *box) { b.RefuseSignIn(7000112); b.Revoke() }, "presence-refused", "Enable", status.PresenceRefused, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(newOffice(t), 3, nil)
				b.SignIn(user(0), pairs[config.DoNotDisturb])
				b.line(1, true)
				b.pass(3 * poll)
				if b.code(0) != 486 || b.Shows(user(1)) != entra.InACall {
					t.Fatalf("before: calls get %d, %v", b.code(0), b.Shows(user(1)))
				}
				b.log.take()
				before := b.Requests("getPresencesByUserId")
				c.plant(b)
				b.pass(3*poll + time.Second)
				if b.code(0) != 0 {
					t.Errorf("calls still get %d", b.code(0))
				}
				b.pass(2 * time.Minute)
				alarm := b.alarm(c.alarm)
				if !strings.Contains(alarm, c.words) || alarm == "" {
					t.Errorf("the alarm %s does not say %q: %q", c.alarm, c.words, alarm)
				}
				if st := b.status(); st.State != c.state {
					t.Errorf("state %v: %s", st.State, st.Error)
				}
				b.line(2, true) // somebody makes a call meanwhile, and another ends one
				b.line(1, false)
				b.pass(57 * time.Minute)
				if b.code(0) != 0 || b.code(1) != 0 || b.code(2) != 0 {
					t.Errorf("calls get %d, %d, %d", b.code(0), b.code(1), b.code(2))
				}
				if list := b.log.take(); len(list) > 8 {
					t.Errorf("%d lines in the log of an hour:\n%s", len(list), strings.Join(list, ""))
				}
				if n := b.Requests("getPresencesByUserId") - before; n > 130 {
					t.Errorf("%d requests in an hour", n)
				}
				for _, text := range b.Refusals() {
					if strings.Contains(text, "before Retry-After") {
						t.Errorf("%s", text)
					}
				}
				b.Heal()
				if c.cure != nil {
					c.cure(b)
				}
				b.pass(6 * time.Minute)
				if b.code(0) != 486 || b.Shows(user(1)) != entra.Available || b.Shows(user(2)) != entra.InACall || b.alarm(c.alarm) != "" || b.status().State != status.PresenceWorking {
					t.Errorf("after the cure: calls get %d, %v, %v, alarm %q, %+v", b.code(0), b.Shows(user(1)), b.Shows(user(2)), b.alarm(c.alarm), b.status())
				}
			})
		})
	}
}

// TestChangesInBothDirectionsSettle has Teams and the PBX change at random a hundred times, with a PBX that reports whom the box published as busy.
// Then nobody tells anybody anything new, and everything is as its origin says.
func TestChangesInBothDirectionsSettle(t *testing.T) {
	key()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const users = 3
				random := rand.New(rand.NewPCG(seed, 16))
				b := newBox(newOffice(t), users, func(p *config.PresenceService) {
					p.Map = []config.PresenceMap{{State: config.InACall, Publish: true}, {State: config.InAMeeting, Publish: true}, {State: config.DoNotDisturb, Refuse: 486, Publish: true}}
				})
				// The PBX shows an extension as busy because the box said so, a moment later.
				b.keys.told = func(p presence.Publication) {
					time.AfterFunc(time.Second, func() { b.engine.Line(presence.Line{Identity: p.Identity, Origin: "hint", Busy: p.Busy}) })
				}
				// An AfterFunc of the past must not outlive the test.
				defer b.pass(2 * time.Second)
				choices := []config.PresenceState{config.Available, config.DoNotDisturb, config.InAMeeting, config.InACall, config.Away}
				var teams [users]config.PresenceState
				var phone [users]bool
				change := func() {
					n := random.IntN(users)
					if random.IntN(2) == 0 {
						phone[n] = !phone[n]
						b.line(n, phone[n])
					} else {
						teams[n] = choices[random.IntN(len(choices))]
						b.SignIn(user(n), pairs[teams[n]])
					}
				}
				for n := range users {
					teams[n] = config.Available
				}
				for range 100 {
					change()
					b.pass(time.Duration(random.IntN(15000)) * time.Millisecond)
				}
				b.pass(2*poll + 3*time.Second)
				told := func() int { return b.Requests("setPresence") + b.Requests("clearPresence") }
				before := told()
				b.log.take()
				b.pass(4 * time.Minute)
				if n := told() - before; n > users { // a renewal each
					t.Errorf("Teams was told %d things after all had settled", n)
				}
				if list := b.log.take(); len(list) > 0 {
					t.Errorf("not settled:\n%s", strings.Join(list, ""))
				}
				for n := range users {
					_, _, session := b.Session(user(n), appID)
					code, key := 0, false
					switch teams[n] {
					case config.DoNotDisturb:
						code, key = 486, true
					case config.InAMeeting, config.InACall:
						key = true
					}
					// Who is busy at the PBX while the box says the same there may be so because of it.
					if b.code(n) != code || !key && (b.keys.lit(n) || session != phone[n]) || session && !phone[n] {
						t.Errorf("%s in Teams, on the phone %v: session %v, calls get %d, key %v; %+v", teams[n], phone[n], session, b.code(n), b.keys.lit(n), b.status().Users[n])
					}
				}
				// Everybody hangs up and is available: nothing of it remains.
				for n := range users {
					b.line(n, false)
					b.SignIn(user(n), entra.Available)
				}
				b.pass(3 * poll)
				for n := range users {
					if _, _, session := b.Session(user(n), appID); session || b.code(n) != 0 || b.keys.lit(n) {
						t.Errorf("user %d is free: session %v, calls get %d, key %v; %+v", n, session, b.code(n), b.keys.lit(n), b.status().Users[n])
					}
				}
			})
		})
	}
}
