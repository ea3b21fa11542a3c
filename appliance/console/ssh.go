package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	handshakeTime = 20 * time.Second // from the connection to the question who it is
	loginTime     = 90 * time.Second // from there to the login, and as long again for a new password
	maxTries      = 8                // keys and passwords a connection: an agent offers all the keys that it has
	maxWaiting    = 32               // connections without a login
	maxWaitingOf  = 8                // of one source
	maxChannels   = 4                // sessions of one connection
	badPassword   = time.Second      // a wrong password is answered after this
)

// sshServer is the console over SSH: passwords are checked by sbcd, sessions and exec requests are served, everything else
// (forwarding, subsystems, agents) is refused.
type sshServer struct {
	*console
	key       ssh.Signer
	listeners []net.Listener
	lobby     lobby
}

func newSSHServer(c *console) (*sshServer, error) {
	key, lost, err := hostKey(c.State)
	if lost != nil {
		c.Log.Error("ssh host key damaged, it is another one from now on: clients will warn", "err", lost)
	}
	if key == nil {
		return nil, err
	}
	if err != nil {
		c.Log.Error("ssh shows a key of this run only", "err", err)
	}
	s := &sshServer{console: c, key: key, lobby: lobby{log: c.Log, name: "ssh", room: maxWaiting, each: maxWaitingOf}}
	for _, addr := range c.SSH {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("listen for ssh: %w", err)
		}
		s.listeners = append(s.listeners, l)
		c.Log.Info("ssh listens", "peer", l.Addr().String())
	}
	return s, nil
}

// closeListeners ends accepting.
func (s *sshServer) closeListeners() {
	for _, l := range s.listeners {
		l.Close()
	}
}

// serve serves connections until the context ends, and waits for all of them.
func (s *sshServer) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, s.closeListeners)
	defer stop()
	var accepting, all sync.WaitGroup
	errs := make([]error, len(s.listeners))
	for i, l := range s.listeners {
		accepting.Go(func() {
			defer cancel()
			err := s.lobby.accept(ctx, l, &all, func(c net.Conn, from netip.Addr) { s.connection(ctx, c, from) })
			if ctx.Err() == nil {
				errs[i] = err
			}
		})
	}
	accepting.Wait()
	s.lobby.closeAll()
	all.Wait()
	return errors.Join(errs...)
}

// connection serves one connection.
func (s *sshServer) connection(ctx context.Context, c net.Conn, from netip.Addr) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.SetDeadline(time.Now().Add(handshakeTime))
	if left := s.client.Banned(ctx, from); left > 0 {
		fmt.Fprintf(c, "%s\r\n", shutOut(left)) // RFC 4253, 4.2: lines may come before the version; clients show them when asked for details
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(c, s.config(ctx, c, from))
	if err != nil {
		s.Log.Debug("ssh handshake failed", "peer", from.String(), "err", err)
		return
	}
	defer conn.Close()
	if !s.lobby.login(c, conn.Permissions.Extensions[extUser]) {
		return
	}
	c.SetDeadline(time.Time{})
	s.Log.Info("ssh login", "peer", conn.RemoteAddr().String(), "name", conn.Permissions.Extensions[extUser])
	var running sync.WaitGroup
	running.Go(func() { ssh.DiscardRequests(requests) })
	slots := make(chan struct{}, maxChannels)
	for n := 0; ; n++ {
		offer, ok := <-channels
		if !ok {
			break
		}
		if offer.ChannelType() != "session" {
			offer.Reject(ssh.Prohibited, "only sessions are served")
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			offer.Reject(ssh.ResourceShortage, "too many sessions on this connection")
			continue
		}
		ch, asks, err := offer.Accept()
		if err != nil {
			<-slots
			continue
		}
		tty := "ssh " + conn.RemoteAddr().String()
		if n > 0 {
			tty = fmt.Sprintf("%s/%d", tty, n)
		}
		running.Go(func() {
			defer func() { <-slots }()
			s.channel(ctx, ch, asks, conn.Permissions, tty)
		})
	}
	cancel()
	running.Wait()
}
