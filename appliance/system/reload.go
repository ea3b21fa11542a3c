package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"viaduct/appliance/commit"
	"viaduct/appliance/config"
	"viaduct/appliance/drain"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// coming is a pending reload.
type coming struct {
	at       time.Time // zero: when no call is left
	graceful bool
	limit    time.Duration // graceful
	drains   bool          // graceful: the box is being taken out of service for it
	by       string
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
	pending := s.coming != nil && (s.coming.stop() || s.coming.drains) // that timer may wait for the lock
	if pending && s.coming.drains {
		s.drains.Stop(drain.Scope{}, r.By)
	}
	s.coming = nil
	if r.Cancel {
		if !pending {
			return "", errors.New("no reload is pending")
		}
		s.log.Warn("reload cancelled", "by", r.By)
		s.sessions.Tell(r.TTY, "the reload is cancelled by "+r.By)
		return "", nil
	}
	c := &coming{graceful: r.Graceful, limit: r.Limit, by: r.By}
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

// restart ends Run, or restarts the whole box when another image is to start. graceful takes the box out of service first and looks once a
// second: it goes on when no call is left, or the time is over.
func (s *System) restart(graceful bool) {
	if graceful && s.waitsForCalls() {
		return
	}
	s.switchFirst()
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

// waitsForCalls reports whether a graceful reload goes on later.
func (s *System) waitsForCalls() bool {
	idle, over := s.drains.Idle(), s.drains.Over()
	s.mutate.Lock()
	defer s.mutate.Unlock()
	c := s.coming
	if c == nil {
		return true // it was cancelled meanwhile
	}
	if idle || over && c.drains { // the time of a `drain` before is not that of the reload
		return false
	}
	if c.at = (time.Time{}); !c.drains {
		order := drain.Order{Limit: c.limit, By: c.by, Undo: "no reload"}
		c.drains = s.drains.Start(order) == nil
	}
	c.timer = time.AfterFunc(time.Second, func() { s.restart(true) })
	return true
}

// Drain takes the box, or a part of it, out of service.
func (s *System) Drain(d device.Drain) error {
	scope := drain.Scope{Context: d.Context, Interface: d.Interface}
	return s.drains.Start(drain.Order{Scope: scope, Limit: d.Limit, By: d.By, Undo: strings.TrimSpace("no drain " + scope.Words())})
}

// EndDrain takes it back into service.
func (s *System) EndDrain(d device.Drain) (bool, error) {
	scope := drain.Scope{Context: d.Context, Interface: d.Interface}
	s.mutate.Lock()
	defer s.mutate.Unlock()
	if scope == (drain.Scope{}) && s.coming != nil && s.coming.drains {
		return false, errors.New("the box goes out of service for a reload: `no reload` cancels both")
	}
	return s.drains.Stop(scope, d.By), nil
}

// newDrains makes the book of what is being taken out of service.
func (s *System) newDrains() *drain.Book {
	return drain.New(drain.Options{
		Log: s.log, Health: &s.health, Config: s.effective.Load,
		Count: func() int { return s.calls.Count() }, Calls: func() []status.Call { return s.calls.Calls() }, Clear: func(id string) { s.calls.Clear(id) },
	})
}

// welcome tells a new session of a pending reload, and of a change that waits for its confirmation.
func (s *System) welcome() (list []string) {
	if c := s.Coming(); c != nil {
		list = append(list, "the box reloads "+c.In(time.Now()))
	}
	if text := s.commits.Welcome(); text != "" {
		list = append(list, text)
	}
	return list
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

// newCommits makes the book of the change that waits for its confirmation.
func (s *System) newCommits() *commit.Book {
	return commit.New(commit.Options{
		Log: s.log, Health: &s.health, Zone: func() *time.Location { return s.Running().Clock.Location() },
		Publish: func(by status.Author, before func() *config.Config) {
			_ = s.Mutate(by, func(*config.Config) (*config.Config, error) { return before(), nil }) // it cannot fail
		},
		Note: func(e status.Audit) {
			s.trail.Note(status.Audit{What: e.What, Account: e.Account, From: e.From}, func(to *status.Audit) { to.Line = e.Line })
		},
		Tell: func(text string) { s.sessions.Tell("", text) },
	})
}

// LastChange is who changed the running configuration last.
func (s *System) LastChange() status.Changed { return s.commits.Last() }

// BeginCommit has what changes from now on go back to before, unless it is confirmed.
func (s *System) BeginCommit(before *config.Config, by status.Author, after time.Duration) error {
	return s.commits.Begin(before, by, after)
}

// KeepPassword has the password that an account has chosen outlive a change that goes back.
func (s *System) KeepPassword(a *config.Account, first bool) { s.commits.KeepPassword(a, first) }

// Confirm lets the change stay.
func (s *System) Confirm(by status.Author) error { return s.commits.Confirm(by) }

// TakeBack takes it back at once.
func (s *System) TakeBack(by status.Author) error { return s.commits.Back(by) }

// Commit describes the change that waits.
func (s *System) Commit() status.Commit { return s.commits.Status() }
