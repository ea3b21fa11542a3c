package lease

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable"
)

// Pool is what a hub has lent of one kind of license. The zero Pool has lent nothing. It is a value: what changes it returns another one.
type Pool struct {
	time   int64   // that has passed, in microseconds: see watch.go
	marks  []mark  // of the hub's nodes
	shares []share // by serial
}

// share is what one box has. It is there with nothing in it, too, for its sequence.
type share struct {
	Serial   string `json:"s"`
	Sequence uint64 `json:"q"`           // the last that was obeyed
	Want     int    `json:"w,omitempty"` // asked for with it
	Count    int    `json:"c,omitempty"` // lent
	Until    int64  `json:"u,omitempty"` // end of the lease, in seconds of the pool's time
	Kept     int    `json:"k,omitempty"` // more than Count: what the box may still count on, since it does not know yet that it has less
	End      int64  `json:"e,omitempty"` // of that
}

// Terms are the hub's for one kind of license.
type Terms struct {
	Node  string         // of the hub, that judges: each has a name of its own
	Total int            // the sum of the pool's license keys that are valid now
	Boxes map[string]Box // by name: all that may have leases, whether they ask or not; a box that is not among them is refused

	ready bool
	kept  []Box // those with a minimum, by serial
}

// Ready returns the terms with that done which Grant needs each time. Boxes must not change any more.
func (t Terms) Ready() Terms {
	if t.ready {
		return t
	}
	t.ready, t.kept = true, nil
	for _, b := range t.Boxes {
		if b.Min > 0 {
			t.kept = append(t.kept, b)
		}
	}
	slices.SortFunc(t.kept, func(a, b Box) int { return cmp.Compare(a.Serial, b.Serial) })
	return t
}

// Box is what the hub's register says of a box.
type Box struct {
	Serial string // leases are bound to it; no two boxes have the same
	Min    int    // kept for it, asked for or not
	Max    int    // that it may have; MaxCount: as many as there are
}

// Answer is what the hub does about a request.
type Answer struct {
	Write bool             // the pool has changed. The answer goes out when it was written in place of the one that was read, not before
	Reply fleet.LeaseReply // without Lease and Keys
	Count int              // what the lease to be signed is for; 0: none, and Reply goes as it is
	From  time.Time        // when it begins
	Until time.Time        // and ends
	Leapt time.Duration    // how far the node's clock went since the node wrote last, when that is more than Gap, or back: it was away, or its clock was set
}

// value is a Pool as it is kept.
type value struct {
	Version int     `json:"version"`
	Time    int64   `json:"time"`
	Marks   []mark  `json:"nodes"`
	Shares  []share `json:"shares"`
}

const poolVersion = 1

// Value is the pool as the value of its key.
func (p Pool) Value() []byte {
	text, _ := json.Marshal(value{poolVersion, p.time, p.marks, p.shares}) // numbers and strings
	return text
}

// Open reads a value. One that cannot be read is not to be replaced: what it says of lent licenses would be forgotten.
func Open(text []byte) (Pool, error) {
	var v value
	if err := json.Unmarshal(text, &v); err != nil {
		return Pool{}, fmt.Errorf("the pool is damaged: %w", err)
	}
	if v.Version != poolVersion {
		return Pool{}, fmt.Errorf("the pool is of version %d, and this hub knows version %d", v.Version, poolVersion)
	}
	if len(v.Shares) > MaxBoxes {
		return Pool{}, fmt.Errorf("the pool has shares of %d boxes, which is more than %d", len(v.Shares), MaxBoxes)
	}
	if !timely(v.Time, v.Marks) {
		return Pool{}, errors.New("the pool is damaged: its time is none")
	}
	latest := v.Time/micro + int64(Life/time.Second)
	for i, s := range v.Shares {
		sorted := i == 0 || v.Shares[i-1].Serial < s.Serial
		if !sorted || checkSerial(s.Serial) != nil || !counts(s.Want, s.Count, s.Kept) || s.Sequence > MaxSequence || max(s.Until, s.End) > latest {
			return Pool{}, fmt.Errorf("the pool is damaged at its share %d", i+1)
		}
	}
	return Pool{v.Time, v.Marks, v.Shares}, nil
}

func checkSerial(serial string) error {
	if serial == "" || len(serial) > MaxSerial || strings.IndexFunc(serial, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return fmt.Errorf("%q is no serial number: it has 1 to %d characters of ASCII without spaces", printable.Text(serial), MaxSerial)
	}
	return nil
}

func counts(list ...int) bool {
	return !slices.ContainsFunc(list, func(n int) bool { return n < 0 || n > MaxCount })
}

// counted is how much of the pool the share takes at a time.
func (s *share) counted(now int64) (n int) {
	const margin = int64(Margin / time.Second)
	if now < s.Until+margin {
		n = s.Count
	}
	if now < s.End+margin {
		n = max(n, s.Kept)
	}
	return n
}

// find is where the share of a box is, or belongs.
func (p Pool) find(serial string) (int, bool) {
	return slices.BinarySearchFunc(p.shares, serial, func(s share, serial string) int { return cmp.Compare(s.Serial, serial) })
}

// Grant obeys a request of a box. Box is its name, as the hub knows it from the subject of the request.
func (p Pool) Grant(box string, r fleet.LeaseRequest, t Terms, now time.Time) (Pool, Answer) {
	b, known := t.Boxes[box]
	switch {
	case !known:
		return p, refused("the hub gives no licenses to " + printable.Text(box) + ": it was revoked or removed")
	case b.Serial != r.Serial:
		return p, refused(fmt.Sprintf("the hub knows %s by the serial number %s, and not by %s: remove it and add it again", printable.Text(box),
			printable.Text(b.Serial), printable.Text(r.Serial)))
	}
	if err := check(r); err != nil {
		return p, Answer{Reply: fleet.LeaseReply{Error: err.Error()}}
	}
	next, leapt := p.watched(t.Node, now)
	i, found := next.find(r.Serial)
	if !found {
		if len(next.shares) >= MaxBoxes {
			return p, Answer{Reply: fleet.LeaseReply{Error: fmt.Sprintf("the pool has shares of %d boxes, and can have no more", MaxBoxes)}}
		}
		next.shares = slices.Insert(next.shares, i, share{Serial: r.Serial})
	}
	s := &next.shares[i]
	room := next.room(i, b, t)
	if found && r.Sequence <= s.Sequence {
		a := next.answer(s, b, room, now)
		if r.Sequence < s.Sequence || r.Want != s.Want {
			a.Reply.Error = fmt.Sprintf("the request %d is not newer than the last one, %d", r.Sequence, s.Sequence)
		}
		return p, a
	}

	// The box counts on what it says that it has, and the hub has lent it so much at most, save what it counts on by grace.
	has, end := min(r.Has, s.counted(next.seconds())), max(s.Until, s.End)
	s.Sequence, s.Want = r.Sequence, r.Want
	s.Count, s.Until = min(r.Want, b.Max, room, MaxCount), 0
	if s.Count > 0 {
		s.Until = next.seconds() + int64(Life/time.Second)
	}
	s.Kept, s.End = 0, 0
	if has > s.Count {
		s.Kept, s.End = has, end
	}
	a := next.answer(s, b, room, now)
	a.Leapt, a.Write = leapt, true
	return next, a
}

func refused(why string) Answer {
	return Answer{Reply: fleet.LeaseReply{Error: why, Refused: true}}
}

// check says why a request is none.
func check(r fleet.LeaseRequest) error {
	switch {
	case r.Version != fleet.Version:
		return fmt.Errorf("the request is of version %d, and this hub knows version %d", r.Version, fleet.Version)
	case !counts(r.Want, r.Has) || r.Has > r.Want:
		return fmt.Errorf("a box that has %d cannot want %d: both are 0 to %d, and it lowers its own count first", r.Has, r.Want, MaxCount)
	case r.Sequence == 0 || r.Sequence > MaxSequence:
		return errors.New("the request has no sequence")
	}
	return checkSerial(r.Serial)
}

// room is how much the box of a share may have, beside what others have and what is kept for them. When the pool has less than is kept, a box gets
// of what nobody has up to its own minimum: who asks first, has it.
func (p Pool) room(own int, b Box, t Terms) int {
	total := int64(min(t.Total, MaxTotal))
	var taken, kept int64
	minimums, now := t.Ready().kept, p.seconds()
	for i := range p.shares {
		s := &p.shares[i]
		for ; len(minimums) > 0 && minimums[0].Serial < s.Serial; minimums = minimums[1:] {
			kept += int64(minimums[0].Min)
		}
		n, least := s.counted(now), 0
		if len(minimums) > 0 && minimums[0].Serial == s.Serial {
			least, minimums = minimums[0].Min, minimums[1:]
		}
		if i != own {
			taken += int64(n)
			kept += int64(max(0, least-n))
		}
	}
	for _, b := range minimums {
		kept += int64(b.Min)
	}
	return int(max(0, total-taken-kept, min(int64(b.Min), total-taken)))
}

// answer says what a share has.
func (p Pool) answer(s *share, b Box, room int, now time.Time) Answer {
	a := Answer{Reply: fleet.LeaseReply{Sequence: s.Sequence, Min: b.Min, Max: b.Max, Free: max(0, min(room, b.Max)-s.Count)}}
	if left := s.Until - p.seconds() - 1; s.Count > 0 && left > 0 { // the pool is a part of a second later
		a.Reply.Left = int(left)
		a.Count, a.Until = s.Count, p.clock(s.Until, now)
		a.From = a.Until.Add(-Life)
	}
	return a
}

// Tend has time pass and forgets shares that are over of boxes that may have none. The hub calls it every Watch, on each node, since each measures by
// its own clock; write says whether there is anything to be written.
func (p Pool) Tend(t Terms, now time.Time) (next Pool, write bool, leapt time.Duration) {
	if !p.wants(t.Node, now) {
		return p, false, 0
	}
	next, leapt = p.watched(t.Node, now)
	known := make(map[string]bool, len(t.Boxes))
	for _, b := range t.Boxes {
		known[b.Serial] = true
	}
	next.shares = slices.DeleteFunc(next.shares, func(s share) bool { return !known[s.Serial] && s.counted(next.seconds()) == 0 })
	return next, true, leapt
}

// Share is what a box has of a pool, for those who look at it.
type Share struct {
	Serial string
	Count  int       // lent
	Until  time.Time // end of the lease; zero: it has none
	Taken  int       // how much of the pool that takes now: more than Count while the box may not know that it has less, and for Margin after Until
}

// Shares are those of the boxes that have one, and what they take together.
func (p Pool) Shares(now time.Time) (list []Share, taken int) {
	for _, m := range p.marks {
		if m.Time == p.time {
			p, _ = p.watched(m.Node, now) // whoever wrote last
			break
		}
	}
	at := p.seconds()
	for i := range p.shares {
		s := &p.shares[i]
		n := s.counted(at)
		if n == 0 {
			continue
		}
		taken += n
		shown := Share{Serial: s.Serial, Taken: n}
		if at < s.Until {
			shown.Count, shown.Until = s.Count, p.clock(s.Until, now)
		}
		list = append(list, shown)
	}
	return list, taken
}
