package console

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"viaduct/appliance/console/edit"
	"viaduct/appliance/console/session"
	"viaduct/appliance/printable"
)

// channel is one session of an SSH connection: a shell with or without a terminal, or one command.
func (s *sshServer) channel(ctx context.Context, ch ssh.Channel, asks <-chan *ssh.Request, who *ssh.Permissions, tty string) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	defer ch.Close()

	var scr *edit.Screen // with a pty
	started := false
	ended := make(chan int, 1)
	for {
		select {
		case status := <-ended:
			ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
			return
		case r, ok := <-asks:
			if !ok {
				return
			}
			done := false
			switch r.Type {
			case "pty-req":
				var p struct {
					Term                         string
					Columns, Rows, Width, Height uint32
					Modes                        string
				}
				if done = scr == nil && !started && ssh.Unmarshal(r.Payload, &p) == nil; done {
					scr = edit.NewScreen(ch)
					scr.Resize(int(min(p.Columns, 1<<16)), int(min(p.Rows, 1<<16)))
				}
			case "window-change":
				var p struct{ Columns, Rows, Width, Height uint32 }
				if done = scr != nil && ssh.Unmarshal(r.Payload, &p) == nil; done {
					scr.Resize(int(min(p.Columns, 1<<16)), int(min(p.Rows, 1<<16)))
				}
			case "shell", "exec":
				var p struct{ Command string }
				if started || r.Type == "exec" && ssh.Unmarshal(r.Payload, &p) != nil {
					break
				}
				done, started = true, true
				if scr != nil && r.Type == "shell" {
					running.Go(func() { scr.Keys.Pump(ctx, ch) })
					running.Go(func() { ended <- s.shell(ctx, scr, who, tty) })
					break
				}
				paste := session.NewPaste(ctx, session.Who{Client: s.client, User: who.Extensions[extUser], TTY: tty}, ch, ch, running.Go)
				if r.Type == "exec" {
					paste.Command(p.Command)
				}
				if scr == nil {
					paste.Raw()
					paste.File = func() io.ReadCloser {
						out, in := io.Pipe()
						running.Go(func() {
							_, err := io.Copy(in, ch)
							in.CloseWithError(err) // nil is the end of the file
						})
						return out
					}
				}
				running.Go(func() { ended <- s.lines(ctx, paste, ch.Stderr()) })
			case "signal":
				var p struct{ Name string }
				if done = ssh.Unmarshal(r.Payload, &p) == nil && p.Name == "INT"; done {
					cancel()
				}
			}
			if r.WantReply {
				r.Reply(done, nil)
			}
		}
	}
}

// shell is a session at a terminal; it returns the exit status.
func (s *sshServer) shell(ctx context.Context, scr *edit.Screen, who *ssh.Permissions, tty string) int {
	scr.Keys.Idle, _ = time.ParseDuration(who.Extensions[extIdle])
	if text := who.Extensions[extBanner]; text != "" {
		scr.Println(text)
	}
	if err := s.newSession(scr, who.Extensions[extUser], tty).Run(ctx); !session.Hangup(err) {
		s.Log.Debug("ssh session ended", "peer", tty, "err", err)
		return 1
	}
	return 0
}

// lines runs a command, or what the client sends without a terminal.
func (s *sshServer) lines(ctx context.Context, p *session.Paste, stderr io.Writer) int {
	err := p.Run(ctx)
	if err != nil && err != session.ErrSaid {
		fmt.Fprintf(stderr, "%% %s\n", printable.Line(err.Error()))
	}
	if err != nil {
		return 1
	}
	return 0
}
