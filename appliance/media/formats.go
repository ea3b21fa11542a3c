package media

import (
	"cmp"

	"viaduct/appliance/audio"
)

// formats are what payload types mean on a side.
type formats struct {
	received, wanted PayloadTypes // numbers that the peer sends, and that it wants to receive
	rate             int64        // of RTP timestamps
	voice            *audio.Codec // in both directions; nil: packets pass as they are
	codec            string
	spare            []Format
	claimed          audio.Numbers // see Params
	loss             audio.Impairment
}

func (f *formats) set(p *Params) {
	f.wanted = PayloadTypes{p.AudioPT, p.DTMFPT, p.CNPT}
	if f.received = f.wanted; p.Received != nil {
		f.received = *p.Received
	}
	f.rate = int64(cmp.Or(p.Rate, 8000))
	f.voice, f.codec, f.spare, f.claimed, f.loss = p.Voice, p.Codec, p.Spare, p.Claimed, p.Loss
}

// translate turns a payload type that this side sends into the number that the other side wants, NoPT when it was not agreed.
func (f *formats) translate(pt uint8, other *formats) uint8 {
	switch pt {
	case f.received.Audio:
		return other.wanted.Audio
	case f.received.DTMF:
		return other.wanted.DTMF
	case f.received.CN:
		return other.wanted.CN
	}
	return NoPT
}

// Some packets have other numbers than those of the first codec, of events and of comfort noise. A peer that answers with several formats may
// send any of them at any time (RFC 3264 section 7), and some peers send under the numbers of their own description. What follows is for such
// packets only.

// find is the spare format that a peer sends under a number, nil for none.
func (f *formats) find(number uint8) *Format {
	for i := range f.spare {
		if f.spare[i].Received == number {
			return &f.spare[i]
		}
	}
	return nil
}

// target says under which number a side gets a spare format of the other side, NoPT when it cannot have it, and from which codec it is to be
// converted into which. The side's first codec is preferred: it then hears no change.
func (f *formats) target(x *Format) (pt uint8, from, to *audio.Codec) {
	switch {
	case audio.Converts(x.Voice, f.voice):
		return f.wanted.Audio, x.Voice, f.voice
	case x.Codec == f.codec:
		return f.wanted.Audio, x.Voice, nil
	}
	pt, to = f.spareTarget(x)
	return pt, x.Voice, to
}

// spareTarget is target among the spare formats: one of the same codec, or else one of a codec that x can be converted into.
func (f *formats) spareTarget(x *Format) (pt uint8, voice *audio.Codec) {
	pt = NoPT
	for _, own := range f.spare {
		switch {
		case own.Codec == x.Codec:
			return own.Wanted, own.Voice
		case audio.Converts(x.Voice, own.Voice):
			pt, voice = own.Wanted, own.Voice
		}
	}
	return pt, voice
}

// ownEvent reports whether a packet is a telephone-event under a number of the peer's own, where nothing else has that number. Phones send
// 96, 97 or 126 where 101 was offered or answered.
func (f *formats) ownEvent(number uint8, payload []byte) bool {
	return number >= audio.FirstDynamic && !f.claimed.Has(number) && f.received.DTMF != NoPT &&
		len(payload) == 4 && payload[0] <= audio.LastEvent && payload[1]&0x40 == 0
}
