package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// box counts what it is asked, and answers with what it is told.
type box struct {
	mu    sync.Mutex
	asked int
	text  string
	err   error
}

func (b *box) ask(context.Context, Key, string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	return []byte(b.text), b.err
}

func (b *box) say(text string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text, b.err = text, err
}

func (b *box) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

func TestOneQuestionForAllWhoSeeTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{text: "a"}
		h := New(b.ask)
		defer h.Close()
		k := Key{Topic: "x", Class: "operator", Lang: "en"}
		var all []*Follower
		for n := range 20 {
			all = append(all, h.Follow(fmt.Sprint("user", n), []Key{k}))
		}
		synctest.Wait()
		if b.count() != 1 {
			t.Errorf("asked %d times for 20 followers", b.count())
		}
		for _, f := range all {
			<-f.News()
			if e := f.Take(); len(e) != 1 || string(e[0].HTML) != "a" {
				t.Fatalf("%v", e)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if limit := int(time.Minute/Every) + 1; b.count() > limit {
			t.Errorf("asked %d times in a minute", b.count())
		}
		select {
		case <-all[0].News():
			t.Error("what has not changed is sent")
		default:
		}
		b.say("b", nil)
		time.Sleep(Every + time.Millisecond)
		synctest.Wait()
		for _, f := range all {
			if e := f.Take(); len(e) != 1 || string(e[0].HTML) != "b" {
				t.Fatalf("%v", e)
			}
		}
		late := h.Follow("late", []Key{k})
		if e := late.Take(); len(e) != 1 || string(e[0].HTML) != "b" {
			t.Errorf("who comes late gets %v", e)
		}
	})
}

func TestNobodyAsksWhenNobodyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{text: "a"}
		h := New(b.ask)
		defer h.Close()
		f := h.Follow("a", []Key{{Topic: "x"}, {Topic: "y"}})
		g := h.Follow("b", []Key{{Topic: "y"}})
		synctest.Wait()
		f.Leave()
		f.Leave()
		time.Sleep(time.Minute)
		g.Leave()
		synctest.Wait()
		before := b.count()
		time.Sleep(time.Hour)
		if b.count() != before || len(h.topics) != 0 {
			t.Errorf("asked %d times, of %d topics, with nobody there", b.count()-before, len(h.topics))
		}
	})
}

// A follower that takes nothing costs one event for each fragment.
func TestSlowFollowerGetsTheNewestOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		h := New(b.ask)
		defer h.Close()
		f := h.Follow("a", []Key{{Topic: "x"}})
		for n := range 100 {
			b.say(fmt.Sprint(n), nil)
			time.Sleep(Every + time.Millisecond)
		}
		synctest.Wait()
		if e := f.Take(); len(e) != 1 || string(e[0].HTML) != "99" {
			t.Errorf("%d events, %s", len(e), e[0].HTML)
		}
	})
}

func TestOldFiguresAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{text: "a"}
		h := New(b.ask)
		defer h.Close()
		f := h.Follow("a", []Key{{Topic: "x"}})
		synctest.Wait()
		f.Take()
		b.say("a", errors.New("down"))
		time.Sleep(Every + time.Millisecond)
		synctest.Wait()
		if e := f.Take(); len(e) != 1 || !e[0].Down || string(e[0].HTML) != "a" {
			t.Errorf("%v", e)
		}
		b.say("a", nil)
		time.Sleep(Every + time.Millisecond)
		synctest.Wait()
		if e := f.Take(); len(e) != 1 || e[0].Down {
			t.Errorf("%v", e)
		}
	})
}

// One account cannot have the box asked without end, and others go on.
func TestOneAccountFollowsSoMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		h := New(func(context.Context, Key, string) ([]byte, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second) // the box is slow
			mu.Lock()
			now--
			mu.Unlock()
			return nil, nil
		})
		defer h.Close()
		var all []*Follower
		for n := range 100 {
			if f := h.Follow("eve", []Key{{Topic: "x", Query: fmt.Sprint(2 * n)}, {Topic: "x", Query: fmt.Sprint(2*n + 1)}}); f != nil {
				all = append(all, f)
			}
		}
		if len(all) != maxFragments/2 {
			t.Errorf("%d followers of two fragments each", len(all))
		}
		other := h.Follow("ada", []Key{{Topic: "x", Query: "1"}})
		if other == nil {
			t.Fatal("another account finds no room")
		}
		time.Sleep(time.Minute)
		mu.Lock()
		if most != atOnce {
			t.Errorf("%d questions at once", most)
		}
		mu.Unlock()
		for _, f := range all {
			f.Leave()
		}
		all = nil
		for range 100 {
			if f := h.Follow("eve", []Key{{Topic: "y"}}); f != nil {
				all = append(all, f)
			}
		}
		if len(all) != maxPages {
			t.Errorf("%d pages", len(all))
		}
		other.Leave()
		for _, f := range all {
			f.Leave()
		}
	})
}
