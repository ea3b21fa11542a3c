// Package console is the box's command line as people meet it: on the serial line, over SSH, and on stdin and stdout.
//
// It owns terminals: reading keys, editing, history, help on `?` and Tab, paging, pastes, blocks, logins. It does not own
// the language: what a line means is asked of sbcd over its socket (package wire), for each line anew and with the mode in
// which the session stands, so that a session survives a restart of sbcd and can say that it is down.
//
// Goroutines: each terminal has a reader, which takes bytes off the line as they come (a serial line has no flow control)
// and notices Ctrl-C while a command runs; a session, which does all the rest and alone touches the session's state; and a
// follower, which prints what sbcd reports to the session. The SSH server adds one goroutine a connection and one for the
// requests of each channel. All are waited for, except a reader that is blocked in a read of stdin: it ends with the
// process.
package console

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// Options say on which terminals the console answers.
type Options struct {
	Socket string   // sbcd's
	Serial []string // devices of serial lines, 115200 8N1
	SSH    []string // addresses to listen on, "192.168.1.1:22"
	UID    int      // user to become once the ports are open; 0: stay
	State  string   // folder of the SSH host key and of what was typed, made when it is missing
	Log    *slog.Logger
}

// patience is how long a request at a terminal waits for sbcd; a paste in a pipe waits longer, over a reload.
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
	c := &console{Options: o, client: NewClient(o.Socket, patience), histories: &histories{dir: filepath.Join(o.State, "history")}, rescue: newRescue(o.Socket)}
	var server *sshServer
	if len(o.SSH) > 0 {
		var err error
		if server, err = newSSHServer(c); err != nil {
			return err
		}
		defer server.close()
	}
	if err := c.dropPrivileges(); err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { c.telnet(ctx) })
	for _, device := range o.Serial {
		all.Go(func() { c.serial(ctx, device) })
	}
	var err error
	if server != nil {
		err = server.run(ctx)
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
	client    *Client
	histories *histories
	rescue    *rescue
}

// newSession makes a session of a user who has been let in.
func (c *console) newSession(scr *screen, user, tty string) *session {
	return &session{
		shell:   shell{client: c.client, user: user, tty: tty},
		screen:  scr,
		history: c.histories.get(user),
		rescue:  c.rescue,
	}
}
