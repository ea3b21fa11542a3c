package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

// keeper keeps the lease of one kind: package lease says what is to be done, and it does that.
type keeper struct {
	l     *leases
	kind  license.Kind
	nudge chan struct{} // one token: something has happened
	log   *slog.Logger

	mu     sync.Mutex
	on     bool          // wanted by the configuration
	holder *lease.Holder // nil: not restored, or never wanted
	proof  proof         // of what it holds
	judged time.Time     // when that was verified last
	up     bool          // connected
	turned string        // why the hub has turned the box away, for a holder that is not restored yet; "": it has not
	state  status.PoolLeaseState
	quiet  chan struct{} // closed when nothing is under way; nil: nobody waits
}

// proof is the hub's lease and the license keys by which the box believes it.
type proof struct {
	Lease string   `json:"lease,omitempty"`
	Keys  []string `json:"keys,omitempty"`
}

// kept is the file of a keeper. What the holder says is believed only as far as the proof goes: whoever can change the file gains nothing.
type kept struct {
	Holder json.RawMessage `json:"holder"`
	proof
}

const (
	answerTime = 3 * time.Second // for an answer of the hub
	clockTime  = time.Second     // until the clock is asked again
	judgeTime  = time.Hour       // between two looks at the license keys of the pool: they may expire
	skew       = time.Hour       // by how much the clocks of box and hub may differ
	keptMax    = 1 << 20         // octets of the file
	denySoon   = license.Patience
	deafTries  = 10                     // of a request, while the box is connected and nobody hears it,
	deafPause  = 100 * time.Millisecond // with so much between them
)

func (k *keeper) file() string { return filepath.Join(k.l.o.Dir, "lease-"+string(k.kind)) }

func (k *keeper) wake() {
	select {
	case k.nudge <- struct{}{}:
	default:
	}
}

// enable says whether leases are wanted, and whether others are trusted than before. It reports whether that is another thing than before.
func (k *keeper) enable(on, others bool) (news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	news = k.on != on
	k.on = on
	if others {
		k.judged = time.Time{}
	}
	if k.holder != nil {
		k.holder.Enable(on, k.l.now())
	}
	return news
}

// connected says whether there is a connection.
func (k *keeper) connected(up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if up {
		k.turned = ""
	}
	if up && !k.up && k.holder != nil {
		k.holder.Connected(k.l.now())
	}
	k.up = up
}

// ask has the hub asked, because it said that something has changed.
func (k *keeper) ask() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.holder != nil {
		k.holder.Ask(k.l.now())
	}
}

// refused says that the hub has turned the box away.
func (k *keeper) refused(why string) {
	k.mu.Lock()
	k.turned = why
	if k.holder != nil {
		k.holder.Refused(k.l.now(), why)
	}
	k.mu.Unlock()
	k.wake()
}

// restore takes what the box held before it was started, once, and reports whether it did. The clock is right.
func (k *keeper) restore() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.holder != nil {
		return false
	}
	now := k.l.now()
	h, p, err := k.read(now)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !k.on {
			return false // it never had one
		}
	case err != nil:
		k.log.Warn("what was leased is not in force until the hub answers", "err", err)
	}
	if h == nil {
		h = lease.New(string(k.kind), k.l.o.Serial(), now)
	}
	k.holder, k.proof = h, p
	h.Enable(k.on, now)
	if k.turned != "" {
		h.Refused(now, k.turned)
	}
	k.l.o.Licenses.SetLeased(k.kind, h.Count(now))
	k.told(h.Status(now))
	return true
}

// read reads what is kept.
func (k *keeper) read(now lease.Time) (*lease.Holder, proof, error) {
	about, err := os.Stat(k.file())
	if err != nil {
		return nil, proof{}, err
	}
	if about.Size() > keptMax {
		return nil, proof{}, errors.New("the kept lease is too large")
	}
	text, err := os.ReadFile(k.file())
	if err != nil {
		return nil, proof{}, fmt.Errorf("read the kept lease: %w", err)
	}
	return k.l.unpack(text, k.kind, now)
}

// unpack reads a file of a keeper. A holder that says more than its proof is none.
func (l *leases) unpack(text []byte, kind license.Kind, now lease.Time) (*lease.Holder, proof, error) {
	var f kept
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, proof{}, fmt.Errorf("the kept lease is damaged: %w", err)
	}
	h, err := lease.Restore(f.Holder, string(kind), l.o.Serial(), now)
	if err != nil {
		return nil, proof{}, err
	}
	held := h.Status(now)
	if held.Count == 0 {
		return h, f.proof, nil
	}
	signed, err := license.VerifyLease(f.Lease, f.Keys, l.o.Serial(), now.Clock, l.authorities())
	switch {
	case err != nil:
		return nil, proof{}, err
	case signed.Kind != kind || held.Count > signed.Count || held.Until.After(signed.Until.Add(skew)):
		return nil, proof{}, errors.New("what is kept says more than the hub has signed")
	}
	return h, f.proof, nil
}

// run does what is to be done until ctx ends.
func (k *keeper) run(ctx context.Context, name string) {
	for {
		wait := k.turn(ctx, name)
		select {
		case <-ctx.Done():
			return
		case <-k.nudge:
		case <-time.After(wait):
		}
	}
}

// turn does all that is to be done now, and returns when to look again.
func (k *keeper) turn(ctx context.Context, name string) time.Duration {
	if !k.l.canJudge() {
		return clockTime
	}
	if k.restore() {
		k.l.poke()
	}
	for ctx.Err() == nil {
		request, wait := k.step()
		if request == nil {
			return wait
		}
		reply, err := k.exchange(ctx, name, request)
		k.answered(reply, err)
	}
	return 0
}

// step takes what the holder says into force. There is a request to be sent, or a time until the next step.
func (k *keeper) step() (*fleet.LeaseRequest, time.Duration) {
	u := k.l.usage(k.kind)
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holder
	if h == nil {
		k.rest()
		return nil, judgeTime
	}
	now := k.l.now()
	k.judge(now)
	h.Use(now, lease.Use{Own: u.Own, InUse: u.InUse, Peak: u.Peak, Short: u.Waiting})
	step := h.Next(now)
	if k.on && step.Request != nil && step.Count < u.Leased { // by now calls may use what is to be given back
		step = h.Raise(step, k.l.o.Licenses.Shrink(k.kind, step.Count))
	}
	k.l.o.Licenses.SetLeased(k.kind, step.Count)
	k.told(h.Status(now))
	if step.Save {
		if err := h.Save(now, k.write); err != nil {
			k.log.Warn("a lease is not kept", "err", err)
			if step.Strict && step.Request != nil {
				h.Failed(now, err.Error())
				step.Request, step.Wait = nil, clockTime
			}
		}
	}
	if step.Request != nil {
		return step.Request, 0
	}
	if step.Count != u.Leased {
		k.l.told()
		// Calls that waited have got something.
		return nil, 0
	}
	if u.Waiting > 0 && step.Wait > denySoon {
		k.l.o.Licenses.Deny(k.kind)
	}
	if !k.on && step.Wait > denySoon {
		k.rest()
	}
	return nil, min(step.Wait, judgeTime)
}

// rest tells those who wait that nothing is under way. The lock is held.
func (k *keeper) rest() {
	if k.quiet != nil {
		close(k.quiet)
		k.quiet = nil
	}
}

// judge looks at the license keys of the pool again: they expire, and an issuer may have lost the trust of the box. The lock is held.
func (k *keeper) judge(now lease.Time) {
	if time.Since(k.judged) < judgeTime {
		return
	}
	k.judged = time.Now()
	if k.holder.Count(now) == 0 {
		return
	}
	if _, err := license.VerifyLease(k.proof.Lease, k.proof.Keys, k.l.o.Serial(), now.Clock, k.l.authorities()); err != nil {
		k.log.Warn("a lease is not in force any more", "err", err)
		k.proof = proof{}
		k.holder = lease.New(string(k.kind), k.l.o.Serial(), now)
		k.holder.Enable(k.on, now)
	}
}

// write puts the file on flash.
func (k *keeper) write(holder []byte) error {
	text, err := json.Marshal(kept{holder, k.proof})
	if err != nil {
		return err
	}
	if err := flash.MakeDir(k.l.o.Dir, 0o700); err != nil {
		return err
	}
	return flash.Write(k.file(), text, 0o600)
}

// exchange sends a request. A hub that has just started takes connections a moment before it lends: calls wait for that, and asked twice it gives the same.
func (k *keeper) exchange(ctx context.Context, name string, request *fleet.LeaseRequest) (reply fleet.LeaseReply, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	body, _ := json.Marshal(request) // numbers and two names
	var answer []byte
	for range deafTries {
		if answer, err = k.l.link.Request(ctx, fleet.LeaseOf(name), body); !errors.Is(err, fleet.ErrAway) || !k.isUp() {
			break
		}
		select {
		case <-ctx.Done():
			return reply, err
		case <-time.After(deafPause):
		}
	}
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(answer, &reply); err != nil {
		return reply, fmt.Errorf("the hub's answer cannot be read: %w", err)
	}
	return reply, nil
}

func (k *keeper) isUp() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.up
}

// answered hands the outcome of a request to the holder.
func (k *keeper) answered(reply fleet.LeaseReply, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.l.now()
	count := 0
	if err == nil && reply.Lease != "" {
		var signed license.Lease
		signed, err := license.VerifyLease(reply.Lease, reply.Keys, k.l.o.Serial(), now.Clock, k.l.authorities())
		if err == nil && signed.Kind != k.kind {
			err = fmt.Errorf("the hub's lease is of %s", signed.Kind)
		}
		if err != nil {
			k.holder.Refused(now, err.Error())
			return
		}
		count = signed.Count
	}
	if err != nil {
		k.holder.Failed(now, err.Error())
		return
	}
	if reply.Error == "" && !reply.Refused {
		k.proof, k.judged = proof{reply.Lease, reply.Keys}, time.Now()
	}
	k.holder.Answered(now, reply, count)
}

// told logs how the lease stands when that changes. The lock is held.
func (k *keeper) told(s status.PoolLease) {
	if s.State == k.state {
		return
	}
	k.state = s.State
	k.log.Info("leased licenses", "state", s.State.String(), "count", s.Count)
}

// status is how the lease stands; false: there never was one.
func (k *keeper) status() (status.PoolLease, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.holder == nil {
		return status.PoolLease{}, false
	}
	return k.holder.Status(k.l.now()), true
}

// reminder is how many days of grace are left, see lease.Holder.
func (k *keeper) reminder() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.holder == nil {
		return 0
	}
	return k.holder.Reminder(k.l.now())
}

// await waits until nothing is under way any more.
func (k *keeper) await(ctx context.Context) {
	k.mu.Lock()
	if k.quiet == nil {
		k.quiet = make(chan struct{})
	}
	quiet := k.quiet
	k.mu.Unlock()
	k.wake()
	select {
	case <-quiet:
	case <-ctx.Done():
	}
}

// forget drops the lease, and its file.
func (k *keeper) forget() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holder, k.proof, k.on, k.state = nil, proof{}, false, status.PoolLeaseNone
	k.l.o.Licenses.SetLeased(k.kind, 0)
	return flash.Remove(k.file())
}
