package command

import (
	"cmp"
	"fmt"
	"log/slog"

	"viaduct/appliance/cli"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/logline"
	"viaduct/appliance/printable"
)

type logArgs struct {
	Follow, Raw    bool
	Severity, Call string
	Lines, Last    int
}

// logCommand shows the log. Its number may stand alone, as it did when the command had no other word.
func logCommand() cli.Line {
	return withExample("show log severity warning last 20", worded(
		command("show log [<lines:1..100000>] [follow] [severity <severity:error|warning|informational|debug>] [call <call:call>] [last <last:1..100000>] [raw]",
			"The last lines of the log, in UTC; 100 by default", showLog),
		"follow", "The last 10 lines, and new ones as they arrive, until Ctrl-C", "raw", "As the log has them, for scripts", "severity", "Lines of this severity and above",
		"error", "Errors only", "warning", "Errors and warnings", "informational", "All but debug lines", "debug", "All lines", "call", "Lines about this call",
		"last", "So many of those lines"))
}

func showLog(c *Call, a *logArgs) error {
	n := cmp.Or(a.Last, a.Lines, 100)
	if a.Follow {
		n = cmp.Or(a.Last, a.Lines, 10)
		c.live()
	}
	wanted := logline.Selection{Least: slog.LevelDebug, Call: a.Call}
	if a.Severity != "" {
		wanted.Least = logline.Levels[a.Severity]
	}
	width := answer.ScreenWidth
	if _, filtered := c.Out.(*answer.Filter); filtered {
		width = 0 // a filter takes whole lines
	}
	show := func(line string) error {
		if a.Raw {
			_, err := fmt.Fprintf(c.Out, "%s\n", printable.Line(line))
			return err
		}
		for _, l := range logline.Lay(line, width) {
			if _, err := fmt.Fprintf(c.Out, "%s\n", l); err != nil {
				return err
			}
		}
		return nil
	}
	var lines []string
	for _, l := range c.Box.Log(logKept) {
		if wanted.Takes(l) {
			lines = append(lines, l)
		}
	}
	for _, l := range lines[max(0, len(lines)-n):] {
		if err := show(l); err != nil {
			return err
		}
	}
	if !a.Follow {
		return nil
	}
	err := c.Box.FollowLog(c.Ctx, func(line string) error {
		if !wanted.Takes(line) {
			return nil
		}
		return show(line)
	})
	if c.Ctx.Err() != nil {
		return nil
	}
	return err
}

// logKept is more than the box keeps.
const logKept = 100_000
