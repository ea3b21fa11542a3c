package logs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/printable"
)

// Syslog sends the log to servers of the network (RFC 5424 over UDP, RFC 5426). Its handler takes records from any
// goroutine and never blocks; Run, one goroutine, writes them.
type Syslog struct {
	queue    chan message
	settings atomic.Pointer[syslogSettings]
}

type syslogSettings struct {
	config.Syslog
	hostname string
	level    slog.Level
	facility int
}

type message struct{ text []byte }

// NewSyslog sends nothing until a System with a syslog-client runs.
func NewSyslog() *Syslog { return &Syslog{queue: make(chan message, 1000)} }

// Apply takes the configuration; nil switches it off.
func (l *Syslog) Apply(c *config.Syslog, hostname string) {
	if c == nil || len(c.Remotes) == 0 {
		l.settings.Store(nil)
		return
	}
	s := &syslogSettings{Syslog: *c, hostname: hostname, facility: 16}
	if n := len(c.Facility); n > 0 {
		s.facility += int(c.Facility[n-1] - '0') // local0 is 16
	}
	switch c.Severity {
	case "error":
		s.level = slog.LevelError
	case "warning":
		s.level = slog.LevelWarn
	case "debug":
		s.level = slog.LevelDebug
	}
	l.settings.Store(s)
}

// Run sends what is queued until ctx ends. lookup finds the servers' addresses.
func (l *Syslog) Run(ctx context.Context, lookup func(context.Context, string) ([]netip.Addr, error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-l.queue:
			s := l.settings.Load()
			if s == nil {
				continue
			}
			for _, r := range s.Remotes {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
				if addrs, err := lookup(ctx, r.Host); err == nil && len(addrs) > 0 {
					sendTo(netip.AddrPortFrom(addrs[0], r.Port), m.text)
				}
				cancel()
			}
		}
	}
}

// sendTo sends one datagram from a connected socket of its own: one that stays open and unconnected would take packets from anyone. It
// drops errors: a server that is away must not fill the log with reports about the log.
func sendTo(server netip.AddrPort, text []byte) {
	if conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server)); err == nil {
		conn.Write(text)
		conn.Close()
	}
}

// Handler returns the handler for a logger.
func (l *Syslog) Handler() slog.Handler { return &syslogHandler{log: l} }

type syslogHandler struct {
	log   *Syslog
	attrs []slog.Attr
}

func (h *syslogHandler) Enabled(_ context.Context, level slog.Level) bool {
	s := h.log.settings.Load()
	return s != nil && level >= s.level
}

func (h *syslogHandler) Handle(_ context.Context, r slog.Record) error {
	s := h.log.settings.Load()
	if s == nil {
		return nil
	}
	select {
	case h.log.queue <- message{s.format(r, h.attrs)}:
	default: // the network is slower than the log
	}
	return nil
}

func (h *syslogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &syslogHandler{log: h.log, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *syslogHandler) WithGroup(string) slog.Handler { return h }

// largestSyslog keeps a message within one packet of most networks (RFC 5426, 3.2).
const largestSyslog = 1400

// format writes a record in the form of RFC 5424.
func (s *syslogSettings) format(r slog.Record, attrs []slog.Attr) []byte {
	severity := 7
	switch {
	case r.Level >= slog.LevelError:
		severity = 3
	case r.Level >= slog.LevelWarn:
		severity = 4
	case r.Level >= slog.LevelInfo:
		severity = 6
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%d>1 %s %s sbcd - - - ", s.facility*8+severity, r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), s.hostname)
	var text bytes.Buffer
	plain := slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return printable.Attr(groups, a)
	}})
	if err := plain.WithAttrs(attrs).Handle(context.Background(), r); err != nil {
		text.WriteString(r.Message)
	}
	b.Write(bytes.TrimRight(text.Bytes(), "\n"))
	return b.Bytes()[:min(b.Len(), largestSyslog)]
}
