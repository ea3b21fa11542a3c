package registrar

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/bans"
	"viaduct/appliance/config"
	"viaduct/appliance/digest"
	"viaduct/appliance/health"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

const (
	alarmAfter  = 3 // wrong passwords for an identity, one after the other
	guessesLast = 15 * time.Minute
	breath      = 5 * time.Second // see authenticate
)

// Admit says which identity a request of a phone is from, or what it gets instead. The phone must show an account of that identity, and must
// have registered as it from where the request comes. Who calls an emergency number need not, as long as anybody has registered from there.
func (r *Registrar) Admit(i *config.SIPInterface, req *sipmsg.Request, from siptransport.Arrival, urgent bool) (identity string, refuse *sipmsg.Fault) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.location(i)
	if l == nil {
		return "", &sipmsg.Fault{Code: 403}
	}
	at := from.Phone()
	who := l.Named(req.From.User())
	if urgent {
		if name, ok := r.caller(l, who, at, now); ok {
			return name, nil
		}
	}
	if who == nil {
		who = r.unnamed(l, req, at, now)
	}
	if fault := r.authenticate(l, who, req, at, urgent, now); fault != nil {
		return "", fault
	}
	switch {
	case who == nil:
		return "", &sipmsg.Fault{Code: 403, Reason: "Unknown Caller"}
	case !urgent && !r.phones.here(aor{l.Name, who.Name}, at, now):
		return "", &sipmsg.Fault{Code: 403, Reason: "Not Registered From Here"}
	}
	return who.Name, nil
}

// caller is who calls an emergency number without having shown anything: the identity that it claims, if it has registered from there, else
// any that has.
func (r *Registrar) caller(l *config.LocationService, who *config.Identity, at siptransport.PhoneTarget, now time.Time) (string, bool) {
	if who != nil && r.phones.here(aor{l.Name, who.Name}, at, now) {
		return who.Name, true
	}
	for _, b := range r.phones.sender(at, now) {
		if b.location == l.Name {
			return b.identity, true
		}
	}
	return "", false
}

// unnamed is who sends a request whose From names nobody, as that of a phone which hides its number: the identity that has registered from
// there and owns the account that is shown, or needs none. nil: it cannot be told yet.
func (r *Registrar) unnamed(l *config.LocationService, req *sipmsg.Request, at siptransport.PhoneTarget, now time.Time) *config.Identity {
	user := digest.User(req.Headers("Authorization"), r.realms[l.Name].name)
	for _, b := range r.phones.sender(at, now) {
		if b.location != l.Name {
			continue
		}
		f, _ := l.Settings(b.identity)
		if _, own := account(r.cfg, f, b.identity, user); own || f.AuthInbound != nil && f.AuthInbound.None {
			return l.Named(b.identity)
		}
	}
	return nil
}

// authenticate asks for an account of an identity; nil: it was shown. An identity that does not exist (who is nil) is challenged like any
// other, and whoever shows an account of another one is told.
func (r *Registrar) authenticate(l *config.LocationService, who *config.Identity, req *sipmsg.Request, at siptransport.PhoneTarget, urgent bool, now time.Time) *sipmsg.Fault {
	var f config.IdentitySettings
	var a aor
	if who != nil {
		f, _ = l.Settings(who.Name)
		a = aor{l.Name, who.Name}
		switch {
		case f.AuthInbound == nil || f.Inbound == nil:
			return &sipmsg.Fault{Code: 403, Reason: "No Phone May Use This Identity"}
		case f.AuthInbound.None:
			return nil
		}
	}
	known := r.phones.here(a, at, now)
	peer := at.Addr.Addr()
	// A base has many handsets at one address. One of them with a wrong password must not shut out those that are at work. Who calls an emergency
	// number is heard as well, but no oftener than a person dials: emergency calls would be a way to guess passwords without end.
	left := r.bans.Left(peer, now)
	excused := known || urgent && left <= bans.Time-breath
	if left > 0 && !excused {
		return banned()
	}
	realm, own := r.realms[l.Name], false
	in := digest.Space{Realm: realm.name, SHA256: realm.sha256}
	if who != nil {
		in.SHA256 = f.AuthInbound.SHA256
	}
	password := func(user string) (string, bool) {
		var p config.Secret
		if p, own = account(r.cfg, f, a.identity, user); own {
			return string(p), true
		}
		p, ok := realm.account(user)
		return string(p), ok
	}
	values := req.Headers("Authorization")
	user, verdict := r.digest.Judge(values, digest.Request{Method: string(req.Method), URI: req.URI, From: peer}, in, password, now)
	switch verdict {
	case digest.Right:
		if r.bans.Right(peer, user); !own && who != nil {
			r.often.Log(slog.LevelWarn, "phone refused, its account is that of another identity", peer.String(), user, "name", who.Name, "user", user, "peer", at.Addr)
			return &sipmsg.Fault{Code: 403, Reason: "The Account Is That Of Another Identity"}
		}
		r.forgive(a)
		return nil
	case digest.Malformed:
		return bad("Malformed Authorization")
	case digest.Wrong:
		if _, exists := password(user); !exists {
			user = "" // those share one name in the list of bans
		}
		left = r.bans.Wrong(peer, user, now)
		if r.guessed(a, peer, now); left > 0 && !excused {
			return banned()
		}
	}
	challenge := &sipmsg.Fault{Code: 401}
	for _, v := range r.digest.Challenges(in, peer, verdict == digest.Stale, now) {
		challenge.Headers = append(challenge.Headers, sipmsg.Header{Name: "WWW-Authenticate", Value: v})
	}
	return challenge
}

func banned() *sipmsg.Fault {
	return &sipmsg.Fault{Code: 403, Reason: "Too Many Wrong Passwords"}
}

// guessed counts a wrong password for an identity, and raises the alarm. The caller holds the lock.
func (r *Registrar) guessed(a aor, peer netip.Addr, now time.Time) {
	if a.identity == "" {
		return
	}
	g := r.guesses[a]
	if g == nil {
		g = &guesses{}
		r.guesses[a] = g
	}
	g.n, g.last, g.peer = g.n+1, now, peer
	if g.n == alarmAfter {
		r.o.Health.Set(health.PhonePassword, health.Args{"name": a.identity, "peer": peer.String()})
	}
}

// forgive forgets them. The caller holds the lock.
func (r *Registrar) forgive(a aor) {
	if g := r.guesses[a]; g != nil {
		delete(r.guesses, a)
		if g.n >= alarmAfter {
			r.o.Health.Clear(health.PhonePassword, a.identity)
		}
	}
}

// account returns the password of a user, if it is an account of the identity.
func account(cfg *config.Config, f config.IdentitySettings, identity, user string) (config.Secret, bool) {
	if f.AuthInbound == nil || user == "" {
		return "", false
	}
	for _, s := range f.AuthInbound.Services {
		want := s.Username
		if want == "" {
			want = identity
		}
		if want != user {
			continue
		}
		if p, ok := credential(s.Service.In(cfg), user); ok {
			return p, true
		}
	}
	return "", false
}

func credential(s *config.AuthService, user string) (config.Secret, bool) {
	if s == nil {
		return "", false
	}
	i := slices.IndexFunc(s.Users, func(c config.Credential) bool { return c.Username == user })
	if i < 0 || s.Users[i].Password == "" {
		return "", false // an account without a password lets nobody in
	}
	return s.Users[i].Password, true
}

// realm is what the phones of a location service are challenged with: one name for all, so that whoever asks learns nothing about an identity.
type realm struct {
	name     string
	sha256   bool                  // offered to those who name no identity: one has it
	services []*config.AuthService // of any identity
}

func realmsOf(cfg *config.Config) map[string]realm {
	realms := map[string]realm{}
	for _, l := range cfg.Location {
		x := realm{name: l.Name}
		if len(l.Domains) > 0 {
			x.name = l.Domains[0].Host
		}
		for _, f := range l.Groups {
			x.add(cfg, f.AuthInbound)
		}
		for _, f := range l.Identities {
			x.add(cfg, f.AuthInbound)
		}
		for _, s := range slices.Backward(x.services) {
			x.name = cmp.Or(s.Realm, x.name) // the first that has one
		}
		realms[l.Name] = x
	}
	return realms
}

func (x *realm) add(cfg *config.Config, f *config.AuthInbound) {
	if f == nil {
		return
	}
	x.sha256 = x.sha256 || f.SHA256
	for _, a := range f.Services {
		if s := a.Service.In(cfg); s != nil && !slices.Contains(x.services, s) {
			x.services = append(x.services, s)
		}
	}
}

// account returns the password of a user of any identity.
func (x realm) account(user string) (config.Secret, bool) {
	for _, s := range x.services {
		if p, ok := credential(s, user); ok {
			return p, true
		}
	}
	return "", false
}
