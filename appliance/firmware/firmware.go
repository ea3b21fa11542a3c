package firmware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/status"
	"viaduct/appliance/upload"
	"viaduct/image/update"
)

const (
	rebootPath = "/reboot?async=true" // without async it would end sbcd before it answers

	installerTime = 10 * time.Second // for answers that take no work
	stallTime     = time.Minute      // without an octet; only one image is installed at a time, so a stalled one must end
	progressEvery = 3 * time.Second
)

var (
	errNoImages = errors.New("this machine does not run from an image: there is nothing to install one in")
	errStalled  = fmt.Errorf("nothing came for %v", stallTime)
)

// Options are what an Installer works with.
type Options struct {
	Log     *slog.Logger
	Socket  string              // of PID 1; "" or no socket there: the box does not run from an image
	Web     func() *http.Client // fetches images
	Changed func()              // an installation begins or ends
}

// Installer speaks to PID 1, which installs images.
type Installer struct {
	o     Options
	under atomic.Int32  // installations under way
	stall time.Duration // without an octet: then an installation ends
}

// New makes an Installer.
func New(o Options) *Installer { return &Installer{o: o, stall: stallTime} }

// Busy reports whether an image is being installed.
func (i *Installer) Busy() bool { return i.under.Load() > 0 }

// dial connects to PID 1.
func (i *Installer) dial(ctx context.Context) (*net.UnixConn, error) {
	if i.o.Socket == "" {
		return nil, errNoImages
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", i.o.Socket)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoImages
	}
	if err != nil {
		return nil, fmt.Errorf("PID 1 does not answer: %w", err)
	}
	return conn.(*net.UnixConn), nil
}

// ask sends a request without a body and reads the answer. An answer without success is an error.
func (i *Installer) ask(ctx context.Context, method, path string, answer func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, installerTime)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return i.dial(ctx)
	}}}
	q, err := http.NewRequestWithContext(ctx, method, "http://init"+path, nil)
	if err != nil {
		return err
	}
	r, err := client.Do(q)
	if errors.Is(err, errNoImages) {
		return errNoImages
	}
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := refusal(r); err != nil {
		return err
	}
	return answer(r.Body)
}

// refusal returns the error of an answer without success: PID 1 describes the fault of the medium as text.
func refusal(r *http.Response) error {
	if r.StatusCode == http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
	if why := strings.TrimSpace(string(text)); err == nil && why != "" && r.StatusCode != http.StatusNotFound {
		return errors.New(why)
	}
	return fmt.Errorf("PID 1 answers %s", r.Status)
}

// Images describes the slots.
func (i *Installer) Images(ctx context.Context) (status.Images, error) {
	var x update.Images
	if err := i.ask(ctx, http.MethodGet, update.InstallPath, func(r io.Reader) error { return json.NewDecoder(r).Decode(&x) }); err != nil {
		return status.Images{}, err
	}
	images := status.Images{Board: x.Board}
	next := x.Running
	if t := x.State.Trial; t != nil && (t.Slot.String() != x.Running || t.Tries < update.Tries) {
		next = t.Slot.String()
	} else if t != nil {
		next = t.Slot.Other().String()
	}
	for n, f := range x.State.Slots {
		image := status.Image{
			Slot: update.Slot(n).String(), Version: f.Version, Commit: f.Commit, Built: f.Built, Failed: f.Failed, MaxTries: update.Tries,
			Running: update.Slot(n).String() == x.Running, Next: update.Slot(n).String() == next,
		}
		if t := x.State.Trial; t != nil && t.Slot == update.Slot(n) {
			image.Trial, image.Tries = true, t.Tries
		}
		images.Slots = append(images.Slots, image)
	}
	return images, nil
}

// Waiting returns the version that the next restart of the box would start, "" when that is the running one.
func (i *Installer) Waiting() string {
	images, err := i.Images(context.Background())
	if err != nil {
		return ""
	}
	for _, image := range images.Slots {
		if image.Next && !image.Running {
			return image.Version
		}
	}
	return ""
}

// Reboot restarts the whole box; PID 1 ends us soon after.
func (i *Installer) Reboot() error {
	return i.ask(context.Background(), http.MethodPost, rebootPath, func(io.Reader) error { return nil })
}

// Install hands an image to PID 1 as it comes in.
func (i *Installer) Install(ctx context.Context, file io.ReadCloser, force bool, report func(string)) error {
	ctx, p, end := awaited(ctx, i.stall)
	defer end()
	p.ReadCloser = file
	return because(ctx, i.install(ctx, p, force, report))
}

// Fetch hands an image to PID 1 as it comes from a web server.
func (i *Installer) Fetch(ctx context.Context, url string, force bool, report func(string)) error {
	ctx, p, end := awaited(ctx, i.stall)
	defer end()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := i.o.Web()
	client.Timeout = 0
	r, err := client.Do(q)
	if err != nil {
		return because(ctx, err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	p.ReadCloser, p.size = r.Body, r.ContentLength
	return because(ctx, i.install(ctx, p, force, report))
}

// awaited returns a file that has not begun to come, and the context of its installation. The context ends when no octet comes for
// stall; the whole transfer has no limit.
func awaited(ctx context.Context, patience time.Duration) (limited context.Context, p *progress, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	p = &progress{size: -1, patience: patience, stalled: time.AfterFunc(patience, func() { cancel(errStalled) })}
	return ctx, p, func() {
		p.stalled.Stop()
		cancel(nil)
	}
}

// because returns the cause of the end of ctx, or err when the user ended it.
func because(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errStalled {
		return errStalled
	}
	return err
}

func (i *Installer) install(ctx context.Context, file *progress, force bool, report func(string)) error {
	var one sync.Mutex // both the file and PID 1 report lines
	file.report = func(line string) {
		one.Lock()
		defer one.Unlock()
		report(line)
	}
	conn, err := i.dial(ctx)
	if err != nil {
		file.Close()
		return err
	}
	i.update(1)
	defer i.update(-1)
	path := update.InstallPath
	if force {
		path += "?force=1"
	}
	i.o.Log.Info("an image is being installed")
	err = upload.Put(ctx, conn, path, file, func(r *http.Response) error { return follow(r, file.report) })
	if err != nil {
		i.o.Log.Warn("image not installed", "err", err)
		return err
	}
	i.o.Log.Info("an image is installed, and starts with the next restart of the box")
	return nil
}

// follow reports the steps of PID 1 until it is done.
func follow(r *http.Response, report func(string)) error {
	if err := refusal(r); err != nil {
		return err
	}
	for in := json.NewDecoder(r.Body); ; {
		var line update.Progress
		if err := in.Decode(&line); err != nil {
			return fmt.Errorf("PID 1 ended in the middle of it: %w", err)
		}
		if line.Text != "" {
			report(line.Text)
		}
		switch {
		case line.Done && line.Error != "":
			return errors.New(line.Error)
		case line.Done:
			return nil
		}
	}
}

// update counts the installations.
func (i *Installer) update(n int32) {
	i.under.Add(n)
	i.o.Changed()
}

// progress is a file in transfer that reports how much of it has come.
type progress struct {
	io.ReadCloser
	size     int64 // -1: not known
	report   func(string)
	patience time.Duration
	stalled  *time.Timer // ends the installation; it runs while a Read waits

	got  int64
	last time.Time
}

func (p *progress) Read(b []byte) (int, error) {
	p.stalled.Reset(p.patience)
	defer p.stalled.Stop() // not while PID 1 writes
	n, err := p.ReadCloser.Read(b)
	p.got += int64(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("the image broke off after %.1f MiB: %w", mebibytes(p.got), err)
	}
	switch now := time.Now(); {
	case p.last.IsZero():
		p.last = now
	case now.Sub(p.last) >= progressEvery && p.size > 0:
		p.last = now
		p.report(fmt.Sprintf("%.1f of %.1f MiB have come", mebibytes(p.got), mebibytes(p.size)))
	case now.Sub(p.last) >= progressEvery:
		p.last = now
		p.report(fmt.Sprintf("%.1f MiB have come", mebibytes(p.got)))
	}
	return n, err
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
