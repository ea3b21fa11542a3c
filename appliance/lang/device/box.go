package device

import (
	"context"
	"crypto"
	"io"
	"net/netip"
	"time"

	"viaduct/appliance/capture"
	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
	"viaduct/appliance/webserver"
)

// Box is the running box as commands see it. Methods without a context return at once. The caller may keep their results.
type Box interface {
	Configuration
	Keys
	Licensing
	Status
	Machine
	Firmware
	Lockout
	Traffic
	Checkup
	Traces
	Monitoring
	Service
	Trail
	AlarmBook
	WebServer
	PresenceServices
	Provisioning
	Telephones
	Fleet
	Redundancy
}

// Redundancy is the box as one of a pair.
type Redundancy interface {
	// Redundancy is how the box stands in its pair. Without `redundancy` the state is off.
	Redundancy() status.Redundancy
	// RedundancyKey is the SHA-256 of the public key by which the other box knows this one, 64 hex digits. The first one makes the key. It is no secret.
	RedundancyKey() (string, error)
	// SwitchRedundancy has the standby take over, and no call is lost. At the standby it asks the active box. It returns when the other box is the
	// active one, or with why it is not: then all is as before.
	SwitchRedundancy(ctx context.Context) error
}

// Fleet is the box as a member of a fleet.
type Fleet interface {
	// Fleet is how it is connected with its hub, and what the two have from each other. Without `fleet` the state is off, with no name.
	Fleet() status.Fleet
	// FleetKey is the file that a hub takes the box by. The error says what is missing.
	FleetKey() (fleet.KeyFile, error)
	// GenerateFleetKey puts a new key in the place of the present one, and has the hub end that at once if it is connected; ended says whether it did.
	// The error is of the new key, which is not in use then.
	GenerateFleetKey(ctx context.Context) (ended bool, err error)
}

// Telephones are the phones that register here, and what happens to calls while their PBX is gone.
type Telephones interface {
	// Phones are the identities as which phones may register, each with those that have; Bindings are the latter alone.
	Phones() []status.Phone
	Bindings() []status.Binding
	// ClearBindings forgets the phones of an identity and returns how many there were: they come back with their next REGISTER.
	ClearBindings(identity string) int
	// RestartPhone asks the phones of an identity to fetch their settings and start again (NOTIFY check-sync), and waits for their answers until
	// ctx ends. The error says that there is no such identity, or no phone of it.
	RestartPhone(ctx context.Context, identity string) ([]status.PhoneRestart, error)
	Survivals() []status.Survival
}

// PresenceServices are how Teams users are, and what is told of them.
type PresenceServices interface {
	Presence() status.Presence
	// Events is what the PBX is asked and told with SIP events.
	Events() status.Events
	// TestPresence goes through every step on the way to the presence of users, for one presence-service or all for "", reports each, and
	// changes nothing. It ends with ctx.
	TestPresence(ctx context.Context, name string, report func(status.CheckStep)) (status.Checkup, error)
	// GeneratePresenceCertificate makes a certificate with which the box signs in to Microsoft Entra, and its RSA key. It returns what to do
	// with it, and its PEM. It replaces others of the name only with replace.
	GeneratePresenceCertificate(name string, bits, years int, replace bool) (text string, pem []byte, err error)
}

// WebServer is the web page, as far as the process that serves it must ask.
type WebServer interface {
	Web() status.Web
	// SetupCode opens a box of which no account has a password; "" when one has. It is shown at the box alone.
	SetupCode() string
	// SetUp calls open if the code is right. Other errors than those of open are webserver.ErrWrongCode, ErrCodeRests and ErrNoSetup.
	SetUp(code string, open func() error) error
	// WebOffer is what is to be served; nil: nothing is.
	WebOffer() *webserver.Offer
	// SignWeb signs what a TLS server signs in a handshake, with the key of the certificate whose SHA-256 is leaf.
	SignWeb(leaf, message []byte, hash crypto.Hash, pss bool) ([]byte, error)
}

// AlarmBook is the past of alarms, and what administrators know of the present ones.
type AlarmBook interface {
	// AlarmHistory returns the last n alarms that were raised, oldest first.
	AlarmHistory(n int) []health.Episode
	// AcknowledgeAlarm acknowledges the raised alarms of a kind, or the one with this subject, and returns how many those are.
	AcknowledgeAlarm(id, subject, by string) int
}

// Trail is what was done to the box, and by whom.
type Trail interface {
	// Note adds an entry: what, by whom, from where. more fills in the rest, and is not called when there is no room. It must hold no secret.
	Note(e status.Audit, more func(*status.Audit))
	// Audit returns the last n entries that are wanted, oldest first.
	Audit(n int, wanted func(status.Audit) bool) ([]status.Audit, error)
}

// Traffic is the calls that have ended, counted.
type Traffic interface {
	// Traffic counts the calls of the last time, a day at most.
	Traffic(last time.Duration) status.Traffic
	// TrafficTotals counts the calls since the start.
	TrafficTotals() status.TrafficTotals
	// Trend is how the box did over the last day, point by point.
	Trend() status.Trend
}

// Checkup finds out whether calls can work.
type Checkup interface {
	// Check goes through the steps of "teams", "pbx", or "all", half a minute at most, and changes nothing. It reports each step in its order. It ends with ctx.
	Check(ctx context.Context, of string, report func(status.CheckStep)) status.Checkup
	// CheckFederation does the same with what a partner needs who federates with a domain.
	CheckFederation(ctx context.Context, domain string, report func(status.CheckStep)) status.Checkup
	// LastCheck is the outcome of the last check of everything since the start.
	LastCheck() status.Checkup
}

// Traces are the SIP messages of calls, without their secrets.
type Traces interface {
	// CallTrace returns the messages of a call, past or in progress, by its ID or a Call-ID; an error if there are none.
	CallTrace(id string) (status.CallTrace, error)
	// CallCapture returns them as a file of pcapng, on demand with the voice that was kept.
	CallCapture(id string, voice bool) ([]byte, error)
	// CaptureVoice has the voice of the calls of a number, or of one call by its ID, kept for a while, and returns until when. ForgetVoice
	// ends that and drops what was kept.
	CaptureVoice(of string) time.Time
	ForgetVoice()
}

// Monitoring is what management stations, collectors and capture servers are told.
type Monitoring interface {
	SNMP() status.SNMP
	HEP() status.HEP
}

// Service takes parts of the box out of service, or all of it, without cutting calls off.
type Service interface {
	Drain(d Drain) error
	// EndDrain takes it back; false: it was in service.
	EndDrain(d Drain) (bool, error)
}

// Drain is what to take out of service: the box, a context cs, or an interface sip.
type Drain struct {
	Context, Interface string
	Limit              time.Duration // calls that are left then are ended
	By                 string        // the user who ordered it
}

// Lockout bans sources of wrong passwords. Sources are addresses; one source may stand for a network.
type Lockout interface {
	// Banned returns how much longer a source is banned; 0 if it is not.
	Banned(source netip.Addr) time.Duration
	// WrongPassword counts a wrong password for an account ("" if it does not exist) and returns the new value of Banned.
	WrongPassword(source netip.Addr, account string) time.Duration
	// RightPassword clears the count of the source for the account.
	RightPassword(source netip.Addr, account string)
	// Bans lists the sources of wrong passwords, the longest bans first.
	Bans() []status.Ban
	// LiftBans clears a source, or all sources for the zero address, and returns how many.
	LiftBans(source netip.Addr) int
}

// Configuration is the running configuration and its files.
type Configuration interface {
	Running() *config.Config
	// Mutate publishes the configuration that change returns. Changes run one after the other. If change fails, Mutate returns its error
	// and publishes nothing. change must not modify its argument.
	Mutate(by status.Author, change func(*config.Config) (*config.Config, error)) error
	// LastChange is who changed the running configuration last.
	LastChange() status.Changed
	// BeginCommit has all that changes from now on go back to before after some time, unless it is confirmed. A change of another account
	// that waits already is an error; one of the same gets the new time. The function of Mutate may call it.
	BeginCommit(before *config.Config, by status.Author, after time.Duration) error
	// KeepPassword has the password that an account has chosen for itself outlive a change that goes back; first: no account had one at
	// this box. The function of Mutate calls it.
	KeepPassword(a *config.Account, first bool)
	// Confirm lets the change stay, TakeBack takes it back at once. Both fail when none waits.
	Confirm(by status.Author) error
	TakeBack(by status.Author) error
	Commit() status.Commit
	// Env describes this box to the checks of a configuration.
	Env() check.Env
	// ReadFile reads "startup-config", "factory-config", or "startup-config.N" (1..10, 1 is the newest).
	ReadFile(name string) ([]byte, error)
	// Kept returns how many earlier startup-configs there are.
	Kept() int
	// SavedConfigs lists the startup-config and those before it, the newest first.
	SavedConfigs() ([]status.SavedConfig, error)
	// WriteFile replaces "startup-config" atomically and keeps the previous one.
	WriteFile(name string, text []byte) error
	EraseFile(name string) error
	// Fetch gets a file over HTTP and Send puts one. Both end with ctx.
	Fetch(ctx context.Context, url string) ([]byte, error)
	Send(ctx context.Context, url string, text []byte) error
	// Backup returns startup-config, key store and licenses as one block of text, encrypted with a passphrase. Restore stores all of a
	// backup or nothing, and returns a line about its contents.
	Backup(passphrase string) ([]byte, error)
	Restore(text []byte, passphrase string) (string, error)
	// CheckBackup returns the line about the contents, and stores nothing.
	CheckBackup(text []byte, passphrase string) (string, error)
	// Reload restarts with the startup-config after a delay, and if graceful after the last call. If a new image is waiting, the whole box
	// reboots, and Reload returns the version of the image.
	Reload(r Reload) (image string, err error)
	// Coming returns the scheduled reload, or nil.
	Coming() *Coming
}

// Reload says how to restart.
type Reload struct {
	Graceful bool          // new calls go elsewhere, and those in progress end by themselves
	Limit    time.Duration // graceful: calls that are left then are ended
	Delay    time.Duration
	Cancel   bool   // `no reload`: cancel a scheduled reload
	By, TTY  string // the user who ordered it and the terminal, for messages to others
}

// Coming is a scheduled reload.
type Coming struct {
	At       time.Time // zero: at once, or after the last call
	Graceful bool
}

// In says when the reload happens.
func (c Coming) In(now time.Time) string {
	when := "now"
	switch left := c.At.Sub(now); {
	case c.At.IsZero() && c.Graceful:
		when = "after the last call"
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
	// ImportCertificate stores one or more PEM certificates (a chain) under name and returns a line about them.
	ImportCertificate(name string, pem []byte) (string, error)
	// ImportPrivateKey stores a private key likewise. The error is pki.ErrEncrypted if pem is encrypted and passphrase is empty.
	ImportPrivateKey(name string, pem []byte, passphrase string) (string, error)
	// ImportPKCS12 stores the certificate, the chain and the private key of a file, all or nothing. The error is pki.ErrEncrypted as above.
	ImportPKCS12(name string, der []byte, passphrase string) (string, error)
	// GenerateKey makes an RSA key, in place of another only with replace.
	GenerateKey(name string, bits int, replace bool) (string, error)
	// CertificateRequest returns a request in PEM for names, signed with the private key of this name.
	CertificateRequest(key string, names []string) ([]byte, error)
	// CreateInternalCA makes the root of the internal CA, under the name that people see, in place of another only with replace.
	CreateInternalCA(name string, replace bool) (string, error)
	// IssueInternal has the internal CA issue a certificate for names, or for those of the box in the LAN, with a key of its own.
	IssueInternal(name string, names []string, replace bool) (string, error)
	InternalCA() status.InternalCA
	// ExportCertificate returns the PEM text that was imported.
	ExportCertificate(name string) ([]byte, error)
	DeletePKI(kind status.KeyKind, name string) error
	PKI() []status.Key
	// UnknownIssuers lists issuers of peers' certificates that were met and are not trusted.
	UnknownIssuers() []status.UnknownIssuer
	// ACME lists the certificates that the box obtains by itself.
	ACME() []status.ACME
	// RenewACME orders the certificate of a profile acme now. TestACME goes through every step of an order, reports each, and takes
	// nothing into use; it ends with ctx.
	RenewACME(name string) error
	TestACME(ctx context.Context, name string, report func(line string)) error
	// TrustIssuer imports the issuer with this SHA-256, trusts it where it was presented, and returns a line about the result.
	TrustIssuer(sha256 string, by status.Author) (string, error)
	// Calendar is what is announced of the outer world. ImportCalendar takes a signed one that is newer, and returns a line about it;
	// EraseCalendar returns to the built-in one.
	Calendar() status.Calendar
	ImportCalendar(block []byte) (string, error)
	EraseCalendar() error
	// PeerChains are the certificates that dialled peers have shown, compared by week.
	PeerChains() status.PeerChains
	// UntrustIssuer takes the trusted certificate with this SHA-256 out of all profiles and returns a line about the result.
	UntrustIssuer(sha256 string, by status.Author) (string, error)
}

// Licensing is the installed licenses and their pools.
type Licensing interface {
	// InstallLicense installs a key and returns a line about its licenses.
	InstallLicense(key string) (string, error)
	// EraseLicense removes a key and returns a line about its licenses.
	EraseLicense(key string) (string, error)
	Licenses() status.Licenses
}

// Status is the state of calls, registrations and peers.
type Status interface {
	Calls() []status.Call
	// CallInProgress is the record of a call as far as it has come.
	CallInProgress(id string) (status.Record, bool)
	CallCount() int
	// CallRecords returns the last n calls that ended, oldest first.
	CallRecords(n int) ([]status.Record, error)
	// FindCalls searches the calls that ended.
	FindCalls(status.RecordSearch) (status.RecordsFound, error)
	CallArchive() status.CallRecords
	// EraseCallRecords deletes the records of all but the last days, all for 0, and returns how many files those were.
	EraseCallRecords(days int) (int, error)
	ClearCall(id string) error // "" clears all
	Registrations() []status.Registration
	// Register registers an identity at once, or all for "", and returns how many.
	Register(identity string) (int, error)
	Peers() []status.Peer
	// ReleasePeers takes the peer of a SIP interface out of the penalty box, or every one for the zero InterfaceID, and returns how many.
	ReleasePeers(config.InterfaceID) int
	Connections() []status.Connection
	Gateways() []status.Gateway
	// Trace is a dry run of a call with these properties. The error names a property that no call can have.
	Trace(start TraceStart, properties []PropertyValue) (Trace, error)
	// WhatIf replays the recorded calls since a time under another configuration, for as long as limit at most.
	WhatIf(ctx context.Context, other *config.Config, since time.Time, limit time.Duration) (status.WhatIf, error)
}

// PropertyValue is one property of a call to be traced.
type PropertyValue struct {
	Property config.Property
	Value    string
}

// TraceStart is the start of a dry run: a table or a service of a context cs, or the interface that receives the call.
type TraceStart struct {
	Context   string
	Dest      config.Dest
	Interface config.InterfaceID
}

// Trace is a dry run.
type Trace struct {
	Steps    []string // one readable line each
	Attempts []string // destinations in order, with the numbers of the call
	Notes    []string // restrictions of the result
	Result   string   // where the call would go, or why it would be rejected
}

// Machine is the box itself: version, network, time, log.
type Machine interface {
	System() status.System
	// Serial returns the serial number, "" if there is none. It is asked for with each prompt.
	Serial() string
	// Unfit lists the reasons why the box cannot handle calls, or does not know yet; none if it can.
	Unfit() []string
	// Alarms lists active alarms, the most severe first.
	Alarms() []health.Alarm
	// AlarmCounts counts the alarms of every kind.
	AlarmCounts() []health.Count
	IPInterfaces() []status.IPInterface
	IPRoutes() []status.Route
	// Neighbours lists the hosts on the attached networks that the kernel knows.
	Neighbours() ([]status.Neighbour, error)
	Ports() []status.Port
	NameServers() []status.NameServer
	Clock() status.Clock
	// SyncClock queries the time servers and sets the clock, whatever the difference. It ends with ctx.
	SyncClock(ctx context.Context) error
	// Log returns the last n lines of the log, oldest first.
	Log(n int) []string
	// FollowLog calls each for every new line of the log, until ctx ends or each fails.
	FollowLog(ctx context.Context, each func(line string) error) error
	// Ping and Lookup may take seconds; they end with ctx.
	Ping(ctx context.Context, p Ping, report func(line string)) error
	Traceroute(ctx context.Context, host string, report func(line string)) error
	Lookup(ctx context.Context, host string) ([]string, error)
	Sessions() []status.Session
	// Attend lists a session in Sessions and passes it the output of debug, until ctx ends or each fails.
	Attend(ctx context.Context, s status.Session, each func(text string) error) error
	// Debug switches a topic on or off for the session on a terminal: "sip", "call", "route", "rtp", "tls" or "all".
	Debug(tty, topic string, on bool) error
	// DebugCalls shows the SIP messages, events and routes of the calls of a number or a peer in the session on a terminal; "" ends that.
	DebugCalls(tty, text string) error
	// Capture calls each for every packet of a port, until ctx ends or each fails.
	Capture(ctx context.Context, slot, port int, o capture.Options, each func(capture.Frame) error) (capture.Result, error)
}

// Firmware is the images of a box. Both ways to install one check the whole image before they replace anything, and report their steps line
// by line. They end with ctx, unless they have started to write.
type Firmware interface {
	Images(ctx context.Context) (status.Images, error)
	// InstallImage installs an image from file and closes the file. force accepts an image that is older than the running one.
	InstallImage(ctx context.Context, file io.ReadCloser, force bool, report func(line string)) error
	// FetchImage installs an image from a web server.
	FetchImage(ctx context.Context, url string, force bool, report func(line string)) error
}

// Ping is what `ping` asks for.
type Ping struct {
	Host   string
	Size   int  // octets of data
	Whole  bool // do not fragment
	Count  int
	Source netip.Addr // not valid: the address of the outgoing port
}
