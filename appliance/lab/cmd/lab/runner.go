package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/status"
)

// runner is one run: world, box, the calls that are shown.
type runner struct {
	n             *narrator
	state         string
	configuration string
	verbose       bool
	page          net.Listener // of the web page on this machine
	programs      lab.Programs

	world *lab.World
	box   *lab.Box
}

const stepTimeout = 10 * time.Second

func (r *runner) logFile() string { return filepath.Join(r.state, "box.log") }

func (r *runner) run(ctx context.Context, once bool) (err error) {
	if err := emptyState(r.state); err != nil {
		return err
	}
	log, err := os.OpenFile(r.logFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open the box's log: %w", err)
	}
	defer log.Close()
	r.programs.Log = log

	options := lab.Options{Tell: r.n.tell}
	if r.verbose {
		options.Trace = func(who, direction, peer, message string) {
			r.n.tell(who, fmt.Sprintf("%s %s\n%s", direction, peer, message))
		}
	}
	if r.world, err = lab.New(ctx, options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.world.Close()) }()
	r.n.tell("lab", "LAN 192.168.1.0/24 with a STARFACE, a name server and a time server; WAN with three hubs of Teams")
	for _, step := range []func(context.Context) error{
		r.start, r.paste, r.problems, r.registrations, r.hubs,
		func(ctx context.Context) error { return r.fromTeams(ctx, 0) },
		func(ctx context.Context) error { return r.fromPBX(ctx, 0) },
		r.records, r.refusals,
	} {
		step := func() error {
			ctx, cancel := context.WithTimeout(ctx, stepTimeout)
			defer cancel()
			return step(ctx)
		}
		if err := step(); err != nil {
			return err
		}
	}
	if once {
		return nil
	}
	return r.console(ctx)
}

func (r *runner) start(ctx context.Context) (err error) {
	r.n.title("The box starts, without a configuration")
	r.box, err = r.world.StartBox(ctx, r.programs)
	return err
}

func (r *runner) paste(ctx context.Context) error {
	r.n.title("Keys, certificates, licenses and the configuration are pasted into its console")
	text, err := r.world.Paste(lab.Setup{Configuration: r.configuration, Sessions: 20, Channels: 20})
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := r.box.Paste(ctx, text); err != nil {
		return err
	}
	r.n.held("%d lines in %d ms", strings.Count(text, "\n"), time.Since(began).Milliseconds())
	return nil
}

// problems: none is what is wanted. Warnings are given a moment, until names resolve and the clock is set. Notes, on lines that
// only the original's hardware needs, are counted.
func (r *runner) problems(ctx context.Context) error {
	patience := time.Now().Add(5 * time.Second)
	for {
		text, err := r.box.Exec(ctx, "show config problems")
		if err != nil {
			return err
		}
		var errs, warnings int
		notes := 0
		for line := range strings.Lines(text) {
			switch line = strings.TrimSpace(line); {
			case strings.HasPrefix(line, "error:"):
				errs++
			case strings.HasPrefix(line, "warning:"):
				warnings++
			case strings.HasPrefix(line, "note:"):
				notes++
			}
		}
		switch {
		case errs > 0, warnings > 0 && time.Now().After(patience):
			return fmt.Errorf("show config problems has\n%s", text)
		case warnings == 0:
			r.n.held("show config problems: no error, no warning, %d notes", notes)
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *runner) registrations(ctx context.Context) error {
	if err := r.world.Starface.WaitRegistered(ctx, 3); err != nil {
		return err
	}
	r.n.held("three accounts are registered at STARFACE")
	return nil
}

func (r *runner) hubs(ctx context.Context) error {
	if err := r.world.Teams.WaitActive(ctx); err != nil {
		return err
	}
	r.n.held("three hubs of Teams take the box for healthy")
	return nil
}

// fromTeams is a call of a Teams user to a number outside, which STARFACE answers. stay is how long it lasts
// beyond what measuring takes.
func (r *runner) fromTeams(ctx context.Context, stay time.Duration) error {
	r.n.title("A Teams user (+497123222) calls +4930123456 through the PBX")
	ctx, cancel := context.WithTimeout(ctx, stay+stepTimeout)
	defer cancel()
	out, err := r.world.Teams.Call(ctx, lab.Dial{Name: "Anna Schmidt"})
	if err != nil {
		return err
	}
	in, err := r.next(ctx, out, r.world.Starface.NextCall)
	if err != nil {
		return err
	}
	return r.talk(ctx, out, in, lab.StarfaceTone, lab.TeamsTone, stay)
}

// fromPBX is a call of STARFACE to a Teams user's account.
func (r *runner) fromPBX(ctx context.Context, stay time.Duration) error {
	r.n.title("The PBX calls the Teams user of account user.02")
	ctx, cancel := context.WithTimeout(ctx, stay+stepTimeout)
	defer cancel()
	out, err := r.world.Starface.Call(ctx, lab.Ring{Account: "user.02", Name: "Bernd Huber"})
	if err != nil {
		return err
	}
	in, err := r.next(ctx, out, r.world.Teams.NextCall)
	if err != nil {
		return err
	}
	return r.talk(ctx, out, in, lab.TeamsTone, lab.StarfaceTone, stay)
}

// next waits for the other end of a call; the end of the call is an answer too.
func (r *runner) next(ctx context.Context, out *lab.Call, wait func(context.Context) (*lab.Call, error)) (*lab.Call, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() {
		select {
		case <-out.Over():
			cancel(fmt.Errorf("it ended with %d %s %s", out.End().Code, out.End().Reason, out.End().Cause))
		case <-ctx.Done():
		}
	})
	in, err := wait(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, fmt.Errorf("call of %s to %s: %w", out.From, out.To, cause)
	}
	return in, err
}

// talk checks a call: tones, license counters; then the caller hangs up.
func (r *runner) talk(ctx context.Context, out, in *lab.Call, callerHears, calleeHears float64, stay time.Duration) error {
	if err := errors.Join(out.WaitUp(ctx), in.WaitUp(ctx)); err != nil {
		return err
	}
	r.n.held("answered %d ms after the INVITE; the callee saw %s calling %s", time.Since(out.Began()).Milliseconds(), in.From, in.To)
	if err := errors.Join(r.hears(ctx, "the caller", out, callerHears), r.hears(ctx, "the callee", in, calleeHears)); err != nil {
		return err
	}
	if err := r.counters(ctx, "during the call", 1); err != nil {
		return err
	}
	if stay > 0 {
		r.n.tell("lab", fmt.Sprintf("the call stays up for %v; look at it with `show calls`", stay))
		select {
		case <-time.After(stay):
		case <-out.Over():
			r.n.tell("lab", "the call was ended")
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := out.Hangup(ctx); err != nil {
		return err
	}
	if _, err := in.WaitOver(ctx); err != nil {
		return err
	}
	for side, c := range map[string]*lab.Call{"caller": out, "callee": in} {
		if s := c.Audio.Stats(); s.Lost > s.Received/100 || s.Bad > 0 {
			return fmt.Errorf("audio at the %s: %+v", side, s)
		}
	}
	return r.counters(ctx, "after the call", 0)
}

func (r *runner) hears(ctx context.Context, who string, c *lab.Call, hz float64) error {
	tone, err := c.Audio.Listen(ctx, 500*time.Millisecond)
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	if math.Abs(tone.Hz-hz) > 2 || math.Abs(tone.DBm0-lab.ToneDBm0) > 1 || tone.Share < 0.9 {
		return fmt.Errorf("%s hears %v (%.0f %% of what it hears), instead of %.0f Hz at %.1f dBm0", who, tone, 100*tone.Share, hz, lab.ToneDBm0)
	}
	r.n.held("%s hears %v", who, tone)
	return nil
}

func (r *runner) counters(ctx context.Context, when string, calls int) error {
	for _, name := range []string{"sip-sessions", "srtp-channels"} {
		if err := r.box.WaitAlloc(ctx, name, calls); err != nil {
			return err
		}
	}
	pools, err := r.box.Pools(ctx)
	if err != nil {
		return err
	}
	s, c := pools["sip-sessions"], pools["srtp-channels"]
	r.n.held("licenses %s: sip-sessions %d of %d in use, srtp-channels %d of %d", when, s.Alloc, s.Total, c.Alloc, c.Total)
	return nil
}

func (r *runner) records(ctx context.Context) error {
	r.n.title("Call records")
	records, err := r.box.WaitRecords(ctx, 2)
	if err != nil {
		return err
	}
	for _, rec := range records {
		r.n.held("%s", describe(rec))
	}
	return nil
}

func describe(r status.Record) string {
	s := fmt.Sprintf("%s → %s, %s → %s, %d, %.1f s, ended by %s", r.Calling, r.Called, r.From, r.To, r.Code, r.Ended.Sub(r.Connected).Seconds(), r.By)
	for _, m := range r.Media {
		s += fmt.Sprintf("; %s %d in, %d out, %d lost", strings.TrimSpace(m.Codec+" "+m.Suite), m.Received, m.Sent, m.Lost)
	}
	return s
}

// refusals: a strict peer that refused anything has found a mistake, even when the calls went well.
func (r *runner) refusals(context.Context) error {
	var errs []error
	for _, refusal := range append(r.world.Teams.Refusals(), r.world.Starface.Refusals()...) {
		errs = append(errs, errors.New(refusal.String()))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.n.held("neither Teams nor STARFACE had anything to refuse")
	return nil
}

// console leaves the terminal to the box.
func (r *runner) console(ctx context.Context) error {
	c, err := newControl(ctx, r)
	if err != nil {
		return err
	}
	defer c.close()
	page, err := r.showPage(ctx, r.page)
	if err != nil {
		return err
	}
	defer page.close()
	program := os.Args[0]
	r.n.title("The box's web page: %s", page.address())
	r.n.tell("lab", fmt.Sprintf("log in as %s with the password %s; the browser warns of the certificate, which the box has made itself (`show webserver`)", pageAccount, page.password))
	r.n.title("This is the box's console; `exit` ends the lab")
	r.n.tell("lab", fmt.Sprintf("another call, from another terminal: %s call teams   or   %s call pbx", program, program))
	r.n.tell("lab", fmt.Sprintf("the box's log: %s", r.logFile()))
	r.n.switchTo(nil, false)
	cmd := r.box.Console(ctx)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	p, err := r.world.Box.Start(cmd)
	if err != nil {
		return err
	}
	err = p.Wait()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}
