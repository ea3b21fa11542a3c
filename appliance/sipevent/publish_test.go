package sipevent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/status"
)

// publishing is a presence-service that publishes to pbx, without subscriptions.
func publishing(event config.PublishEvent) func(*config.Config, *config.SIPInterface) {
	return func(c *config.Config, _ *config.SIPInterface) {
		p := &config.PresenceService{Name: "TEAMS"}
		p.SetDefaults()
		p.PublishTo, p.PublishEvent = config.Ref[config.Switch, config.SIPInterface]{Name: "pbx"}, event
		c.Presence = []*config.PresenceService{p}
		c.Location[0].Identities[0].SubscribeDialog = false
	}
}

func (b *bench) publication(want status.PublicationState) status.Publication {
	b.Helper()
	synctest.Wait()
	list := b.agent.Publications()
	if len(list) != 1 || list[0].State != want {
		b.Fatalf("%+v, want %v", list, want)
	}
	return list[0]
}

func user(n int, state config.PresenceState, busy bool) Publication {
	return Publication{Service: "TEAMS", Identity: fmt.Sprintf("user.%02d", n), Extension: fmt.Sprint(20 + n), State: state, Busy: busy}
}

func device(t *testing.T, m string) dialoginfo.Device {
	t.Helper()
	_, body, _ := strings.Cut(m, "\r\n\r\n")
	d, err := dialoginfo.ParseDevice([]byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, m)
	}
	return d
}

// As res_pjsip_publish_asterisk wants it: one publication, in which each PUBLISH is the state of a device.
func TestDeviceStatesOfAsterisk(t *testing.T) {
	onPaper(t, publishing(config.PublishDevices), func(b *bench) {
		b.publication(status.PublicationIdle)
		b.agent.Publish(user(1, config.Available, false))
		m := b.one("PUBLISH sip:viaduct@192.0.2.100 SIP/2.0")
		if field(m, "Event") != "asterisk-devicestate" || field(m, "Expires") != "3600" || field(m, "Content-Type") != "application/json" || field(m, "SIP-If-Match") != "" {
			t.Error(m)
		}
		d := device(t, m)
		if d.Name != "Custom:teams21" || d.State != "NOT_INUSE" || d.Cachable != 1 || len(d.EID) != len("02:00:00:00:00:00") {
			t.Errorf("%+v", d)
		}
		b.agent.Publish(user(2, config.DoNotDisturb, true)) // it waits for the answer
		b.agent.Publish(user(1, config.InACall, true))
		if list := b.sent(); len(list) > 0 {
			t.Error(list)
		}
		b.put(reply(m, "200 OK", "x", "SIP-ETag: e1\nExpires: 1800\n"))
		states := map[string]string{}
		for n := range 2 {
			m = b.one("PUBLISH ")
			if field(m, "SIP-If-Match") != fmt.Sprintf("e%d", n+1) {
				t.Error(m)
			}
			d := device(t, m)
			states[d.Name] = d.State
			b.put(reply(m, "200 OK", "x", fmt.Sprintf("SIP-ETag: e%d\nExpires: 1800\n", n+2)))
		}
		if states["Custom:teams21"] != "INUSE" || states["Custom:teams22"] != "INUSE" {
			t.Error(states)
		}
		if st := b.publication(status.Published); st.Users != 2 || st.Busy != 2 || st.Waiting != 0 || st.Code != 200 {
			t.Errorf("%+v", st)
		}

		m = b.next(1800*time.Second, "PUBLISH ") // a refresh has no body
		if field(m, "SIP-If-Match") != "e3" || field(m, "Content-Length") != "0" {
			t.Error(m)
		}
		b.put(reply(m, "412 Conditional Request Failed", "x", "")) // Asterisk has restarted
		states = map[string]string{}
		m = b.next(10*time.Second, "PUBLISH ")
		if field(m, "SIP-If-Match") != "" {
			t.Error(m)
		}
		d = device(t, m)
		states[d.Name] = d.State
		b.put(reply(m, "200 OK", "x", "SIP-ETag: f1\nExpires: 1800\n"))
		m = b.one("PUBLISH ")
		d = device(t, m)
		states[d.Name] = d.State
		b.put(reply(m, "200 OK", "x", "SIP-ETag: f2\nExpires: 1800\n"))
		if states["Custom:teams21"] != "INUSE" || states["Custom:teams22"] != "INUSE" {
			t.Error(states)
		}

		gone := user(2, "", false)
		gone.Gone = true
		b.agent.Publish(gone)
		m = b.one("PUBLISH ")
		if d := device(t, m); d.Name != "Custom:teams22" || d.State != "NOT_INUSE" {
			t.Errorf("%+v", d)
		}
		b.put(reply(m, "200 OK", "x", "SIP-ETag: f3\nExpires: 1800\n"))
		b.quiet(10 * time.Minute)

		b.answers(func(m string) string { return reply(m, "200 OK", "x", "SIP-ETag: g\n") })
		none := *b.cfg
		none.Presence = nil
		b.apply(&none)
		if d := device(t, b.one("PUBLISH ")); d.Name != "Custom:teams21" || d.State != "NOT_INUSE" {
			t.Errorf("at the end %+v", d)
		}
	})
}

// A key that has been red must become green: the publication stays, and says that the user is free.
func TestDialogsOfUsers(t *testing.T) {
	onPaper(t, publishing(config.PublishDialog), func(b *bench) {
		b.agent.Publish(user(1, config.Available, false))
		b.quiet(time.Second)
		b.agent.Publish(user(1, config.InACall, true))
		m := b.one("PUBLISH sip:21@192.0.2.100 ")
		state := func(m string) dialoginfo.State {
			_, body, _ := strings.Cut(m, "\r\n\r\n")
			i, err := dialoginfo.Parse([]byte(body))
			if err != nil || !i.Full || len(i.Dialogs) != 1 || i.Entity != "sip:21@192.0.2.100" {
				t.Fatalf("%+v, %v", i, err)
			}
			return i.Dialogs[0].State
		}
		if state(m) != dialoginfo.Confirmed || field(m, "Event") != "dialog" || field(m, "Content-Type") != "application/dialog-info+xml" {
			t.Error(m)
		}
		b.put(reply(m, "401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"1\", algorithm=MD5\n"))
		m = b.one("PUBLISH ")
		if !strings.Contains(field(m, "Authorization"), `username="user.01"`) || field(m, "CSeq") != "2 PUBLISH" {
			t.Error(m)
		}
		b.put(reply(m, "200 OK", "x", "SIP-ETag: a\nExpires: 3600\n"))
		b.agent.Publish(user(1, config.Available, false))
		m = b.one("PUBLISH ")
		if state(m) != dialoginfo.Terminated || field(m, "SIP-If-Match") != "a" {
			t.Error(m)
		}
		b.put(reply(m, "412 Conditional Request Failed", "x", ""))
		b.quiet(time.Minute) // he is free, and the server has forgotten him
		b.agent.Publish(user(1, config.DoNotDisturb, true))
		m = b.one("PUBLISH ")
		if field(m, "SIP-If-Match") != "" {
			t.Error(m)
		}
		b.answers(func(m string) string { return reply(m, "200 OK", "x", "SIP-ETag: g\n") })
		b.put(reply(m, "200 OK", "x", "SIP-ETag: b\nExpires: 3600\n"))
	})
}

func TestPresenceOfUsers(t *testing.T) {
	for state, want := range map[config.PresenceState]dialoginfo.Activity{config.DoNotDisturb: dialoginfo.Busy, config.Presenting: dialoginfo.Busy, config.InACall: dialoginfo.OnThePhone} {
		onPaper(t, publishing(config.PublishPresence), func(b *bench) {
			b.answers(func(m string) string { return reply(m, "200 OK", "x", "SIP-ETag: g\n") })
			b.agent.Publish(user(1, state, true))
			m := b.one("PUBLISH ")
			_, body, _ := strings.Cut(m, "\r\n\r\n")
			if p, err := dialoginfo.ParsePresence([]byte(body)); err != nil || p.Activity != want || p.Note != string(state) || !p.Open || field(m, "Content-Type") != "application/pidf+xml" {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

// What the PBX refuses is not asked for all the time, and the log has a line.
func TestPublicationThatIsNotTaken(t *testing.T) {
	for answer, want := range map[string]struct {
		state status.PublicationState
		why   string
		least time.Duration
	}{
		"489 Bad Event":           {status.PublicationRefused, "the PBX does not take PUBLISH of asterisk-devicestate: 489 Bad Event", time.Hour},
		"404 Not Found":           {status.PublicationRefused, "the PBX does not take PUBLISH of asterisk-devicestate: 404 Not Found", time.Hour},
		"500 Error":               {status.PublicationFailed, "500 Error", leastPause},
		"503 No\nRetry-After: 60": {status.PublicationFailed, "503 No", time.Minute},
	} {
		t.Run(answer, func(t *testing.T) {
			onPaper(t, publishing(config.PublishDevices), func(b *bench) {
				b.agent.Publish(user(1, config.InACall, true))
				b.put(reply(b.one("PUBLISH "), answer, "x", ""))
				if st := b.publication(want.state); st.Error != want.why || st.Waiting != 1 {
					t.Errorf("%+v", st)
				}
				b.agent.Publish(user(2, config.InACall, true)) // it waits, too
				b.quiet(want.least - time.Second)
				m := b.next(2*time.Hour, "PUBLISH ")
				b.answers(func(m string) string { return reply(m, "200 OK", "x", "SIP-ETag: g\n") })
				b.put(reply(m, "200 OK", "x", "SIP-ETag: g\n"))
				if st := b.publication(status.Published); st.Error != "" {
					t.Errorf("%+v", st)
				}
				if n := strings.Count(b.log.String(), "\n"); n != 2 {
					t.Errorf("%d lines of log:\n%s", n, b.log.String())
				}
			})
		})
	}
	onPaper(t, publishing(config.PublishDevices), func(b *bench) { // a PBX that forgets everything at once
		b.answers(func(m string) string {
			if field(m, "SIP-If-Match") != "" {
				return reply(m, "412 Conditional Request Failed", "x", "")
			}
			return reply(m, "200 OK", "x", "SIP-ETag: g\n")
		})
		for n := range 3 {
			b.agent.Publish(user(n, config.InACall, true))
		}
		time.Sleep(3 * time.Hour)
		if n := len(b.sent()); n > 60 {
			t.Errorf("%d requests in three hours", n)
		}
	})
}

func TestUsersHaveABound(t *testing.T) {
	onPaper(t, nil, func(b *bench) {
		for n := range mostUsers + 10 {
			b.agent.Publish(user(n, config.InACall, true))
		}
		if n := len(b.agent.usersOf("TEAMS")); n > mostUsers {
			t.Errorf("%d users", n)
		}
	})
}

// Where each user has a publication, one that fails takes nothing from the others: they are refreshed, and one whom the PBX does not know is not
// waited for.
func TestTheFailureOfOneUserIsHis(t *testing.T) {
	for code, quietly := range map[string]bool{"404 Not Found": true, "500 Error": false} {
		t.Run(code, func(t *testing.T) {
			onPaper(t, publishing(config.PublishDialog), func(b *bench) {
				stranger, refreshed := 0, map[string]int{}
				b.answers(func(m string) string {
					switch uri := strings.Fields(m)[1]; {
					case uri == "sip:23@192.0.2.100":
						stranger++
						return reply(m, code, "x", "")
					case field(m, "SIP-If-Match") != "":
						refreshed[uri]++
					}
					return reply(m, "200 OK", "x", "SIP-ETag: g\nExpires: 3600\n")
				})
				for n := range 8 {
					b.agent.Publish(user(n, config.InACall, true))
				}
				time.Sleep(90 * time.Minute)
				b.sent()
				b.agent.mu.Lock()
				defer b.agent.mu.Unlock()
				b.paper.mu.Lock()
				defer b.paper.mu.Unlock()
				if quietly && (len(refreshed) != 7 || stranger != 2) || !quietly && stranger < 5 {
					t.Errorf("%d users were refreshed, and %d requests about the stranger", len(refreshed), stranger)
				}
				for uri, n := range refreshed {
					if n < 1 {
						t.Error(uri)
					}
				}
				if n := strings.Count(b.log.String(), "\n"); n != 1 {
					t.Errorf("%d lines of log:\n%s", n, b.log.String())
				}
			})
		})
	}
}

// What was told before a failure is refreshed after it.
func TestPublicationsOutliveTheFailureOfAnother(t *testing.T) {
	onPaper(t, publishing(config.PublishDialog), func(b *bench) {
		takes := func(m string) string { return reply(m, "200 OK", "x", "SIP-ETag: g\nExpires: 3600\n") }
		b.answers(takes)
		b.agent.Publish(user(1, config.InACall, true))
		b.sent()
		b.answers(func(m string) string { return reply(m, "500 Error", "x", "") })
		b.agent.Publish(user(2, config.InACall, true))
		b.sent()
		b.answers(takes)
		time.Sleep(time.Hour)
		if list := b.sent(); !slices.ContainsFunc(list, func(m string) bool {
			return strings.HasPrefix(m, "PUBLISH sip:21@") && field(m, "SIP-If-Match") == "g"
		}) {
			t.Errorf("it was not refreshed: %q", list)
		}
	})
}
