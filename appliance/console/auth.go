package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/session"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// Extensions of the permissions that a login leaves.
const (
	extUser   = "user"
	extIdle   = "idle"
	extBanner = "banner"
)

// auth is the handshake of one connection. The account is that of the permissions which the successful callback returned, never a
// variable's: a client may offer several accounts.
type auth struct {
	*sshServer
	ctx  context.Context
	conn net.Conn
	from netip.Addr
}

func (s *sshServer) config(ctx context.Context, c net.Conn, from netip.Addr) *ssh.ServerConfig {
	a := auth{sshServer: s, ctx: ctx, conn: c, from: from}
	cfg := &ssh.ServerConfig{
		MaxAuthTries:      maxTries,
		ServerVersion:     "SSH-2.0-Viaduct",
		PublicKeyCallback: a.publicKey,
		PasswordCallback: func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			r, err := a.password(m.User(), string(password))
			if err == nil && r.Change {
				// RFC 4252 has a message for this, which clients handle badly; all of them handle a second method.
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
			s.lobby.talks(c)
			c.SetDeadline(time.Now().Add(loginTime))
			r, err := s.client.Login(ctx, a.request(wire.LoginRequest{}))
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

// request adds the client's address to a request.
func (a auth) request(q wire.LoginRequest) wire.LoginRequest {
	q.TTY, q.Remote, q.Source = "ssh "+a.from.String(), true, a.from.String()
	return q
}

// permissions carry the account of a login.
func permissions(r wire.LoginReply) *ssh.Permissions {
	if !r.OK {
		return nil
	}
	return &ssh.Permissions{Extensions: map[string]string{extUser: r.User, extIdle: r.Idle.String(), extBanner: r.Banner}}
}

// publicKey asks whether a key opens an account. A wrong key does not count as a wrong password: clients offer all keys that they have.
// Package ssh checks the signature afterwards.
func (a auth) publicKey(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	r, err := a.client.Login(a.ctx, a.request(wire.LoginRequest{User: m.User(), PublicKey: key.Marshal()}))
	switch {
	case err != nil:
		return nil, err
	case m.User() == "" || !r.OK:
		return nil, errors.New("not a key of this account")
	}
	return permissions(r), nil
}

// password checks a password; the reply is OK, or wants a new one. A wrong one costs a second, and sbcd counts it.
func (a auth) password(user, password string) (wire.LoginReply, error) {
	if user == "" {
		return wire.LoginReply{}, errors.New("no account named")
	}
	r, err := a.client.Login(a.ctx, a.request(wire.LoginRequest{User: user, Password: password}))
	switch {
	case err != nil:
		return r, err
	case r.OK || r.Change:
		return r, nil
	}
	select {
	case <-time.After(badPassword):
	case <-a.ctx.Done():
	}
	err = errors.New("wrong account or password")
	if r.Banned > 0 {
		err = &ssh.BannerError{Err: err, Message: shutOut(r.Banned) + "\r\n"}
	}
	return wire.LoginReply{}, err
}

// shutOut tells a banned client how long the ban lasts.
func shutOut(left time.Duration) string {
	minutes := int((left + time.Minute - 1) / time.Minute)
	return "Too many wrong passwords: try again in " + plural.Of(minutes, "minute") + "."
}

// choose asks for the password that replaces the first one.
func (a auth) choose(user, password string, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	say := mustChange
	for range chooseTries {
		a.conn.SetDeadline(time.Now().Add(loginTime))
		answers, err := ask("", say, []string{"New password: ", "Again: "}, []bool{false, false})
		if err != nil || len(answers) != 2 {
			return nil, errors.New("no new password given")
		}
		if answers[0] != answers[1] {
			say = session.Differ
			continue
		}
		r, err := a.client.Login(a.ctx, a.request(wire.LoginRequest{User: user, Password: password, NewPassword: answers[0]}))
		if err != nil || r.OK {
			return permissions(r), err
		}
		say = printable.Lines(r.Banner)
	}
	return nil, errors.New("no new password chosen")
}

const (
	mustChange  = "This account needs a password of its own."
	chooseTries = 3
)
