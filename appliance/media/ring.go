package media

import "fmt"

// Ring plays the ringing tone to a side, or ends it. Voice of the other side ends it too. It fails when the box cannot
// encode the side's codec.
func (s *Session) Ring(to Side, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.opened[to] == nil:
		return fmt.Errorf("media side %s: not open", to)
	}
	var err error
	s.thread.do(func() {
		o := &s.legs[to]
		switch {
		case !on:
			if o.out.noise != nil && o.out.noise.ring {
				o.out.noise.active = false
			}
		case o.formats.voice == nil:
			err = fmt.Errorf("media side %s: no ringing tone in its codec", to)
		default:
			s.thread.startSound(o, true)
		}
	})
	return err
}
