package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// dummy is compared where there is no account, so that its absence cannot be seen from the time that the answer takes.
var dummy = []byte("$2a$10$cSNeUkA.4FYpgHIsG7oLiOfVQX2ObDsnM4Kqlf21P.PFpkyiHJZwe")

// Login follows these rules: from a source of too many wrong passwords nobody gets in; an account with a password wants it, or one of its public keys; one without gets in only where
// the box stands, and chooses a password there; and while no account has a password, whoever stands at the box gets in
// without an account, which is how it leaves the factory.
func (b *backend) Login(_ context.Context, r wire.LoginRequest) wire.LoginReply {
	if r.Stamp != "" {
		return b.still(r)
	}
	in := b.login(r)
	b.noteLogin(r, in)
	if in.OK {
		in.Class = string(config.Superuser)
		if a := b.box.Running().Account(in.User); a != nil {
			in.Class, in.Stamp = string(a.Class), stamp(a)
		}
		in.Banner = strings.TrimLeft(strings.Join(append([]string{in.Banner}, b.failing()...), "\n% "), "\n")
	}
	return in
}

// still says whether an account is what it was at an earlier login. It is no login, and not counted as one.
func (b *backend) still(r wire.LoginRequest) wire.LoginReply {
	a := b.box.Running().Account(r.User)
	if a == nil {
		return wire.LoginReply{}
	}
	now := stamp(a)
	return wire.LoginReply{OK: now == r.Stamp, User: a.Name, Class: string(a.Class), Stamp: now}
}

// stamp is that of an account: another class or another password makes another one. It tells neither.
func stamp(a *config.Account) string {
	sum := sha256.Sum256([]byte(string(a.Class) + " " + string(a.Password)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// noteLogin puts a password that was right or wrong into the trail. A public key that is accepted has not proved anything yet: its session
// does. One that is not is no attempt: clients offer all that they have.
func (b *backend) noteLogin(r wire.LoginRequest, in wire.LoginReply) {
	e := status.Audit{What: status.AuditLogin, Account: r.User, From: r.TTY}
	switch {
	case r.User == "" || r.PublicKey != nil || in.Change:
		return
	case !in.OK && b.box.Running().Account(r.User) == nil:
		e.What, e.Account = status.AuditRefused, "" // people type their password for their name
	case !in.OK:
		e.What = status.AuditRefused
	}
	b.box.Note(e, func(e *status.Audit) {
		switch {
		case in.Banned > 0:
			e.Line = "nobody gets in from there for " + in.Banned.Round(time.Second).String()
		case e.What == status.AuditRefused && r.SetupCode != "":
			e.Line = "wrong set-up code"
		case e.What == status.AuditRefused && e.Account == "":
			e.Line = "there is no such account"
		case e.What == status.AuditRefused:
			e.Line = "wrong password"
		}
	})
}

// greeted is how many alarms the greeting names.
const greeted = 8

// failing are the alarms that somebody who logs in reads, a sentence each.
func (b *backend) failing() (list []string) {
	more := 0
	if standby := command.Copies(b.box); standby != nil {
		list = append(list, printable.Line(standby.Error()))
	}
	for _, a := range b.box.Alarms() {
		switch {
		case a.Severity < health.Error || a.Seen != "":
		case len(list) >= greeted:
			more++
		default:
			list = append(list, printable.Line(a.Sentence()))
		}
	}
	if more > 0 {
		list = append(list, plural.Of(more, "more alarm")+": show alarms")
	}
	return list
}

func (b *backend) login(r wire.LoginRequest) wire.LoginReply {
	cfg := b.box.Running()
	in := wire.LoginReply{OK: true, User: r.User, Idle: cfg.Console.IdleTimeout}
	source, _ := netip.ParseAddr(r.Source) // not valid: somebody at the box, who is never shut out
	if source.IsValid() {
		if left := b.box.Banned(source); left > 0 {
			return wire.LoginReply{Banned: left}
		}
	}
	switch {
	case r.SetupCode != "":
		return b.setUp(r, source)
	case r.User == "":
		in.OK = !r.Remote && cfg.OpenDoor()
		in.Setup = r.Remote && cfg.OpenDoor()
		in.Banner = cfg.Banner
		if in.OK {
			in.Banner = strings.TrimLeft(in.Banner+"\n"+openDoor, "\n")
		}
		if !r.Remote {
			in.Banner = strings.TrimLeft(in.Banner+b.webGreeting(), "\n")
		}
		return in
	}
	a := cfg.Account(r.User)
	if r.PublicKey != nil {
		if a == nil || !hasKey(cfg, a.Name, r.PublicKey) {
			return wire.LoginReply{}
		}
		return in
	}
	hash := dummy
	if a != nil && a.Password != "" {
		hash = []byte(a.Password)
	}
	right := bcrypt.CompareHashAndPassword(hash, []byte(r.Password)) == nil
	switch {
	case a == nil:
		right = false
	case a.Password == "":
		right = !r.Remote && r.Password == ""
	}
	switch {
	case !right && source.IsValid():
		name := ""
		if a != nil {
			name = a.Name
		}
		return wire.LoginReply{Banned: b.box.WrongPassword(source, name)}
	case !right:
		return wire.LoginReply{}
	case source.IsValid():
		b.box.RightPassword(source, a.Name)
	}
	switch {
	case !a.Change && a.Password != "":
		return in
	case r.NewPassword == "":
		return wire.LoginReply{Change: true, User: r.User}
	}
	saved, err := b.lang.ChoosePassword(b.box, a, r.TTY, r.Password, r.NewPassword)
	if err != nil {
		return wire.LoginReply{Change: true, User: r.User, Banner: err.Error()}
	}
	in.Banner = command.PasswordChanged(saved)
	return in
}

// Health is how the box does.
func (b *backend) Health() wire.Health { return wire.Health{Unfit: b.box.Unfit()} }

// openDoor is said to whoever gets in without an account.
const openDoor = "No account has a password yet: this line is open to everybody, and nobody gets in over the network.\n" +
	"Set one: enable, configure, superuser NAME password PASSWORD; and keep it: copy running-config startup-config"

// hasKey reports whether a public key (in its wire form) is one of the account's.
func hasKey(cfg *config.Config, name string, key []byte) bool {
	for _, k := range cfg.PublicKeys {
		if b, err := base64.StdEncoding.DecodeString(k.Key); k.Account == name && err == nil && bytes.Equal(b, key) {
			return true
		}
	}
	return false
}
