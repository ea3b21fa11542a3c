// Package files has the standby of a pair keep the configuration, keys, certificates, licenses and what else makes a box, as the active one has them.
//
// It owns which box tells and which takes, in what order things are stored, sums by which both compare, and what becomes of licenses that only the standby
// has. It does not own what there is (package store), the way to the other box (package link), nor what a stored thing means to the engines: Options say
// who is told.
//
// Everything travels as it is stored, inside TLS. The key that seals passwords comes first, and becomes the standby's own as with a backup: the sealed
// passwords are the same on both boxes, so a key of its own would protect nothing.
//
// Run is one goroutine.
package files

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/pair"
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/store"
)

// Link is the way to the other box.
type Link interface {
	Leads() uint64  // 0: the box is not active; another number each time that it becomes so
	Complete() bool // the box has all that the active one has told
	Kept(pair.Kind) []pair.Kept
	Sender() pair.Sender
	Tell(note []byte) // to the active box: the newest note counts
}

// Options are what Files works with. Functions are called by the goroutine of Run.
type Options struct {
	Log     *slog.Logger
	Link    Link
	Store   *store.Store
	Secrets *store.Secrets // nil: passwords are not sealed
	Running func() []byte  // the running configuration, as the box prints it
	// Copies says why nothing is to be taken from the other box; nil: it may be.
	Copies func() error
	// Commit makes a text the running configuration. An error says that it cannot, and the box is not ready then.
	Commit func(text []byte) error
	// Save makes a text the startup-config; nil erases it.
	Save func(text []byte) error
	// Stored is told that certificates and keys are others, or licenses.
	Stored func(keys, licenses bool)
}

// Names of what Shared of the store has not.
const (
	secretKey = "secret-key"
	startup   = "startup-config"
	running   = "running-config"
	licenses  = "licenses"
)

// every is how often the box looks for changes that nobody has told it of.
const every = 5 * time.Second

// Files is the engine. Its methods may be called from any goroutine.
type Files struct {
	o     Options
	nudge chan struct{} // one token: something may have changed

	told      uint64            // the reign, as Leads has it, in which sent is with the other box
	sent      map[string]string // sums by name
	committed [2]string         // what was committed last, and what the box printed then

	mu    sync.Mutex // protects the following
	ready string     // why the box could not take over; "": it could
	sums  map[string]string
	notes [][]byte // of the other box, not looked at yet: one at most
}

// New makes Files.
func New(o Options) *Files {
	return &Files{o: o, nudge: make(chan struct{}, 1), sent: map[string]string{}, ready: errAwaited.Error()}
}

var errAwaited = errors.New("the files of the active box have not come yet")

// Nudge says that something may have changed: on this box, or of what came from the other one.
func (f *Files) Nudge() {
	select {
	case f.nudge <- struct{}{}:
	default:
	}
}

// Noted takes a note of the standby: license keys that only that box has.
func (f *Files) Noted(note []byte) {
	f.mu.Lock()
	f.notes = [][]byte{bytes.Clone(note)}
	f.mu.Unlock()
	f.Nudge()
}

// Ready says why the box could not take over, as far as files go; "": it could. The active box is ready.
func (f *Files) Ready() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready
}

// Sums are what both boxes should have alike, by what it is.
func (f *Files) Sums() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sums)
}

// Run tells or takes until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		f.round()
		select {
		case <-ctx.Done():
			return nil
		case <-f.nudge:
		case <-tick.C:
		}
	}
}

// round tells, or takes.
func (f *Files) round() {
	reign := f.o.Link.Leads()
	own, err := f.own()
	switch {
	case err != nil:
	case reign != 0:
		f.adoptLicenses()
		f.tell(reign, own)
	case !f.o.Link.Complete():
		err = errAwaited
	default:
		if err = f.o.Copies(); err != nil {
			break
		}
		if err = f.take(own); err == nil {
			own, err = f.own()
		}
	}
	sums := f.sumsOf(own)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || !errors.Is(err, errAwaited) || reign != 0 {
		if why := text(err); why != "" && why != f.ready {
			f.o.Log.Warn("files of the pair", "reign", reign, "error", why)
		}
	}
	f.ready, f.sums = text(err), sums
	if reign != 0 {
		f.ready = ""
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return printable.Text(err.Error())
}

// own reads what this box has.
func (f *Files) own() (map[string][]byte, error) {
	parts, err := f.o.Store.Shared()
	if err != nil {
		return nil, err
	}
	if f.o.Secrets != nil {
		parts[secretKey] = f.o.Secrets.Key()
	}
	saved, err := f.o.Store.Startup()
	if err == nil {
		parts[startup] = saved
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	keys, err := f.o.Store.Licenses()
	if err != nil && len(keys) == 0 {
		return nil, err
	}
	slices.Sort(keys)
	parts[licenses] = []byte(strings.Join(keys, "\n"))
	parts[running] = f.o.Running()
	return parts, nil
}

// tell has the standby keep what has changed since the last time.
func (f *Files) tell(reign uint64, own map[string][]byte) {
	if f.told != reign {
		f.told, f.sent = reign, map[string]string{}
	}
	to := f.o.Link.Sender()
	for name, value := range own {
		if sum := f.sum(value); f.sent[name] != sum {
			f.sent[name] = sum
			to.Put(pair.Files, name, value)
		}
	}
	for name := range f.sent {
		if own[name] == nil {
			delete(f.sent, name)
			to.Drop(pair.Files, name)
		}
	}
}

// take stores what the active box has, in an order in which each part can be used: the key of passwords before what it opens, certificates before the
// configuration that names them.
func (f *Files) take(own map[string][]byte) error {
	theirs := map[string][]byte{}
	for _, k := range f.o.Link.Kept(pair.Files) {
		theirs[k.ID] = k.Value
	}
	if theirs[running] == nil {
		return errAwaited
	}
	var failed []error
	note := func(what string, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s of the active box cannot be taken: %w", printable.Short(what, 100), err))
		}
	}
	if key := theirs[secretKey]; key != nil && f.o.Secrets != nil && !bytes.Equal(key, own[secretKey]) {
		note("the key of passwords", f.o.Secrets.Adopt(key))
	}
	parts := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(merged(own, theirs))) {
		switch name {
		case secretKey, startup, running, licenses:
			continue
		}
		if !store.IsShared(name) { // a box of a later release may tell of others
			continue
		}
		if value, has := theirs[name]; !bytes.Equal(value, own[name]) || has != (own[name] != nil) {
			if !has {
				value = nil
			}
			parts[name] = value
		}
	}
	keys := len(parts) > 0
	untaken := f.o.Store.TakeAll(parts)
	for _, name := range slices.Sorted(maps.Keys(untaken)) {
		note(name, untaken[name])
	}
	changed, err := f.takeLicenses(lines(theirs[licenses]))
	note(licenses, err)
	if keys || changed {
		f.o.Stored(keys, changed)
	}
	if value, has := theirs[startup]; has != (own[startup] != nil) || !bytes.Equal(value, own[startup]) {
		if !has {
			value = nil
		}
		note("the startup-config", f.o.Save(value))
	}
	note("the running configuration", f.commit(theirs[running]))
	return errors.Join(failed...)
}

// commit makes a text the running configuration, once: what this box prints may differ where the releases do.
func (f *Files) commit(theirs []byte) error {
	before := f.o.Running()
	if bytes.Equal(theirs, before) || f.committed == [2]string{f.sum(theirs), f.sum(before)} {
		return nil
	}
	if err := f.o.Commit(theirs); err != nil {
		return err
	}
	f.committed = [2]string{f.sum(theirs), f.sum(f.o.Running())}
	return nil
}

func merged(a, b map[string][]byte) map[string][]byte {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// sum is what two values are compared by. It goes to screens, so it must not tell a password to who tries many: the key of passwords is in it.
func (f *Files) sum(value []byte) string {
	var key []byte
	if f.o.Secrets != nil {
		key = f.o.Secrets.Key()
	}
	h := hmac.New(sha256.New, key)
	h.Write(value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// sumsOf compares by what people call things.
func (f *Files) sumsOf(own map[string][]byte) map[string]string {
	if own == nil {
		return nil
	}
	var keys, others []byte
	for _, name := range slices.Sorted(maps.Keys(own)) {
		line := fmt.Appendf(nil, "%s %s\n", name, f.sum(own[name]))
		switch {
		case strings.HasPrefix(name, "certificate/"), strings.HasPrefix(name, "private-key/"), strings.HasPrefix(name, "acme/"):
			keys = append(keys, line...)
		case strings.HasPrefix(name, "template/"):
			others = append(others, line...)
		}
	}
	var roots []byte
	for _, c := range pki.BuiltIn() {
		roots = append(roots, c.Raw...)
	}
	return map[string]string{
		"configuration": f.sum(own[running]), "saved configuration": f.sum(own[startup]), "certificates and keys": f.sum(keys), "licenses": f.sum(own[licenses]),
		"calendar": f.sum(own["calendar"]), "templates of phones": f.sum(others), "built-in roots": f.sum(roots),
	}
}
