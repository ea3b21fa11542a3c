package messages

import "net/netip"

const blockSize = 128

// message is what is kept of a message besides its text. All indexes are those of the arrays of a Store.
type message struct {
	at            int64 // Unix nanoseconds
	number        int64 // in the order of all messages
	next          int32 // of the dialog; of the free ones
	first         int32 // block of text
	size          int32 // octets on the wire
	kept          int32 // octets of them that are kept
	original      int32 // of a repetition: its place in the order of the dialog, counted from the first message that there was; none
	order         int32 // its own place
	local, remote endpoint
	transport     uint8
	sent          bool
}

// endpoint is a netip.AddrPort without the pointer in that.
type endpoint struct {
	addr [16]byte
	port uint16
	is4  bool
}

func endpointOf(a netip.AddrPort) endpoint {
	ip := a.Addr().Unmap()
	return endpoint{addr: ip.As16(), port: a.Port(), is4: ip.Is4()}
}

func (e endpoint) addrPort() netip.AddrPort {
	ip := netip.AddrFrom16(e.addr)
	if e.is4 {
		ip = ip.Unmap()
	}
	return netip.AddrPortFrom(ip, e.port)
}

// texts are blocks in chains.
type texts struct {
	data []byte
	next []int32
	free places
}

// blocksFor is how many blocks a text takes.
func blocksFor(octets int) int { return (octets + blockSize - 1) / blockSize }

// put keeps a text for which there is room, and returns its first block.
func (t *texts) put(m []byte) int32 {
	first, last := none, none
	for len(m) > 0 {
		b := t.free.head
		if b == none {
			b = t.free.fresh
			t.free.fresh++
		} else {
			t.free.head = t.next[b]
		}
		t.free.left--
		n := copy(t.data[int(b)*blockSize:int(b+1)*blockSize], m)
		m = m[n:]
		if t.next[b] = none; last == none {
			first = b
		} else {
			t.next[last] = b
		}
		last = b
	}
	return first
}

// drop frees the blocks of a text.
func (t *texts) drop(first int32) {
	for first != none {
		next := t.next[first]
		t.next[first], t.free.head = t.free.head, first
		t.free.left++
		first = next
	}
}

// same reports whether the text is m.
func (t *texts) same(first int32, m []byte) bool {
	for len(m) > 0 {
		n := min(blockSize, len(m))
		if at := int(first) * blockSize; string(t.data[at:at+n]) != string(m[:n]) {
			return false
		}
		m, first = m[n:], t.next[first]
	}
	return true
}

// get copies a text out.
func (t *texts) get(first int32, octets int) []byte {
	m := make([]byte, 0, octets)
	for ; len(m) < octets; first = t.next[first] {
		at := int(first) * blockSize
		m = append(m, t.data[at:at+min(blockSize, octets-len(m))]...)
	}
	return m
}
