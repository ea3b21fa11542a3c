package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// coming is a pending reload.
type coming struct {
	at       time.Time // zero: when no call is left
	graceful bool
	timer    *time.Timer
	warning  *time.Timer // tells the consoles a minute before
}

const (
	reloadAnswer  = 200 * time.Millisecond // in which the answer to the command still arrives
	reloadWarning = time.Minute
)

func (c *coming) stop() bool {
	if c.warning != nil {
		c.warning.Stop()
	}
	return c.timer.Stop()
}

// Reload restarts with the startup-config, a moment later so that the answer to the command still arrives. It tells the other consoles.
func (s *System) Reload(r device.Reload) (image string, err error) {
	if !r.Cancel {
		if s.firmware.Busy() {
			return "", errors.New("an image is being installed: wait for its end")
		}
		image = s.firmware.Waiting()
	}
	s.mutate.Lock()
	defer s.mutate.Unlock()
	pending := s.coming != nil && s.coming.stop()
	s.coming = nil
	if r.Cancel {
		if !pending {
			return "", errors.New("no reload is pending")
		}
		s.log.Warn("reload cancelled", "by", r.By)
		s.sessions.Tell(r.TTY, "the reload is cancelled by "+r.By)
		return "", nil
	}
	c := &coming{graceful: r.Graceful}
	if r.Delay > 0 {
		c.at = time.Now().Add(r.Delay)
	}
	if r.Delay > reloadWarning {
		c.warning = time.AfterFunc(r.Delay-reloadWarning, func() { s.sessions.Tell("", "the box reloads in 1 minute; `no reload` cancels it") })
	}
	c.timer = time.AfterFunc(max(r.Delay, reloadAnswer), func() { s.restart(r.Graceful) })
	s.coming = c
	s.log.Warn("reload ordered", "by", r.By, "delay", r.Delay, "graceful", r.Graceful)
	s.sessions.Tell(r.TTY, fmt.Sprintf("%s lets the box reload %s", r.By, s.comingText()))
	return image, nil
}

// endReload stops the timers of a pending reload: their box has ended for another reason.
func (s *System) endReload() {
	s.mutate.Lock()
	defer s.mutate.Unlock()
	if s.coming != nil {
		s.coming.stop()
		s.coming = nil
	}
}

// Coming returns the pending reload, nil when there is none.
func (s *System) Coming() *device.Coming {
	s.mutate.Lock()
	defer s.mutate.Unlock()
	if s.coming == nil {
		return nil
	}
	return &device.Coming{At: s.coming.at, Graceful: s.coming.graceful}
}

// comingText says when the reload comes. The caller holds s.mutate.
func (s *System) comingText() string {
	return device.Coming{At: s.coming.at, Graceful: s.coming.graceful}.In(time.Now())
}

// restart ends Run, or restarts the whole box when another image is to start. graceful waits for the end of the last call and looks
// once a second.
func (s *System) restart(graceful bool) {
	if graceful && s.calls.Count() > 0 {
		s.mutate.Lock()
		defer s.mutate.Unlock()
		if s.coming != nil { // else it was cancelled meanwhile
			s.coming.at = time.Time{}
			s.coming.timer = time.AfterFunc(time.Second, func() { s.restart(true) })
		}
		return
	}
	s.sessions.Tell("", "the box reloads now")
	if image := s.firmware.Waiting(); image != "" {
		s.log.Warn("the box restarts with another image", "version", image)
		err := s.firmware.Reboot()
		if err == nil {
			return // PID 1 ends this process
		}
		s.log.Error("the box does not restart", "err", err)
	}
	select {
	case s.reload <- struct{}{}:
	default:
	}
}

// welcome tells a new session of a pending reload.
func (s *System) welcome() string {
	if c := s.Coming(); c != nil {
		return "the box reloads " + c.In(time.Now())
	}
	return ""
}

// Images describes the slots of the medium.
func (s *System) Images(ctx context.Context) (status.Images, error) { return s.firmware.Images(ctx) }

// InstallImage installs an image as it comes in.
func (s *System) InstallImage(ctx context.Context, file io.ReadCloser, force bool, report func(string)) error {
	return s.firmware.Install(ctx, file, force, report)
}

// FetchImage installs an image as it comes from a web server.
func (s *System) FetchImage(ctx context.Context, url string, force bool, report func(string)) error {
	return s.firmware.Fetch(ctx, url, force, report)
}
