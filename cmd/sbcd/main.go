// Command sbcd is the session border controller: configuration, network, signalling, media.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	_ "time/tzdata" // the box has no zone files

	"viaduct/appliance"
	"viaduct/appliance/health"
	"viaduct/appliance/logs"
	"viaduct/appliance/release"
	"viaduct/appliance/system"
	"viaduct/appliance/timeline"
	"viaduct/board"
)

// Set by the linker, see the Makefile.
var version, commit, built = "", "unknown", ""

func main() {
	state := flag.String("state", "/perm/sbc", "`directory` of startup-config, pki/, licenses, cdr/")
	config := flag.String("config", "", "configuration `file` to use instead of the state directory's startup-config")
	socket := flag.String("socket", "/run/sbcd.sock", "`path` of the unix socket for consoles")
	boardName := flag.String("board", "", "board `name` (default: detected; sim on a development machine)")
	check := flag.String("check", "", "check a configuration `file`, print every problem, change nothing; exit status 1 when there is an error")
	consoleUID := flag.Int("console-uid", 0, "`number` of the user that consoled runs as once it has its ports; 0 is root")
	installer := flag.String("installer", "/run/gokrazy-http.sock", "`path` of PID 1's unix socket, where images are installed; nothing is there on a development machine")
	ssh := flag.String("ssh", "127.0.0.1:22", "`address` at which consoled serves SSH, for operators of the hub of a fleet")
	alarm := flag.String("alarm", "", "`text` of an alarm about the box, from the program that starts sbcd")
	before := flag.String("steps", "", "`text` of the steps of the start so far, from the program that starts sbcd")
	verbose := flag.Bool("verbose", false, "log every step")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this `file`, for development")
	memory := flag.String("memprofile", "", "write a heap profile to this `file` at each SIGUSR1, for development")
	showVersion := flag.Bool("version", false, "print version, commit and build time")
	flag.Parse()
	start := &timeline.Timeline{}
	start.Done("sbcd")

	build := release.Of(version, commit, built)
	if *showVersion {
		fmt.Println("sbcd", build)
		return
	}
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
	sshAt, err := netip.ParseAddrPort(*ssh)
	if err != nil {
		fatal(fmt.Errorf("-ssh: %w", err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	limitMemory()
	if err := start.Read(*before); err != nil {
		fmt.Fprintln(os.Stderr, "sbcd:", err) // the box starts all the same
	}
	beside := strings.TrimSuffix(*socket, ".sock") // where consoled looks while nobody answers on the socket
	logTo := io.Writer(os.Stderr)
	if f, err := logs.OpenFile(beside+".log", *consoleUID); err != nil {
		fmt.Fprintln(os.Stderr, "sbcd:", err)
	} else {
		logTo = io.MultiWriter(os.Stderr, f)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	engines := []system.Engine{{Name: "memory", Down: health.ServiceDown, Run: boundMemory}, {Name: "pages", Down: health.ServiceDown, Run: trimAfter(start)}}
	if *memory != "" {
		engines = append(engines, system.Engine{Name: "heap profiles", Down: health.ServiceDown, Run: profileMemory(*memory)})
	} else {
		runtime.MemProfileRate = 0 // what is sampled from now on serves nobody
	}
	err = appliance.Run(ctx, b, appliance.Options{
		StateDir: *state, ConfigFile: *config, Socket: *socket, Level: level, LogTo: logTo, Rescue: beside + ".rescue", ConsoleUID: *consoleUID, Installer: *installer,
		Release: build, Alarm: *alarm, Start: start, SSH: sshAt,
		Engines: engines,
	})
	if err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "sbcd:", err)
	os.Exit(1)
}
