package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/edit"
	"viaduct/appliance/console/session"
)

// A wrong password on a local line costs a wait that grows to maxPenalty; over the network sbcd bans the source.
const (
	firstPenalty = time.Second
	maxPenalty   = 30 * time.Second
)

// retry is the pause between two requests to sbcd that fail; each request waits by itself, too.
const retry = 200 * time.Millisecond

// choose asks for the password that replaces the first one. The reply is not OK when the user chose none.
func (c *console) choose(ctx context.Context, scr *edit.Screen, q wire.LoginRequest) (r wire.LoginReply, err error) {
	say := mustChange
	for range chooseTries {
		scr.Println(say)
		var both [2]string
		for i, prompt := range [...]string{"New password: ", "Again: "} {
			var state edit.Line
			if both[i], state, err = scr.Password(prompt); err != nil || state.Mark != edit.Entered {
				return wire.LoginReply{}, nil // the next read meets the end of the terminal again
			}
		}
		if both[0] != both[1] {
			say = session.Differ
			continue
		}
		q.NewPassword = both[0]
		if r, err = c.client.Login(ctx, q); err != nil || r.OK {
			return r, err
		}
		say = r.Banner
	}
	return wire.LoginReply{}, nil
}

// door is the terminal at which a user logs in.
type door struct {
	tty    string
	source string // address of a client on the network, "" at the box
	talks  func() // called when the user has given a name; may be nil
}

// request adds the door to a request.
func (d door) request(q wire.LoginRequest) wire.LoginRequest {
	q.TTY, q.Remote, q.Source = d.tty, d.remote(), d.source
	return q
}

// remote reports whether the client is on the network.
func (d door) remote() bool { return d.source != "" }

// errBanned is the end of a connection with too many wrong passwords.
var errBanned = errors.New("too many wrong passwords")

// login asks for name and password until they are right, and returns sbcd's reply. While no account has a password it does not ask.
// The error is the terminal's.
func (c *console) login(ctx context.Context, scr *edit.Screen, d door) (wire.LoginReply, error) {
	penalty := firstPenalty
	open, err := c.client.Login(ctx, d.request(wire.LoginRequest{}))
	if err != nil && c.client.Starting() {
		scr.Println("The box is starting.")
		for err != nil && c.client.Starting() && scr.Keys.Ended() == nil && ctx.Err() == nil {
			open, err = c.client.Login(ctx, d.request(wire.LoginRequest{})) // which waits for a while itself
		}
	}
	for {
		if err != nil {
			if !d.remote() {
				scr.Print(c.rescue.Why())
			}
			scr.Println(fmt.Sprintf("%% %v; waiting for it", err))
			if !d.remote() {
				scr.Print("Keys that work meanwhile:\n" + c.rescue.Menu(false))
			}
		}
		for err != nil {
			if e := scr.Keys.Ended(); e != nil {
				return wire.LoginReply{}, e
			}
			if d.remote() {
				select {
				case <-time.After(retry):
				case <-ctx.Done():
				}
			} else {
				c.rescue.Pressed(ctx, scr, retry)
			}
			if ctx.Err() != nil {
				return wire.LoginReply{}, ctx.Err()
			}
			open, err = c.client.Login(ctx, d.request(wire.LoginRequest{}))
		}
		if open.Banner != "" {
			scr.Println(open.Banner)
		}
		if open.OK {
			return open, nil
		}
		var user, password string
		for user == "" {
			var state edit.Line
			if user, state, err = scr.Read("login: "); err != nil {
				return wire.LoginReply{}, err
			}
			if state.Mark != edit.Entered || state.Bad != "" {
				user = ""
			}
		}
		if d.talks != nil {
			d.talks()
		}
		password, state, e := scr.Password("Password: ")
		if e != nil {
			return wire.LoginReply{}, e
		}
		if state.Mark != edit.Entered {
			continue
		}
		var r wire.LoginReply
		r, err = c.client.Login(ctx, d.request(wire.LoginRequest{User: user, Password: password}))
		if err != nil {
			continue
		}
		if r.Change {
			r, err = c.choose(ctx, scr, d.request(wire.LoginRequest{User: user, Password: password}))
			if err != nil {
				continue
			}
		}
		if r.OK {
			if r.Banner != "" {
				scr.Println(r.Banner)
			}
			return r, nil
		}
		select {
		case <-time.After(penalty):
		case <-ctx.Done():
			return wire.LoginReply{}, ctx.Err()
		}
		if r.Banned > 0 {
			scr.Println("% " + shutOut(r.Banned))
			return wire.LoginReply{}, errBanned
		}
		penalty = min(2*penalty, maxPenalty)
		scr.Println("% login incorrect")
		open, err = c.client.Login(ctx, d.request(wire.LoginRequest{}))
	}
}
