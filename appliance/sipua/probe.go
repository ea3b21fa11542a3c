package sipua

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/printable"
	"viaduct/appliance/roster"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// A probe sends OPTIONS to the peer of one SIP interface and so knows whether calls should go there. Teams in turn takes us for
// healthy only while our OPTIONS come. It is one goroutine per SIP interface with a penalty box.
const (
	holdMost  = 5 * time.Minute // the longest Retry-After: Teams demotes a trunk that sends no OPTIONS for five minutes
	probeSoon = time.Second     // suspect: not more often than this
	muteFor   = 5 * time.Second // a peer that gets no OPTIONS for now is looked at again
)

// probeSpec is everything that a probe depends on; another spec is another probe.
type probeSpec struct {
	via               client
	gateway           string
	iface             config.InterfaceID
	uri, from         string
	to                siptransport.Target
	interval, timeout time.Duration
	waits             bool // nobody can be asked yet, so nothing is known of the peer
}

func (p probeSpec) Key() string { return probeKey(p.iface) }

// probeKey is an interface's identity as one string; no name holds a zero byte.
func probeKey(i config.InterfaceID) string { return i.Context + "\x00" + i.Name }

// probe belongs to its goroutine, except where noted.
type probe struct {
	spec probeSpec
	log  *slog.Logger
	kick chan struct{}                 // probe now
	mute func(config.InterfaceID) bool // whether the peer gets no OPTIONS now

	unreached int // probes in a row that could not be sent

	*roster.Shown[status.Peer]
}

func newProbe(spec probeSpec, mute func(config.InterfaceID) bool, log *slog.Logger) *probe {
	return &probe{
		spec: spec, log: log.With("gw", spec.gateway, "if", spec.iface, "peer", spec.uri),
		kick:  make(chan struct{}, 1),
		mute:  mute,
		Shown: roster.Show(status.Peer{Interface: spec.iface.String(), Peer: spec.to.String(), Answer: "none yet", Since: time.Now()}),
	}
}

// Replaced: nothing is left to a new probe.
func (p *probe) Replaced(probeSpec) {}

// Run probes at once and then again and again until ctx ends.
func (p *probe) Run(ctx context.Context) {
	if p.spec.waits {
		p.Change(func(s *status.Peer) { s.Answer = "not asked yet: TLS waits for the clock" })
		<-ctx.Done() // another probe takes the place of this one
		return
	}
	for {
		next := muteFor
		if !p.mute(p.spec.iface) {
			next = p.once(ctx)
		} else {
			p.Change(func(s *status.Peer) { s.Answer = "not asked: it is being taken out of service" })
		}
		if ctx.Err() != nil {
			return
		}
		started := time.Now()
		p.Change(func(s *status.Peer) { s.Next = started.Add(next) })
		timer := time.NewTimer(next)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
				waiting = false
			case <-p.kick:
				timer.Reset(max(0, probeSoon-time.Since(started)))
			}
		}
	}
}

// once probes and returns when to probe again.
func (p *probe) once(ctx context.Context) time.Duration {
	start := time.Now()
	p.Change(func(s *status.Peer) { s.Next, s.Asked = time.Time{}, start })
	defer p.Change(func(s *status.Peer) { s.Asked = time.Time{} })
	limited, cancel := context.WithTimeout(ctx, p.spec.timeout)
	defer cancel()
	var res *sipmsg.Response
	var req *sip.Request
	err := p.spec.via.Resolve(limited, p.spec.to) // what we say of ourselves depends on where the peer is
	if err == nil {
		req, err = p.spec.request()
	}
	if err == nil {
		res, err = p.spec.via.Do(limited, req, p.spec.to)
	}
	took := time.Since(start)
	if !siptransport.IsUnreached(err) {
		p.unreached = 0
	}
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		p.record(0, 0, reasonOf(err))
		p.Change(func(s *status.Peer) { s.Refused, s.Stalled = siptransport.IsRefused(err), siptransport.IsStalled(err) })
		if siptransport.IsUnreached(err) {
			// Nothing was sent: no address, no connection. After a start or a broken cable it takes seconds to change.
			p.unreached++
			return min(probeSoon<<min(p.unreached-1, 10), p.spec.interval)
		}
	case res.StatusCode == 503:
		p.record(503, took, strings.TrimSpace("503 "+printable.Text(res.Reason)))
		// Retry-After holds the peer in the box (RFC 3261 section 21.5.4), but may also free it sooner than our own turn.
		if hold := res.RetryAfter(); hold > 0 {
			return min(hold, holdMost)
		}
	default:
		// Every other answer shows that the peer is there: 404, 405 and 501 are usual answers to OPTIONS.
		p.record(res.StatusCode, took, "")
	}
	// The whole is one interval, even when waiting for an answer took most of it: Teams counts from OPTIONS to OPTIONS.
	return max(p.spec.interval-rand.N(max(p.spec.interval/20, 1))-took, probeSoon)
}

// record notes the outcome of a probe; a reason boxes the peer.
func (p *probe) record(code int, rtt time.Duration, reason string) {
	p.Change(func(s *status.Peer) {
		down, now := reason != "", time.Now()
		if s.State == status.PeerUnknown || down != (s.State == status.PeerDown) {
			s.Since = now
			if down {
				p.log.Warn("peer is in the penalty box", "code", code, "err", reason)
			} else {
				p.log.Info("peer is up", "code", code)
			}
		}
		s.State, s.Answer, s.Code, s.RTT, s.Last, s.Refused, s.Stalled = stateOf(code, down), reason, code, rtt, now, false, false
		if !down {
			s.Answer = strconv.Itoa(code) + " " + sipmsg.Phrase(code)
		}
	})
}

// release takes the peer out of the penalty box until the next probe has its result. It returns 1 if the peer was there.
func (p *probe) release() (n int) {
	p.Change(func(s *status.Peer) {
		if s.State == status.PeerDown {
			s.State, s.Answer, s.Since, n = status.PeerUnknown, "none yet: taken out of the penalty box", time.Now(), 1
		}
	})
	return n
}

// stateOf is what an answer to OPTIONS says of a peer.
func stateOf(code int, down bool) status.PeerState {
	switch {
	case down:
		return status.PeerDown
	case code == 403:
		return status.PeerRefuses
	}
	return status.PeerUp
}

// reasonOf says why no answer came.
func reasonOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return sipdialog.ErrTimeout.Error()
	}
	return err.Error()
}
