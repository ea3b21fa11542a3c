package mailbox

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// worker is a mailbox that runs until it is told to end.
func worker(group *sync.WaitGroup, t *Turns) *Mailbox {
	m := Under(t, false)
	group.Go(m.Run)
	return m
}

// No more work at a time than have a turn, and all get one.
func TestTurnsBoundWhoWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		turns := NewTurns(3)
		var mu sync.Mutex
		working, most, done := 0, 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			working += n
			most = max(most, working)
			done += max(0, -n)
		}
		for range 20 {
			m := worker(&group, turns)
			for range 2 {
				m.Post(func() {
					count(1)
					time.Sleep(time.Millisecond)
					count(-1)
				})
			}
			m.End()
		}
		group.Wait()
		if most != 3 || done != 40 {
			t.Errorf("%d functions ran, %d at a time", done, most)
		}
		if turns.free != 3 || turns.extra != 0 || turns.awaited() {
			t.Errorf("afterwards: %+v", turns)
		}
	})
}

// Whoever has worked before comes before those that have not, whatever came first. What is posted while a mailbox waits for its turn is run in it.
func TestWhatHasBegunComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		turns := NewTurns(1)
		var mu sync.Mutex
		var order []string
		says := func(what string) func() {
			return func() {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, what)
			}
		}
		old, busy := worker(&group, turns), worker(&group, turns)
		old.Post(says("old begins"))
		synctest.Wait()
		busy.Post(func() { time.Sleep(time.Millisecond) })
		synctest.Wait()
		for _, name := range []string{"first", "second"} {
			m := worker(&group, turns)
			m.Post(says(name))
			m.End()
			synctest.Wait()
		}
		old.Post(says("old"))
		synctest.Wait()
		old.Post(says("old again"))
		old.End()
		busy.End()
		group.Wait()
		if want := []string{"old begins", "old", "old again", "first", "second"}; !slices.Equal(order, want) {
			t.Errorf("order %q, want %q", order, want)
		}
	})
}

// A mailbox that waits for another which has no turn gets its answer, and afterwards there are as many turns as before.
func TestNoMailboxWaitsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		turns := NewTurns(2)
		answers := make(chan struct{})
		began := time.Now()
		for range 2 {
			m := worker(&group, turns)
			m.Post(func() { <-answers })
			m.End()
		}
		synctest.Wait()
		for range 5 {
			m := worker(&group, turns)
			m.Post(func() {
				select {
				case answers <- struct{}{}:
				case <-time.After(stuck / 4):
				}
			})
			m.End()
		}
		group.Wait()
		if took := time.Since(began); took < stuck || took > 4*stuck {
			t.Errorf("it took %v", took)
		}
		if turns.free != 2 || turns.extra != 0 || turns.awaited() {
			t.Errorf("afterwards: %+v", turns)
		}
	})
}

// A mailbox that waits for long has no turn meanwhile. Those that have begun elsewhere come before those that begin, too.
func TestAwaitTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		turns := NewTurns(1)
		over := make(chan struct{})
		began := time.Now()
		var order []string
		for range 5 {
			m := worker(&group, turns)
			m.Post(func() { m.Await(over) })
			m.End()
		}
		synctest.Wait()
		busy := worker(&group, turns)
		busy.Post(func() { time.Sleep(stuck / 2) })
		busy.End()
		synctest.Wait()
		for _, begun := range []bool{false, true} {
			m := Under(turns, begun)
			group.Go(m.Run)
			m.Post(func() { order = append(order, map[bool]string{false: "begins", true: "has begun"}[begun]) })
			m.End()
			synctest.Wait()
		}
		close(over)
		group.Wait()
		if took := time.Since(began); took != stuck/2 || !slices.Equal(order, []string{"has begun", "begins"}) {
			t.Errorf("it took %v; order %q", took, order)
		}
		if turns.free != 1 || turns.extra != 0 || turns.awaited() {
			t.Errorf("afterwards: %+v", turns)
		}
	})
}
