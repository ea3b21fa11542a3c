package hub

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/printable"
)

// engineLog passes on what the engine logs. Whoever reaches the port can have it log, so there is a bound for each stretch of time, and one of its own for
// what is about the hub itself: nobody else's lines keep those away.
type engineLog struct {
	log *slog.Logger

	mu        sync.Mutex
	theirs    budget // of those who connect
	ourselves budget
}

// budget counts the lines of a stretch.
type budget struct {
	since time.Time
	lines int
}

const (
	stretch      = 10 * time.Second
	stretchLines = 30
)

// common are failures of those who connect, which are no failures of the hub.
var common = []string{"authentication error", "authentication timeout", "TLS handshake error", "websocket handshake error", "read error", "write error", "Client parser ERROR", "Problem registering with account",
	"Violation", "Stale Connection", "Slow Consumer", "Maximum", "maximum", "Error trying to connect to route"}

func (l *engineLog) say(level slog.Level, format string, v []any) {
	text := fmt.Sprintf(format, v...)
	of := &l.ourselves
	if level > slog.LevelInfo {
		for _, c := range common {
			if strings.Contains(text, c) {
				level, of = slog.LevelInfo, &l.theirs
			}
		}
	}
	if !l.log.Enabled(context.Background(), level) || !l.allowed(of) {
		return
	}
	l.log.Log(context.Background(), level, "engine", "text", printable.Text(text))
}

func (l *engineLog) allowed(of *budget) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(of.since) > stretch {
		if missed := of.lines - stretchLines; missed > 0 {
			l.log.Warn("lines of the engine left out", "lines", missed)
		}
		of.since, of.lines = now, 0
	}
	of.lines++
	return of.lines <= stretchLines
}

func (l *engineLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *engineLog) Warnf(format string, v ...any)   { l.say(slog.LevelWarn, format, v) }
func (l *engineLog) Fatalf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l *engineLog) Errorf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l *engineLog) Debugf(string, ...any)           {}
func (l *engineLog) Tracef(string, ...any)           {}
