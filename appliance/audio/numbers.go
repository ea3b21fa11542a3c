package audio

// Numbers that descriptions and packets share (RTP's profile for audio, RFC 3551, and RFC 4733).
const (
	NoPT         = 0xff // no payload type
	FirstDynamic = 96   // the first payload type that has a meaning only by a description
	LastEvent    = 16   // the highest telephone-event that the box relays: after the sixteen digits the hook flash
)

// Numbers is a set of dynamic payload types.
type Numbers uint32

// Add adds a payload type, unless it is not dynamic.
func (n *Numbers) Add(pt uint8) {
	if pt >= FirstDynamic {
		*n |= 1 << (pt - FirstDynamic)
	}
}

// Has reports whether the set has a payload type.
func (n Numbers) Has(pt uint8) bool { return pt >= FirstDynamic && n>>(pt-FirstDynamic)&1 != 0 }
