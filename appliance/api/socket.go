package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// listen binds the socket beside its path and renames it into place: a socket left by a killed sbcd is replaced in one
// step, and nobody sees ours before its mode is 0600.
func listen(o Options) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", o.Socket, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("listen on %s: another sbcd answers there", o.Socket)
	}
	if err := os.MkdirAll(filepath.Dir(o.Socket), 0o755); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Socket, err)
	}
	fresh := o.Socket + ".new"
	if len(fresh) > 107 {
		return nil, fmt.Errorf("listen on %s: the path of a unix socket has at most 103 bytes", o.Socket)
	}
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: %w", o.Socket, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Socket, err)
	}
	l.SetUnlinkOnClose(false) // it would remove the name that it was bound to
	err = os.Chmod(fresh, 0o600)
	if err == nil && o.UID != 0 {
		err = os.Chown(fresh, o.UID, -1)
	}
	if err == nil {
		err = os.Rename(fresh, o.Socket)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", o.Socket, err)
	}
	mine, err := os.Stat(o.Socket)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", o.Socket, err)
	}
	return &socket{UnixListener: l, path: o.Socket, mine: mine, uid: uint32(o.UID), log: o.Log}, nil
}

// socket accepts only peers whose user may speak with us.
type socket struct {
	*net.UnixListener
	path string
	mine os.FileInfo
	uid  uint32
	log  *slog.Logger
}

func (s *socket) Accept() (net.Conn, error) {
	for {
		c, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peer(c)
		if err == nil && (uid == 0 || uid == uint32(os.Geteuid()) || uid == s.uid) {
			return c, nil
		}
		s.log.Warn("api connection refused", "peer", uid, "err", err)
		c.Close()
	}
}

// Close removes the path too, unless a newer sbcd has already put its own there.
func (s *socket) Close() error {
	if now, err := os.Stat(s.path); err == nil && os.SameFile(now, s.mine) {
		os.Remove(s.path)
	}
	return s.UnixListener.Close()
}

// peer is the user at the other end, as the kernel knows it.
func peer(c *net.UnixConn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if cerr != nil {
		return 0, fmt.Errorf("peer credentials: %w", cerr)
	}
	return cred.Uid, nil
}
