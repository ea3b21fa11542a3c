package system

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/lang/check"
)

// standing are the lasting failures of the box: what an engine, a file or the kernel cannot do, from when it begins until it ends.
// Each is one line in the log at its beginning and one at its end, a line of `show config problems`, and red on the LED.
// It is safe for concurrent use.
type standing struct {
	log    *slog.Logger
	change func() // hears that a failure has begun or ended; may be nil

	mu   sync.Mutex
	list map[string]failure // by their names
}

// failure is one of them.
type failure struct {
	text  string // a sentence for whoever reads the list of problems
	fix   string // a line to paste, or empty
	unfit bool   // the box cannot do its work: an image on trial is not confirmed while it lasts
	since time.Time
}

// raise notes that the failure of this name lasts. Raised again it takes the new words, without another line in the log.
func (s *standing) raise(name string, f failure) {
	s.mu.Lock()
	old, known := s.list[name]
	if f.since = old.since; !known {
		f.since = time.Now()
	}
	if s.list == nil {
		s.list = map[string]failure{}
	}
	s.list[name] = f
	s.mu.Unlock()
	if known {
		return
	}
	s.log.Error("lasting failure begins", "name", name, "err", f.text)
	s.changed()
}

// clear notes that it is over. One that never began is no error.
func (s *standing) clear(name string) {
	s.mu.Lock()
	f, known := s.list[name]
	delete(s.list, name)
	s.mu.Unlock()
	if !known {
		return
	}
	s.log.Info("lasting failure is over", "name", name, "after", time.Since(f.since).Round(time.Second))
	s.changed()
}

// judge raises a failure with the text of err, or clears it for nil.
func (s *standing) judge(name string, err error) {
	if err == nil {
		s.clear(name)
		return
	}
	s.raise(name, failure{text: err.Error()})
}

func (s *standing) changed() {
	if s.change != nil {
		s.change()
	}
}

// some reports whether anything fails.
func (s *standing) some() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list) > 0
}

// unfit says why the box cannot do its work, nothing when it can.
func (s *standing) unfit() (why []string) {
	for _, f := range s.sorted() {
		if f.unfit {
			why = append(why, f.text)
		}
	}
	return why
}

// problems are the failures as the list of problems has them, the oldest first.
func (s *standing) problems() (list []check.Problem) {
	for _, f := range s.sorted() {
		list = append(list, check.Problem{Severity: check.Warning, Text: f.text, Fix: f.fix})
	}
	return list
}

func (s *standing) sorted() []failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.list), func(a, b failure) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.text, b.text))
	})
}
