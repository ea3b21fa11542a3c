// Package appliance assembles the running box: state, engines, language and the socket that consoles speak to.
//
// It owns the order of assembly and what a reload means; everything else belongs to the packages below. It starts no goroutine.
package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"

	"viaduct/appliance/api"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/logs"
	"viaduct/appliance/release"
	"viaduct/appliance/store"
	"viaduct/appliance/system"
	"viaduct/appliance/timeline"
	"viaduct/board"
)

// Options of a box.
type Options struct {
	StateDir   string // startup-config, pki/, licenses, cdr/
	ConfigFile string // used instead of the state directory's startup-config; "" is that one
	Socket     string // of the api
	Release    release.Release
	Level      slog.Level
	LogTo      io.Writer          // besides the ring that `show log` reads
	Rescue     string             // file in which a console leaves orders while it gets no answers; "": none
	Alarm      string             // text of an alarm about the box, from the program that started us; "": none
	Installer  string             // unix socket of PID 1, which installs images; "": none
	SSH        netip.AddrPort     // where consoled serves SSH, for operators of the hub
	ConsoleUID int                // user of consoled once it has dropped its privileges; 0: it keeps them
	Start      *timeline.Timeline // steps of the start; nil: they are not noted
	Engines    []system.Engine    // of the process, kept running with those of the box
}

// Run runs the box until ctx ends. A reload starts it again in place.
func Run(ctx context.Context, b board.Board, o Options) error {
	ring := logs.NewRing(2000)
	syslog := logs.NewSyslog()
	log := logs.New(o.Level, syslog, ring, o.LogTo)
	secrets, err := store.OpenSecrets(o.StateDir, check.SealedPrefix)
	if err != nil {
		log.Error("key of sealed secrets not kept", "err", err) // everything else works
	}
	var sealer lang.Sealer
	if secrets != nil {
		sealer = secrets
	}
	language := lang.NewSealing(sealer)
	for {
		err := once(ctx, b, o, language, secrets, log, ring, syslog)
		if !errors.Is(err, system.ErrReload) {
			return err
		}
	}
}

func once(ctx context.Context, b board.Board, o Options, language *lang.Language, secrets *store.Secrets, log *slog.Logger, ring *logs.Ring, syslog *logs.Syslog) error {
	box, err := system.Open(system.Options{
		Board: b, StateDir: o.StateDir, ConfigFile: o.ConfigFile, Release: o.Release, Log: log, Ring: ring, Syslog: syslog, Language: language, Secrets: secrets,
		Rescue: o.Rescue, Installer: o.Installer, Alarm: o.Alarm, Start: o.Start, SSH: o.SSH,
	})
	if err != nil {
		return err
	}
	backend := api.NewBackend(language, box)
	door, err := openDoor(api.Options{Socket: o.Socket, UID: o.ConsoleUID, Log: log}, greeter{backend, box})
	if err != nil {
		return err
	}
	return box.Run(ctx, slices.Concat(o.Engines, []system.Engine{{Name: "api", Down: health.APIDown, Run: door.run}, box.Exporter(backend.Metrics)})...)
}

// Check parses and checks a configuration file, prints every problem as FILE:LINE: severity: text, and reports whether there
// is no error among them. It changes nothing.
func Check(file string, out io.Writer) (bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	sound := true
	for _, p := range lang.New().CheckFile(file, text, check.Env{}) {
		fmt.Fprintln(out, p)
		sound = sound && p.Severity != check.Error
	}
	return sound, nil
}
