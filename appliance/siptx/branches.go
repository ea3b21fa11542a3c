package siptx

import "viaduct/appliance/sipmsg"

// Branches are the transactions of one INVITE that goes to several phones at once. Their responses count together, as those of a forking
// proxy's branches do (RFC 3261 16.7): the first 2xx has the call and the others are cancelled, a 6xx has the others cancelled, and when all
// have refused the best refusal is that of the call. What fails on the way to one phone concerns that one alone. Branches belong to one
// goroutine.
type Branches struct {
	list  []branch
	state branchesState
	best  int // of the refusals
}

type branchesState uint8

const (
	branchesAsked    branchesState = iota // somebody may still answer
	branchesGivenUp                       // nobody shall: all have been cancelled
	branchesAnswered                      // the first 2xx came
	branchesRefused                       // all have refused
)

// branch is one of them. Its result is what the call gets if it is the best.
type branch struct {
	tx    interface{ GiveUp(h []sipmsg.Header) } // nil: nothing was sent
	final bool
	over  bool // by a BYE: a 2xx comes too late
	res   *sipmsg.Response
	err   error
}

// Verdict is what the result of a branch means for the call.
type Verdict uint8

const (
	Ignored     Verdict = iota // nothing
	Provisional                // a phone rings
	Accepted                   // the first 2xx
	Unwanted                   // another one, or one that comes again: it wants an ACK, and another dialog its end
	Refused                    // all have refused: see Best
)

// What is said in the CANCEL to phones that stop to ring: without the first, each would show a missed call (RFC 3326).
var (
	elsewhere = []sipmsg.Header{{Name: "Reason", Value: `SIP;cause=200;text="Call completed elsewhere"`}}
	declined  = []sipmsg.Header{{Name: "Reason", Value: `SIP;cause=603;text="Declined elsewhere"`}}
)

// Add adds the transaction with a phone, nil when it could not begin. Its number counts from 0.
func (b *Branches) Add(tx *Client) {
	x := branch{}
	if tx != nil {
		x.tx = tx
	}
	b.list = append(b.list, x)
}

// Take is told the result of a transaction by its number, as Client tells it.
func (b *Branches) Take(n int, res *sipmsg.Response, err error) Verdict {
	x := &b.list[n]
	switch {
	case err == nil && res.StatusCode/100 == 2:
		x.final = true
		if x.over || b.state >= branchesAnswered {
			return Unwanted
		}
		b.state = branchesAnswered
		b.cancel(elsewhere)
		return Accepted
	case x.final:
		return Ignored
	case err == nil && res.StatusCode < 200:
		if b.state != branchesAsked {
			return Ignored
		}
		return Provisional
	}
	x.final, x.res, x.err = true, res, err
	if err == nil && res.StatusCode >= 600 && b.state == branchesAsked {
		b.state = branchesGivenUp
		b.cancel(declined)
	}
	return b.settled()
}

// HungUp is told that a phone has ended its early dialog with a BYE. Whatever its final response is, it has refused.
func (b *Branches) HungUp(n int) Verdict {
	x := &b.list[n]
	if x.final {
		return Ignored
	}
	x.final, x.over = true, true
	return b.settled()
}

// GiveUp cancels all, with these headers. It reports Refused when nothing is under way any more.
func (b *Branches) GiveUp(h []sipmsg.Header) Verdict {
	if b.state > branchesGivenUp {
		return Ignored
	}
	b.state = branchesGivenUp
	b.cancel(h)
	return b.settled()
}

// cancel gives up what has no final response.
func (b *Branches) cancel(h []sipmsg.Header) {
	for n := range b.list {
		if x := &b.list[n]; !x.final && x.tx != nil {
			x.tx.GiveUp(h)
		}
	}
}

// settled finds the best refusal once all have refused.
func (b *Branches) settled() Verdict {
	if b.state > branchesGivenUp {
		return Ignored
	}
	for n := range b.list {
		if !b.list[n].final {
			return Ignored
		}
	}
	b.state = branchesRefused
	for n := range b.list {
		if b.list[n].rank() < b.list[b.best].rank() {
			b.best = n
		}
	}
	return Refused
}

// Best is the number of the branch whose refusal is the call's, and that refusal: a response, or an error if none came from any phone. Both
// are nil for one that has hung up.
func (b *Branches) Best() (n int, res *sipmsg.Response, err error) {
	return b.best, b.list[b.best].res, b.list[b.best].err
}

// rank orders refusals, the best first (16.7 step 6): a 6xx goes before all others, then the lowest class counts. In a class what says most of
// the person goes first. That a phone cannot be reached, or says nothing, says least.
func (x *branch) rank() int {
	switch {
	case x.res == nil && x.err == nil:
		return 400 + 7 // it has hung up
	case x.res == nil && x.err == ErrTimeout:
		return 400 + 9
	case x.res == nil:
		return 500 + 9
	case x.res.StatusCode >= 600:
		return 0
	}
	class := x.res.StatusCode / 100 * 100
	switch x.res.StatusCode {
	case 486:
		return class + 1
	case 480:
		return class + 2
	case 415, 420, 484, 488: // another try may do better
		return class
	case 401, 403, 404, 407, 481: // it speaks of itself
		return class + 6
	case 408, 487:
		return class + 8
	case 503:
		return class + 8
	}
	return class + 4
}
