// Package clock keeps the box's time: NTP from several servers, a step at the start and slewing after that, a floor before the
// first answer.
//
// It owns the kernel's clock (through Kernel) and the decision which servers to believe. It does not own name resolution
// (Lookup), nor the file of the saved time (Load, Save), nor local time zones.
// It has one goroutine, Run's caller.
package clock

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"viaduct/appliance/config"
)

// Options are what a Clock needs from the box.
type Options struct {
	Log    *slog.Logger
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Kernel Kernel                    // nil: the system's
	Build  time.Time                 // of the firmware: the time cannot be earlier
	Load   func() (time.Time, error) // saved time; a zero time when there is none
	Save   func(time.Time) error     // called hourly and at the end of Run
	Query  Query                     // nil: NTP over UDP
}

// Kernel is a clock that can be read and perhaps set. Errors that are fs.ErrPermission mean: it cannot be adjusted from here.
type Kernel interface {
	Now() time.Time
	Step(offset time.Duration) error // at once; offset is added
	Slew(offset time.Duration) error // gradually; a new call replaces the rest of an earlier one
}

// Query asks one server once.
type Query func(ctx context.Context, server netip.AddrPort, version int) (Sample, error)

// Sample is a valid answer of one server.
type Sample struct {
	Offset   time.Duration // to add to our clock
	Distance time.Duration // half round trip, and the server's own distance to its reference (RFC 5905 root distance)
	Stratum  int
}

// Clock disciplines the kernel's clock.
type Clock struct{}

// New returns a Clock; nothing happens before Floor, Apply and Run.
func New(o Options) *Clock { return &Clock{} }

// Floor sets the clock to the later of build time and saved time when it is behind both. Call it before anything needs TLS.
func (c *Clock) Floor() error { return nil }

// Apply takes the servers of a configuration. The same servers again change nothing.
func (c *Clock) Apply(cfg *config.Config) {}

// Run asks the servers until ctx ends; it saves the time on its way out.
func (c *Clock) Run(ctx context.Context) error { return nil }

// Sync asks the servers now and steps the clock, however far it is (the command `clock sync`).
func (c *Clock) Sync(ctx context.Context) error { return nil }

// Synced reports whether the time can be relied upon, for certificates above all.
func (c *Clock) Synced() bool { return false }

// Wait returns when the clock is synced, or ctx's error.
func (c *Clock) Wait(ctx context.Context) error { return nil }

// State is for `show sntp-client`.
func (c *Clock) State() State { return State{} }

// State of the clock and its servers at one moment.
type State struct {
	Enabled    bool
	Synced     bool
	Since      time.Time     // of the last accepted answer
	Offset     time.Duration // then
	Adjustable bool          // false: the kernel refused; we only observe
	Next       time.Time     // of the next query
	Interval   time.Duration
	Servers    []ServerState
	Problem    string // one sentence, "" when all is well
}

// ServerState is one address of a configured server.
type ServerState struct {
	Role, Host string
	Addr       netip.AddrPort
	Sample     Sample
	Last       time.Time // of the last valid answer, zero when none
	Used       bool      // agreed with the majority at the last query
	Error      string    // of the last query, "" when it was answered
}
