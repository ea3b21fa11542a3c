// Package system is the running box: it holds the configuration, starts the engines, makes them follow the configuration, and
// answers the questions of the command language.
//
// It owns the running configuration (an immutable snapshot) and the order in which engines start and stop. It does not own the words of
// the language (lang), the work of an engine, the files (store), the log (logs) or debug output (diag).
//
// Goroutines: two for each engine of the list in engage, its Run and the one that starts it again. The reconciler is such an engine: it
// applies the newest snapshot 200 ms after the last change. All of them end with Run.
package system

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/acme"
	"viaduct/appliance/audit"
	"viaduct/appliance/bans"
	"viaduct/appliance/call"
	"viaduct/appliance/chains"
	"viaduct/appliance/checkup"
	"viaduct/appliance/clock"
	"viaduct/appliance/commit"
	"viaduct/appliance/config"
	"viaduct/appliance/diag"
	"viaduct/appliance/doors"
	"viaduct/appliance/drain"
	"viaduct/appliance/expiry"
	"viaduct/appliance/firmware"
	"viaduct/appliance/fleet/member"
	"viaduct/appliance/health"
	"viaduct/appliance/health/history"
	"viaduct/appliance/hep"
	"viaduct/appliance/internalca"
	"viaduct/appliance/issuers"
	"viaduct/appliance/keyring"
	"viaduct/appliance/lang"
	"viaduct/appliance/license"
	"viaduct/appliance/logs"
	"viaduct/appliance/media"
	"viaduct/appliance/messages"
	"viaduct/appliance/names"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/pair/partner"
	"viaduct/appliance/presence"
	"viaduct/appliance/provisioning"
	"viaduct/appliance/records"
	"viaduct/appliance/release"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/sipua"
	"viaduct/appliance/snmp"
	"viaduct/appliance/store"
	"viaduct/appliance/timeline"
	"viaduct/appliance/traffic"
	"viaduct/appliance/trend"
	"viaduct/appliance/voice"
	"viaduct/appliance/watch"
	"viaduct/appliance/webserver"
	"viaduct/board"
)

// Options configure a System.
type Options struct {
	Board      board.Board
	StateDir   string // startup-config, pki/, licenses, cdr/
	ConfigFile string // read instead of the state directory's startup-config; "" is that one
	Release    release.Release
	Log        *slog.Logger
	Ring       *logs.Ring   // the log of `show log`
	Syslog     *logs.Syslog // sends the log to servers; may be nil
	Language   *lang.Language
	Secrets    *store.Secrets     // the key with which Language seals secrets
	Rescue     string             // file in which a console leaves an order for the next start; "": none
	Alarm      string             // text of an alarm about the box, from PID 1; "": none
	Start      *timeline.Timeline // the steps of the start so far; nil: they are not noted
	SSH        netip.AddrPort     // where the consoles serve SSH, for operators of the hub
	Installer  string             // unix socket of PID 1, which installs images and restarts the box; "" or no socket there: the box does not run from an image
}

// ErrReload is why Run ended when the box is to start again with its startup-config.
var ErrReload = errors.New("reload")

// System is one running box. It implements device.Box.
type System struct {
	o     Options
	log   *slog.Logger
	start time.Time
	store *store.Store

	snapshots
	engines
	pairing
	phones
	traces
	reloads
	updates
	certificates
	moved chan struct{} // one token: the clock was stepped
	figures
	licenses *license.Manager
	health   health.Tracker
	sessions diag.Sessions
	bans     *bans.List
	doors    *doors.Doors
}

// figures are of the calls that were.
type figures struct {
	archive *records.Archive
	traffic *traffic.Book
	trend   trend.Trend
}

// snapshots are the configurations in force.
type snapshots struct {
	running   atomic.Pointer[config.Config]
	applied   atomic.Pointer[applied]       // the last one that all engines were told of
	effective atomic.Pointer[config.Config] // the one that engines use: running, with the addresses from DHCP servers
	mutate    sync.Mutex                    // one change at a time
	commits   *commit.Book                  // the change that waits for its confirmation
	changed   chan struct{}                 // one token: there is a newer snapshot
	now       chan struct{}                 // one token: there is one that nobody types at
}

// engines are made by Open and run by engage.
type engines struct {
	platform
	telephony
	observers
	services
	engaged  atomic.Pointer[time.Time] // they run since
	unlinked atomic.Bool               // ports have been configured, and may have no carrier yet
}

// platform is what everything else stands on.
type platform struct {
	resolver *names.Resolver
	net      *netcfg.Net
	clock    *clock.Clock
}

// telephony carries the calls.
type telephony struct {
	relay    *relay
	sip      *sipgw.Stack
	ua       *sipua.Agent
	events   *sipevent.Agent
	calls    *call.Manager
	drains   *drain.Book
	presence *presence.Engine
}

// observers tell people and machines how the box is and was.
type observers struct {
	eye     *watch.Watch
	snmp    *snmp.Responder
	trail   *audit.Trail
	history *history.Book
	hep     *hep.Client
}

// services are what the box does beside its calls.
type services struct {
	acme         *acme.Engine
	page         *webserver.Server
	provisioning *provisioning.Server
	member       *member.Member
}

// applied is a running configuration, and when the gateways were told of it.
type applied struct {
	cfg *config.Config
	at  time.Time
}

// traces follow the SIP messages.
type traces struct {
	messages *messages.Store
	takers   []func(siptransport.TraceEntry) // must not block
	voice    voice.Book
}

// reloads end Run.
type reloads struct {
	reload chan struct{} // one token: end Run with ErrReload
	coming *coming       // guarded by mutate
}

// updates are the installations of images.
type updates struct {
	firmware *firmware.Installer
	lit      chan struct{} // one token: one begins or ends, which the LED shows
}

// certificates are what the box knows of certificates, its own and those of peers.
type certificates struct {
	*keyring.Ring
	rekeyed  chan struct{} // one token: the key store has changed
	internal *internalca.Authority
	unknown  *issuers.Book
	ends     *expiry.Book
	chains   *chains.Book
	checkup  *checkup.Checker
}

// Open reads the state directory and builds the box; nothing runs yet. Files that cannot be read are reported in the log and
// left out: a box with a broken certificate still carries every call that does not need it.
func Open(o Options) (*System, error) {
	state, err := store.Open(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("open state in %s: %w", o.StateDir, err)
	}
	s := &System{
		o: o, log: o.Log, start: time.Now(), store: state, licenses: license.New(), moved: make(chan struct{}, 1),
		snapshots: snapshots{changed: make(chan struct{}, 1), now: make(chan struct{}, 1)}, reloads: reloads{reload: make(chan struct{}, 1)},
		updates: updates{lit: make(chan struct{}, 1)}, certificates: certificates{rekeyed: make(chan struct{}, 1)},
	}
	s.duty = s.newDuty()
	s.shared, s.paired = s.newShared(), make(chan struct{}, 1)
	s.partner = partner.Open(filepath.Join(s.pairDir(), "other"), o.Log)
	s.unknown, s.ends = s.newIssuers(), s.newExpiry()
	s.firmware = firmware.New(firmware.Options{Log: o.Log, Socket: o.Installer, Web: s.web, Changed: s.relight})
	s.bans, s.traffic = bans.New(o.Log), traffic.New()
	s.archive = s.newArchive()
	s.health.Log, s.sessions.Log, s.sessions.Welcome, s.sessions.Calls = o.Log, o.Log, s.welcome, s.Calls
	s.commits = s.newCommits()
	s.trail, s.history, s.eye = s.newTrail(), history.Open(s.health.Events(), o.Log, state.AlarmHistory), watch.New(&s.health, o.Board.PortName)
	if state.ReadOnly() {
		s.health.Set(health.DataReadOnly, nil)
	}
	if o.Alarm != "" {
		s.health.Set(health.DataDamaged, health.Args{"why": o.Alarm})
	}
	s.lostKey()
	s.running.Store(s.newStartup().Choose())
	s.followDuty(s.Running())
	s.acts.Store(s.duty.Acts())
	s.effective.Store(s.acting(s.Running()))
	o.Start.Done(stepConfiguration)
	s.counted = s.licensed()
	s.judgeLicenses()
	s.ends.Judge()
	s.chains = chains.Open(chains.Options{Log: o.Log, Load: state.LoadChains, Save: state.SaveChains, Asked: s.asks, Changed: s.chainsChanged})
	s.watchGateways(len(s.Running().Gateways))

	s.resolver = names.New(s.nameServers)
	s.resolver.OnSilence(func(text string) { s.judge(health.NameServersSilent, text) })
	if s.net, err = netcfg.New(netcfg.Options{
		Log: s.log, PortName: s.o.Board.PortName, Cached: s.resolver.Cached, Leased: s.leased, Place: s.place, Health: &s.health,
	}); err != nil {
		return nil, err
	}
	s.relay = newRelay(func() runner {
		return media.New(media.Options{Term: &s.term, Log: s.sessions.Logger(diag.TopicRTP), Unfiltered: s.net.Unfiltered})
	}, func() { s.calls.Abandon("the media relay has ended") })
	var kernel clock.Kernel // nil: the system's
	if o.Board.Name() == "sim" {
		kernel = clock.Observer{} // a development machine's clock is not ours to set
	}
	s.clock = clock.New(clock.Options{
		Log: o.Log, Lookup: s.resolver.Lookup, Kernel: kernel, Build: o.Release.Built,
		Moved: s.clockMoved, Distrusted: func(why string) { s.judge(health.TimeDistrusted, why) },
		Load: state.SavedTime, Save: state.SaveTime, LoadDrift: state.SavedDrift, SaveDrift: state.SaveDrift,
	})
	s.internal = internalca.New(internalca.Options{
		Store: state, Log: o.Log, Health: &s.health, Clock: s.issues, Changes: s.rekeyed, Renewed: s.republish,
	})
	s.Ring = s.newKeyring()
	s.messages = messages.New()
	s.hep = s.newHEP()
	s.takers = []func(siptransport.TraceEntry){s.sessions.Trace, s.messages.Trace, s.hep.Trace}
	s.registrar = s.newRegistrar()
	s.sip = sipgw.New(sipgw.Options{
		Options: siptransport.Options{
			Term: &s.term, Pair: s.duty.Sender(),
			Log: s.sessions.Logger(diag.TopicSIP, diag.TopicTLS), Trace: s.traced, Resolver: s.resolver, PKI: s, Clock: s.clock.Sane, Sessions: s.licenses.Sessions,
			OnChain:         s.noteChain,
			OnUnknownIssuer: s.unknown.Note,
			OnAlert:         s.certificateRefused,
		},
		UserAgent: "Viaduct SBC " + o.Release.Version,
		OnInvite: func(in *sipgw.Incoming) {
			s.messages.Began(in.Request.CallID)
			s.calls.OnInvite(in)
		},
		OnApplied: s.gatewaysApplied,
		Phones:    s.registrar,
		Silent:    func(id config.InterfaceID) bool { return s.drains.Silent(id) },
	})
	s.registrar.Attach(s.sip)
	s.drains = s.newDrains()
	s.ua = sipua.New(s.sip, s.sessions.Logger(diag.TopicSIP, diag.TopicTLS))
	s.events = sipevent.New(s.sip, sipevent.Options{Log: s.sessions.Logger(diag.TopicSIP, diag.TopicTLS), Line: s.lineOf, Phones: phonesHere{s.registrar}})
	s.presence, s.survival = s.newPresence(), s.newSurvivals()
	s.calls = call.New(call.Options{
		Log: s.sessions.Logger(diag.TopicCall, diag.TopicRoute), SIP: s.sip, Peers: s.ua, Service: s.drains, Media: s.relay, Licenses: s.licenses, Config: s.effective.Load, Resolved: s.resolver.Cached,
		Record: s.record, Voice: s.voice.Taker, Leg: s.hep.Leg, Presence: s.presence, Phones: s.registrar, Survival: s.survival, Line: s.events.Dialog, Pair: s.duty.Sender(), Recorded: s.recorded,
	})
	s.doors = &doors.Doors{Log: o.Log, Admit: s.net.Admit}
	s.acme = s.newACME()
	s.checkup = s.newCheckup()
	s.snmp = s.newSNMP()
	s.page = s.newPage()
	s.provisioning = s.newProvisioning()
	s.member = s.newMember()
	return s, nil
}

// factoryText is empty on a development machine: its ports are not ours to configure unasked.
func (s *System) factoryText() string {
	if s.o.Board.Name() == "sim" {
		return ""
	}
	return factory
}

// Run runs the box until ctx ends or a reload is due (ErrReload), then stops it in order: calls, signalling, media, the rest. The
// engines in more begin first and end last.
func (s *System) Run(ctx context.Context, more ...Engine) error {
	if names, err := s.o.Board.Ports(); err != nil {
		s.log.Error("ports not found", "err", err)
	} else if err := netcfg.NamePorts(names); err != nil {
		s.log.Error("ports not renamed", "err", err)
	}
	defer s.net.Close()
	defer s.resolver.Close()
	defer s.endReload()
	if err := s.clock.Floor(); err != nil {
		s.log.Warn("clock not set to its floor", "err", err)
	}

	defer s.engage(ctx, more)()
	s.noteBox("started, version " + s.o.Release.Version)
	s.log.Info("started", "version", s.o.Release.Version, "board", s.o.Board.Name(), "serial", s.o.Board.SerialNumber())
	select {
	case <-ctx.Done():
		return nil
	case <-s.reload:
		s.log.Info("reload")
		return ErrReload
	}
}

// engage starts the engines. The function that it returns stops them in the opposite order, each waited for before the next.
func (s *System) engage(ctx context.Context, more []Engine) (stop func()) {
	engines := append(more, []Engine{
		{Name: "alarms", Down: health.ServiceDown, Run: s.health.Run},
		{Name: "history", Down: health.ServiceDown, Run: s.history.Run},
		{Name: "trail", Down: health.ServiceDown, Run: s.trail.Run},
		{Name: "rescue", Down: health.ServiceDown, Run: s.obey},
		{Name: "commit", Down: health.ServiceDown, Run: s.commits.Run},
		{Name: "records", Down: health.ServiceDown, Run: s.archive.Run},
		{Name: "syslog", Down: health.ServiceDown, Run: s.sendSyslog},
		{Name: "clock", Down: health.ServiceDown, Run: s.clock.Run},
		{Name: "tls", Down: health.ServiceDown, Run: s.awaitClock},
		{Name: "network", Down: health.NetworkDown, Run: func(ctx context.Context) error { return s.net.Run(ctx, s.link) }},
		{Name: "media", Down: health.RelayDown, Run: s.relay.Run},
		{Name: "sip", Down: health.SIPDown, Run: s.sip.Run},
		{Name: "registrar", Down: health.ServiceDown, Run: s.registrar.Run},
		{Name: "calls", Down: health.EngineDown, Run: s.calls.Run},
		{Name: "drain", Down: health.ServiceDown, Run: s.drains.Run},
		{Name: "survival", Down: health.ServiceDown, Run: s.survival.Run},
		{Name: "watcher", Down: health.ServiceDown, Run: s.watch},
		{Name: "names", Down: health.ServiceDown, Run: s.askNames},
		{Name: "lights", Down: health.ServiceDown, Run: s.lights},
		{Name: "button", Down: health.ServiceDown, Run: s.button},
		{Name: "chains", Down: health.ServiceDown, Run: s.chains.Run},
		{Name: "check", Down: health.ServiceDown, Run: s.checkup.Run},
		{Name: "acme", Down: health.ServiceDown, Run: s.acme.Run},
		{Name: "calendar", Down: health.ServiceDown, Run: s.calendar},
		{Name: "hep", Down: health.ServiceDown, Run: s.hep.Run},
		{Name: "presence", Down: health.ServiceDown, Run: s.presence.Run},
		{Name: "fleet", Down: health.ServiceDown, Run: s.member.Run},
		{Name: "snmp", Down: health.ServiceDown, Run: s.snmp.Run},
		{Name: "provisioning", Down: health.ServiceDown, Run: s.provisioning.Run},
		{Name: "webserver", Down: health.ServiceDown, Run: s.page.Run},
		{Name: "internal-ca", Down: health.ServiceDown, Run: s.internal.Run},
		{Name: "files", Down: health.ServiceDown, Run: s.share},
		{Name: "reconciler", Down: health.EngineDown, Run: s.reconcile},
		{Name: "pair", Down: health.ServiceDown, Run: s.duty.Run}, // it ends first: the other box goes on with the calls, and nothing of this one says good-bye
	}...)
	var stops []func()
	for _, e := range engines {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.keep(ctx, e)
		}()
		stops = append(stops, func() { cancel(); <-done })
	}
	now := time.Now()
	s.engaged.Store(&now)
	return func() {
		for _, stop := range slices.Backward(stops) {
			stop()
		}
	}
}

// Certificates and PrivateKey make the box the key store of its TLS profiles.
func (s *System) Certificates(name string) ([]*x509.Certificate, error) {
	return s.store.Certificates(name)
}

func (s *System) PrivateKey(name string) (crypto.Signer, error) { return s.store.PrivateKey(name) }

// nameServers returns the configured servers, or else those from DHCP.
func (s *System) nameServers() []netip.AddrPort {
	addrs := s.Running().DNSServers
	if len(addrs) == 0 && s.net != nil {
		addrs = s.net.NameServers()
	}
	list := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		list[i] = netip.AddrPortFrom(a, 53)
	}
	return list
}
