// Command lab runs a box in a small world of its own: `make run`.
//
//	lab                     start world and box, show a call each way, then open the box's console
//	lab -once               end after the calls; exit status 0 only if everything held
//	lab call teams [TIME]   while a lab is running: another call from a Teams user to the PBX, for TIME (default 20s)
//	lab call pbx [TIME]     likewise from the PBX to a Teams user
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"viaduct/appliance/lab"
)

func main() {
	here, err := programDir()
	if err != nil {
		fatal(err)
	}
	once := flag.Bool("once", false, "end after the calls")
	sbcd := flag.String("sbcd", filepath.Join(here, "sbcd"), "sbcd `program`")
	consoled := flag.String("consoled", filepath.Join(here, "consoled"), "consoled `program`")
	state := flag.String("state", defaultState(here), "`folder` of the box's state; emptied at the start")
	config := flag.String("config", "", "configuration `file` to paste instead of the built-in one")
	verbose := flag.Bool("verbose", false, "show every SIP message of the simulated peers, and log every step of the box")
	flag.Parse()

	switch args := flag.Args(); {
	case len(args) == 0:
	case len(args) >= 2 && args[0] == "call":
		os.Exit(ask(*state, args))
	default:
		fmt.Fprintln(os.Stderr, "usage: lab [flags] | lab call teams|pbx [TIME]")
		os.Exit(2)
	}

	end := *once || !term.IsTerminal(int(os.Stdin.Fd()))
	var page net.Listener
	if end {
		lab.Enter()
	} else {
		if page, err = enterWithPage(); err != nil {
			fatal(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	n := newNarrator(os.Stdout, term.IsTerminal(int(os.Stdout.Fd())))
	r := &runner{n: n, page: page, state: *state, verbose: *verbose, programs: lab.Programs{SBCD: *sbcd, Consoled: *consoled, State: filepath.Join(*state, "box"), Verbose: *verbose}}
	if *config != "" {
		text, err := os.ReadFile(*config)
		if err != nil {
			fatal(err)
		}
		r.configuration = string(text)
	}
	err = r.run(ctx, end)
	if err != nil {
		n.failed(err)
		fmt.Fprintf(os.Stderr, "the box's log is in %s\n", r.logFile())
		os.Exit(1)
	}
	if *state == defaultState(here) { // who names a folder wants to look into it
		if err := removeState(*state); err != nil {
			fatal(err)
		}
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "lab:", err)
	os.Exit(1)
}

func programDir() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return filepath.Dir(exe), nil
}

// defaultState is a short path, for a unix socket's may have 107 bytes only, and the same for every call
// of this very program, so that `lab call` finds the running lab.
func defaultState(here string) string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("viaduct-lab-%x", sha256.Sum256([]byte(here)))[:len("viaduct-lab-")+8])
}

// emptyState makes the state folder, empty and nobody else's.
func emptyState(dir string) error {
	if conn, err := net.DialTimeout("unix", controlSocket(dir), time.Second); err == nil {
		conn.Close()
		return fmt.Errorf("a lab is running already with the state folder %s", dir)
	}
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Errorf("look at state folder: %w", err)
	case !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()):
		return fmt.Errorf("use state folder %s: it is somebody else's, choose another with -state", dir)
	}
	if err := clearState(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "box"), 0o700); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	return nil
}

// clearState removes only what a lab puts there: -state may name any folder.
func clearState(dir string) error {
	for _, name := range []string{"box", "box.log", "lab.sock"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("empty state folder: %w", err)
		}
	}
	return nil
}

// removeState leaves nothing of ours behind after a lab in which all held.
func removeState(dir string) error {
	if err := clearState(dir); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("remove state folder: %w", err)
	}
	return nil
}
