package starface

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/printable"
)

const keptMost = 5000 // entries

// Book remembers which users do not want to be disturbed because of us, so that a box that starts again takes back what it has set. There is one
// for the box.
type Book struct {
	save func(text []byte) error

	mu    sync.Mutex
	ours  map[place]Entry
	dirty bool // the file says more than ours does
}

// place is a user of a STARFACE.
type place struct {
	url string
	id  int64
}

// Entry is a do not disturb that is ours, or that was about to become so when the power went.
type Entry struct {
	URL     string    `json:"url"` // of the STARFACE
	ID      int64     `json:"id"`  // of the user there
	Service string    `json:"service"`
	Name    string    `json:"name"` // of the Teams user
	Since   time.Time `json:"since"`
}

// OpenBook reads what Book has saved: load calls its argument with that, once, or not at all. The error says that nothing is remembered; the Book
// works nevertheless.
func OpenBook(load func(parse func(text []byte) error) error, save func(text []byte) error) (*Book, error) {
	b := &Book{save: save, ours: map[place]Entry{}}
	if err := load(b.parse); err != nil {
		return b, fmt.Errorf("remember do not disturb at a STARFACE: %w", err)
	}
	return b, nil
}

func (b *Book) parse(text []byte) error {
	var entries []Entry
	if err := json.Unmarshal(text, &entries); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	if len(entries) > keptMost {
		return errors.New("it has too many entries")
	}
	for _, e := range entries {
		if e.URL == "" || e.ID < 0 || e.Service == "" || e.Name == "" {
			return errors.New("an entry lacks what is needed")
		}
	}
	for _, e := range entries {
		e.Service, e.Name = printable.Text(e.Service), printable.Text(e.Name)
		b.ours[place{e.URL, e.ID}] = e
	}
	return nil
}

// of lists what is ours by a service at a STARFACE, by the name of the Teams user.
func (b *Book) of(service, url string) map[string]Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := map[string]Entry{}
	for _, e := range b.ours {
		if e.Service == service && e.URL == url {
			own[e.Name] = e
		}
	}
	return own
}

// Left is what is ours by services that do not care for it any more.
type Left struct {
	Service, URL string
	Users        int
}

// Left lists that: cares says who does.
func (b *Book) Left(cares func(service, url string) bool) (list []Left) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.ours {
		if cares(e.Service, e.URL) {
			continue
		}
		of := func(l Left) bool { return l.Service == e.Service && l.URL == e.URL }
		if i := slices.IndexFunc(list, of); i >= 0 {
			list[i].Users++
		} else {
			list = append(list, Left{e.Service, e.URL, 1})
		}
	}
	return list
}

// errTaken is that two want to write for one user.
var errTaken = errors.New("another presence-service sets do not disturb for this user of the STARFACE")

// add keeps an entry before anything is set: what is not remembered could not be taken back after a power cut.
func (b *Book) add(e Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := place{e.URL, e.ID}
	if old, there := b.ours[at]; there {
		if old.Service != e.Service || old.Name != e.Name {
			return errTaken
		}
		return nil
	}
	if len(b.ours) == keptMost {
		return fmt.Errorf("%d users have do not disturb from here already", keptMost)
	}
	b.ours[at] = e
	if err := b.write(); err != nil {
		delete(b.ours, at)
		b.dirty = true
		return fmt.Errorf("it could not be remembered: %w", err)
	}
	return nil
}

// drop forgets an entry. One that cannot be written is tried again by flush.
func (b *Book) drop(e Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ours, place{e.URL, e.ID})
	return b.write()
}

// flush writes what a failure has left.
func (b *Book) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty {
		return nil
	}
	return b.write()
}

func (b *Book) write() error {
	entries := make([]Entry, 0, len(b.ours))
	for _, e := range b.ours {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y Entry) int {
		return cmp.Or(strings.Compare(x.URL, y.URL), cmp.Compare(x.ID, y.ID))
	})
	text, err := json.Marshal(entries)
	if err == nil {
		err = b.save(text)
	}
	b.dirty = err != nil
	return err
}
