package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// works makes a call each way, with voice in both directions.
func (r *running) works() error {
	ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
	defer cancel()
	out, err := r.Teams.Call(ctx, Dial{})
	if err != nil {
		return err
	}
	if err := talks(ctx, out, r.Starface.NextCall, StarfaceTone, TeamsTone); err != nil {
		return fmt.Errorf("from Teams: %w", err)
	}
	if out, err = r.Starface.Call(ctx, Ring{}); err != nil {
		return err
	}
	if err := talks(ctx, out, r.Teams.NextCall, TeamsTone, StarfaceTone); err != nil {
		return fmt.Errorf("from the PBX: %w", err)
	}
	return nil
}

// talks waits until a call is up and its sides hear these tones, and hangs up.
func talks(ctx context.Context, out *Call, next func(context.Context) (*Call, error), caller, callee float64) error {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // nobody has to wait for a call that is over
		select {
		case <-out.Over():
			cancel()
		case <-limited.Done():
		}
	}()
	in, err := next(limited)
	for err == nil && isOver(in) {
		in, err = next(limited) // that one is of an attempt before, which nobody waited for
	}
	if err != nil {
		_ = out.Hangup(ctx)
		select {
		case <-out.Over():
			return fmt.Errorf("%d %s %s", out.End().Code, out.End().Reason, out.End().Cause)
		default:
			return err
		}
	}
	defer func() { _ = out.Hangup(ctx) }()
	if err := errors.Join(out.WaitUp(ctx), in.WaitUp(ctx)); err != nil {
		return err
	}
	return errors.Join(hears(ctx, "the caller", out.Audio, caller), hears(ctx, "the callee", in.Audio, callee))
}

func hears(ctx context.Context, who string, a *Audio, hz float64) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	tone, err := a.Listen(ctx, 200*time.Millisecond)
	if err == nil && (tone.Hz < hz-2 || tone.Hz > hz+2) {
		err = fmt.Errorf("%v Hz", tone.Hz)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	return nil
}

// noCall wants that no call works in a direction.
func noCall(r *running, from string, call func(ctx context.Context) (*Call, error), next func(context.Context) (*Call, error)) error {
	ctx, cancel := context.WithTimeout(r.ctx, 45*time.Second)
	defer cancel()
	out, err := call(ctx)
	if err != nil {
		return nil
	}
	if err := talks(ctx, out, next, StarfaceTone, StarfaceTone); err == nil || out.End().Code == 0 && ctx.Err() == nil && isUp(out) {
		return fmt.Errorf("a call from %s works", from)
	}
	return nil
}

func isOver(c *Call) bool {
	select {
	case <-c.Over():
		return true
	default:
		return false
	}
}

func isUp(c *Call) bool {
	select {
	case <-c.Up():
		return true
	default:
		return false
	}
}

func noneFromTeams(r *running) error {
	return noCall(r, "Teams", func(ctx context.Context) (*Call, error) { return r.Teams.Call(ctx, Dial{}) }, r.Starface.NextCall)
}

func noneFromPBX(r *running) error {
	return noCall(r, "the PBX", func(ctx context.Context) (*Call, error) { return r.Starface.Call(ctx, Ring{}) }, r.Teams.NextCall)
}
