package console

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/printable"
)

// Extensions of the permissions that a login leaves.
const (
	extUser   = "user"
	extIdle   = "idle"
	extBanner = "banner"
)

// auth is the handshake of one connection. The identity is taken from the permissions that the callback that succeeded has
// returned, never from a variable: a client may offer many.
type auth struct {
	*sshServer
	ctx  context.Context
	from netip.Addr
}

func (s *sshServer) config(ctx context.Context, from netip.Addr) *ssh.ServerConfig {
	a := auth{sshServer: s, ctx: ctx, from: from}
	cfg := &ssh.ServerConfig{
		MaxAuthTries:      maxTries,
		ServerVersion:     "SSH-2.0-Viaduct",
		PublicKeyCallback: a.publicKey,
		PasswordCallback: func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			r, err := a.password(m.User(), string(password))
			if err == nil && r.Change {
				// RFC 4252 has a message for this that no client asks well; a second method, every client does.
				return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
					KeyboardInteractiveCallback: func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
						return a.choose(m.User(), string(password), ask)
					},
				}}
			}
			return permissions(r), err
		},
		KeyboardInteractiveCallback: func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, errors.New("no password given")
			}
			r, err := a.password(m.User(), answers[0])
			if err == nil && r.Change {
				return a.choose(m.User(), answers[0], ask)
			}
			return permissions(r), err
		},
		BannerCallback: func(ssh.ConnMetadata) string {
			r, err := s.client.Login(ctx, wire.LoginRequest{TTY: "ssh " + from.String(), Remote: true})
			switch {
			case err != nil:
				return fmt.Sprintf("%v\r\n", err)
			case r.Banner != "":
				return printable.Lines(r.Banner) + "\r\n"
			}
			return ""
		},
	}
	cfg.AddHostKey(s.key)
	return cfg
}

// permissions are what a login is worth.
func permissions(r wire.LoginReply) *ssh.Permissions {
	if !r.OK {
		return nil
	}
	return &ssh.Permissions{Extensions: map[string]string{extUser: r.User, extIdle: r.Idle.String(), extBanner: r.Banner}}
}

// publicKey asks whether a key opens an account. A key that does not is no wrong password: clients offer what they have. The
// package checks the signature afterwards.
func (a auth) publicKey(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if a.bans.banned(a.from) {
		return nil, errors.New("banned")
	}
	r, err := a.client.Login(a.ctx, wire.LoginRequest{User: m.User(), PublicKey: key.Marshal(), TTY: "ssh " + a.from.String(), Remote: true})
	switch {
	case err != nil:
		return nil, err
	case m.User() == "" || !r.OK:
		return nil, errors.New("not a key of this account")
	}
	return permissions(r), nil
}

// password checks a password; the reply is OK, or wants a new one. A wrong one costs a second and counts for the ban.
func (a auth) password(user, password string) (wire.LoginReply, error) {
	if a.bans.banned(a.from) {
		return wire.LoginReply{}, errors.New("banned")
	}
	r, err := a.client.Login(a.ctx, wire.LoginRequest{User: user, Password: password, TTY: "ssh " + a.from.String(), Remote: true})
	switch {
	case err != nil:
		return r, err
	case user == "" || !r.OK && !r.Change:
		if a.bans.wrong(a.from) {
			a.Log.Warn("too many wrong passwords", "peer", a.from.String())
		}
		select {
		case <-time.After(badPassword):
		case <-a.ctx.Done():
		}
		return wire.LoginReply{}, errors.New("wrong account or password")
	}
	a.bans.right(a.from)
	return r, nil
}

// choose asks for the password that replaces the first one.
func (a auth) choose(user, password string, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	say := mustChange
	for range chooseTries {
		answers, err := ask("", say, []string{"New password: ", "Again: "}, []bool{false, false})
		if err != nil || len(answers) != 2 {
			return nil, errors.New("no new password given")
		}
		if answers[0] != answers[1] {
			say = differ
			continue
		}
		r, err := a.client.Login(a.ctx, wire.LoginRequest{
			User: user, Password: password, NewPassword: answers[0], TTY: "ssh " + a.from.String(), Remote: true,
		})
		if err != nil || r.OK {
			return permissions(r), err
		}
		say = printable.Lines(r.Banner)
	}
	return nil, errors.New("no new password chosen")
}

const (
	mustChange  = "This account needs a password of its own."
	differ      = "The two are not the same."
	chooseTries = 3
)
