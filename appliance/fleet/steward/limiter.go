package steward

import "time"

const (
	burst      = 20                     // requests of a box at once,
	every      = 200 * time.Millisecond // and then one in this time
	mostAtOnce = 4                      // requests of a box that wait for their answer
)

// limiter says how many requests of each box are served. It has no more boxes than the registry. It is not safe for concurrent use.
type limiter map[string]*account

type account struct {
	left    int
	at      time.Time // up to when left is counted
	waiting int
}

// take reports whether a request of a box is served; done is called when it is answered.
func (l limiter) take(box string, now time.Time) bool {
	a := l[box]
	if a == nil {
		a = &account{left: burst, at: now}
		l[box] = a
	}
	if n := int(now.Sub(a.at) / every); n > 0 {
		a.left, a.at = min(burst, a.left+n), now
	}
	if a.left == 0 || a.waiting >= mostAtOnce {
		return false
	}
	a.left--
	a.waiting++
	return true
}

func (l limiter) done(box string) {
	if a := l[box]; a != nil {
		a.waiting--
	}
}

// keep forgets boxes that are no more. One with a request under way stays until the next time.
func (l limiter) keep(known func(box string) bool) {
	for box, a := range l {
		if a.waiting == 0 && !known(box) {
			delete(l, box)
		}
	}
}
