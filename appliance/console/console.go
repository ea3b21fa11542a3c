package console

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"viaduct/appliance/console/client"
	"viaduct/appliance/console/edit"
	"viaduct/appliance/console/rescue"
	"viaduct/appliance/console/session"
)

// Options say on which terminals the console answers.
type Options struct {
	Socket string   // sbcd's
	Serial []string // devices of serial lines, 115200 8N1
	SSH    []string // addresses to listen on, "192.168.1.1:22"
	UID    int      // user to become once the ports are open; 0: stay
	State  string   // folder of the SSH host key and the histories; it is made when it is missing
	Log    *slog.Logger
}

// patience is how long a request at a terminal waits for sbcd. A paste in a pipe waits longer, for the length of a reload.
const (
	patience      = 2 * time.Second
	patiencePiped = 20 * time.Second
)

// Run serves serial lines and SSH until the context ends. A serial line that fails is opened again; an address that cannot
// be listened on is an error.
func Run(ctx context.Context, o Options) error {
	if len(o.Serial)+len(o.SSH) == 0 {
		return errors.New("no terminal: give -serial, -ssh or -stdio")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &console{Options: o, client: client.New(o.Socket, patience), histories: edit.NewHistories(filepath.Join(o.State, "history")), rescue: rescue.New(o.Socket)}
	var server *sshServer
	if len(o.SSH) > 0 {
		var err error
		if server, err = newSSHServer(c); err != nil {
			return err
		}
		defer server.closeListeners()
	}
	if err := c.dropPrivileges(); err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { c.followSettings(ctx) })
	for _, device := range o.Serial {
		all.Go(func() { c.serial(ctx, device) })
	}
	var err error
	if server != nil {
		err = server.serve(ctx)
		cancel()
	} else {
		<-ctx.Done()
	}
	all.Wait()
	return err
}

// console is what all terminals share.
type console struct {
	Options
	client    *client.Client
	histories *edit.Histories
	rescue    *rescue.Rescue
}

// newSession makes the session of a user after the login.
func (c *console) newSession(scr *edit.Screen, user, tty string) *session.Session {
	return session.New(scr, session.Who{Client: c.client, User: user, TTY: tty}, c.histories.Of(user), c.rescue)
}

// ErrSaid is the result of Stdio when a line failed and the reason has been printed.
var ErrSaid = session.ErrSaid
