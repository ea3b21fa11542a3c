package lab

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lab/entra"
	"viaduct/appliance/status"
)

// graphStates are the states of `map-status` as Graph tells them.
var graphStates = map[config.PresenceState]entra.State{
	config.DoNotDisturb: {Availability: "DoNotDisturb", Activity: "DoNotDisturb"}, config.Presenting: {Availability: "DoNotDisturb", Activity: "Presenting"}, config.InACall: entra.InACall,
	config.InAConference: {Availability: "Busy", Activity: "InAConferenceCall"}, config.InAMeeting: {Availability: "Busy", Activity: "InAMeeting"}, config.Busy: {Availability: "Busy", Activity: "Busy"},
	config.Away: entra.Away, config.BeRightBack: {Availability: "BeRightBack", Activity: "BeRightBack"}, config.Available: entra.Available, config.Offline: entra.Offline,
	config.OutOfOffice: {Availability: "Available", Activity: "OutOfOffice"}, config.OffWork: {Availability: "Offline", Activity: "OffWork"},
}

// invites is how many INVITEs all hubs have got.
func (t *Teams) invites() (n int) {
	for _, h := range t.Hubs {
		n += h.Invites()
	}
	return n
}

// refusedByPresence has the PBX call a Teams user, wants the call refused with a code and nothing before it, and returns how long that took.
func (r *running) refusedByPresence(account string, code int) time.Duration {
	r.t.Helper()
	before := r.Teams.invites()
	out, err := r.Starface.Call(r.ctx, Ring{Account: account})
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := out.WaitOver(r.ctx)
	if err != nil || !e.ByBox || e.Code != code {
		r.t.Errorf("the call for %s ended %+v, %v; want %d", account, e, err, code)
	}
	for _, p := range out.Provisionals() {
		if p.Code != 100 {
			r.t.Errorf("the call for %s got %d before %d", account, p.Code, code)
		}
	}
	if n := r.Teams.invites() - before; n != 0 {
		r.t.Errorf("Teams got %d INVITEs of the call for %s", n, account)
	}
	return e.After
}

// TestATeamsUserWhoIsNotToBeDisturbed has a group of the PBX ring: of its members the one in do not disturb gets 486 at once and no INVITE, and
// the other one rings on. Then every state does what the configuration says, and calls flow while Graph is slow.
func TestATeamsUserWhoIsNotToBeDisturbed(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	r.patience(5 * time.Minute)
	m := startMicrosoft(r)
	r.start(Setup{Sessions: 10, Channels: 10})
	users := []string{"user.01", "user.02", "user.03"}
	codes := []int{486, 480, 603, 0}
	var lines []string
	for n, s := range config.PresenceStates {
		line := fmt.Sprintf("map-status %s refuse %d", s, codes[n%4])
		if codes[n%4] == 0 {
			line = fmt.Sprintf("map-status %s none", s)
		}
		lines = append(lines, line)
	}
	m.configure(lines...)
	m.SignIn(teamsUsers["user.01"], graphStates[config.DoNotDisturb])
	m.SignIn(teamsUsers["user.02"], graphStates[config.InAConference]) // of which nothing follows
	m.known(teamsUsers["user.01"], string(config.DoNotDisturb))
	m.known(teamsUsers["user.02"], string(config.InAConference))

	r.Teams.Behave(Behaviour{Manual: true})
	desk, in := r.pbxRings(Ring{Account: "user.02"})
	<-desk.Ringing()
	for range 10 {
		t.Logf("486 came %v after the INVITE", r.refusedByPresence("user.01", 486))
	}
	if isOver(desk) || isOver(in) {
		t.Fatal("the other one of the group does not ring any more")
	}
	if err := in.Answer(); err != nil {
		t.Fatal(err)
	}
	r.up(desk, in)
	r.end(desk, in)
	r.Teams.Behave(Behaviour{})
	if text := r.says("show calls history 11 json"); !strings.Contains(text, "do-not-disturb in Teams") {
		t.Errorf("the record does not tell why:\n%s", text)
	}

	for n := 0; n < len(config.PresenceStates); n += len(users) {
		for i, account := range users {
			m.SignIn(teamsUsers[account], graphStates[config.PresenceStates[n+i]])
		}
		for i, account := range users {
			state := config.PresenceStates[n+i]
			m.known(teamsUsers[account], string(state))
			if code := codes[(n+i)%4]; code != 0 {
				r.refusedByPresence(account, code)
				continue
			}
			out, in := r.fromPBX(Ring{Account: account})
			r.end(out, in)
		}
	}

	// Graph takes 30 s for each answer: what is known gets too old, and no call waits.
	m.SignIn(teamsUsers["user.01"], graphStates[config.DoNotDisturb])
	m.known(teamsUsers["user.01"], string(config.DoNotDisturb))
	before := strings.Count(r.log.String(), "\n")
	m.Fail(entra.Graph, entra.Fault{Delay: 30 * time.Second})
	m.known(teamsUsers["user.01"], "")
	out, in := r.fromPBX(Ring{Account: "user.01"})
	r.end(out, in)
	r.alarmed("presence-away")
	t.Logf("%d lines in the log", strings.Count(r.log.String(), "\n")-before)
	m.Heal()
	m.known(teamsUsers["user.01"], string(config.DoNotDisturb))
	r.refusedByPresence("user.01", 486)
	r.ended()
}

// TestAUserWhoIsOnThePhoneAtThePBX is busy in Teams, and free afterwards; not so with a call that the box carries, which Teams shows by itself. What
// a box has told that was killed is taken back by the next one.
func TestAUserWhoIsOnThePhoneAtThePBX(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	r.patience(5 * time.Minute)
	m := startMicrosoft(r)
	r.start(Setup{Sessions: 4, Channels: 4}, "  identity-group teams\n", "  identity-group teams\n    presence subscribe dialog\n")
	m.configure("report calls")
	r.wait("the box watches all three", func() bool { return len(r.Starface.Watched()) == 3 })
	m.known(teamsUsers["user.03"], string(config.Available))
	session := func(account string) bool {
		_, left, ok := m.Session(teamsUsers[account], applicationID)
		if left > 10*time.Minute {
			t.Errorf("the session of %s lives for %v", account, left)
		}
		return ok
	}

	out, in := r.fromPBX(Ring{Account: "user.02"})
	r.Starface.SetTalking("user.02", true)
	r.Starface.SetTalking("user.03", true)
	began := time.Now()
	r.wait("user.03 is in a call", func() bool { return m.Shows(teamsUsers["user.03"]) == entra.InACall })
	t.Logf("busy in Teams %v after the NOTIFY", time.Since(began))
	if session("user.02") || session("user.01") {
		t.Error("a call that the box carries, or none, is told to Teams")
	}
	r.wait("all lines are known", func() bool { // each is told by a NOTIFY of its own
		lines := map[string]status.PresenceLine{}
		for _, u := range m.service().Users {
			lines[u.Identity] = u.Line
		}
		return maps.Equal(lines, map[string]status.PresenceLine{"user.01": status.LineFree, "user.02": status.LineCarried, "user.03": status.LineBusy})
	})
	r.end(out, in)
	r.Starface.SetTalking("user.02", false)
	r.Starface.SetTalking("user.03", false)
	began = time.Now()
	r.wait("user.03 is free", func() bool { return m.Shows(teamsUsers["user.03"]) == entra.Available })
	t.Logf("free in Teams %v after the NOTIFY", time.Since(began))

	r.Starface.SetTalking("user.01", true)
	r.wait("user.01 is in a call", func() bool { return session("user.01") })
	r.says("copy running-config startup-config")
	r.suffering = true
	if err := r.box.Kill(); err != nil {
		t.Fatal(err)
	}
	if !session("user.01") { // which Graph ends by itself, ten minutes after it was told last
		t.Error("the session ended with the box")
	}
	r.Starface.SetTalking("user.01", false)
	if err := r.box.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.wait("user.01 is free after another start", func() bool { return m.Shows(teamsUsers["user.01"]) == entra.Available })

	// A box that is stopped in order takes back what it has told.
	r.Starface.SetTalking("user.03", true)
	r.wait("user.03 is in a call again", func() bool { return session("user.03") })
	if err := r.box.Stop(); err != nil {
		t.Fatal(err)
	}
	if session("user.03") {
		t.Error("a box that was stopped has left its session")
	}
}
