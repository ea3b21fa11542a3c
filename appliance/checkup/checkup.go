// Package checkup finds out whether calls can work, step by step, and what to do where they cannot.
//
// It owns the steps of `check teams`, `check pbx`, `check all` and `check federation`, their order (table.go), and the comparison of each day's
// outcome with the day before. What the engines know it asks of them; it dials, asks and pings itself only where something must be tried afresh, and
// changes nothing: no registration, no penalty box, no cache that calls depend on. It does not own the state of the box (package status)
// nor the layout of what is printed.
//
// A check runs its steps at once as far as they do not depend on each other, each in a goroutine that ends with the check. Checker.Run is the only other
// goroutine, which the caller starts.
package checkup

import (
	"context"
	"crypto"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/names"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"
)

// Limits of a check.
const (
	longest    = 28 * time.Second // all of it
	atOnce     = 24               // steps
	shown      = 8                // items of a kind that one step names
	dialTime   = 4 * time.Second
	secureTime = 4 * time.Second // a handshake
	answerTime = 4 * time.Second // to OPTIONS
)

// Box is what a check asks of the engines.
type Box interface {
	// Effective is the configuration in force, with the addresses from DHCP servers.
	Effective() *config.Config
	IPInterfaces() []status.IPInterface
	Neighbours() ([]status.Neighbour, error)
	// AskNeighbour has the kernel ask a host of an attached network for its hardware address again.
	AskNeighbour(a netip.Addr) error
	Gateways() []status.Gateway
	Peers() []status.Peer
	Registrations() []status.Registration
	Licenses() status.Licenses
	Clock() status.Clock
	CallRecords(n int) ([]status.Record, error)
	// MeasureClock asks the time servers now.
	MeasureClock(ctx context.Context) []status.TimeServer
	Certificates(name string) ([]*x509.Certificate, error)
	PrivateKey(name string) (crypto.Signer, error)
	// TryAccounts asks the registrars of a gateway's identities whether they take the passwords. other is what else ended the trial.
	TryAccounts(ctx context.Context, gateway string) (taken int, refused *sipua.Refused, other error)
	// Question is the OPTIONS that an interface would send to a host, "" for its peer.
	Question(ctx context.Context, iface config.InterfaceID, host string) (sipua.Question, error)
	// Fleet is how the box stands with the hub of its fleet.
	Fleet() status.Fleet
	// Redundancy is how it stands in its pair.
	Redundancy() status.Redundancy
	// TestPresence goes through the steps of a presence-service, and changes nothing.
	TestPresence(ctx context.Context, name string, report func(status.CheckStep)) (status.Checkup, error)
}

// Options of a Checker.
type Options struct {
	Log      *slog.Logger
	Box      Box
	Resolver *names.Resolver
	Health   *health.Tracker
	Load     func(parse func(text []byte) error) error // the outcome of the last daily check, if there is one
	Save     func(text []byte) error
	Rests    func() bool // nobody calls by this box now, so the daily check would find nothing; nil: never
}

// Checker checks the box. It is safe for concurrent use.
type Checker struct {
	o       Options
	started time.Time

	mu     sync.Mutex
	last   status.Checkup    // the last one of everything
	before kept              // the last daily one
	worse  map[string]string // titles of the steps with an alarm, by their keys
	wrong  map[string]wrong  // by gateway: a password that a registrar has refused
}

// wrong is a refusal that stands until the configuration changes or the registration is renewed. It is not asked for again: a PBX bans who
// comes with a wrong password several times.
type wrong struct {
	refused *sipua.Refused
	cfg     *config.Config
	expires time.Time // of the registration, which was still in force
}

// Open reads the outcome of the last daily check.
func Open(o Options) *Checker {
	c := &Checker{o: o, started: time.Now(), worse: map[string]string{}, wrong: map[string]wrong{}}
	c.load()
	return c
}

// Last is the outcome of the last check of everything, whoever asked for it.
func (c *Checker) Last() status.Checkup {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Check goes through the steps of "teams", "pbx" or "all". It reports each step in its order, as soon as those before it are done.
func (c *Checker) Check(ctx context.Context, of string, report func(status.CheckStep)) status.Checkup {
	out := c.check(ctx, of, report)
	if of == all && ctx.Err() == nil {
		c.took(out)
	}
	return out
}

func (c *Checker) check(ctx context.Context, of string, report func(status.CheckStep)) status.Checkup {
	s := c.survey()
	s.of = of
	s.addTest()
	return s.goThrough(ctx, of, plan(s, steps, of), report)
}

// goThrough runs the tasks of a check within its time.
func (s *survey) goThrough(ctx context.Context, of string, tasks []*task, report func(status.CheckStep)) status.Checkup {
	limited, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	out := status.Checkup{Of: of, Started: time.Now()}
	out.Steps = s.run(limited, tasks, func(x status.CheckStep) {
		if ctx.Err() == nil && report != nil {
			report(x)
		}
	})
	out.Ended = time.Now()
	return out
}
