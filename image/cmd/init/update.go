package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/image/update"
)

// trialLimit is for how long a new firmware may start until it is healthy; the linker sets it in tests.
var trialLimit = "2m"

func trialTime() time.Duration {
	d, err := time.ParseDuration(trialLimit)
	if err != nil {
		return 2 * time.Minute
	}
	return d
}

// firmware is the two slots of this box. Its methods answer with an error when the medium is not as expected.
type firmware struct {
	problem error // why there is nothing to work on
	disk    update.Disk
	running update.Slot
	board   string
	options update.Options
	busy    sync.Mutex // one installation at a time
}

// findFirmware opens the partitions. The result can be used even with an error.
func findFirmware(d disk) (*firmware, error) {
	f := &firmware{}
	f.problem = f.open(d)
	return f, f.problem
}

func (f *firmware) open(d disk) error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	if f.running, err = update.Running(string(line)); err != nil {
		return err
	}
	release, err := os.ReadFile("/" + update.ReleaseFile)
	if err != nil {
		return err
	}
	text, err := os.ReadFile("/" + update.KeysFile)
	if err != nil {
		return err
	}
	keys, err := update.ParseKeys(string(text))
	if err != nil {
		return err
	}
	now, err := time.Parse(time.RFC3339, built)
	if err != nil {
		return err
	}
	var parts [3]device // boot and both roots
	for i := range parts {
		file, err := os.OpenFile(d.parts[update.PartBoot+i], os.O_RDWR, 0)
		if err != nil {
			return err
		}
		parts[i] = device{file}
	}
	f.disk = update.Disk{Boot: parts[0], Roots: [2]update.Device{parts[1], parts[2]}, TryOnce: tryOnce}
	if f.disk.RootSize, err = parts[1].Seek(0, io.SeekEnd); err != nil {
		return err
	}
	for line := range strings.Lines(string(release)) {
		if name, found := strings.CutPrefix(line, "board "); found {
			f.board = strings.TrimSpace(name)
		}
	}
	f.options = update.Options{
		Disk: f.disk, Running: f.running, Board: f.board, Built: now, Keys: keys,
		Spool: filepath.Join(dataMount, "update.part"),
	}
	return nil
}

// device is a partition whose reads after Sync come from the medium.
type device struct{ *os.File }

func (d device) Sync() error {
	if err := d.File.Sync(); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), unix.BLKFLSBUF, 0); errno != 0 {
		return fmt.Errorf("drop the cache: %w", errno)
	}
	return nil
}

// started judges this start, and tells whether the firmware is on trial. It may restart the box at once, with the other slot.
func (f *firmware) started() bool {
	if f.problem != nil {
		return false
	}
	trial, other, err := f.disk.Started(f.running)
	if err != nil {
		log.Printf("slots: %v", err)
	}
	if other {
		unix.Sync()
		if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
			log.Printf("restart: %v", err)
		}
	}
	return trial
}

// sweep removes the file of an update that a power cut has ended.
func (f *firmware) sweep() {
	if err := os.Remove(f.options.Spool); err != nil && !errors.Is(err, fs.ErrNotExist) && f.problem == nil {
		log.Printf("file of an interrupted update: %v", err)
	}
}

// confirm ends the trial well, if the ports are up that were up before the update: the configuration is applied then, and the kernel
// has their drivers.
func (f *firmware) confirm() error {
	s, err := f.disk.State()
	if err != nil {
		return err
	}
	up := portsUp()
	if s.Trial != nil {
		for _, port := range s.Trial.Ports {
			if !slices.Contains(up, port) {
				return fmt.Errorf("%s was up before the update", port)
			}
		}
	}
	if err := f.disk.Confirm(f.running); err != nil {
		return err
	}
	log.Printf("slot %v is healthy: it stays", f.running)
	return nil
}

// portsUp lists the ports that are not shut down; whether a cable is plugged in does not count.
func portsUp() []string {
	list, err := net.Interfaces()
	if err != nil {
		log.Printf("ports: %v", err)
	}
	var names []string
	for _, i := range list {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	return names
}

func (f *firmware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.problem != nil {
		http.Error(w, f.problem.Error(), http.StatusServiceUnavailable)
		return
	}
	out := json.NewEncoder(w)
	switch r.Method {
	case http.MethodGet:
		s, err := f.disk.State()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		out.Encode(update.Images{Board: f.board, Running: f.running.String(), State: s}) // an error is a closed connection
	case http.MethodPut:
		w.Header().Set("Content-Type", "application/jsonl")
		flush := http.NewResponseController(w)
		flush.EnableFullDuplex() // lines go out while the bundle comes in
		tell := func(p update.Progress) {
			out.Encode(p)
			flush.Flush()
		}
		err := f.install(r, func(line string) { tell(update.Progress{Text: line}) })
		last := update.Progress{Done: true}
		if err != nil {
			last.Error = err.Error()
		}
		tell(last)
	default:
		http.Error(w, "GET or PUT", http.StatusMethodNotAllowed)
	}
}

func (f *firmware) install(r *http.Request, tell func(string)) error {
	if !f.busy.TryLock() {
		return errors.New("another update is being installed")
	}
	defer f.busy.Unlock()
	s, err := f.disk.State()
	if err != nil {
		return err
	}
	if s.Trial != nil && s.Trial.Slot == f.running {
		return errors.New("the running firmware is still on trial: the other one is what it would go back to")
	}
	o := f.options
	o.Force, o.Tell, o.Ports = r.URL.Query().Get("force") == "1", tell, portsUp()
	m, err := update.Install(r.Body, o)
	if err != nil {
		log.Printf("update: %v", err)
		return err
	}
	log.Printf("update: %s is in slot %v", m.Version, f.running.Other())
	return nil
}
