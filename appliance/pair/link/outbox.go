package link

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"viaduct/appliance/pair"
)

const (
	window     = 1 << 20          // octets on their way of which the standby has not said that it has them
	maxOctets  = 128 << 20        // of all entries
	maxMissing = 1000             // entries that are refused and remembered as such
	overhead   = 200              // octets that an entry takes besides its ID and its value, about
	patience   = 10 * time.Second // for the standby to say that it has something
)

// outbox is what the active box has the standby keep: the table, and the stream of it that the standby has asked for.
//
// The stream has an order for each entry, and none among several: of an entry that changes while it waits, the newest value goes in its place.
type outbox struct {
	leads   bool
	epoch   uint64
	entries map[name]*entry
	counts  map[pair.Kind]int
	octets  int64
	refused uint64
	missing map[name]bool // what is refused as it stands now

	ask     uint64 // of the stream; 0: there is none
	seq     uint64 // of its last message
	queue   []*entry
	put     uint64 // position of the last entry that came into the queue. Positions count on from stream to stream
	whole   uint64 // position at which the stream has the whole table
	settled uint64 // up to this position the standby has everything
	flights []flight
	flying  int // octets of those
}

// name is what an entry is known by.
type name struct {
	kind pair.Kind
	id   string
}

type entry struct {
	change
	put    time.Time // of the value
	at     uint64    // its position in the queue
	queued bool
}

// flight is a message on its way.
type flight struct {
	seq    uint64
	at     uint64 // position of the last entry in it
	octets int
	sent   time.Time
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}

// lead begins an empty table.
func (o *outbox) lead() {
	*o = outbox{leads: true, epoch: random(), entries: map[name]*entry{}, counts: map[pair.Kind]int{}, missing: map[name]bool{}, put: o.put, refused: o.refused}
}

// rest ends it.
func (o *outbox) rest() { *o = outbox{put: o.put, refused: o.refused} }

// store puts an entry, or drops it.
func (o *outbox) store(c change) {
	if !o.leads {
		return
	}
	n := name{c.kind, c.id}
	e := o.entries[n]
	delete(o.missing, n)
	if c.value != nil && !o.fits(e, &c) {
		o.refused++
		if len(o.missing) < maxMissing {
			o.missing[n] = true
		}
		c.value = nil // an old value would be worse than none
	}
	if e == nil && c.value == nil {
		return
	}
	if e == nil {
		e = &entry{change: change{kind: c.kind, id: c.id}}
		o.entries[n] = e
		o.counts[c.kind]++
		o.octets += int64(overhead + len(c.id))
	}
	o.octets += int64(len(c.value) - len(e.value))
	e.value, e.put = c.value, time.Now()
	if c.value == nil {
		o.octets -= int64(overhead + len(c.id))
		delete(o.entries, n)
		o.counts[c.kind]--
	}
	o.put++
	if o.ask == 0 || e.queued {
		return
	}
	if len(o.queue) > 2*pair.MaxEntries {
		o.end() // the standby asks anew
		return
	}
	e.queued, e.at = true, o.put
	o.queue = append(o.queue, e)
}

// fits tells whether an entry is small enough, and there is room for it.
func (o *outbox) fits(before *entry, c *change) bool {
	if len(c.value) > pair.MaxValue || len(c.id) > maxID || c.id == "" || !slices.Contains(kinds, c.kind) {
		return false
	}
	if before == nil && len(o.entries) >= pair.MaxEntries {
		return false
	}
	had := 0
	if before != nil {
		had = len(before.value)
	}
	return o.octets+int64(overhead+len(c.id)+len(c.value)-had) <= maxOctets
}

// follow begins a stream, unless it is there already.
func (o *outbox) follow(ask uint64) {
	if !o.leads || ask == 0 || ask == o.ask {
		return
	}
	o.end()
	o.ask = ask
	o.queue = make([]*entry, 0, len(o.entries)+len(o.entries)/4)
	for _, e := range o.entries {
		o.put++
		e.queued, e.at = true, o.put
		o.queue = append(o.queue, e)
	}
	o.put++ // an empty table has a position, too, that the standby does not have yet
	o.whole = o.put
}

// end ends the stream.
func (o *outbox) end() {
	for _, e := range o.queue {
		e.queued = false
	}
	o.ask, o.seq, o.queue, o.flights, o.flying, o.whole = 0, 0, nil, nil, 0, 0
}

// next adds the next message to b, and tells whether there was one.
func (o *outbox) next(b []byte, now time.Time) ([]byte, bool) {
	if o.ask == 0 || o.flying >= window || len(o.queue) == 0 && o.seq > 0 {
		return b, false
	}
	start := len(b)
	o.seq++
	b = place{o.epoch, o.ask, o.seq}.append(b)
	flag := len(b)
	b = append(b, 0)
	f := flight{seq: o.seq, at: o.whole, sent: now} // of an empty table
	n := 0
	for ; n < len(o.queue); n++ {
		e := o.queue[n]
		if size := len(b) - start; n > 0 && size+e.size() > batch {
			break
		}
		e.age = now.Sub(e.put)
		b = e.append(b)
		f.at, e.queued = e.at, false
		o.queue[n] = nil
	}
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
		f.at = max(f.at, o.put) // what was put since has an entry that was waiting before it, and is here
	}
	if f.at >= o.whole {
		b[flag] = 1
	}
	f.octets = len(b) - start
	o.flights = append(o.flights, f)
	o.flying += f.octets
	return b, true
}

// at is how far the stream has come, for those who follow. ask is 0 when there is none.
func (o *outbox) at() place { return place{o.epoch, o.ask, o.seq} }

// arrived takes from the standby how far it has come.
func (o *outbox) arrived(p place) {
	if p.epoch != o.epoch || p.ask != o.ask || o.ask == 0 {
		return
	}
	n := 0
	for ; n < len(o.flights) && o.flights[n].seq <= p.seq; n++ {
		o.flying -= o.flights[n].octets
		if at := o.flights[n].at; at >= o.whole {
			o.settled = max(o.settled, at)
		}
	}
	if o.flights = o.flights[n:]; len(o.flights) == 0 {
		o.flights = nil
	}
}

// late tells whether the standby says nothing any more of what is on its way.
func (o *outbox) late(now time.Time) bool {
	return len(o.flights) > 0 && now.Sub(o.flights[0].sent) > patience
}

// synced tells whether the standby has the whole table, save for what is on its way for a moment.
func (o *outbox) synced(now time.Time) bool {
	const moment = 2 * time.Second
	return o.has(0) && (len(o.flights) == 0 || now.Sub(o.flights[0].sent) < moment)
}

// has tells whether the standby has all up to a position.
func (o *outbox) has(position uint64) bool {
	return o.ask != 0 && o.seq > 0 && o.settled >= max(o.whole, position)
}
