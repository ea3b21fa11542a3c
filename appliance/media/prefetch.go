package media

// What relaying needs of a call does not stay in the processor's caches when there are hundreds: reading it line by line while each
// packet is handled costs a quarter of all time in waiting. Packets come in batches, so the lines of all their calls are asked for
// together, before the first packet is handled, and the processor waits for many at once.

// prefetch reads from each cache line that a packet of l will need; the sum only keeps the compiler from leaving it out.
func (l *leg) prefetch() (sum uint64) {
	o := l.other
	sum = l.source[rtp].low + l.streams[0].rtp.Top() + uint64(l.heard.ssrc) + l.stats.received + uint64(l.last)
	sum += o.dest[rtp].low + uint64(o.stream.ssrc) + o.stream.sent.Top() + o.stats.sent
	if l.rx != nil {
		sum += l.rx.Prefetch()
	}
	if o.tx != nil {
		sum += o.tx.Prefetch()
	}
	if p := o.ports[rtp]; p != nil {
		sum += p.header.sum
	}
	return sum
}
