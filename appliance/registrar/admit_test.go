package registrar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/bans"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
)

// Whoever tries to be somebody else: 22 has an account and a phone, knows the number, address and contact of 21, and has heard its messages.
func TestNobodyIsSomebodyElse(t *testing.T) {
	const victim, intruder = "10.108.2.51:5060", "10.108.2.66:5060"
	for n, attempt := range []struct {
		name string
		want int
		try  func(p *phone, heard string) int // heard: the last REGISTER of the victim, with its credentials
	}{
		{"no credentials", 401, func(p *phone, _ string) int {
			return code(p.ask(p.request("REGISTER", "sip:10.108.2.1", "sip:21@10.108.2.1", "Contact: <sip:x@y>\n")))
		}},
		{"its own account", 403, func(p *phone, _ string) int { p.user = "21"; return register(p) }},
		{"its own account, From its own", 403, func(p *phone, _ string) int { p.user, p.from = "21", "22"; return register(p) }},
		{"its own account, an alias in To", 403, func(p *phone, _ string) int { p.user = "+4972115104221"; return register(p) }},
		{"its own account, escapes in To", 403, func(p *phone, _ string) int { p.user = "%32%31"; return register(p) }},
		{"its own account, a plus in To", 403, func(p *phone, _ string) int { p.user = "+21"; return register(p) }},
		{"its own password with the other's name", 401, func(p *phone, _ string) int { p.user, p.account = "21", "21"; return register(p) }},
		{"no password", 401, func(p *phone, _ string) int { p.user, p.account, p.password = "21", "21", ""; return register(p) }},
		{"an account without a password", 401, func(p *phone, _ string) int { p.user, p.account, p.password = "21", "void", ""; return register(p) }},
		{"an account that is not there", 401, func(p *phone, _ string) int { p.user, p.account = "21", "root"; return register(p) }},
		{"an account of the service that no identity uses by its name", 403, func(p *phone, _ string) int {
			p.user, p.account, p.password = "23", "26", "none"
			return register(p)
		}},
		{"the name of the identity where another account is wanted", 401, func(p *phone, _ string) int { p.user, p.account = "23", "23"; return register(p) }},
		{"what was heard, again", 401, func(p *phone, heard string) int { return code(p.ask(again(p, heard))) }},
		{"what was heard, with another contact", 401, func(p *phone, heard string) int {
			return code(p.ask(strings.Replace(again(p, heard), "Contact: <sip:21@10.108.2.51:5060>", "Contact: <sip:x@10.108.2.66>", 1)))
		}},
		{"what was heard, with the next count", 401, func(p *phone, heard string) int {
			return code(p.ask(strings.Replace(again(p, heard), "nc=00000001", "nc=00000002", 1)))
		}},
		{"what was heard, for a call", 400, func(p *phone, heard string) int {
			_, credentials, _ := strings.Cut(again(p, heard), "Authorization: ")
			credentials, _, _ = strings.Cut(credentials, "\n")
			p.user = "21"
			return code(p.ask(p.request("INVITE", "sip:22@10.108.2.1", "sip:22@10.108.2.1", "Contact: <sip:x@y>\nAuthorization: "+credentials+"\n")))
		}},
		{"its own account, two fields", 403, func(p *phone, heard string) int {
			m := p.ask(p.request("REGISTER", "sip:10.108.2.1", "sip:21@10.108.2.1", ""))
			lines := p.credentials("REGISTER", "sip:10.108.2.1", m)
			_, old, _ := strings.Cut(heard, "Authorization: ")
			old, _, _ = strings.Cut(old, "\n")
			return code(p.ask(p.request("REGISTER", "sip:10.108.2.1", "sip:21@10.108.2.1", lines+"Authorization: "+old+"\nContact: <sip:x@y>\n")))
		}},
		{"two To", 400, func(p *phone, _ string) int {
			p.lines = "To: <sip:21@10.108.2.1>\n"
			return register(p)
		}},
		{"an identity for which no phone is provided", 403, func(p *phone, _ string) int {
			p.user, p.account, p.password = "26", "26", "none"
			return register(p)
		}},
		{"an identity without accounts", 403, func(p *phone, _ string) int { p.user = "25"; return register(p) }},
		{"an identity that is not there", 404, func(p *phone, _ string) int { p.user = "29"; return register(p) }},
		{"group DEFAULT", 404, func(p *phone, _ string) int { p.user = "DEFAULT"; return register(p) }},
		{"another domain", 404, func(p *phone, _ string) int {
			m := p.send("REGISTER", "sip:10.108.2.1", "sip:21@elsewhere.example", "Contact: <sip:x@y>\n")
			return code(m)
		}},
		{"a call as the other", 403, func(p *phone, _ string) int { p.user = "21"; return p.invite("22") }},
		{"a call as the other, with its account", 401, func(p *phone, _ string) int { p.user, p.account = "21", "21"; return p.invite("22") }},
		{"a call as one that needs no account and is elsewhere", 403, func(p *phone, _ string) int { p.user = "24"; return p.invite("22") }},
		{"a call as nobody, with the other's name", 401, func(p *phone, _ string) int {
			p.from, p.account, p.password = "anonymous", "21", "hash"
			return p.invite("22")
		}},
		{"a subscription as the other", 403, func(p *phone, _ string) int {
			p.user = "21"
			return code(p.send("SUBSCRIBE", "sip:22@10.108.2.1", "sip:22@10.108.2.1", "Event: dialog\nContact: <sip:x@y>\n"))
		}},
	} {
		t.Run(fmt.Sprint(n, " ", attempt.name), func(t *testing.T) {
			onPaper(t, func(c *config.Config) {
				g := &config.IdentityGroup{Name: "DEFAULT", IdentitySettings: face{Inbound: inbound(), AuthInbound: &config.AuthInbound{None: true}}}
				c.Location[0].Groups = append(c.Location[0].Groups, g)
			}, func(b *box) {
				v := b.phone(victim, "21", "hush")
				lines := "Contact: <sip:21@10.108.2.51:5060>\n"
				m := v.ask(v.request("REGISTER", "sip:10.108.2.1", "sip:21@10.108.2.1", lines))
				heard := v.request("REGISTER", "sip:10.108.2.1", "sip:21@10.108.2.1", v.credentials("REGISTER", "sip:10.108.2.1", m)+lines)
				if got := v.ask(heard); code(got) != 200 {
					t.Fatal(got)
				}
				b.phone("10.108.2.54:5060", "24", "").register(300, 200)
				p := b.phone(intruder, "22", "other")
				p.register(300, 200)
				if got := attempt.try(p, heard); got != attempt.want {
					t.Errorf("it got %d, not %d", got, attempt.want)
				}
				b.wants("21", "sip:21@10.108.2.51:5060 at 10.108.2.51:5060/udp")
				for _, x := range b.reg.Bindings() {
					if x.Identity != "22" && x.Source.Addr().String() == "10.108.2.66" {
						t.Errorf("%+v", x)
					}
				}
				if len(b.calls) > 0 {
					t.Errorf("calls of %v came through", b.calls)
				}
			})
		})
	}
}

// register is a REGISTER with the phone's account; its code.
func register(p *phone) int {
	return code(p.send("REGISTER", "sip:10.108.2.1", "sip:"+p.user+"@10.108.2.1", "Contact: <sip:x@10.108.2.66>\nExpires: 300\n"))
}

// again is a message that was heard, in a new transaction from the phone's address.
func again(p *phone, m string) string {
	p.branch++
	return strings.NewReplacer("branch=z9hG4bK", fmt.Sprintf("branch=z9hG4bKx%d", p.branch), "tag=f21", "tag=g21", "Via: SIP/2.0/UDP 10.108.2.51:5060", "Via: SIP/2.0/UDP "+p.at.String()).Replace(m)
}

func TestWhoCalls(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		for _, step := range []struct {
			name string
			want int
			do   func()
		}{
			{"before it has registered", 403, func() {}},
			{"registered", 603, func() { p.register(300, 200) }},
			{"hiding its number", 603, func() { p.from = "anonymous" }},
			{"by an alias", 603, func() { p.from = "+4972115104221" }},
			{"from another port, as a phone that calls by a new connection", 603, func() { p = b.moved(p, "10.108.2.51:7777") }},
			{"from another address", 403, func() { p = b.moved(p, "10.108.2.52:5060") }},
			{"from there after its time", 403, func() { p = b.moved(p, "10.108.2.51:5060"); b.wait(301 * time.Second) }},
		} {
			step.do()
			if got := p.invite("22"); got != step.want {
				t.Errorf("%s: %d, not %d", step.name, got, step.want)
			}
		}
		free := b.phone("10.108.2.54:5060", "24", "")
		if got := free.invite("22"); got != 403 {
			t.Errorf("it wants no account, and has not registered: %d", got)
		}
		free.register(300, 200)
		free.from = "anonymous"
		if got := free.invite("22"); got != 603 {
			t.Errorf("it wants no account, and has registered: %d", got)
		}
		if got := strings.Join(b.calls, " "); got != "21 21 21 21 24" {
			t.Errorf("calls came through as %s", got)
		}
	})
}

// moved is the phone at another address.
func (b *box) moved(p *phone, at string) *phone {
	q := b.phone(at, p.user, p.password)
	q.from = p.from
	return q
}

// A challenge, a ban and a limit keep nobody from an emergency number who is known at that address.
func TestEmergencies(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		call := func(p *phone, lines string) int {
			return code(p.ask(p.request("INVITE", "sip:112@10.108.2.1", "sip:112@10.108.2.1", lines+"Contact: <sip:x@y>\n")))
		}
		p := b.phone("10.108.2.51:5060", "21", "hush")
		if got := call(p, ""); got != 401 {
			t.Errorf("nobody is known there: %d", got)
		}
		if got := p.invite("112"); got != 603 {
			t.Errorf("it has not registered, but has an account: %d", got)
		}
		p.register(300, 200)
		if got := call(p, ""); got != 603 {
			t.Errorf("it has registered: %d", got)
		}
		p.from = "anonymous"
		if got := call(p, ""); got != 603 {
			t.Errorf("it hides its number: %d", got)
		}
		p.from = "22"
		if got := call(p, "Authorization: Digest nonsense\n"); got != 603 {
			t.Errorf("it claims to be another: %d", got)
		}
		far := b.phone("10.108.2.52:5060", "22", "wrong")
		for range bans.Tries {
			far.invite("112")
		}
		if far.invite("112") != 403 {
			t.Error("nobody is known there, and guesses on as fast as it can")
		}
		b.wait(breath + time.Second)
		far.password = "other"
		if got := far.invite("112"); got != 603 {
			t.Errorf("it was shut out: %d", got)
		}
		if got := far.invite("21"); got != 403 {
			t.Errorf("a call that is no emergency: %d", got)
		}
		if got := strings.Join(b.calls, " "); got != "21 21 21 21 22" {
			t.Errorf("they came through as %s", got)
		}
	})
}

func TestAlgorithms(t *testing.T) {
	onPaper(t, func(c *config.Config) {
		own := *c.Location[0].Identities[1].AuthInbound
		own.SHA256 = true
		c.Location[0].Identities[1].AuthInbound = &own
	}, func(b *box) {
		for user, want := range map[string]string{"21": "MD5", "22": "SHA-256 MD5", "29": "SHA-256 MD5"} {
			p := b.phone("10.108.2.51:5060", user, "")
			var got []string
			for _, v := range fields(p.ask(p.request("REGISTER", "sip:10.108.2.1", "sip:"+user+"@10.108.2.1", "")), "WWW-Authenticate") {
				_, v, _ = strings.Cut(v, "algorithm=")
				v, _, _ = strings.Cut(v, ",")
				got = append(got, v)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s is challenged for %s, not %s", user, got, want)
			}
		}
		b.phone("10.108.2.52:5060", "21", "hush").register(300, 200)
		b.phone("10.108.2.53:5060", "22", "other").register(300, 200)
	})
}

func TestBans(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		at := "10.108.2.60:5060" // a base
		good := b.phone(at, "22", "other")
		good.register(300, 200)
		bad := b.phone(at, "21", "wrong")
		for n := range bans.Tries {
			want := 401
			if n == bans.Tries-1 {
				want = 403
			}
			bad.register(300, want)
			if raised := b.health.Active(health.PhonePassword); raised != (n >= alarmAfter-1) {
				t.Errorf("after %d wrong passwords the alarm is raised: %v", n+1, raised)
			}
		}
		bad.password = "hush"
		bad.register(300, 403)
		b.phone(at, "24", "").register(300, 200) // that wants no account
		b.wait(time.Minute)
		good.register(300, 200) // the handsets that are at work stay
		if got := good.invite("24"); got != 603 {
			t.Errorf("a handset at work calls: %d", got)
		}
		desk := b.phone("10.108.2.61:5060", "23", "wood")
		desk.account = "desk"
		desk.register(300, 200)
		if list := b.reg.Bans(); len(list) != 1 || list[0].Source.String() != "10.108.2.60" {
			t.Errorf("%+v", list)
		}
		b.wait(10 * time.Minute)
		bad.register(300, 200)
		if b.health.Active(health.PhonePassword) {
			t.Error("the alarm stays, though the password was right")
		}

		guesser := b.phone("10.108.2.66:5060", "21", "")
		for n := range bans.Tries {
			guesser.user, guesser.account = fmt.Sprint(100+n), fmt.Sprint(100+n)
			guesser.register(300, map[bool]int{true: 403, false: 401}[n == bans.Tries-1])
		}
		if n := b.reg.LiftBans(guesser.at.Addr()); n != 1 {
			t.Errorf("%d were lifted", n)
		}
		guesser.register(300, 401)
		another := b.phone("10.108.2.67:5060", "21", "wrong")
		for range alarmAfter {
			another.register(300, 401)
		}
		if !b.health.Active(health.PhonePassword) {
			t.Error("there is no alarm")
		}
		b.wait(guessesLast + sweepEvery)
		if b.health.Active(health.PhonePassword) {
			t.Error("the alarm stays, though nobody has tried for long")
		}
	})
}

// Who forges the address of a phone over UDP never sees a nonce for it, so its wrong passwords shut nobody out.
func TestAForgedAddressIsNotBanned(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		victim, forger := b.phone("10.108.2.51:5060", "21", "hush"), b.phone("10.108.2.66:5060", "21", "wrong")
		const uri, contact = "sip:10.108.2.1", "Contact: <sip:21@10.108.2.51:5060>\n"
		for n := range 2 * bans.Tries {
			m := forger.ask(forger.request("REGISTER", uri, "sip:21@10.108.2.1", contact))
			forged := b.phone("10.108.2.51:5060", "21", "")
			forged.callID, forged.branch = fmt.Sprint("forged-", n), n
			got := forged.ask(forged.request("REGISTER", uri, "sip:21@10.108.2.1", forger.credentials("REGISTER", uri, m)+contact))
			if code(got) != 401 || !strings.Contains(got, "stale=true") {
				t.Fatal(got)
			}
		}
		if list := b.reg.Bans(); len(list) > 0 || b.health.Active(health.PhonePassword) {
			t.Errorf("%+v", list)
		}
		victim.register(300, 200)
	})
}

// Who has an account and sends what it may cannot fill the log.
func TestAPhoneDoesNotFillTheLog(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.66:5060", "22", "other")
		for range 100 {
			p.user, p.account = "22", "22"
			p.register(300, 200)
			p.register(0, 200)
			p.user = "21"
			p.register(300, 403)
		}
		b.wait(time.Minute)
		p.user = "22"
		p.register(300, 200)
		log := b.log.take()
		for line, most := range map[string]int{"phone registered": 7, "phone gone": 5, "that of another identity": 1} {
			if n := strings.Count(log, line); n == 0 || n > most {
				t.Errorf("%q is there %d times", line, n)
			}
		}
	})
}
