package checkup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"
)

// checkHost looks whether the host of a PBX is there.
func checkHost(ctx context.Context, s *survey, x subject) finding {
	p := x.peer
	if p.side == nil {
		return finding{}.fails("no interface of the box leads to %s", p.host)
	}
	var f finding
	for _, a := range s.find(ctx, p).addrs[:min(len(s.find(ctx, p).addrs), mostAddrs)] {
		if a.Addr() == p.side.local {
			return f.fails("%s is the address of the box itself", a.Addr()).by("Correct the name server's record of %s, or `remote` of interface sip %s.", p.host, p.conf.ID())
		}
		if !p.side.holds(a.Addr()) {
			f = f.saw("%s is behind a router", a.Addr())
			continue
		}
		how, there := s.neighbour(ctx, a.Addr())
		if f = f.saw("%s: %s", a.Addr(), how); !there {
			f = f.fails("%s does not answer, not even to ARP: it is off, unplugged, or in another network", a.Addr())
		}
	}
	return f
}

// asked sends OPTIONS to a PBX, from a socket of its own.
func (s *survey) asked(ctx context.Context, p *peer) talk {
	return p.talked.get(func() (t talk) {
		q, err := s.c.o.Box.Question(ctx, p.conf.ID(), "")
		if err != nil {
			t.err = err
			return t
		}
		if q.Transport.Secure() {
			if t = s.speak(ctx, p); t.tlsErr != nil {
				t.err = t.tlsErr
			}
			return t
		}
		addrs := s.find(ctx, p).addrs
		if len(addrs) == 0 {
			t.err = errors.New("it has no address")
			return t
		}
		for _, a := range addrs[:min(len(addrs), mostAddrs)] {
			t.addr = a
			start := time.Now()
			t.answer, t.err = s.askAt(ctx, p, q.Text, q.Transport, q.Local, a)
			if t.took = time.Since(start); t.err == nil {
				break
			}
		}
		return t
	})
}

// askAt sends OPTIONS to one address, over UDP several times.
func (s *survey) askAt(ctx context.Context, p *peer, text []byte, by siptransport.Transport, local netip.Addr, to netip.AddrPort) (*sipmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime+answerTime)
	defer cancel()
	network, from := "tcp", net.Addr(&net.TCPAddr{IP: local.AsSlice()})
	if !by.Reliable() {
		network, from = "udp", &net.UDPAddr{IP: local.AsSlice()}
	}
	d := net.Dialer{LocalAddr: from, Timeout: dialTime}
	conn, err := d.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if by.Reliable() {
		conn.SetDeadline(time.Now().Add(answerTime))
		if _, err := conn.Write(text); err != nil {
			return nil, err
		}
		return readResponse(conn, to)
	}
	buf := make([]byte, 1<<16)
	for wait := 500 * time.Millisecond; wait <= 2*time.Second; wait *= 2 { // RFC 3261 17.1.2.1, as far as a check has time
		if _, err := conn.Write(text); err != nil {
			return nil, err
		}
		for end := time.Now().Add(wait); ; {
			conn.SetReadDeadline(end)
			n, err := conn.Read(buf)
			if isTimeout(err) && ctx.Err() == nil {
				break
			}
			if err != nil {
				return nil, err
			}
			head, body, f := sipmsg.FrameDatagram(buf[:n])
			if m := sipmsg.Parse(head, body, f, to); m.Response != nil && m.Response.StatusCode >= 200 {
				return m.Response, nil
			}
		}
	}
	return nil, context.DeadlineExceeded
}

// checkSIP asks a PBX with OPTIONS.
func checkSIP(ctx context.Context, s *survey, x subject) finding {
	p := x.peer
	t := s.asked(ctx, p)
	if t.answer == nil {
		f := finding{}.fails("%s does not answer OPTIONS at %s: %s", p.host, t.addr, why(t.err))
		if !errors.Is(t.err, syscall.ECONNREFUSED) {
			if how := s.alive(ctx, p); how != "" {
				return finding{}.warns("%s does not answer OPTIONS, but %s", p.host, how).by("Calls can work. Have the PBX answer OPTIONS, so that the box knows when it is away.")
			}
		} else {
			return f.by("Nothing listens there: start the SIP service of the PBX, or correct the port in `remote` of interface sip %s.", p.conf.ID())
		}
		return f.by("Start the PBX, or let its firewall and its ban list (fail2ban) take SIP from %s.", s.localOf(p))
	}
	f := ok(fmt.Sprintf("%s from %s in %s", said(t.answer), t.addr, ms(t.took)))
	if server := t.answer.Header("Server"); server != "" {
		f = f.saw("%s", server)
	}
	switch code := t.answer.StatusCode; {
	case code == 503:
		return f.fails("%s answers %s", p.host, said(t.answer)).by("The PBX takes no calls now: look at its log.")
	case code == 403:
		return f.warns("%s answers %s", p.host, said(t.answer)).by("The PBX may refuse calls of %s, too: look at its access list.", s.localOf(p))
	}
	return f
}

// alive tells how a PBX shows that it is there, although it does not answer OPTIONS.
func (s *survey) alive(ctx context.Context, p *peer) string {
	mine := func(r status.Registration) bool {
		host, _, _ := strings.Cut(r.Registrar, ":")
		return strings.EqualFold(host, p.host)
	}
	if slices.ContainsFunc(s.registrations(p), mine) {
		if t := s.try(ctx, p); t.taken > 0 || t.refused != nil || errors.As(t.other, new(*sipua.Unclear)) {
			return "answers REGISTER"
		}
		return ""
	}
	for _, x := range s.c.o.Box.Peers() {
		if x.Interface == p.conf.ID().String() && !x.Responded.IsZero() && time.Since(x.Responded) < lately {
			return "has answered a call within the last ten minutes"
		}
	}
	return ""
}

const lately = 10 * time.Minute

// tried is what registrars say of the passwords.
type tried struct {
	taken   int
	refused *sipua.Refused
	other   error
}

// try asks the registrars of a peer's gateway about the passwords, once in a check.
func (s *survey) try(ctx context.Context, p *peer) tried {
	first := s.peers[slices.IndexFunc(s.peers, func(q *peer) bool { return q.gateway == p.gateway })]
	return first.tried.get(func() (t tried) {
		name := p.gateway.Name
		s.c.mu.Lock()
		before, known := s.c.wrong[name]
		s.c.mu.Unlock()
		if known && before.cfg == s.cfg && s.expires(p, before.refused.Identity).Equal(before.expires) {
			return tried{refused: before.refused}
		}
		t.taken, t.refused, t.other = s.c.o.Box.TryAccounts(ctx, name)
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		delete(s.c.wrong, name)
		if t.refused != nil {
			s.c.wrong[name] = wrong{t.refused, s.cfg, s.expires(p, t.refused.Identity)}
		}
		return t
	})
}

// expires is the end of an identity's registration with a peer's gateway.
func (s *survey) expires(p *peer, identity string) time.Time {
	for _, r := range s.registrations(p) {
		if r.Identity == identity {
			return r.Expires
		}
	}
	return time.Time{}
}

// registrars are the peers with which identities register.
func registrars(s *survey, of string) (list []subject) {
	for _, x := range peersOf(pbx, false)(s, of) {
		if len(s.registrations(x.peer)) > 0 {
			list = append(list, x)
		}
	}
	return list
}

// registrations are those of the gateway of a peer with that peer, or with others if none is with it.
func (s *survey) registrations(p *peer) (list []status.Registration) {
	for _, r := range s.c.o.Box.Registrations() {
		if r.Gateway == p.gateway.Name {
			list = append(list, r)
		}
	}
	return list
}

// checkRegistrations looks at the registrations of a gateway.
func checkRegistrations(ctx context.Context, s *survey, x subject) finding {
	list := s.registrations(x.peer)
	var f finding
	good := 0
	byReason := map[string][]string{}
	var reasons []string
	password := "" // the first identity whose password is not taken
	for _, r := range list {
		if r.State == status.Registered && r.Error == "" {
			good++
			continue
		}
		reason := r.Error
		if r.Code >= 300 {
			reason = fmt.Sprintf("%d %s", r.Code, r.Reason)
			if password == "" && (r.Code == 401 || r.Code == 403 || r.Code == 407) {
				password = r.Identity
			}
		}
		if reason == "" {
			reason = "no answer yet"
		}
		if byReason[reason] == nil {
			reasons = append(reasons, reason)
		}
		byReason[reason] = append(byReason[reason], r.Identity)
	}
	f = f.saw("%d of %s in force", good, plural.Of(len(list), "registration"))
	for _, reason := range reasons[:min(len(reasons), shown)] {
		who := byReason[reason]
		f = f.fails("%s: the registrar says %s", some(who), reason)
	}
	wrong := func(f finding, identity string) finding {
		return f.paste("register now").by("The password here and at the PBX differ, or the account is locked there. Set it: `authentication-service NAME`, `username %s password PASSWORD`, then `register now`.", identity)
	}
	if f.problem == "" {
		switch t := s.try(ctx, x.peer); {
		case t.refused != nil:
			return wrong(f.fails("%s: the registrar says %s when it is asked about the password", t.refused.Identity, t.refused.Answer), t.refused.Identity)
		case errors.As(t.other, new(*sipua.Unclear)):
			return f.saw("asked about the passwords, %v", t.other)
		case t.other != nil:
			return f.warns("the registrar does not answer REGISTER now: %s", why(t.other)).by("Look at the log of the PBX. If it stays so, the registrations end.")
		default:
			return f.saw("%s taken by the registrar", plural.Of(t.taken, "password"))
		}
	}
	if password != "" {
		return wrong(f, password)
	}
	f = f.paste("register now")
	return f.by("Look at the account at the PBX, then `register now`.")
}

// some names a few of a list.
func some(list []string) string {
	if len(list) > shown {
		return strings.Join(list[:shown], ", ") + fmt.Sprintf(" and %d more", len(list)-shown)
	}
	return strings.Join(list, ", ")
}

// recent are the calls of the last hour, the newest first.
func (s *survey) recent() []status.Record {
	return s.calls.get(func() []status.Record {
		const most = 500
		list, err := s.c.o.Box.CallRecords(most)
		if err != nil {
			return nil
		}
		slices.Reverse(list)
		n := slices.IndexFunc(list, func(r status.Record) bool { return time.Since(r.Ended) > time.Hour })
		if n >= 0 {
			list = list[:n]
		}
		return list
	})
}

// checkCodecs compares the configured codecs with what a peer has answered lately.
func checkCodecs(ctx context.Context, s *survey, x subject) finding {
	p := x.peer
	profile := p.conf.VoIP.In(s.cfg)
	if profile == nil || len(profile.Codecs) == 0 {
		return ok("no profile voip with codecs: the box offers all that it can convert")
	}
	var words []string
	for _, c := range profile.Codecs {
		words = append(words, c.Name)
	}
	f := ok(fmt.Sprintf("profile voip %s has %s", profile.Name, strings.Join(words, ", ")))
	if !p.teams {
		if t := s.asked(ctx, p); t.answer != nil {
			if theirs := offered(t.answer); len(theirs) > 0 {
				f = f.saw("its answer to OPTIONS has %s", strings.Join(theirs, ", "))
			}
		}
	}
	name := p.conf.ID().String()
	for _, r := range s.recent() {
		for _, a := range slices.Backward(r.Attempts) {
			if a.Interface != name || a.Code == 0 {
				continue
			}
			if a.Code == 488 || a.Code == 606 || a.Code == 415 {
				return f.fails("%s refused the last call, at %s, with %d: it takes none of the codecs %s, or not the protection of voice%s", p.host, r.Started.UTC().Format(time.TimeOnly), a.Code, strings.Join(words, ", "), after("; it says ", a.Text)).
					by("Let it have a codec that the PBX takes, too: `codec N g711alaw64k`, `g711ulaw64k`, `g722` or `g729` in profile voip %s; or allow one of these at the PBX. `srtp transmission` there must fit as well.", profile.Name)
			}
			return f.saw("its last answer to a call: %d", a.Code)
		}
	}
	return f
}

// offered are the codecs of the description in an answer.
func offered(r *sipmsg.Response) (list []string) {
	d, err := sdp.ParseBody(r.Header("Content-Type"), r.Body)
	if err != nil || d == nil {
		return nil
	}
	for _, c := range d.Audio.Codecs {
		list = append(list, c.Name)
	}
	return list[:min(len(list), shown)]
}

// shortest is how long a call must last before silence means something.
const shortest = 8 * time.Second

// checkVoice looks for calls of the last hour in which the voice of a peer did not arrive.
func checkVoice(_ context.Context, s *survey, x subject) finding {
	p, name := x.peer, x.peer.conf.ID().String()
	heard, mute := 0, 0
	newest := false
	var last status.Record
	for _, r := range s.recent() {
		side := slices.Index([]string{r.From, r.To}, name)
		if side < 0 || len(r.Media) != 2 || r.Connected.IsZero() {
			continue
		}
		switch {
		case r.Media[side].Received > 0:
			heard++
		case r.Ended.Sub(r.Connected) >= shortest:
			if mute++; mute == 1 {
				last, newest = r, heard == 0
			}
		}
	}
	f := ok(fmt.Sprintf("it was heard in %s of the last hour", plural.Of(heard, "call")))
	if mute == 0 {
		return f
	}
	f = f.saw("%s without voice of it, the last one %s at %s", plural.Of(mute, "call"), last.ID, last.Started.UTC().Format(time.TimeOnly))
	var first, end uint16
	if p.side != nil {
		first, end = p.side.conf.MediaPortFirst, p.side.conf.MediaPortLast
	}
	text := fmt.Sprintf("voice of %s did not arrive in %d of %d calls", p.host, mute, mute+heard)
	advice := fmt.Sprintf("Let UDP %d-%d in to %s from the PBX and its phones.", first, end, s.localOf(p))
	if p.teams {
		advice = fmt.Sprintf("Let UDP %d-%d in to %s from 52.112.0.0/14 and 52.120.0.0/14, and forward the range if there is NAT.", first, end, s.localOf(p))
	}
	if newest {
		return f.fails("%s, the last one among them: it is blocked on the way", text).by("%s", advice)
	}
	return f.warns("%s", text).by("%s", advice)
}
