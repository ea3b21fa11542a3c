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
// Margin after its end. Margin covers how far the clocks of the hub's nodes may differ (Gap, half an hour) and clocks that run wrong by two
// percent for a day (half an hour; quartz is wrong by a hundredth of that).
//
// Time that nobody watched does not pass at the hub. Some node writes the time into the pool at least every Watch. When a node finds that the
// time written there is more than Gap from its own clock, the hub was away or one of two clocks is wrong. It cannot know which, so all
// shares have as much time left as they had. Boxes that lived on their grace while the hub was away thus find their shares, and a
// clock that is wrong by a year takes nothing from anyone.
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
	Watch  = 10 * time.Minute    // the hub calls Tend so often
	Gap    = 30 * time.Minute    // between two times that the hub writes; beyond it, time has not passed

	MaxCount    = 65535   // licenses of a box
	MaxTotal    = 1 << 24 // and of a pool
	MaxBoxes    = 4096    // with a share of one pool
	MaxSequence = 1 << 53 // what JSON carries everywhere
	MaxSerial   = 64      // characters
)
