package records

import (
	"bytes"
	"sync"
	"sync/atomic"

	"viaduct/appliance/cdr"
	"viaduct/appliance/flash"
	"viaduct/appliance/pair"
	"viaduct/appliance/status"
)

// The standby of a pair keeps the records of the active box: those that the web server has, which it writes to its own files, and those that wait. When it
// takes over it sends these, and what its own files hold from before counts as sent: the other box had the same in its turn.

// A value of the table is one of these, and the line of the file behind it.
const (
	waits = 'w' // for the web server
	done  = 'd' // nobody waits for it
)

const (
	mostDone  = 1000   // records that the standby may still have to fetch
	mostWaits = 10_000 // and that the web server has not taken
)

// told is what the standby keeps.
type told struct {
	to pair.Sender
	on atomic.Bool // the box is one of a pair

	mu   sync.Mutex
	wait []string // keys, the oldest first
	done []string
}

// put has it keep a record.
func (t *told) put(key string, line []byte, wait bool) {
	if !t.on.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait {
		t.wait = t.add(t.wait, key, mostWaits)
	} else {
		t.done = t.add(t.done, key, mostDone)
	}
	t.send(key, line, wait)
}

func (t *told) send(key string, line []byte, wait bool) {
	mark := byte(done)
	if wait {
		mark = waits
	}
	t.to.Put(pair.Records, key, append([]byte{mark}, line...))
}

// add puts a key at the end of a list, and what is too much is not kept any more.
func (t *told) add(list []string, key string, most int) []string {
	if list = append(list, key); len(list) > most {
		t.to.Drop(pair.Records, list[0])
		list = list[1:]
	}
	return list
}

// taken tells it that the web server has taken a batch.
func (t *told) taken(b batch) {
	if !t.on.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	took := map[string]bool{}
	for n, key := range b.ids {
		took[key] = true
		t.done = t.add(t.done, key, mostDone)
		t.send(key, b.entries[n].Line, false)
	}
	left := t.wait[:0]
	for _, key := range t.wait {
		if !took[key] {
			left = append(left, key)
		}
	}
	t.wait = left
}

// Pair says whether the box is one of a pair, and whether the other one acts: then nothing is sent to the web server, and what waits goes on waiting.
func (a *Archive) Pair(paired, hold bool) {
	a.told.on.Store(paired)
	if a.poster.hold.Swap(hold) == hold {
		return
	}
	select {
	case a.poster.changed <- struct{}{}:
	default:
	}
}

// copies are the records of the other box that are here.
type copies struct {
	mu   sync.Mutex
	have map[string]bool // keys; nil: the files have not been looked at
}

// missing are the records of the table that are not here yet, with those that wait if asked for. All are counted as here then.
func (a *Archive) missing(kept []pair.Kept, wait bool) (lines [][]byte) {
	c := &a.copies
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have == nil {
		c.have = map[string]bool{}
		last, err := a.Last(mostDone + mostWaits)
		if err != nil {
			a.o.Log.Warn("own call records not compared with those of the other box", "err", err)
		}
		for _, r := range last {
			c.have[cdr.Key(r)] = true
		}
	}
	still := map[string]bool{}
	for _, k := range kept {
		if len(k.Value) < 2 || k.Value[0] == waits && !wait {
			continue
		}
		line := k.Value[1:]
		if r, err := status.ReadRecord(line); err != nil || cdr.Key(r) != k.ID || bytes.ContainsAny(line, "\r\n") {
			continue
		}
		still[k.ID] = true
		if !c.have[k.ID] {
			lines = append(lines, line)
		}
	}
	if len(still) > 0 {
		c.have = still // what the other box does not tell of any more, it will not tell of again
	}
	return lines
}

// Copy writes what the other box has told, and what nobody waits for.
func (a *Archive) Copy(kept []pair.Kept) {
	if len(kept) > 0 {
		a.keep(a.missing(kept, false))
	}
}

// TakeOver goes on where the other box was: what waits for the web server is sent from here, and nothing else of before.
func (a *Archive) TakeOver(kept []pair.Kept) {
	if len(kept) == 0 {
		return // it has told of none
	}
	if _, err := a.with(func(log *flash.Log) (int, error) {
		end, err := log.End()
		if err == nil {
			a.poster.records.Skip(end)
		}
		return 0, err
	}); err != nil {
		a.o.Log.Warn("call records from before the pair switched may be sent twice", "err", err)
	}
	lines := a.missing(kept, true)
	for _, line := range lines {
		if r, err := status.ReadRecord(line); err == nil {
			a.told.put(cdr.Key(r), line, a.posts())
		}
	}
	a.keep(lines)
}

// keep has lines written.
func (a *Archive) keep(lines [][]byte) {
	if len(lines) == 0 {
		return
	}
	a.mu.Lock()
	a.held = append(a.held, lines...)
	running := a.log != nil
	a.mu.Unlock()
	if running {
		a.flush()
	}
}

// posts reports whether a web server wants records.
func (a *Archive) posts() bool {
	s := a.settings.Load()
	return s != nil && s.Post.URL != ""
}

// Of is the ID of a call of whose end the other box has told; false: it is nothing of a record.
func Of(k pair.Kept) (call string, ok bool) {
	if len(k.Value) < 2 {
		return "", false
	}
	r, err := status.ReadRecord(k.Value[1:])
	return r.ID, err == nil && r.ID != ""
}
