package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance"
	"viaduct/appliance/logs"
	"viaduct/appliance/release"
	"viaduct/board"
)

// realBox is sbcd itself, in a network namespace of its own.
type realBox struct {
	t             tester
	state, socket string
	uid           int    // of consoled
	installer     string // unix socket of PID 1
	web           string // folder that a web server beside the box serves, see web_test.go
	cmd           *exec.Cmd
}

// start starts sbcd and waits until it answers.
func (b *realBox) start() {
	b.t.Helper()
	b.cmd = exec.Command(os.Args[0], "-state", b.state, "-socket", b.socket, "-console-uid", strconv.Itoa(b.uid), "-installer", b.installer, "-web", b.web)
	b.cmd.Env = append(os.Environ(), "SBCD_TEST_MAIN=1")
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		b.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		b.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		b.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if testing.Verbose() {
		b.cmd.Stderr = os.Stderr
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatalf("start sbcd: %v", err)
	}
	eventually(b.t, "sbcd answers", func() bool { return b.answers() })
}

func (b *realBox) answers() bool {
	fi, err := os.Stat(b.socket)
	return err == nil && fi.Mode()&os.ModeSocket != 0
}

// kill ends sbcd as a crash would.
func (b *realBox) kill() {
	if b.cmd != nil {
		b.cmd.Process.Kill()
		b.cmd.Wait()
		os.Remove(b.socket)
		b.cmd = nil
	}
}

// serialNumber is the guide's box: its prompt is 0F2439.
const serialNumber = "00A0BA0F2439"

// guideBox is a board with its serial number.
type guideBox struct{ board.Board }

func (guideBox) SerialNumber() string { return serialNumber }

// sbcdMain is sbcd, when a test starts this binary as such.
func sbcdMain() int {
	state := flag.String("state", "", "")
	socket := flag.String("socket", "", "")
	uid := flag.Int("console-uid", 0, "")
	installer := flag.String("installer", "", "")
	web := flag.String("web", "", "")
	flag.Parse()
	b, err := board.Named("sim")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	beside := strings.TrimSuffix(*socket, ".sock")
	log, err := logs.OpenFile(beside+".log", *uid)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if *web != "" {
		if err := serveWeb(ctx, *web); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	err = appliance.Run(ctx, guideBox{b}, appliance.Options{
		StateDir: *state, Socket: *socket, Level: slog.LevelInfo, LogTo: log, Rescue: beside + ".rescue",
		Release:    release.Release{Version: "test", Commit: "0123456789abcdef", Built: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)},
		ConsoleUID: *uid, Installer: *installer,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
