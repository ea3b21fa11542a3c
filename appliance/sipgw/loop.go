package sipgw

import (
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
)

// maxHops is how often a call may come back to us through proxies before it is refused: a proxy may send it round to another of
// its users once or twice, but not for ever.
const maxHops = 3

// callID makes the Call-ID of a call that has passed through this box hops times. It ends in a mark of the box and that number:
// a proxy that brings the call back keeps the Call-ID, so the number is there when it comes (and nothing has to be remembered).
// Max-Forwards alone would let a call go round 70 times.
func (s *Stack) callID(hops int) string { return sipmsg.Token(20) + s.callMark + strconv.Itoa(hops) }

// hops is how often the call with this Call-ID has passed through this box, 0 for a Call-ID that is not ours.
func (s *Stack) hops(callID string) int {
	_, n, ours := strings.Cut(callID, s.callMark)
	if !ours {
		return 0
	}
	if hops, err := strconv.ParseUint(n, 10, 8); err == nil {
		return int(hops)
	}
	return maxHops + 1
}
