package sipgw

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Refresh registers every identity and probes every peer now, for example after a link came back: whoever was unreachable
// need not wait for its next turn, and a PBX that restarted meanwhile learns of us. Registrations are spread over a short time.
func (s *Stack) Refresh() {
	s.registrations.wake()
	s.probes.wake("")
}

// suspect has the peer of a SIP interface probed now, because a call to it just failed.
func (s *Stack) suspect(iface string) { s.probes.wake(iface) }

// leave ends the registrations of gateways that are going, while their sockets still stand to say good-bye. It waits for that,
// goodbyeTime at most.
func (s *Stack) leave(gone []*gateway) {
	if len(gone) > 0 {
		s.registrations.stop(func(r *registration) bool {
			g, ok := r.spec.via.(*gateway)
			return ok && slices.Contains(gone, g)
		})
	}
}

// endWatching ends all probes and registrations and waits for them; registered identities are unregistered, for which they have
// goodbyeTime. Nothing is started afterwards.
func (s *Stack) endWatching() {
	var wg sync.WaitGroup
	wg.Go(s.probes.end)
	wg.Go(s.registrations.end)
	wg.Wait()
}

// settle waits until the BYEs that are under way have been answered, goodbyeTime at most. Calls end just before the stack does, and a
// peer whose BYE still waited for its connection would stay in a call with nobody.
func (s *Stack) settle() {
	const look = 10 * time.Millisecond
	for end := time.Now().Add(goodbyeTime); s.parting() && time.Now().Before(end); {
		time.Sleep(look)
	}
}

func (s *Stack) parting() bool {
	s.mu.Lock()
	gateways := slices.Collect(maps.Values(s.gateways))
	s.mu.Unlock()
	return slices.ContainsFunc(gateways, (*gateway).parting)
}

// parting reports whether a BYE of ours has no final response yet.
func (g *gateway) parting() bool {
	g.mu.Lock()
	list := slices.Collect(maps.Values(g.clients))
	g.mu.Unlock()
	return slices.ContainsFunc(list, func(tx *clientTx) bool {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		return tx.req.Method == sip.BYE && (tx.state == calling || tx.state == proceeding)
	})
}
