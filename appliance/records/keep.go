package records

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/status"
)

const day = 24 * time.Hour

// oldest is the first day of which nothing is older than so many days: a file holds the records of a day (UTC), from its first minute on.
func oldest(now time.Time, days int) string {
	return now.UTC().Add(-time.Duration(days-1) * day).Format(time.DateOnly)
}

// expire deletes the files that are too old. While the clock cannot be believed it deletes nothing.
func (a *Archive) expire() {
	s := a.settings.Load()
	if s == nil {
		return
	}
	if a.overdue = a.o.Sane() != nil; a.overdue {
		return
	}
	days := s.Days
	n, err := a.with(func(log *flash.Log) (int, error) { return log.Expire(oldest(time.Now(), days)) })
	if err != nil {
		a.o.Log.Warn("old call records not deleted", "err", err)
	}
	if n > 0 {
		a.o.Log.Info("old call records deleted", "files", n, "days", days)
	}
}

// with calls f with the log, the one of Run while that runs.
func (a *Archive) with(f func(*flash.Log) (int, error)) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		return f(a.log)
	}
	log, err := a.open()
	if err != nil {
		return 0, err
	}
	defer log.Close()
	return f(log)
}

// Erase deletes the records that are older than so many days, all for 0, and returns how many files those were. What waits for the web
// server is deleted with them.
func (a *Archive) Erase(days int) (files int, err error) {
	return a.with(func(log *flash.Log) (int, error) {
		if days > 0 {
			first := oldest(time.Now(), days)
			a.forget(first)
			return log.Expire(first)
		}
		for len(a.queue) > 0 {
			<-a.queue
		}
		a.held = nil
		n, err := log.Erase()
		a.forget("")
		return n, err
	})
}

// forget tells the readers of an erasure.
func (a *Archive) forget(first string) {
	for _, r := range a.readers {
		r.Forget(first)
		if err := r.Save(); err != nil {
			a.o.Log.Debug("position of the sent call records not saved", "err", err)
		}
		r.wake()
	}
}

// Last returns the records of the last n calls, oldest first. It leaves out a line that a power cut has torn.
func (a *Archive) Last(n int) ([]status.Record, error) {
	log, err := a.open()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	lines, err := log.Last(n)
	if err != nil {
		return nil, fmt.Errorf("read call records: %w", err)
	}
	list := make([]status.Record, 0, len(lines))
	for _, line := range lines {
		if r, err := status.ReadRecord(line); err == nil && r.ID != "" {
			list = append(list, r)
		}
	}
	return list, nil
}

// Status is what is kept, and what has been sent.
func (a *Archive) Status() status.CallRecords {
	s := a.settings.Load()
	if s == nil {
		return status.CallRecords{Limit: most}
	}
	st := status.CallRecords{Days: s.Days, Limit: most, Syslog: s.Syslog.Facility}
	a.with(func(log *flash.Log) (int, error) {
		st.Waiting = len(a.held)
		files, err := log.Files()
		if err != nil {
			return 0, err
		}
		for n, name := range files {
			if n == 0 {
				st.First, _, _ = strings.Cut(filepath.Base(name), ".")
			}
		}
		st.Octets, err = log.Behind(flash.Position{})
		return 0, err
	})
	if s.Post.URL != "" {
		st.Post = a.poster.status()
	}
	return st
}
