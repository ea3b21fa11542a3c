package lang

import (
	"context"
	"io"
	"net/netip"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Box is what commands ask of the running box. Methods answer at once from what the box knows, except where they take a
// context. Results are plain values that the caller may keep.
type Box interface {
	Configuration
	Keys
	Licensing
	Status
	Machine
	Firmware
	Lockout
}

// Lockout is who is shut out because of wrong passwords. Sources are addresses; what counts as one may be a network.
type Lockout interface {
	// Banned is how much longer nobody gets in from a source, 0 when they may try.
	Banned(source netip.Addr) time.Duration
	// WrongPassword counts one for an account ("" for one that does not exist), and returns what Banned does from now on.
	WrongPassword(source netip.Addr, account string) time.Duration
	// RightPassword forgives the source the wrong ones for the account.
	RightPassword(source netip.Addr, account string)
	// Bans lists the sources of wrong passwords, those that are shut out for longest first.
	Bans() []status.Ban
	// LiftBans forgets a source, all of them with the zero address, and returns how many.
	LiftBans(source netip.Addr) int
}

// Configuration is the running configuration and its files.
type Configuration interface {
	Running() *config.Config
	// Mutate publishes what change makes of the running configuration. Changes run one after the other; an error of
	// change is returned and nothing is published. change must not modify its argument.
	Mutate(change func(*config.Config) (*config.Config, error)) error
	// Env is what the check of a configuration may know of this box.
	Env() check.Env
	// ReadFile returns "startup-config", "factory-config", or "startup-config.N", the Nth last one (1..10).
	ReadFile(name string) ([]byte, error)
	// Kept is how many startup-configs before the present one there are.
	Kept() int
	// WriteFile replaces "startup-config" atomically; the one before is kept.
	WriteFile(name string, text []byte) error
	EraseFile(name string) error
	// Fetch gets a file over HTTP, Send puts one; they end with ctx.
	Fetch(ctx context.Context, url string) ([]byte, error)
	Send(ctx context.Context, url string, text []byte) error
	// Backup is startup-config, key store and licenses in one block of text, encrypted under a pass phrase. Restore stores
	// all of one or nothing, and returns a line about what it held.
	Backup(passphrase string) ([]byte, error)
	Restore(text []byte, passphrase string) (string, error)
	// Reload restarts with the startup-config: after delay (0 now), and when graceful once no call is left. With an image
	// that waits to be started the whole box restarts, and what is its version.
	Reload(r Reload) (image string, err error)
	// Coming is the reload that is to come, nil when there is none.
	Coming() *Coming
}

// Reload says how to restart.
type Reload struct {
	Graceful bool
	Delay    time.Duration
	Cancel   bool   // `no reload`: forget a pending one
	By, TTY  string // who orders it, and on which terminal: the others are told
}

// Coming is a reload that is to come.
type Coming struct {
	At       time.Time // zero: at once, or when no call is left
	Graceful bool
}

// In says when it comes.
func (c Coming) In(now time.Time) string {
	when := "now"
	switch left := c.At.Sub(now); {
	case c.At.IsZero() && c.Graceful:
		when = "when no call is left"
	case c.At.IsZero():
		return when
	case left > 90*time.Second:
		when = "in " + plural.Of(int((left+30*time.Second)/time.Minute), "minute")
	default:
		when = "in " + plural.Of(int(max(left, 0)/time.Second), "second")
	}
	return when + "; `no reload` cancels it"
}

// Keys is the key store.
type Keys interface {
	// ImportCertificate stores one or more PEM certificates (a chain) under name and returns a line about what it is.
	ImportCertificate(name string, pem []byte) (string, error)
	// ImportPrivateKey likewise; the error is pki.ErrEncrypted when pem is encrypted and passphrase is empty.
	ImportPrivateKey(name string, pem []byte, passphrase string) (string, error)
	// ExportCertificate returns the PEM text that was imported.
	ExportCertificate(name string) ([]byte, error)
	DeletePKI(kind status.KeyKind, name string) error
	PKI() []status.Key
	// UnknownIssuers lists issuers of peers' certificates that were met and are not trusted.
	UnknownIssuers() []status.UnknownIssuer
	// TrustIssuer imports the one with this SHA-256, trusts it where it was met, and returns a line about what was done.
	TrustIssuer(sha256 string) (string, error)
}

// Licensing is installed licenses and the pools that they fill.
type Licensing interface {
	// InstallLicense returns a line about what the key gives.
	InstallLicense(key string) (string, error)
	// EraseLicense forgets a key and returns a line about what it gave.
	EraseLicense(key string) (string, error)
	Licenses() status.Licenses
}

// Status is what goes on: calls, registrations, peers.
type Status interface {
	Calls() []status.Call
	CallCount() int
	// CallRecords returns the last n calls that ended, oldest first.
	CallRecords(n int) ([]status.Record, error)
	ClearCall(id string) error // "" clears all
	Registrations() []status.Registration
	// Register asks the registrar of an identity at once, "" those of all, and returns how many it asks.
	Register(identity string) (int, error)
	Peers() []status.Peer
	Gateways() []status.Gateway
	// Trace is a dry run of a call with these properties. The error says which of them no call can have.
	Trace(start TraceStart, properties []PropertyValue) (Trace, error)
}

// PropertyValue is one property of a call to be traced.
type PropertyValue struct {
	Property config.Property
	Value    string
}

// TraceStart is where a dry run begins: at a table or a service of a context cs, or with a call that comes in on an interface.
type TraceStart struct {
	Context   string
	Dest      config.Dest
	Interface config.InterfaceID
}

// Trace is a dry run.
type Trace struct {
	Steps    []string // one readable line each
	Attempts []string // where the call would go, in order, with the numbers it would carry
	Notes    []string // what makes the result less than it looks like
	Result   string   // whether the call would go through, to whom, or why it would be refused
}

// Machine is the box itself: version, network, time, log.
type Machine interface {
	System() status.System
	// Unfit says why the box cannot do its work, or cannot tell yet; nothing when it can.
	Unfit() []string
	// Alarms are what is wrong with the box, the worst first.
	Alarms() []health.Alarm
	// AlarmCounts is how many alarms of each kind there are, of all kinds.
	AlarmCounts() []health.Count
	IPInterfaces() []status.IPInterface
	IPRoutes() []status.Route
	// Neighbours are the hosts of the attached networks that the kernel knows.
	Neighbours() ([]status.Neighbour, error)
	Ports() []status.Port
	NameServers() []status.NameServer
	Clock() status.Clock
	// SyncClock asks the time servers now and sets the clock, however far it is off; it ends with ctx.
	SyncClock(ctx context.Context) error
	// Log returns the last n lines of the log, oldest first.
	Log(n int) []string
	// FollowLog calls each for every new line of the log until ctx ends or each fails.
	FollowLog(ctx context.Context, each func(line string) error) error
	// Ping and Lookup may take seconds; they end with ctx.
	Ping(ctx context.Context, p Ping, report func(line string)) error
	Traceroute(ctx context.Context, host string, report func(line string)) error
	Lookup(ctx context.Context, host string) ([]string, error)
	Sessions() []status.Session
	// Attend keeps a session among Sessions, and gives it what it debugs, until ctx ends or each fails.
	Attend(ctx context.Context, s status.Session, each func(text string) error) error
	// Debug switches a topic on or off for the session on a terminal: "sip", "call", "route", "rtp", "tls" or "all".
	Debug(tty, topic string, on bool) error
}

// Firmware is the images that a box holds. Both installations check an image to its end before anything is replaced, report
// what they do, a line each, and end with ctx; one that has begun to write goes on to its end.
type Firmware interface {
	Images(ctx context.Context) (status.Images, error)
	// InstallImage installs the image that file is, and closes it. force takes one that is older than what runs.
	InstallImage(ctx context.Context, file io.ReadCloser, force bool, report func(line string)) error
	// FetchImage installs an image from a web server.
	FetchImage(ctx context.Context, url string, force bool, report func(line string)) error
}
