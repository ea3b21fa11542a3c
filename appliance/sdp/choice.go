package sdp

import "slices"

// Codecs are all that was agreed on: the other side of the call is offered nothing else but the other law of G.711.
func (c *Choice) Codecs() []Codec {
	list := append([]Codec{c.Codec}, c.Spares()...)
	if c.DTMF != nil {
		list = append(list, *c.DTMF)
	}
	if c.CN != nil {
		list = append(list, *c.CN)
	}
	return list
}

// Spares are the codecs that the peer may change to at any time.
func (c *Choice) Spares() (list []Codec) {
	for _, f := range c.Spare {
		if !f.Beside && !f.Same(c.Codec) && !slices.ContainsFunc(list, f.Same) {
			list = append(list, f.Codec)
		}
	}
	return list
}

// Reaches reports whether the relay can join all that one peer may send with what another one takes.
func (c *Choice) Reaches(to *Choice) bool {
	return !slices.ContainsFunc(c.Codecs(), func(from Codec) bool {
		return from.IsAudio() && !slices.ContainsFunc(to.Codecs(), func(o Codec) bool { return Joinable(from, o) })
	})
}
