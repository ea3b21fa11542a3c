package steward

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// shelf is a bucket with one value, whose writes go as a test wants.
type shelf struct {
	value    []byte
	revision uint64
	writes   []string // what becomes of the next ones: "late" is written and not acknowledged, "lost" neither, "other" has somebody else written before
	reads    int
	unread   int // reads that fail
}

type found struct {
	jetstream.KeyValueEntry
	value    []byte
	revision uint64
}

func (f found) Value() []byte    { return f.value }
func (f found) Revision() uint64 { return f.revision }

func (s *shelf) Get(ctx context.Context, _ string) (jetstream.KeyValueEntry, error) {
	s.reads++
	switch {
	case s.unread > 0:
		s.unread--
		<-ctx.Done()
		return nil, ctx.Err()
	case s.revision == 0:
		return nil, jetstream.ErrKeyNotFound
	}
	return found{value: s.value, revision: s.revision}, nil
}

func (s *shelf) Create(ctx context.Context, key string, value []byte, _ ...jetstream.KVCreateOpt) (uint64, error) {
	if s.revision != 0 {
		return 0, jetstream.ErrKeyExists
	}
	return s.Update(ctx, key, value, 0)
}

func (s *shelf) Update(ctx context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	what := ""
	if len(s.writes) > 0 {
		what, s.writes = s.writes[0], s.writes[1:]
	}
	if what == "other" {
		s.put("100")
	}
	if revision != s.revision {
		return 0, jetstream.ErrKeyRevisionMismatch
	}
	if what != "lost" {
		s.put(string(value))
	}
	if what != "" {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.revision, nil
}

func (s *shelf) put(value string) { s.value, s.revision = []byte(value), s.revision+1 }

// What is not known to be written is read again: nothing is done twice, and nothing is taken for done that is not.
func TestAChangeIsDoneOnce(t *testing.T) {
	for name, c := range map[string]struct {
		shelf shelf
		want  string
		reads int
	}{
		"the first one":              {shelf{}, "1", 1},
		"the next one":               {shelf{value: []byte("5"), revision: 9}, "6", 1},
		"another node is faster":     {shelf{value: []byte("5"), revision: 9, writes: []string{"other"}}, "101", 2},
		"and at the first one":       {shelf{writes: []string{"other"}}, "101", 2},
		"written, not acknowledged":  {shelf{value: []byte("5"), revision: 9, writes: []string{"late"}}, "6", 2},
		"lost":                       {shelf{value: []byte("5"), revision: 9, writes: []string{"lost", "lost"}}, "6", 3},
		"no leader":                  {shelf{value: []byte("5"), revision: 9, unread: 5}, "6", 6},
		"lost, then another's value": {shelf{value: []byte("5"), revision: 9, writes: []string{"lost", "other"}}, "101", 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				done := "" // the value that says that our change is in it
				err := change(ctx, &c.shelf, "k", func(value []byte) ([]byte, error) {
					if done != "" && string(value) == done {
						return nil, nil // it was written all the same
					}
					n, _ := strconv.Atoi(string(value))
					done = strconv.Itoa(n + 1)
					return []byte(done), nil
				})
				if err != nil || string(c.shelf.value) != c.want || c.shelf.reads != c.reads {
					t.Errorf("%q after %d reads, want %q after %d: %v", c.shelf.value, c.shelf.reads, c.want, c.reads, err)
				}
			})
		})
	}
}

func TestAChangeThatCannotBeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		one := func([]byte) ([]byte, error) { return []byte("1"), nil }
		if err := change(ctx, &shelf{unread: 1000}, "k", one); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > patience+answerTime {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		no := errors.New("no")
		s := &shelf{value: []byte("5"), revision: 1}
		if err := change(t.Context(), s, "k", func([]byte) ([]byte, error) { return nil, no }); !errors.Is(err, no) || s.reads != 1 || string(s.value) != "5" {
			t.Errorf("%v after %d reads, %q", err, s.reads, s.value)
		}
	})
}
