// Package lease lends the licenses of a hub's pool to boxes for a time. Pool is the hub's side: what is lent of one kind, as the value of one key that
// is changed by compare-and-set. Holder is the box's side: what it may count on, when it asks and for how much.
//
// It owns the rules and no means: it signs and verifies nothing, has no sockets, files, clock, locks or goroutines. Time is an argument.
//
// # What cannot happen
//
// Without grace, the boxes together never count on more than the pool has. Three rules see to it.
//
// The box lowers before the hub does: it counts on less, has that on its flash, and asks after that. The hub obeys a question of a box only when it
// is newer than those before it, so that a late one does not undo a later one. When the hub gives less than the box has, it keeps the difference
// until the box has said that it counts on no more, or its time is over.
//
// The box's time is over before the hub's is: a box counts the seconds of a lease from its question, and the hub gives a share to another only
// Margin after its end.
//
// Time that nobody watched does not pass at the hub. The pool has a time of its own, in which shares end. Each node of the hub adds to it what
// passed by its own clock since it wrote last, if that is no more than Gap; each writes at least every Watch. So clocks of nodes need not agree,
// and one that is set by a year takes nothing from anyone. After the hub was away, shares have as much time left as they had, and boxes that lived
// on their grace meanwhile find theirs.
//
// Margin covers what the pool's time can be ahead: by Gap, where one node has seen time pass of which another knew nothing when it lent; by Gap for
// each time that the clock of a node was set, by so little that it is not noticed (two of them a day); and a hundredth of a day for clocks
// that run wrong, which is a hundred times what quartz does.
//
// # Grace
//
// A box whose lease has ended while the hub was away counts on it for 30 days more. By then the hub, if it is not away for the others, has given
// its share to them: by so much the pool may be overdrawn, and by no more. A box that the hub has refused has no grace.
package lease

import "time"

const (
	Life   = 24 * time.Hour      // of a lease
	Grace  = 30 * 24 * time.Hour // after its end, while the hub is away
	Margin = time.Hour           // after its end until the hub gives the share to another
	Watch  = 5 * time.Minute     // each node of the hub calls Tend so often
	Gap    = 15 * time.Minute    // the most that a node's clock goes between its writes; beyond it, time has not passed

	MaxCount    = 65535   // licenses of a box
	MaxTotal    = 1 << 24 // and of a pool
	MaxBoxes    = 6144    // with a share of one pool: more than a customer has, since the shares of those that were removed last a day
	MaxSequence = 1 << 53 // what JSON carries everywhere
	MaxSerial   = 64      // characters
)
