package checkup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/status"
)

// checkLicenses looks for pools that are used up, and names what to tell the tenant.
func checkLicenses(_ context.Context, s *survey, _ subject) finding {
	l := s.c.o.Box.Licenses()
	var f finding
	sessions := 0
	for _, p := range l.Pools {
		if p.Name != status.SessionPool && p.Name != status.ChannelPool {
			continue
		}
		f = f.saw("%s: %d, %d in use", p.Name, p.Total, p.Alloc)
		if p.Name == status.SessionPool || p.Total < sessions {
			sessions = p.Total
		}
		if p.Free == 0 && p.Alloc >= p.Total {
			f = f.fails("all %d licenses %s are in use: further calls are refused with 503", p.Total, p.Name)
		}
	}
	for _, p := range l.Peaks {
		if p.Refused > 0 {
			f = f.warns("%s of %s were refused since the start, as all were in use", plural.Of(p.Refused, "request"), p.Name)
		}
	}
	phones := slices.ContainsFunc(s.cfg.CS, func(c *config.Switch) bool {
		return slices.ContainsFunc(c.Interfaces, func(i *config.SIPInterface) bool { return !i.Phones.IsZero() })
	})
	if phones && slices.ContainsFunc(l.Features, func(x status.Feature) bool { return x.Name == status.PhonesFeature && !x.Enabled }) {
		f = f.fails("the license %s is missing: no phone can register", status.PhonesFeature)
	}
	f = f.saw("for the tenant: MaxConcurrentSessions %d", sessions)
	f.minor = false // one cure for all
	return f.by("Install more licenses (`install license KEY`; `show system licenses` has the serial number to order them with), or wait until calls end. The tenant's administrator: `Set-CsOnlinePSTNGateway -Identity NAME -MaxConcurrentSessions %d` has Teams use another trunk beyond that.", sessions)
}

// checkClock asks the time servers.
func checkClock(ctx context.Context, s *survey, _ subject) finding {
	c := s.c.o.Box.Clock()
	if !c.Enabled || len(s.cfg.SNTP.Servers) == 0 {
		return finding{}.warns("no time server is configured: the clock goes its own way, and certificates are judged by it").
			by("Add `sntp-client` and `sntp-client server primary HOST`.")
	}
	var f finding
	var offsets []time.Duration
	var errs []string
	for _, t := range s.c.o.Box.MeasureClock(ctx) {
		if t.Error != "" {
			errs = append(errs, t.Host+": "+t.Error)
			f = f.saw("%s: %s", t.Host, t.Error)
			continue
		}
		f = f.saw("%s: stratum %d, %s", t.Host, t.Stratum, away(t.Offset))
		offsets = append(offsets, t.Offset)
	}
	if len(offsets) == 0 {
		text := "no time server answers"
		if len(errs) > 0 {
			text += ": " + errs[0]
		}
		if c.Synced {
			return f.warns("%s; the clock was set at %s", text, c.Last.UTC().Format(time.DateTime))
		}
		return f.fails("%s", text)
	}
	slices.Sort(offsets)
	median := offsets[len(offsets)/2]
	switch {
	case median.Abs() > farOff:
		f = f.fails("the time servers say that the clock is %s", away(median))
		return f.paste("clock sync").by("If they are right, set the clock by `clock sync`. If they lie, name others that do not: with three, the box can tell which one is wrong.")
	case c.Error != "" && !c.Synced:
		return f.fails("%s", c.Error).paste("clock sync").by("`show sntp-client` shows what each server says; `clock sync` takes their time.")
	case len(errs) > 0:
		return f.warns("%s", strings.Join(errs[:min(len(errs), shown)], "; "))
	}
	return f
}

// farOff is a difference that no network explains.
const farOff = 2 * time.Second

// away says how a clock differs from a server, whose time is the clock's and offset.
func away(offset time.Duration) string {
	size := offset.Abs().Round(time.Millisecond)
	if size > time.Minute {
		size = size.Round(time.Second)
	}
	switch {
	case size == 0:
		return "right to the millisecond"
	case offset > 0:
		return size.String() + " behind"
	}
	return size.String() + " ahead"
}

// place is like the body of an emergency call from Teams (RFC 6442): the caller's place before the description.
const place = "--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:a@example.com\"/>\r\n" +
	"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 50000 RTP/SAVP 8 101\r\n" +
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5|2^31\r\na=rtpmap:101 telephone-event/8000\r\n--b--\r\n"

// checkEmergency looks whether emergency calls get through: the body with a place is read, and the numbers are known.
func checkEmergency(_ context.Context, s *survey, _ subject) finding {
	d, err := sdp.ParseBody(`multipart/mixed;boundary=b`, []byte(place))
	if err != nil || d == nil {
		return finding{}.fails("an INVITE with the caller's place is not understood: %v", err).by("This is a fault of the firmware: update it.")
	}
	f := ok("an INVITE with the caller's place (multipart, PIDF-LO) is understood")
	passed := slices.ContainsFunc(s.peers, func(p *peer) bool { return p.conf.PassLocation })
	for _, sw := range s.cfg.CS {
		if !sw.Enabled || !slices.ContainsFunc(s.peers, func(p *peer) bool { return p.conf.Context == sw.Name }) {
			continue
		}
		if len(sw.Emergency) == 0 {
			f = f.warns("context cs %s names no emergency-number: when all licenses are in use, emergency calls are refused like others", sw.Name).
				paste("configure", "context cs "+sw.Name, "emergency-number 110", "emergency-number 112", "end").
				by("Name those of the country; the lines are for Germany.")
			continue
		}
		f = f.saw("emergency numbers: %s", strings.Join(sw.Emergency, ", "))
	}
	if passed {
		f = f.saw("the place is passed on")
	}
	return f
}

// numbered are the peers whose identities are mapped to numbers.
func numbered(s *survey, of string) []subject {
	return slices.DeleteFunc(peersOf(pbx, false)(s, all), func(x subject) bool { return len(s.identities(x.peer)) == 0 })
}

// identities are those of the location services of a peer's gateway.
func (s *survey) identities(p *peer) (list []*config.Identity) {
	for _, ref := range p.gateway.Location {
		if l := ref.In(s.cfg); l != nil {
			list = append(list, l.Identities...)
		}
	}
	return list
}

// checkNumbers makes a dry run for every identity: a call of the PBX to it, and a call of the number that comes out of that.
func checkNumbers(_ context.Context, s *survey, x subject) finding {
	identities := s.identities(x.peer)
	problems := map[string][]string{}
	var order []string
	note := func(why, who string) {
		if problems[why] == nil {
			order = append(order, why)
		}
		problems[why] = append(problems[why], who)
	}
	used := map[string]string{}
	var example string
	for _, i := range identities {
		number, why := s.numberOf(x.peer, i.Name)
		if why != "" {
			note(why, i.Name)
			continue
		}
		if other := used[number]; other != "" {
			note("the number of another identity comes out, so a default takes it: "+number, i.Name)
			continue
		}
		used[number] = i.Name
		if why := s.backTo(x.peer, number, i.Name); why != "" {
			note(why, i.Name)
			continue
		}
		if example == "" {
			example = i.Name + " is " + number
		}
	}
	f := ok(plural.Of(len(identities), "account") + after(": ", example))
	for _, why := range order[:min(len(order), shown)] {
		f = f.warns("%s: %s", some(problems[why]), why)
	}
	return f
}

// numberOf is the number at Teams that a call of the PBX to an identity goes to.
func (s *survey) numberOf(p *peer, identity string) (number, why string) {
	uri := "sip:" + identity + "@" + s.localOf(p)
	c := route.Call{CalledURI: uri, CalledE164: identity, CallingE164: "0301234567", CallingURI: "sip:0301234567@" + p.host, Time: s.now()}
	plan, err := route.New(s.cfg, p.conf.ID(), c)
	if err != nil || len(plan.Attempts) == 0 {
		return "", "a call of the PBX to it goes nowhere"
	}
	a := plan.Attempts[0]
	if !s.isTeams(a.Interface) {
		return "", "a call of the PBX to it does not go to Teams"
	}
	number = a.Call.Get(a.Called())
	if n, isURI := strings.CutPrefix(number, "sip:"); isURI {
		number, _, _ = strings.Cut(n, "@")
	}
	if !e164(number) {
		return "", "a call of the PBX to it goes to " + number + ", which is no number with + (E.164)"
	}
	return number, ""
}

// backTo says why a call of a number from Teams does not come to the PBX with the account of an identity; "" when it does.
func (s *survey) backTo(p *peer, number, identity string) (why string) {
	n := slices.IndexFunc(s.peers, func(q *peer) bool { return q.teams && !q.test })
	if n < 0 {
		return ""
	}
	from := s.peers[n]
	called := "+49301234567"
	c := route.Call{CalledE164: called, CalledURI: "sip:" + called + "@" + from.ownName(), CallingE164: number, CallingURI: "sip:" + number + "@" + from.host + ";user=phone", Time: s.now()}
	plan, err := route.New(s.cfg, from.conf.ID(), c)
	if err != nil || len(plan.Attempts) == 0 {
		return "a call of its number from Teams goes nowhere"
	}
	a := plan.Attempts[0]
	if a.Interface != p.conf.ID() {
		return "" // calls of Teams go elsewhere
	}
	user := a.Call.Get(a.Calling())
	user = strings.TrimPrefix(user, "sip:")
	user, _, _ = strings.Cut(user, "@")
	if user != identity && !slices.ContainsFunc(s.identities(p), func(i *config.Identity) bool { return i.Name == identity && slices.Contains(i.Aliases, user) }) {
		return "a call of its number from Teams comes to the PBX as " + user
	}
	return ""
}

func (s *survey) now() time.Time { return time.Now().In(s.cfg.Clock.Location()) }

func (s *survey) isTeams(id config.InterfaceID) bool {
	return slices.ContainsFunc(s.peers, func(p *peer) bool { return p.teams && p.conf.ID() == id })
}

// e164 reports whether a number is one with plus and at most 15 digits.
func e164(n string) bool {
	digits, plus := strings.CutPrefix(n, "+")
	return plus && len(digits) >= 3 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// checkSwitches looks whether calls are routed at all.
func checkSwitches(_ context.Context, s *survey, _ subject) finding {
	var f finding
	if s.standsBy() {
		return f.saw("this box is the standby of its pair, and has no gateway: the active box checks the way of calls")
	}
	for _, sw := range s.cfg.CS {
		for _, i := range sw.Interfaces {
			if i.Gateway.In(s.cfg) == nil {
				f = f.fails("interface sip %s has no gateway", i.ID()).by("Add `bind context sip-gateway NAME`.")
			} else if !i.Gateway.In(s.cfg).Enabled {
				name := i.Gateway.In(s.cfg).Name
				f = f.fails("context sip-gateway %s is shut down", name).paste("configure", "context sip-gateway "+name, "no shutdown", "end").by("Switch it on.")
				break
			}
		}
		if len(sw.Interfaces) > 0 && !sw.Enabled {
			f = f.fails("context cs %s is shut down: no call is routed", sw.Name).paste("configure", "context cs "+sw.Name, "no shutdown", "end").by("Switch it on.")
		}
	}
	if len(s.peers) == 0 && f.state != status.CheckFailed {
		return f.fails("no SIP interface has a peer").by("docs/setup.md has an example of a configuration.")
	}
	if kinds := map[string]string{teams: "Microsoft Teams", pbx: "a PBX"}; s.of != all && kinds[s.of] != "" && !slices.ContainsFunc(s.peers, func(p *peer) bool { return wanted(p, s.of) }) {
		return f.fails("no SIP interface has %s as its peer: there is nothing to check", kinds[s.of]).by("docs/setup.md has an example of a configuration.")
	}
	if f.problem == "" {
		f = f.saw("%s", fmt.Sprintf("%s with a peer", plural.Of(s.configured(), "SIP interface")))
	}
	return f
}

func (s *survey) configured() (n int) {
	for _, p := range s.peers {
		if !p.test {
			n++
		}
	}
	return n
}
