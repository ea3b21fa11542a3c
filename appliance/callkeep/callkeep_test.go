package callkeep

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/s2"

	"viaduct/appliance/callstate"
	"viaduct/appliance/media"
	"viaduct/appliance/pair"
)

// far is a session whose packets have come somewhere.
type far struct{}

func (far) Marks() media.Marks { return media.Marks{} }

// standby counts what it is told.
type standby struct {
	mu    sync.Mutex
	marks map[string]int
	most  int // marks in one instant
	now   time.Time
	n     int
	calls map[string]bool
}

func (s *standby) Put(kind pair.Kind, id string, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == pair.Calls {
		s.calls[id] = true
		return
	}
	s.marks[id]++
	if time.Now() != s.now {
		s.now, s.n = time.Now(), 0
	}
	s.n++
	s.most = max(s.most, s.n)
}

func (s *standby) Drop(kind pair.Kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == pair.Calls {
		delete(s.calls, id)
	} else {
		delete(s.marks, id)
	}
}

// Marks of each call are sent once in a round, and not all at the same time. Of one that has ended nothing comes any more.
func TestMarksAreSpreadOverARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standby{marks: map[string]int{}, calls: map[string]bool{}}
		k := New(s)
		ctx, end := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { k.Run(ctx) })
		const calls = 400
		for n := range calls {
			k.Put(fmt.Sprint(n), nil, Sessions{far{}, nil, far{}})
		}
		time.Sleep(3*round + time.Millisecond)
		s.mu.Lock()
		for id, n := range s.marks {
			if n < 3 || n > 4 {
				t.Errorf("call %s: %d times in three rounds", id, n)
			}
		}
		if len(s.marks) != calls || s.most > calls/4 {
			t.Errorf("marks of %d calls, up to %d at once", len(s.marks), s.most)
		}
		s.mu.Unlock()
		k.Mark("7")
		for n := range calls {
			if n%2 == 0 {
				k.Drop(fmt.Sprint(n))
			} else {
				k.Forget(fmt.Sprint(n))
			}
		}
		s.mu.Lock()
		was := len(s.marks)
		s.mu.Unlock()
		k.Mark("8")
		k.Drop("9") // it was forgotten: the other box has it
		time.Sleep(2 * round)
		end()
		running.Wait()
		if len(s.marks) != was || was != calls/2 || len(s.calls) != calls/2 {
			t.Errorf("%d calls and marks of %d are left, then of %d", len(s.calls), was, len(s.marks))
		}
	})
}

func TestACallIsReadAsItWasWritten(t *testing.T) {
	c := &Call{ID: "1", State: callstate.Held, Carried: [2]string{"user.01", ""}, Urgent: true, Joined: &Joined{Other: "2", Side: media.B}}
	c.Record.Route = []byte{5, 'a', 0xff, 0, 1}
	b, err := Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal(b)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%v: %+v, want %+v", err, got, c)
	}
	c.State = callstate.Ringing
	b, err = Marshal(c)
	if _, failed := Unmarshal(b); err != nil || failed == nil {
		t.Errorf("%v: a call that rings was read", err)
	}
}

// What claims to be larger than a call may be is refused before memory is taken for it, and what the other box would not read is not written.
func TestACallThatIsTooLarge(t *testing.T) {
	c := &Call{ID: strings.Repeat("a", maxText), State: callstate.Connected}
	if b, err := Marshal(c); err == nil {
		t.Errorf("a call that nobody reads was written, with %d octets", len(b))
	}
	large := append([]byte{form}, s2.Encode(nil, make([]byte, maxText+1))...)
	claims := append([]byte{form}, binary.AppendUvarint(nil, 1<<31)...)
	for _, b := range [][]byte{large, claims, {form}, {form - 1, 0}} {
		if _, err := Unmarshal(b); err == nil || !strings.Contains(err.Error(), "too large") && b[0] == form {
			t.Errorf("%d octets: %v", len(b), err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	b, err := Marshal(&Call{ID: "1", State: callstate.Connected})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{form, 1, 0, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Unmarshal(b)
		if err != nil {
			return
		}
		if _, err := Marshal(c); err != nil && !strings.Contains(err.Error(), "more than the other box reads") {
			t.Errorf("%+v cannot be written: %v", c, err)
		}
	})
}
