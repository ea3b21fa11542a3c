package printable

import (
	"fmt"
	"log/slog"
)

// maxAttr is the length of one value in a log line. An error that quotes a peer's message must not fill the log with it.
const maxAttr = 1024

// Attr bounds the values of log records. It is a slog.HandlerOptions.ReplaceAttr for a TextHandler, which quotes control characters itself.
func Attr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Short(a.Value.String(), maxAttr))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case slog.Level: // of every line: what it says is known
			a.Value = slog.StringValue(v.String())
		case error, fmt.Stringer:
			a.Value = slog.StringValue(Short(fmt.Sprint(v), maxAttr))
		}
	}
	return a
}
