package lease

import (
	"slices"
	"time"
)

// mark is what a node of the hub wrote last.
type mark struct {
	Node  string `json:"n"`
	Clock int64  `json:"c"` // what its clock showed, in microseconds since 1970
	Time  int64  `json:"t"` // and the time of the pool then
}

const (
	micro    = int64(time.Second / time.Microsecond)
	maxMarks = 8
	maxName  = 64
	maxTime  = int64(1) << 55 // in the year 3111
)

// timely reports whether a pool can have such a time and such marks.
func timely(now int64, marks []mark) bool {
	return now >= 0 && now < maxTime && len(marks) <= maxMarks && !slices.ContainsFunc(marks, func(m mark) bool {
		return m.Time < 0 || m.Time > now || m.Clock <= -maxTime || m.Clock >= maxTime || len(m.Node) > maxName
	})
}

func (p Pool) seconds() int64 { return p.time / micro }

// clock is what the clock of a node shows, which shows now, at another time of the pool.
func (p Pool) clock(at int64, now time.Time) time.Time {
	return now.Add(time.Duration(at*micro-p.time) * time.Microsecond).UTC().Truncate(time.Second)
}

func markOf(node string) func(mark) bool { return func(m mark) bool { return m.Node == node } }

// watched returns a copy of the pool in which time has passed as far as a node knows, and how far the node's clock leapt, if it did.
//
// A node adds what has passed by its own clock since it wrote last to the time that the pool had then. That is no time when its clock went
// back, or so far that the node was away or its clock was set. The pool's time is the furthest that any node has come.
func (p Pool) watched(node string, now time.Time) (next Pool, leapt time.Duration) {
	p.shares, p.marks = slices.Clone(p.shares), slices.Clone(p.marks)
	clock := min(max(now.UnixMicro(), 1-maxTime), maxTime-1)
	if p.time == 0 {
		p.time = max(clock, 1)
	}
	i := slices.IndexFunc(p.marks, markOf(node))
	if i < 0 {
		if len(p.marks) >= maxMarks {
			oldest := slices.MinFunc(p.marks, func(a, b mark) int { return int(min(max(a.Time-b.Time, -1), 1)) })
			p.marks = slices.DeleteFunc(p.marks, markOf(oldest.Node))
		}
		p.marks = append(p.marks, mark{node, clock, p.time})
		return p, 0
	}
	m := &p.marks[i]
	const gap = int64(Gap / time.Microsecond)
	switch passed := clock - m.Clock; {
	case passed > gap || passed < -gap:
		leapt = time.Duration(passed) * time.Microsecond
	case passed <= 0: // what it is behind was counted before
		return p, 0
	default:
		p.time = min(max(p.time, m.Time+passed), maxTime-1)
	}
	m.Clock, m.Time = clock, p.time
	return p, leapt
}

// wants reports whether a node is to write the time.
func (p Pool) wants(node string, now time.Time) bool {
	i := slices.IndexFunc(p.marks, markOf(node))
	if i < 0 {
		return true
	}
	passed := time.Duration(now.UnixMicro()-p.marks[i].Clock) * time.Microsecond
	return passed >= Watch/2 || passed < -Gap
}
