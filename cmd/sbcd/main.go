// Command sbcd is the session border controller: configuration, network, signalling, media.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"viaduct/appliance"
	"viaduct/appliance/system"
	"viaduct/board"
)

// Set by the linker, see the Makefile.
var version, commit, built = "development", "unknown", ""

func main() {
	state := flag.String("state", "/perm/sbc", "`directory` of startup-config, pki/, licenses, cdr/")
	config := flag.String("config", "", "configuration `file` to use instead of the state directory's startup-config")
	socket := flag.String("socket", "/run/sbcd.sock", "`path` of the unix socket for consoles")
	boardName := flag.String("board", "", "board `name` (default: detected; sim on a development machine)")
	check := flag.String("check", "", "check a configuration `file`, print every problem, change nothing; exit status 1 when there is an error")
	verbose := flag.Bool("verbose", false, "log every step")
	flag.Parse()

	if *check != "" {
		sound, err := appliance.Check(*check, os.Stdout)
		if err != nil {
			fatal(err)
		}
		if !sound {
			os.Exit(1)
		}
		return
	}
	b, err := board.Named(*boardName)
	if err != nil {
		fatal(err)
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err = appliance.Run(ctx, b, appliance.Options{
		StateDir: *state, ConfigFile: *config, Socket: *socket, Level: level, LogTo: os.Stderr,
		Release: system.Release{Version: version, Commit: commit, Built: buildTime()},
	})
	if err != nil {
		fatal(err)
	}
}

// buildTime is the floor of the clock; the zero time when the build does not say.
func buildTime() time.Time {
	t, err := time.Parse(time.RFC3339, built)
	if err != nil {
		return time.Time{}
	}
	return t
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "sbcd:", err)
	os.Exit(1)
}
