package duty

import (
	"context"
	"errors"
	"sync"
	"time"
)

// hands do what a decision asks of the box, one after the other. Those who decide do not wait for them.
type hands struct {
	w    *work
	wake chan struct{}

	mu     sync.Mutex
	orders []order
	doing  *order
	cancel context.CancelFunc // of the present order

	acts bool // the box has taken over, and not dropped what it has; of run
}

// order is something to be done.
type order struct {
	do     act
	why    string
	urgent bool   // a hand-over that must not wait for calls in set-up
	number uint64 // of a hand-over
}

type act uint8

const (
	takeOver act = iota
	handOver
	callOff // no order: it ends a hand-over
	release
	announce
	hold // the addresses again, after a pause
	drop
)

// Times of hand-overs.
const (
	plannedTime = 20 * time.Second
	urgentTime  = 200 * time.Millisecond
	flushTime   = time.Second
)

func newHands(w *work) *hands { return &hands{w: w, wake: make(chan struct{}, 1), cancel: func() {}} }

// give has something done. When the box ceases to be active, what waits is not begun, and what is being done is cut short; so few orders ever wait.
func (h *hands) give(o order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch o.do {
	case callOff:
		h.forget(handOver)
		if h.doing != nil && h.doing.do == handOver {
			h.cancel()
		}
		return
	case drop:
		h.orders = nil
		if h.doing != nil && h.doing.do != drop {
			h.cancel()
		}
	case release:
		h.forget(announce)
		h.forget(hold)
	case takeOver, announce, hold:
		h.forget(o.do)
	}
	h.orders = append(h.orders, o)
	signal(h.wake)
}

// forget takes orders of a kind from those that wait. The lock is held.
func (h *hands) forget(a act) {
	kept := h.orders[:0]
	for _, o := range h.orders {
		if o.do != a {
			kept = append(kept, o)
		}
	}
	h.orders = kept
}

func (h *hands) cancelAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orders = nil
	h.cancel()
}

// run does what comes, until ctx ends.
func (h *hands) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for h.next(ctx) {
		}
	}
}

// next does the next order, and reports whether there was one.
func (h *hands) next(ctx context.Context) bool {
	h.mu.Lock()
	if len(h.orders) == 0 || ctx.Err() != nil {
		h.mu.Unlock()
		return false
	}
	o := h.orders[0]
	h.orders = h.orders[1:]
	h.doing = &o
	ctx, cancel := context.WithCancel(ctx)
	h.cancel = cancel
	h.mu.Unlock()
	h.perform(ctx, o)
	cancel()
	h.mu.Lock()
	h.doing, h.cancel = nil, func() {}
	h.mu.Unlock()
	return true
}

func (h *hands) perform(ctx context.Context, o order) {
	w := h.w
	d := w.d
	begun := time.Now()
	switch o.do {
	case takeOver:
		d.link.Lead()
		d.o.Box.Await()
		if err := w.router.Hold(ctx); err != nil {
			w.log.Warn("addresses of the pair are not all here yet", "err", err)
		}
		h.acts = true
		if err := d.o.Box.TakeOver(ctx, o.why); err != nil && !errors.Is(err, context.Canceled) {
			w.log.Error("what the pair has is not complete at this box", "err", err)
		}
		if ctx.Err() == nil { // or the box is not active any more
			w.note(w.router.Announce(ctx))
		}
		w.clerk.counted(d.o.Facts().Calls)
		w.log.Info("the box acts for the pair", "after", time.Since(begun).Round(time.Millisecond))
	case handOver:
		limit := plannedTime
		if o.urgent {
			limit = urgentTime
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		err := d.o.Box.HandOver(ctx)
		cancel()
		if err == nil {
			flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			err = d.link.Flush(flush)
			cancel()
		}
		w.handedOver(o.number, err)
	case release:
		w.note(h.gone(ctx))
		w.released()
	case announce:
		w.note(w.router.Announce(ctx))
	case hold:
		w.note(w.router.Hold(ctx))
	case drop:
		w.note(h.gone(ctx))
		d.link.Follow()
		if h.acts {
			h.acts = false
			d.o.Box.Drop(o.why)
		}
	}
}

// gone has the addresses removed. A kernel that does not do it in time has a term for them that is short anyway.
func (h *hands) gone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	return h.w.router.Release(ctx)
}
