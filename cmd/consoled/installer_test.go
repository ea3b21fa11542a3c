package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"viaduct/image/update"
)

// installer is PID 1 of a box as sbcd sees it: image/cmd/init on its unix socket, with images that are a line of JSON (fakeImage) and
// as many bytes as it says.
type installer struct {
	lock     sync.Mutex
	state    update.State
	uploads  int
	received int64
	restarts int
	before   int // memory of sbcd when the installer came, in octets
}

// large.image has largeSize octets; sbcd may grow by half of them at most.
const largeSize = 64 << 20

type fakeImage struct {
	Version, Board string
	Built          time.Time
	Forged         bool
	Size           int64
}

var whenBuilt = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

func startInstaller(socket string) (*installer, func(), error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, nil, err
	}
	f := &installer{state: update.State{Slots: [2]update.Firmware{{Version: "v1", Commit: "0123456789abcdef", Built: whenBuilt}}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+update.InstallPath, f.images)
	mux.HandleFunc("PUT "+update.InstallPath, f.install)
	mux.HandleFunc("POST /reboot", f.reboot)
	s := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() { s.Serve(l); close(served) }()
	return f, func() { s.Close(); <-served }, nil
}

func (f *installer) images(w http.ResponseWriter, _ *http.Request) {
	f.lock.Lock()
	defer f.lock.Unlock()
	json.NewEncoder(w).Encode(update.Images{Board: "qemu-virt", Running: "a", State: f.state})
}

func (f *installer) install(w http.ResponseWriter, r *http.Request) {
	f.lock.Lock()
	f.uploads++
	f.lock.Unlock()
	defer func() {
		f.lock.Lock()
		f.uploads--
		f.lock.Unlock()
	}()
	flush := http.NewResponseController(w)
	flush.EnableFullDuplex()
	tell := func(line update.Progress) {
		json.NewEncoder(w).Encode(line)
		flush.Flush()
	}
	last := update.Progress{Done: true}
	if err := f.take(r, func(text string) { tell(update.Progress{Text: text}) }); err != nil {
		last.Error = err.Error()
	}
	tell(last)
}

func (f *installer) take(r *http.Request, tell func(string)) error {
	in := bufio.NewReader(r.Body)
	head, err := in.ReadString('\n')
	var image fakeImage
	if err != nil || json.Unmarshal([]byte(head), &image) != nil {
		return errors.New("this is no update: it does not begin as one")
	}
	switch {
	case image.Forged:
		return errors.New("the signature is not of a key that this firmware trusts")
	case image.Board != "qemu-virt":
		return fmt.Errorf("the update is for %s, this is qemu-virt", image.Board)
	case image.Built.Before(whenBuilt) && r.URL.Query().Get("force") != "1":
		return errors.New("the update is older than what runs: it is taken only if forced")
	}
	tell(fmt.Sprintf("%s of %s for %s", image.Version, image.Built.Format(time.DateOnly), image.Board))
	n, err := io.CopyN(io.Discard, in, image.Size)
	f.lock.Lock()
	f.received += n
	f.lock.Unlock()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the update is cut short")
	case err != nil:
		return err
	}
	tell("root received")
	tell("writing root to slot b")
	f.lock.Lock()
	defer f.lock.Unlock()
	f.state.Slots[1] = update.Firmware{Version: image.Version, Built: image.Built}
	f.state.Trial = &update.Trial{Slot: update.B}
	return nil
}

func (f *installer) reboot(w http.ResponseWriter, r *http.Request) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if r.URL.Query().Get("async") == "true" { // else it ends sbcd, which waits for the answer, first
		f.restarts++
	}
	io.WriteString(w, "Rebooting...\n")
}

// fakeImages are what is installed and what is refused.
func fakeImages() map[string][]byte {
	const size = 300_000
	whole := func(i fakeImage) []byte {
		head, _ := json.Marshal(i)
		return append(append(head, '\n'), strings.Repeat("x", int(i.Size))...)
	}
	newer := fakeImage{Version: "v2", Board: "qemu-virt", Built: whenBuilt.AddDate(0, 0, 1), Size: size}
	older, forged, other := newer, newer, newer
	older.Version, older.Built = "v1.9", whenBuilt.AddDate(0, 0, -1)
	forged.Forged = true
	other.Board = "rpi4"
	large := newer
	large.Size = largeSize
	head, _ := json.Marshal(large)
	return map[string][]byte{
		"large.head": append(head, '\n'),
		"new.image":  whole(newer), "old.image": whole(older), "forged.image": whole(forged), "other-board.image": whole(other),
		"short.image": whole(newer)[:size/2],
	}
}

func cmdInstaller(ts *testscript.TestScript, _ bool, args []string) {
	d := theDesk(ts)
	switch strings.Join(args, " ") {
	case "start":
		f, stop, err := startInstaller(d.box.installer)
		if err != nil {
			ts.Fatalf("%v", err)
		}
		d.init, f.before = f, peak(d.box.cmd.Process.Pid)
		d.cleanups = append(d.cleanups, stop)
	case "small":
		if n := peak(d.box.cmd.Process.Pid); n == 0 || n-d.init.before > largeSize/2 {
			ts.Fatalf("sbcd took %d bytes, and %d before", n, d.init.before)
		}
		if d.init.received < largeSize {
			ts.Fatalf("PID 1 received %d bytes", d.init.received)
		}
	case "idle":
		eventually(scriptT{ts}, "no upload is on its way", func() bool {
			d.init.lock.Lock()
			defer d.init.lock.Unlock()
			return d.init.uploads == 0
		})
	case "restarts":
		eventually(scriptT{ts}, "the box was told to restart", func() bool {
			d.init.lock.Lock()
			defer d.init.lock.Unlock()
			return d.init.restarts == 1
		})
	default:
		ts.Fatalf("usage: installer start|small|idle|restarts")
	}
}
