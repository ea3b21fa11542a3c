package console

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"viaduct/appliance/console/client"
	"viaduct/appliance/console/edit"
	"viaduct/appliance/console/rescue"
	"viaduct/appliance/console/session"
)

// Stdio is one session on stdin and stdout. Who may open sbcd's socket is the local root: no login. On a terminal it is a
// session as over SSH; anything else is a paste, and the error is session.ErrSaid when a line of it failed.
func Stdio(ctx context.Context, socket string, in, out *os.File) error {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		who := session.Who{Client: client.New(socket, patiencePiped), TTY: fmt.Sprintf("stdio %d", os.Getpid())}
		paste := session.NewPaste(ctx, who, in, out, func(read func()) { go read() })
		if !term.IsTerminal(int(out.Fd())) {
			paste.Raw()
		}
		return paste.Run(ctx)
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("terminal to raw mode: %w", err)
	}
	defer term.Restore(int(in.Fd()), before)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	scr := edit.NewScreen(out)
	go scr.Keys.Pump(ctx, in)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	sized := make(chan struct{})
	defer func() { cancel(); <-sized }()
	go func() {
		defer close(sized)
		for {
			if w, h, err := term.GetSize(int(out.Fd())); err == nil {
				scr.Resize(w, h)
			}
			select {
			case <-resized:
			case <-ctx.Done():
				return
			}
		}
	}()
	c := &console{client: client.New(socket, patience), histories: edit.NewHistories(""), rescue: rescue.New(socket)}
	err = c.newSession(scr, "", fmt.Sprintf("stdio %d", os.Getpid())).Run(ctx)
	if session.Hangup(err) {
		err = nil
	}
	return err
}
