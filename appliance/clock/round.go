package clock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// small is how far the clock may be off without being stepped at the start.
const small = 500 * time.Millisecond

// Floor sets the clock to the later of build time and saved time when it is behind: a board without a battery starts in 1970,
// and every certificate would be "not yet valid". Call it before anything needs TLS.
func (c *Clock) Floor() error {
	c.begin()
	c.tune()
	var saved time.Time
	var loadErr error
	if c.o.Load != nil {
		saved, loadErr = c.o.Load()
	}
	floor := c.floorOf(saved)
	c.mu.Lock()
	c.known = !saved.IsZero()
	c.floor = floor
	c.mu.Unlock()
	behind := floor.Sub(c.o.Kernel.Now())
	if behind <= 0 {
		return loadErr
	}
	if err := c.o.Kernel.Step(behind); err != nil {
		return errors.Join(loadErr, fmt.Errorf("set the clock forward to %s: %w", floor.UTC().Format(time.RFC3339), err))
	}
	c.o.Log.Info("clock was behind, set forward", "time", floor.UTC())
	c.moved()
	return loadErr
}

// save keeps the time and the drift for the next Floor, unless it is known to be wrong.
func (c *Clock) save() {
	if c.o.Save == nil || !c.Synced() {
		return
	}
	if err := c.o.Save(c.o.Kernel.Now()); err != nil {
		c.o.Log.Error("time not saved", "err", err)
	}
	k, ok := c.o.Kernel.(Tunable)
	if !ok || c.o.SaveDrift == nil {
		return
	}
	drift, err := k.Frequency()
	if err == nil {
		err = c.o.SaveDrift(drift)
	}
	if err != nil {
		c.o.Log.Error("drift not saved", "err", err)
	}
}

func (c *Clock) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began.IsZero() {
		c.began = time.Now()
	}
}

// tune gives the kernel the frequency that it had learned before the power went. One that it has learned since is better.
func (c *Clock) tune() {
	k, ok := c.o.Kernel.(Tunable)
	if !ok || c.o.LoadDrift == nil {
		return
	}
	drift, err := c.o.LoadDrift()
	if have, known := k.Frequency(); err == nil && drift != 0 && known == nil && have == 0 {
		err = k.SetFrequency(drift)
	}
	if err != nil {
		c.o.Log.Warn("drift not restored", "err", err)
	}
}

// round asks every server, decides, and adjusts. command steps however far the clock is, and has the error reported.
func (c *Clock) round(ctx context.Context, command bool) error {
	c.mu.Lock()
	enabled, servers := c.enabled, c.servers
	c.mu.Unlock()
	if !enabled || len(servers) == 0 {
		c.conclude(nil, 0, "", maxInterval)
		if enabled {
			return errors.New("no sntp-client server is configured")
		}
		return errors.New("sntp-client is not enabled")
	}
	states, samples, from := c.ask(ctx, servers)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	interval := c.state.Interval
	c.mu.Unlock()
	if len(samples) == 0 {
		c.conclude(states, 0, "no time server answers", min(interval*2, minInterval))
		return errors.New("no time server answers")
	}
	hosts := make([]string, len(samples))
	for i, at := range from {
		hosts[i] = states[at].Host
	}
	v := c.believe(samples, hosts, command)
	for i, u := range v.used {
		states[from[i]].Used = u
	}
	c.distrusted(v.refused)
	if v.refused != "" {
		c.conclude(states, v.offset, v.refused, minInterval)
		return errors.New(v.refused)
	}
	offset, problem := v.offset, v.problem
	if err := c.adjust(offset, command); err != nil {
		if problem == "" {
			problem = err.Error()
		}
		c.conclude(states, offset, problem, minInterval)
		return err
	}
	next := max(interval, minInterval)
	if offset.Abs() > 20*time.Millisecond {
		next = max(next/2, minInterval)
	} else if c.Synced() && interval >= minInterval {
		next = min(next*2, maxInterval)
	}
	if problem == "" && offset.Abs() > small && c.Synced() && !command {
		problem = fmt.Sprintf("the clock is %v off and being slewed, which takes long: `clock sync` sets it at once", offset.Round(time.Millisecond))
	}
	c.conclude(states, offset, problem, next)
	c.once.Do(func() {
		c.o.Log.Info("clock synchronised", "offset", offset, "servers", len(samples))
		close(c.synced)
		c.save() // the power may fail within the first hour
	})
	c.mu.Lock()
	c.state.Last = time.Now()
	c.mu.Unlock()
	return nil
}

// adjust steps at the start or by command when the offset is not small, and slews otherwise.
func (c *Clock) adjust(offset time.Duration, command bool) error {
	c.mu.Lock()
	interval := max(c.state.Interval, minInterval)
	c.mu.Unlock()
	var err error
	if step := command || !c.Synced(); step && offset.Abs() > small {
		if err = c.o.Kernel.Step(offset); err == nil {
			c.o.Log.Info("clock stepped", "offset", offset)
			c.moved()
		}
	} else {
		err = c.o.Kernel.Slew(offset, interval)
	}
	refused := errors.Is(err, fs.ErrPermission)
	c.mu.Lock()
	c.state.Adjustable = !refused
	c.mu.Unlock()
	switch {
	case refused && offset.Abs() <= small:
		return nil // another program keeps this clock, and keeps it well
	case refused:
		return fmt.Errorf("the clock is %v off and cannot be adjusted from here: %w", offset.Round(time.Millisecond), err)
	}
	return err
}

// moved tells that the clock shows another time than a moment ago.
func (c *Clock) moved() {
	if c.o.Moved != nil {
		c.o.Moved()
	}
}

// distrusted reports why no server is believed, "" when one is.
func (c *Clock) distrusted(why string) {
	if c.o.Distrusted != nil {
		c.o.Distrusted(why)
	}
}

// conclude publishes the result of a round.
func (c *Clock) conclude(states []status.TimeServer, offset time.Duration, problem string, interval time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if problem != c.state.Error && problem != "" {
		c.o.Log.Warn("clock", "err", problem)
	}
	c.state.Servers, c.state.Offset, c.state.Error, c.state.Interval = states, offset, problem, interval
}

// ask queries all addresses of all servers at once. from holds the index in states of each valid sample.
func (c *Clock) ask(ctx context.Context, servers []config.SNTPServer) (states []status.TimeServer, samples []Sample, from []int) {
	var versions []int
	for _, s := range servers {
		addrs, err := c.resolve(ctx, s.Host)
		if err != nil {
			states = append(states, c.before(status.TimeServer{Role: s.Role, Host: s.Host, Error: err.Error()}))
			versions = append(versions, 0)
		}
		for _, a := range addrs[:min(len(addrs), maxAddresses)] {
			states = append(states, c.before(status.TimeServer{Role: s.Role, Host: s.Host, Address: netip.AddrPortFrom(a, s.Port)}))
			versions = append(versions, int(s.Version))
		}
	}
	answers := make([]Sample, len(states))
	errs := make([]error, len(states))
	var all sync.WaitGroup
	for i, s := range states {
		if !s.Address.IsValid() {
			continue
		}
		if c.held(s.Address) {
			errs[i] = errHeld
			continue
		}
		all.Go(func() { answers[i], errs[i] = c.o.Query(ctx, s.Address, versions[i]) })
	}
	all.Wait()
	for i := range states {
		s := &states[i]
		switch {
		case !s.Address.IsValid() || errs[i] == errHeld:
			// As it was: the name does not resolve, or its last answer was a refusal.
		case errs[i] != nil:
			s.Error = errs[i].Error()
			c.hold(s.Address, errs[i])
		default:
			s.Stratum, s.Offset, s.Distance = answers[i].Stratum, answers[i].Offset, answers[i].Distance
			s.Last, s.Error = time.Now(), ""
			samples = append(samples, answers[i])
			from = append(from, i)
		}
	}
	return states, samples, from
}

var errHeld = errors.New("not asked")

// held reports whether a server is left alone.
func (c *Clock) held(server netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.wait[server])
}

// hold leaves a server alone that wants it.
func (c *Clock) hold(server netip.AddrPort, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kiss, ok := errors.AsType[KissOfDeath](err)
	switch {
	case !ok:
	case kiss == "RATE":
		c.wait[server] = time.Now().Add(2 * maxInterval)
	default:
		c.wait[server] = time.Now().Add(24 * time.Hour)
	}
}

// before carries over the knowledge of a server from the last round.
func (c *Clock) before(s status.TimeServer) status.TimeServer {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, old := range c.state.Servers {
		if old.Host == s.Host && old.Address == s.Address {
			s.Stratum, s.Offset, s.Distance, s.Last = old.Stratum, old.Offset, old.Distance, old.Last
			if s.Error == "" {
				s.Error = old.Error
			}
		}
	}
	return s
}

func (c *Clock) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*queryTimeout)
	defer cancel()
	addrs, err := c.o.Lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return nil, err // names the host
	}
	return addrs, nil
}
