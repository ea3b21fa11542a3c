// Command hub sets up, runs and manages the hub of a fleet. docs/fleet.md tells how it is used.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"viaduct/appliance/fleet/hubcli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(hubcli.Main(ctx, os.Args[1:], hubcli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
