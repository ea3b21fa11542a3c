package system

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/pair"
	"viaduct/appliance/pair/duty"
	"viaduct/appliance/pair/files"
	"viaduct/appliance/pair/partner"
	"viaduct/appliance/pair/role"
	"viaduct/appliance/records"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// pairing is the box as one of a pair.
type pairing struct {
	duty   *duty.Duty
	term   pair.Term   // by which it acts
	acts   atomic.Bool // gateways and calls are here. Duty decides, and they follow a moment later
	placed atomic.Bool // the addresses are to be looked at again
	roles  sync.Mutex  // held while engines are brought in line with a role

	size    atomic.Pointer[printed]
	joined  bool // the last configuration was one of a pair; the reconciler's
	shared  *files.Files
	paired  chan struct{}                   // one token: there may be a pair now, or none any more
	over    atomic.Pointer[map[string]bool] // calls of the other box that are over
	partner *partner.Book
	counted []string // serial numbers whose licenses are in force; the watcher's
}

// newDuty makes what has the box do its duty in a pair.
func (s *System) newDuty() *duty.Duty {
	return duty.New(duty.Options{
		Log: s.log, Health: &s.health, Dir: s.pairDir(), Term: &s.term, Box: inPair{s}, Facts: s.facts, Changed: s.replaced,
		Linked: func() { s.shared.Nudge() }, Noted: func(note []byte) { s.shared.Noted(note) },
		Device: func(cfg *config.Config, i *config.PairInterface) string {
			return s.net.Device(cfg, i.Context, i.Interface)
		},
	})
}

// pairDir is where the box keeps what it knows of its pair.
func (s *System) pairDir() string { return filepath.Join(s.o.StateDir, "pair") }

// facts are what the other box is told of this one.
func (s *System) facts() duty.Facts {
	f := duty.Facts{Serial: s.Serial(), Release: s.o.Release.Version, Calls: s.CallCount(), Unready: s.shared.Ready(), Lines: s.lines(), Full: len(s.Running().Gateways) > 0, Sums: s.shared.Sums()}
	if f.Sums != nil {
		f.Sums["firmware"] = s.o.Release.Version
	}
	if len(s.health.Unfit()) > 0 {
		f.Priority = illPriority
	}
	return f
}

// printed is the size of a configuration.
type printed struct {
	cfg   *config.Config
	lines int
}

// lines counts those of the running configuration.
func (s *System) lines() int {
	cfg := s.Running()
	p := s.size.Load()
	if p == nil || p.cfg != cfg {
		p = &printed{cfg, bytes.Count(s.o.Language.Plain(cfg), []byte("\n"))}
		s.size.Store(p)
	}
	return p.lines
}

// illPriority is that of a box of which something vital does not run.
const illPriority = 50

// newShared makes what has the standby keep the configuration, keys and licenses.
func (s *System) newShared() *files.Files {
	return files.New(files.Options{
		Log: s.log, Link: s.duty.Link(), Store: s.store, Secrets: s.o.Secrets, Running: func() []byte { return s.o.Language.Plain(s.Running()) },
		Copies: s.duty.Copies, Commit: s.commitShared, Save: s.saveShared, Stored: s.storedShared,
	})
}

// commitShared makes what the active box has the running configuration. What this release does not understand is named.
func (s *System) commitShared(text []byte) error {
	cfg, problems := s.o.Language.Parse(text)
	for _, p := range problems {
		if p.Severity == check.Error {
			return errors.New(p.Text)
		}
	}
	return s.Mutate(status.Author{}, func(*config.Config) (*config.Config, error) { return cfg, nil })
}

func (s *System) saveShared(text []byte) error {
	if text == nil {
		return s.EraseFile(store.StartupFile)
	}
	return s.WriteFile(store.StartupFile, text)
}

// storedShared has the engines use keys or licenses that have come.
func (s *System) storedShared(keys, licenses bool) {
	if keys {
		s.republish()
		s.ends.Judge()
	}
	if licenses {
		s.judgeLicenses()
	}
}

// share keeps both boxes alike while there is a pair.
func (s *System) share(ctx context.Context) error {
	copy := time.NewTicker(time.Second)
	defer copy.Stop()
	for {
		for s.Running().Pair() == nil {
			select {
			case <-ctx.Done():
				return nil
			case <-s.paired:
			}
		}
		alike, end := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- s.shared.Run(alike) }()
		for s.Running().Pair() != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-s.paired:
			case <-copy.C:
				if !s.acts.Load() {
					s.archive.Copy(s.duty.Kept(pair.Records))
				}
			}
		}
		end()
		if err := <-done; err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// seat is how the box stands in the pair of a configuration.
func (s *System) seat(cfg *config.Config) (b role.Box, out bool) {
	r := cfg.Redundancy
	acts := s.acts.Load()
	if r == nil || acts && (!r.Complete() || !r.Enabled) {
		return role.Box{Acts: acts}, false
	}
	number, out := s.duty.Place()
	return role.Box{Pair: r, Number: number, Acts: acts && !out}, out
}

// place is the same for the addresses in the kernel.
func (s *System) place(cfg *config.Config) netcfg.Place {
	b, out := s.seat(cfg)
	return netcfg.Place{Pair: b.Pair, Box: b.Number, Out: out}
}

// acting is the configuration that the box goes by in its role.
func (s *System) acting(cfg *config.Config) *config.Config {
	b, _ := s.seat(cfg)
	return b.Of(cfg)
}

// followDuty has the box begin or cease to act where no calls have to be fetched or left: it stands alone from now on, or is no longer what it was.
func (s *System) followDuty(cfg *config.Config) {
	s.duty.Apply(cfg)
	s.shared.Nudge()
	select {
	case s.paired <- struct{}{}:
	default:
	}
	was := s.joined
	s.joined = cfg.Pair() != nil
	switch acts := s.duty.Acts(); {
	case !s.joined && acts:
		s.acts.Store(true)
	case s.joined && !was && !acts:
		inPair{s}.Drop("it is one of a pair from now on")
	}
}

// issues returns why the box does not issue certificates now.
func (s *System) issues() error {
	if !s.acts.Load() {
		return errStandby
	}
	return s.clock.Sane()
}

var errStandby = errors.New("this box is the standby of its pair, and gets the certificates of the active one: enter it there")

// replaced hears that the box has another place in its pair.
func (s *System) replaced() {
	s.placed.Store(true)
	select {
	case s.now <- struct{}{}:
	default:
	}
}

// inPair is the box as its duty sees it.
type inPair struct{ *System }

// Await opens the ports of the gateways: the time between the coming of their addresses and TakeOver's end may be long when there are many calls.
func (s inPair) Await() {
	if s.acts.Load() {
		return
	}
	cfg := s.Running()
	b, out := s.seat(cfg)
	b.Acts = !out
	effective := b.Of(s.net.Effective(cfg))
	s.sip.Await(effective, effective.Address)
}

// TakeOver has the box act for the pair: its calls, then its gateways, then all that may wait for a moment.
func (s inPair) TakeOver(ctx context.Context, why string) error {
	began := time.Now()
	s.roles.Lock()
	defer s.roles.Unlock()
	acted, cfg := s.acts.Swap(true), s.Running()
	effective := s.acting(s.net.Effective(cfg))
	s.effective.Store(effective)
	if acted {
		s.sip.Reconnect()
		s.calls.Resume()
		s.registrar.Tell()
		return nil
	}
	s.registrar.Restore(effective, s.duty.Kept(pair.Phones))
	kept := s.duty.Kept(pair.Records)
	s.noteRecorded(kept)
	held, rescued := s.duty.Kept(pair.Held), s.duty.Kept(pair.Rescued)
	var restored int
	var failed error
	gone := s.duty.Kept(pair.Connections)
	err := s.sip.TakeOver(effective, effective.Address, func() {
		siptransport.Knock(gone)
		restored, failed = s.calls.Restore(slices.Values(s.duty.Kept(pair.Calls)), slices.Values(s.duty.Kept(pair.Media)))
	})
	s.log.Info("calls of the pair taken over", "calls", restored, "after", time.Since(began), "why", why)
	s.calls.RestoreHeld(slices.Values(held))
	s.calls.RestoreRescued(slices.Values(rescued))
	s.applySenders(effective)
	s.archive.TakeOver(kept)
	s.archive.Pair(true, false)
	s.applied.Store(&applied{cfg, time.Now()})
	s.hasten()
	return errors.Join(err, failed)
}

// noteRecorded notes which calls of the other box have ended.
func (s *System) noteRecorded(kept []pair.Kept) {
	ended := map[string]bool{}
	for _, k := range kept {
		if call, ok := records.Of(k); ok {
			ended[call] = true
		}
	}
	s.over.Store(&ended)
}

// recorded reports whether there is a record of a call of the other box.
func (s *System) recorded(call string) bool {
	ended := s.over.Load()
	return ended != nil && (*ended)[call]
}

// HandOver gets the calls ready for the other box.
func (s inPair) HandOver(ctx context.Context) error {
	if err := s.calls.Gather(ctx); err != nil {
		return err
	}
	s.calls.HandOver()
	s.sip.Disconnect() // peers dial the other box then, and write no request into a connection that is dead
	return nil
}

// Drop has the box forget its calls and close its gateways, in silence.
func (s inPair) Drop(why string) {
	s.roles.Lock()
	defer s.roles.Unlock()
	if !s.acts.Swap(false) {
		return
	}
	s.calls.Drop()
	s.sip.DropAll()
	s.registrar.Drop()
	effective := s.acting(s.net.Effective(s.Running()))
	s.effective.Store(effective)
	_ = s.sip.Apply(effective, effective.Address) // no gateway can fail
	s.log.Warn("the box does not act for its pair any more", "why", why)
	s.hasten()
}

// Redundancy is how the box stands in its pair.
func (s *System) Redundancy() status.Redundancy { return s.duty.Status() }

// RedundancyKey is what the other box of a pair knows this one by.
func (s *System) RedundancyKey() (string, error) { return s.duty.Key() }

// SwitchRedundancy has the standby of the pair take over.
func (s *System) SwitchRedundancy(ctx context.Context) error { return s.duty.Switch(ctx) }

// switchFirst has the other box go on with the calls before this one restarts, if there is one that can.
func (s *System) switchFirst() {
	if !s.acts.Load() || !s.duty.Status().Other.Eligible {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), switchTime)
	defer cancel()
	if err := s.duty.Switch(ctx); err != nil {
		s.log.Warn("the other box of the pair does not take over before the restart", "err", err)
		return
	}
	for s.acts.Load() && ctx.Err() == nil { // engines that end would wait for calls that the other box has: they are dropped first
		time.Sleep(10 * time.Millisecond)
	}
	s.roles.Lock() // Drop has it until it is done
	defer s.roles.Unlock()
}

// switchTime is how long a restart waits for the other box.
const switchTime = 30 * time.Second
