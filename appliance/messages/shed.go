package messages

// makeRoom sheds until there is room for a message of so many blocks, and reports whether it had to.
func (s *Store) makeRoom(blocks int) (shed bool) {
	for l := &s.lists[stray]; l.blocks+blocks > s.blocks/8 && l.length > 0 || l.length >= max(1, len(s.dialogs)/8); shed = true {
		s.drop(l.head)
	}
	for ; s.texts.free.left < blocks || s.unused.left == 0; shed = true {
		s.shedOne()
	}
	return shed
}

// shedOne sheds a call, or the messages of one: the first that the classes name.
func (s *Store) shedOne() {
	if d := s.oldest(); d != none {
		s.drop(d)
		return
	}
	if d := s.lists[stray].head; d != none {
		s.drop(d)
		return
	}
	if d := s.lists[live].head; d != none {
		s.empty(d)
		return
	}
	s.drop(s.lists[lastFailed].head)
}

// oldest is the oldest call that is over and is not kept longest, or none.
func (s *Store) oldest() int32 {
	d := s.lists[ended].head
	failed := &s.lists[lastFailed]
	if failed.length <= s.failed && failed.blocks <= s.blocks/2 {
		return d
	}
	if d == none || s.dialogs[failed.head].ended < s.dialogs[d].ended {
		return failed.head
	}
	return d
}

// drop forgets a dialog, and with it those of the same call.
func (s *Store) drop(d int32) {
	s.take(d)
	for d != none {
		x := &s.dialogs[d]
		if x.of != none && x.of != d {
			s.lists[x.class].blocks -= int(x.blocks)
		}
		s.clear(x)
		b := s.bucket(x.hash)
		for *b != d {
			b = &s.dialogs[*b].chain
		}
		*b = x.chain
		x.next, s.idle.head = s.idle.head, d
		s.idle.left++
		d = x.mate
	}
}

// empty sheds the messages of a live dialog, which goes on.
func (s *Store) empty(d int32) {
	x := &s.dialogs[d]
	s.take(d)
	lost := x.count
	s.clear(x)
	x.shed += lost
	x.class = emptied
	s.give(d)
}

// clear frees the messages of a dialog that stands in no list.
func (s *Store) clear(x *dialog) {
	for i := x.first; i != none; {
		next := s.messages[i].next
		s.release(i)
		i = next
	}
	x.first, x.last, x.opening, x.count, x.blocks = none, none, none, 0, 0
}
