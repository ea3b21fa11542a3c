// Command init is PID 1 of a box: gokrazy's boot and supervision, with the serial line, the ports, the clock, the data partition and
// the watchdog as this product wants them.
//
// It owns the order of the start, the health of the services, and the installation of updates, which sbcd hands over at gokrazy's
// unix socket (update.go). It does not own what the services do; the data partition's contents belong to sbcd and consoled.
//
// Goroutines: gokrazy's, one that renames ports that come late, one that asks the services how they are, and one that feeds the
// watchdog. They end with the machine. During the start another one feeds the watchdog, and is waited for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/gokrazy/gokrazy"
	"golang.org/x/sys/unix"

	"viaduct/appliance/timeline"
	"viaduct/board"
	"viaduct/image/update"
)

// Set by the linker.
var version, commit, built = "development", "unknown", ""

const socket = "/run/sbcd.sock"

// consoleUID is the user that consoled becomes once its ports are open: a hole in it does not make an attacker root.
const consoleUID = "500"

func main() {
	lines := &journal{}
	log.SetOutput(lines) // from the first line on: the serial line is the console's
	if err := start(lines); err != nil {
		// PID 1 that ends is a kernel panic, and that a restart after panic=10 seconds. It is worth seeing.
		fmt.Fprintf(os.Stderr, "%s\ninit: %v\n", lines.text(), err)
		os.Exit(1)
	}
	select {}
}

// start brings the box up in the order in which things need each other.
func start(lines *journal) error {
	var steps timeline.Timeline
	steps.Done("init")
	if said, err := timeline.KernelLog(); err != nil {
		log.Printf("start of the kernel: %v", err)
	} else {
		steps.Kernel(said)
	}
	quietKernel()
	log.Printf("viaduct %s (%s)", version, commit)
	// Before Boot, which would open it and feed it whatever happens; the device cannot be opened twice.
	dog := openWatchdog("/dev/watchdog")
	started := dog.feedFor(startLimit)
	if err := gokrazy.Boot(built); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	steps.Done("boot")
	if err := lines.to("/run/init.log"); err != nil {
		log.Printf("log: %v", err)
	}
	if err := clockFloor(); err != nil {
		log.Printf("clock: %v", err)
	}
	medium, err := findDisk()
	if err != nil {
		log.Printf("medium: %v", err) // what follows says what does not work without it
	}
	firmware, err := findFirmware(medium)
	if err != nil {
		log.Printf("updates are not possible: %v", err)
	}
	trial := firmware.started()
	steps.Done("medium")
	alarm, err := medium.mountData()
	if err != nil {
		log.Printf("data partition: %v", err)
	}
	firmware.sweep()
	steps.Done("data")
	box := board.Detect()
	if err := box.LED(board.LightBoot); err != nil {
		log.Printf("led: %v", err)
	}
	ports(box)
	steps.Done("ports")
	if err := leaveSerialLine(); err != nil {
		return err
	}
	http.Handle(update.InstallPath, firmware)
	if err := gokrazy.SuperviseServices(services(box, alarm, &steps)); err != nil {
		return fmt.Errorf("supervise: %w", err)
	}
	w := watcher{checks: healthChecks(), feed: dog.feed, restart: restart}
	if trial {
		w.confirm, w.limit = firmware.confirm, trialTime()
	}
	started()
	go w.watch(context.Background())
	return nil
}

// services are what runs on the box. An exit status of 0 or 125 ends supervision, any other starts the program again. alarm is what
// sbcd shall tell of the box, nothing when all is well.
func services(box board.Board, alarm string, steps *timeline.Timeline) []*gokrazy.Service {
	service := func(path string, args ...string) *gokrazy.Service {
		cmd := exec.Command(path, args...)
		cmd.Env = os.Environ()
		return gokrazy.NewService(cmd)
	}
	terminals := []string{"-socket", socket, "-ssh", ":22", "-uid", consoleUID}
	if device := box.SerialDevice(); device != "" {
		terminals = append(terminals, "-serial", device)
	}
	return []*gokrazy.Service{
		service("/gokrazy/randomd"),
		service("/user/sbcd", "-state", "/perm/sbc", "-socket", socket, "-console-uid", consoleUID, "-alarm", alarm, "-steps", steps.Text()),
		service("/user/consoled", terminals...),
	}
}

// quietKernel leaves the serial line to the console: only emergencies print from here on, and panics always do.
func quietKernel() {
	const setConsoleLevel, emergencies = 8, 1 // see syslog(2); the level travels as the buffer's length
	if _, err := unix.Klogctl(setConsoleLevel, make([]byte, emergencies)); err != nil {
		log.Printf("console level: %v", err)
	}
}

// leaveSerialLine keeps everybody but the console away from the serial line: gokrazy, which reads it for a shell that is not
// there and would eat every second key; services that write to /dev/console, as randomd does; and a break, which terminal
// servers send when a client connects: after it the kernel takes the next key for an order (SysRq: restart, panic).
func leaveSerialLine() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	os.Stdin = null
	if err := unix.Mount(os.DevNull, "/dev/console", "", unix.MS_BIND, ""); err != nil {
		log.Printf("/dev/console: %v", err)
	}
	if err := os.WriteFile("/proc/sys/kernel/sysrq", []byte("0"), 0); err != nil {
		log.Printf("sysrq: %v", err)
	}
	return nil
}

// clockFloor sets the clock to the time of the build when it stands before it: without a battery it stands in 1970, and no
// certificate is valid there. sbcd knows more, but not before it has read its files.
func clockFloor() error {
	floor, err := time.Parse(time.RFC3339, built)
	if err != nil || !time.Now().Before(floor) {
		return err
	}
	tv := unix.NsecToTimeval(floor.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set to %v: %w", floor, err)
	}
	log.Printf("clock set to the time of the build, %v", floor)
	return nil
}

// exists tells whether a file is there.
func exists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
