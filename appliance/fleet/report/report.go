package report

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/flash"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/records"
	"viaduct/appliance/status"
)

// RecordsFile is where the records.Reader given to a Reporter keeps its position.
const RecordsFile = "sent-to-hub"

// Options are what a Reporter is given.
type Options struct {
	Dir     string // for the journal of alarms, which is a folder in it
	Log     *slog.Logger
	Health  *health.Tracker
	Records *records.Reader
	Link    fleet.Link
	Status  func() fleet.Status // what this package does not know: all but Version, Box, Time, Alarms, More and Unsent
}

// Reporter reports to the hub. It is safe for concurrent use.
type Reporter struct {
	o       Options
	changed chan struct{} // one token: other settings
	poke    chan struct{} // one token: the status has changed
	most    int64         // octets of records that may wait: beyond that the oldest are passed over

	mu       sync.Mutex
	settings *settings // nil: it is not known what is configured
	end      func()    // ends what runs
	spools   []*spool  // those that run
}

// settings is what matters of a configuration.
type settings struct {
	absent  bool   // there is no fleet
	box     string // the name at the hub; "": nothing is sent
	records config.FleetRecord
}

// New returns a Reporter that does nothing until it has a configuration and runs.
func New(o Options) *Reporter {
	return &Reporter{o: o, end: func() {}, changed: make(chan struct{}, 1), poke: make(chan struct{}, 1), most: most}
}

// Apply takes a configuration, nil for no fleet: then all that was kept for the hub is deleted. While a fleet is shut down, or not complete, it is
// left as it is.
//
// When Apply returns, nothing more is begun to be sent as the configuration before wanted it.
func (r *Reporter) Apply(f *config.Fleet) {
	s := settingsOf(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings == nil || *r.settings != s {
		r.follow(&s)
	}
}

// Suspend has nothing sent, unless that is as a configuration wants it: Apply comes when all else follows it.
func (r *Reporter) Suspend(f *config.Fleet) {
	s := settingsOf(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings != nil && *r.settings != s {
		r.follow(nil)
	}
}

// follow ends what runs, and has Run begin anew. The mutex is held.
func (r *Reporter) follow(s *settings) {
	r.settings = s
	r.end()
	wake(r.changed)
}

func settingsOf(f *config.Fleet) settings {
	s := settings{absent: f == nil}
	if f != nil {
		s.records = f.Records
		if f.Enabled && f.Complete() {
			s.box = f.Name
		}
	}
	return s
}

// Changed tells that something of the box has changed that Options.Status returns: the hub learns of it soon.
func (r *Reporter) Changed() { wake(r.poke) }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run reports until ctx ends.
func (r *Reporter) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		within, end := context.WithCancel(ctx)
		r.mu.Lock()
		s := r.settings
		r.end = end
		select {
		case <-r.changed: // these are the settings that it was about: what begins now would end at once, and forget what it has noticed
		default:
		}
		r.mu.Unlock()
		var all sync.WaitGroup
		if s != nil {
			r.begin(within, *s, &all)
		}
		select {
		case <-ctx.Done():
		case <-r.changed:
		}
		end()
		all.Wait()
		r.mu.Lock()
		r.spools = nil
		r.mu.Unlock()
	}
	return nil
}

// begin starts what the settings want.
func (r *Reporter) begin(ctx context.Context, s settings, all *sync.WaitGroup) {
	switch {
	case s.absent:
		r.Forget()
	case !s.records.Sent:
		r.forgetRecords()
	}
	if s.box == "" {
		return
	}
	j := newJournal(r.o, r.journal())
	prefix := s.box + "/" + r.secret() + "/"
	spools := []*spool{newSpool(r.o, "alarms", prefix, fleet.AlarmsOf(s.box), j)}
	if s.records.Sent {
		spools = append(spools, newSpool(r.o, "call-records", prefix, fleet.CallsOf(s.box), &calls{r.o.Records, s.records.Masked, r.most}))
	}
	r.mu.Lock()
	r.spools = spools
	r.mu.Unlock()
	all.Go(func() { j.run(ctx) })
	for _, x := range spools {
		all.Go(func() { x.run(ctx) })
	}
	all.Go(func() { r.beat(ctx, s.box) })
}

func (r *Reporter) journal() string { return filepath.Join(r.o.Dir, "alarms") }

// Forget deletes all that was kept for a hub, while nothing is reported: one that the box belongs to later does not learn of the time before it.
func (r *Reporter) Forget() {
	if err := os.RemoveAll(r.journal()); err != nil {
		r.o.Log.Warn("journal of alarms for the hub not deleted", "err", err)
	}
	r.forgetRecords()
}

// forgetRecords ends the reading of records: those of the time until it begins again are not for the hub.
func (r *Reporter) forgetRecords() {
	if err := r.o.Records.Stop(); err != nil {
		r.o.Log.Warn("position of the call records for the hub not deleted", "err", err)
	}
}

// secret is a part of all ids of this box that others cannot guess. The boxes of a customer share a stream, which takes each id once: a box that
// knew the next ids of another could use them up.
func (r *Reporter) secret() string {
	file := filepath.Join(r.o.Dir, "ids")
	text, err := os.ReadFile(file)
	if octets, bad := hex.DecodeString(string(text)); err == nil && bad == nil && len(octets) == 16 {
		return string(text)
	}
	octets := make([]byte, 16)
	rand.Read(octets) // never fails
	text = hex.AppendEncode(nil, octets)
	if err := errors.Join(flash.MakeDir(r.o.Dir, 0o700), flash.Write(file, text, 0o600)); err != nil {
		r.o.Log.Warn("secret of the ids for the hub not written: what is sent again after the next start will have others", "err", err)
	}
	return string(text)
}

// Status says how far the hub has each of what it gets.
func (r *Reporter) Status() (list []status.FleetSent) {
	r.mu.Lock()
	spools := r.spools
	r.mu.Unlock()
	for _, s := range spools {
		list = append(list, s.status())
	}
	return list
}

// message is what the hub gets of one line.
type message struct {
	id   string
	body []byte
	at   flash.Position // behind the line; zero: it is in memory only
}
