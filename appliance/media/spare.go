package media

import "viaduct/appliance/audio"

// Packets under other numbers than those of the first codec, of events and of comfort noise. Whoever answers an offer with several formats
// may send any of them at any time (RFC 3264 section 7), and some peers send under the numbers of their own description. Only packets
// that the usual way does not know come here.

// format is the spare format that a peer sends under a number, nil for none.
func (l *leg) format(number uint8) *Format {
	for i := range l.spare {
		if l.spare[i].Received == number {
			return &l.spare[i]
		}
	}
	return nil
}

// takes says under which number a side gets voice of a spare format of the other one, NoPT when it cannot have it, and from which codec
// it is to be converted into which. The side's first codec is preferred: it then hears no change.
func (l *leg) takes(f *Format) (pt uint8, from, to *audio.Codec) {
	switch {
	case audio.Converts(f.Voice, l.voice):
		return l.out.Audio, f.Voice, l.voice
	case f.Codec == l.codec:
		pt = l.out.Audio
	default:
		pt, to = l.wants(f)
	}
	if l.noise != nil {
		l.noise.active = false
	}
	return pt, f.Voice, to
}

// wants finds a spare format of a side for another side's: of the same codec, or else of one that it can be converted into.
func (l *leg) wants(f *Format) (pt uint8, voice *audio.Codec) {
	pt = NoPT
	for _, own := range l.spare {
		switch {
		case own.Codec == f.Codec:
			return own.Wanted, own.Voice
		case audio.Converts(f.Voice, own.Voice):
			pt, voice = own.Wanted, own.Voice
		}
	}
	return pt, voice
}

// firstDynamic is the first payload type that means something only by a description.
const firstDynamic = 96

// ownEvent reports whether a packet is a telephone-event under a number of the peer's own, where nothing else has that number. Phones send
// 96, 97 or 126 where 101 was offered or answered.
func (l *leg) ownEvent(number uint8, payload []byte) bool {
	return number >= firstDynamic && l.claimed>>(number-firstDynamic)&1 == 0 && l.in.DTMF != NoPT &&
		len(payload) == 4 && payload[0] <= lastEvent && payload[1]&0x40 == 0
}
