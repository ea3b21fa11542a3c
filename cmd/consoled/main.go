// Consoled is the box's command line on its terminals: serial lines, SSH, and stdin and stdout for scripts.
//
//	consoled -serial /dev/ttyAMA0 -ssh 192.168.1.1:22
//	consoled -stdio                      a session on this terminal
//	consoled -stdio < configuration.cfg  a paste; the exit status is 1 when a line failed
//	echo show version | consoled -stdio
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the box has no zone files

	"viaduct/appliance/console"
	"viaduct/appliance/printable"
	"viaduct/appliance/release"
)

// Set by the linker, see the Makefile.
var version, commit, built = "", "unknown", ""

func main() { os.Exit(run()) }

func run() int {
	o := console.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: printable.Attr}))}
	flag.StringVar(&o.Socket, "socket", "/run/sbcd.sock", "unix socket of sbcd")
	flag.StringVar(&o.State, "state", "/perm/console", "folder of the SSH host key")
	stdio := flag.Bool("stdio", false, "one session on stdin and stdout; piped input is a paste")
	flag.Func("serial", "serial line to serve, 115200 8N1 (may be given again)", add(&o.Serial))
	flag.Func("ssh", "address to serve SSH on, for example 192.168.1.1:22 (may be given again)", add(&o.SSH))
	flag.IntVar(&o.UID, "uid", 0, "user `number` to become once the ports are open; 0 stays")
	showVersion := flag.Bool("version", false, "print version, commit and build time")
	flag.Parse()
	if *showVersion {
		fmt.Println("consoled", release.Of(version, commit, built))
		return 0
	}
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "consoled: unexpected argument %q\n", flag.Arg(0))
		return 2
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var err error
	if *stdio {
		err = console.Stdio(ctx, o.Socket, os.Stdin, os.Stdout)
	} else {
		err = console.Run(ctx, o)
	}
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, console.ErrSaid):
		fmt.Fprintf(os.Stderr, "consoled: %v\n", err)
	}
	return 1
}

func add(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, s)
		return nil
	}
}
