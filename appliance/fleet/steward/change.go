package steward

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	answerTime = 700 * time.Millisecond // for the bucket to answer. While it has no leader it answers nothing
	conflict   = 2 * time.Millisecond   // before what another node has written is read, once more for each time in a row, up to
	conflicts  = 20 * time.Millisecond  // this
	failure    = 150 * time.Millisecond // before it is tried again when it did not answer
)

// bucket is what change needs of jetstream.KeyValue.
type bucket interface {
	Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error)
	Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// change has f make the next value of a key out of the present one, which is nil at first, and writes it if nobody else has written meanwhile.
// Otherwise, and when it is not known whether the value was written, it reads again and asks f again, until ctx ends. What f has returned last is
// written, and acknowledged by most nodes, when the error is nil. An error of f ends it; nil as the next value leaves all as it is.
func change(ctx context.Context, b bucket, key string, f func(value []byte) ([]byte, error)) error {
	for pause := conflict; ; {
		err := attempt(ctx, b, key, f)
		var refused *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused):
			return refused.error
		case errors.Is(err, jetstream.ErrKeyRevisionMismatch), errors.Is(err, jetstream.ErrKeyExists):
			pause = min(pause+conflict, conflicts)
		default:
			pause = failure
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("write %s: %w", key, err)
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// refusal is an error of f.
type refusal struct{ error }

func attempt(ctx context.Context, b bucket, key string, f func([]byte) ([]byte, error)) error {
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	entry, err := b.Get(soon, key)
	var value []byte
	switch {
	case err == nil:
		value = entry.Value()
	case !errors.Is(err, jetstream.ErrKeyNotFound): // which a deleted one is, too
		return err
	}
	next, err := f(value)
	if err != nil {
		return &refusal{err}
	}
	if next == nil {
		return nil
	}
	soon, cancel = context.WithTimeout(ctx, answerTime)
	defer cancel()
	if entry == nil {
		_, err = b.Create(soon, key, next)
	} else {
		_, err = b.Update(soon, key, next, entry.Revision())
	}
	return err
}
