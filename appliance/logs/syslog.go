package logs

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
)

// Syslog sends the log to servers of the network: RFC 5424, or the older form of RFC 3164, over UDP (RFC 5426), TCP (RFC 6587) and TLS
// (RFC 5425). Its handler takes records from any goroutine and never blocks. Run has one goroutine for each server.
type Syslog struct {
	settings atomic.Pointer[syslogSettings]
	changed  chan struct{} // one token: there are other settings
}

// SyslogNeeds are what Run asks of the box.
type SyslogNeeds struct {
	// Lookup finds the addresses of a server.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// TLS returns the settings for a connection to host.
	TLS func(p *config.TLSProfile, host string) (*tls.Config, error)
	// Away tells why a server over TCP or TLS is not reached, or that it is again ("").
	Away func(server, why string)
}

type syslogSettings struct {
	severity slog.Level
	facility int
	audit    int // the facility of the trail
	form     form
	servers  []*server
}

// NewSyslog sends nothing until Apply names servers.
func NewSyslog() *Syslog {
	l := &Syslog{changed: make(chan struct{}, 1)}
	l.settings.Store(&syslogSettings{})
	return l
}

// facilities are the numbers of RFC 5424, 6.2.1.
var facilities = map[string]int{"authpriv": 10, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23}

var syslogLevels = map[string]slog.Level{"error": slog.LevelError, "warning": slog.LevelWarn, "debug": slog.LevelDebug} // otherwise: informational

// Apply takes a configuration. What waits for a server that stays is kept.
func (l *Syslog) Apply(cfg *config.Config, hostname string) {
	before, s := l.settings.Load(), &syslogSettings{}
	if c := cfg.Syslog; c != nil {
		s.severity, s.facility, s.audit = syslogLevels[c.Severity], facilities[c.Facility], facilities[c.AuditFacility]
		s.form = form{hostname: hostname, old: c.Format == "rfc3164", zone: cfg.Clock.Location()}
		profile := c.TLS.In(cfg)
		for _, r := range c.Remotes {
			s.servers = append(s.servers, l.newServer(r, profile, before.servers))
		}
	}
	l.settings.Store(s)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Run sends what is queued until ctx ends.
func (l *Syslog) Run(ctx context.Context, needs SyslogNeeds) error {
	running := map[*server]*run{}
	defer func() {
		for _, r := range running {
			r.stop()
			<-r.ended
		}
	}()
	for {
		servers := l.settings.Load().servers
		for s, r := range running {
			if !slices.Contains(servers, s) {
				r.stop()
				<-r.ended // its successor sends the same queue
				delete(running, s)
			}
		}
		for _, s := range servers {
			if running[s] == nil {
				running[s] = l.begin(ctx, s, needs)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.changed:
		}
	}
}

// run is a goroutine that sends to one server.
type run struct {
	stop  context.CancelFunc
	ended chan struct{}
}

func (l *Syslog) begin(ctx context.Context, s *server, needs SyslogNeeds) *run {
	ctx, stop := context.WithCancel(ctx)
	r := &run{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		if s.Transport == "udp" {
			s.datagrams(ctx, needs)
		} else {
			s.connections(ctx, needs)
		}
	}()
	return r
}

// Tell sends a message with a facility of its own, whatever the severity from which on the log is sent.
func (l *Syslog) Tell(facility, message string, attrs ...slog.Attr) {
	s := l.settings.Load()
	if len(s.servers) == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
	r.AddAttrs(attrs...)
	s.send(s.form.format(facilities[facility], "-", r, nil))
}

func (s *syslogSettings) send(text []byte) {
	for _, server := range s.servers {
		server.queue.push(text)
	}
}

// Handler returns the handler for a logger.
func (l *Syslog) Handler() slog.Handler { return &syslogHandler{log: l} }

// Audit returns the handler for the trail of who did what. It has a facility of its own, and no severity is too low.
func (l *Syslog) Audit() slog.Handler { return &syslogHandler{log: l, audit: true} }

type syslogHandler struct {
	log   *Syslog
	audit bool
	attrs []slog.Attr
}

func (h *syslogHandler) Enabled(_ context.Context, level slog.Level) bool {
	s := h.log.settings.Load()
	return len(s.servers) > 0 && (h.audit || level >= s.severity)
}

func (h *syslogHandler) Handle(_ context.Context, r slog.Record) error {
	if s := h.log.settings.Load(); len(s.servers) > 0 {
		facility, id := s.facility, "-"
		if h.audit {
			facility, id = s.audit, "audit"
		}
		s.send(s.form.format(facility, id, r, h.attrs))
	}
	return nil
}

func (h *syslogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &syslogHandler{log: h.log, audit: h.audit, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *syslogHandler) WithGroup(string) slog.Handler { return h }
