package media

import "viaduct/appliance/audio"

// prepareVoice makes a packet of voice ready for the other side of l: it leaves out pauses where that side agreed on comfort noise, and
// converts the voice when to is another codec. Of a pause the first packet becomes a description of the background (RFC 3389). It returns
// the packet's new length and payload type, NoPT when the packet must not be sent.
func (t *thread) prepareVoice(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, pt uint8, from, to *audio.Codec) (int, uint8) {
	o := l.other
	o.out.endNoise()
	suppress, convert := o.out.suppress && o.formats.wanted.CN != NoPT, to != nil && to != from
	if !suppress && !convert && o.out.size == 0 {
		return n, pt
	}
	if p[0]&0x20 != 0 && n > header { // padding is no voice
		n = max(n-int(p[n-1]), header)
		p[0] &^= 0x20
	}
	if n == header {
		return n, pt // a packet without voice keeps a path through a NAT open
	}
	octets := p[header:n]
	if suppress && !o.out.stream.restart && ssrc == o.out.stream.from {
		switch l.in.spoken.Judge(octets, from, seq, t.now) {
		case audio.Onset:
			o.out.stream.marker = true
		case audio.Describe:
			p[header] = l.in.spoken.Level()
			return header + 1, o.formats.wanted.CN
		case audio.Withhold:
			o.out.stream.seqDelta-- // it leaves no gap in the numbers
			return n, NoPT
		case audio.Stale:
			return n, NoPT
		}
	} else {
		l.in.spoken = audio.Activity{} // another source
	}
	if convert {
		audio.Convert(octets, from, to)
	}
	return n, pt
}
