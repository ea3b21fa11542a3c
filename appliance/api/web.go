package api

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/status"
	"viaduct/appliance/webserver"
)

// Settings is what the configuration says about consoles.
func (b *backend) Settings() wire.Settings {
	cfg := b.box.Running()
	s := wire.Settings{Telnet: cfg.Console.Telnet}
	if o := b.box.WebOffer(); o != nil {
		s.Web = &wire.WebSettings{Port: o.Port, Addresses: o.Addresses, Hosts: o.Hosts, Chain: o.Chain, Name: o.Name, Zone: cfg.Clock.Zone, OwnCertificate: o.Own}
		if o.Redirect {
			s.Web.Redirect = config.RedirectPort
		}
	}
	return s
}

// hashes are those that a handshake may be signed with. Ed25519 has none.
var hashes = map[string]crypto.Hash{"": 0, crypto.SHA256.String(): crypto.SHA256, crypto.SHA384.String(): crypto.SHA384, crypto.SHA512.String(): crypto.SHA512}

// Sign signs for a handshake of the web page.
func (b *backend) Sign(r wire.SignRequest) (wire.SignReply, error) {
	hash, ok := hashes[r.Hash]
	if !ok {
		return wire.SignReply{}, webserver.ErrNoHandshake
	}
	signature, err := b.box.SignWeb(r.Leaf, r.Message, hash, r.PSS)
	return wire.SignReply{Signature: signature}, err
}

// Under these names wrong codes and tokens are counted as wrong passwords, so that a right one forgives those of its kind alone.
const (
	countedCode  = "set-up code"
	countedToken = "token"
)

// Token finds the account of a machine.
func (b *backend) Token(_ context.Context, r wire.TokenRequest) wire.TokenReply {
	source, err := netip.ParseAddr(r.Source)
	if err != nil {
		return wire.TokenReply{}
	}
	if left := b.box.Banned(source); left > 0 {
		return wire.TokenReply{Banned: left}
	}
	t := b.box.Running().Token(r.Token)
	if t == nil {
		in := wire.TokenReply{Banned: b.box.WrongPassword(source, countedToken)}
		b.box.Note(status.Audit{What: status.AuditRefused, From: "api " + source.String()}, func(e *status.Audit) {
			e.Line = "wrong token"
			if in.Banned > 0 {
				e.Line = "nobody gets in from there for " + in.Banned.Round(time.Second).String()
			}
		})
		return in
	}
	b.box.RightPassword(source, countedToken)
	return wire.TokenReply{OK: true, Name: t.Name, User: t.Account, Scope: string(t.Scope)}
}

// setUp makes the first account of a box, or says whether the code for that is right.
func (b *backend) setUp(r wire.LoginRequest, source netip.Addr) (in wire.LoginReply) {
	err := b.box.SetUp(r.SetupCode, func() error {
		if err := firstName(r.User); err != nil {
			in = wire.LoginReply{Setup: true, Banner: err.Error()}
			return err
		}
		in = wire.LoginReply{Change: true, User: r.User}
		if r.NewPassword == "" {
			return nil
		}
		saved, err := b.lang.ChoosePassword(b.box, &config.Account{Class: config.Superuser, Name: r.User}, r.TTY, "", r.NewPassword)
		if err != nil {
			in.Banner = err.Error()
			return err
		}
		in = wire.LoginReply{OK: true, User: r.User, Idle: b.box.Running().Console.IdleTimeout, Banner: command.PasswordChanged(saved)}
		return nil
	})
	switch {
	case errors.Is(err, webserver.ErrWrongCode):
		in = wire.LoginReply{Setup: true, Banner: err.Error()}
		if source.IsValid() {
			in.Banned = b.box.WrongPassword(source, countedCode)
		}
	case errors.Is(err, webserver.ErrCodeRests):
		in = wire.LoginReply{Setup: true, Banner: err.Error()}
	case errors.Is(err, webserver.ErrNoSetup):
		in = wire.LoginReply{Banner: err.Error()}
	case source.IsValid():
		b.box.RightPassword(source, countedCode)
	}
	return in
}

// firstName says what is wrong with a name for the first account.
func firstName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("the account needs a name")
	case strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }):
		return errors.New("the name has a blank, or a character that cannot be seen")
	}
	return nil
}

// webGreeting says at the box where the web page is, how its certificate is recognised, and with which code a box without passwords is set up.
func (b *backend) webGreeting() string {
	w := b.box.Web()
	if w.Port == 0 || len(w.Addresses) == 0 || w.SHA256 == "" {
		return ""
	}
	text := "\nWeb page: " + answer.WebURL(w.Addresses[0].String(), w.Port)
	if code := b.box.SetupCode(); code != "" {
		text += fmt.Sprintf("\nSet-up code for it: %s", code)
	}
	return text + "\nSHA-256 of its certificate:\n  " + w.SHA256
}
