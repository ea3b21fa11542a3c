package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/status"
)

func keyFile(dir string) string { return filepath.Join(dir, "key") }

// nextKey ends the name of the file with a key that comes in the place of the present one. Nobody reads it under this name.
const nextKey = ".next"

// keys is the box's key. Its private half leaves neither the box nor its file, save for the other box of a pair. It is read each time: the standby gets
// that of the active box at any time.
type keys struct {
	file string
	mu   sync.Mutex
}

// ensure returns the key, and makes one when there is none.
func (k *keys) ensure() (*bus.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := flash.MakeDir(filepath.Dir(k.file), 0o700); err != nil {
		return nil, fmt.Errorf("the key of the box is not kept: %w", err)
	}
	key, err := bus.EnsureKey(k.file)
	if err != nil {
		return nil, fmt.Errorf("the key of the box: %w", err)
	}
	return key, nil
}

// prepare writes another key beside the present one. From then on only the name of the file changes: flash that is full is noticed before the hub ends
// the present key.
func (k *keys) prepare(next *bus.Key) error {
	if err := flash.MakeDir(filepath.Dir(k.file), 0o700); err != nil {
		return err
	}
	return next.Write(k.file + nextKey)
}

// replace puts the key that was prepared in the place of the present one.
func (k *keys) replace() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return flash.Rename(k.file+nextKey, k.file)
}

// KeyFile is what a hub takes the box by, under a name.
func (m *Member) KeyFile(name string) (fleet.KeyFile, error) {
	if name == "" {
		return fleet.KeyFile{}, errors.New("the box has no name there yet: enter `name NAME` in `fleet`")
	}
	serial := m.o.Serial()
	if serial == "" {
		return fleet.KeyFile{}, errors.New("the box has no serial number: port ethernet 0 0 is not there")
	}
	key, err := m.keys.ensure()
	if err != nil {
		return fleet.KeyFile{}, err
	}
	return fleet.KeyFile{Box: name, Serial: serial, Key: key.Public()}, nil
}

// retireTime is how long the hub may take to end a key.
const (
	retireTime = 5 * time.Second
	retryTime  = 250 * time.Millisecond
)

// GenerateKey puts a new key in the place of the present one; ended says whether the hub has ended that. It is told first: a box that loses its
// power in between has a key that nobody takes, and never two that somebody does. What the hub says against it is in the log only: the box goes on
// with its new key, because the one before may be in wrong hands.
func (m *Member) GenerateKey(ctx context.Context) (ended bool, err error) {
	next, err := bus.Generate()
	if err != nil {
		return false, err
	}
	if err := m.keys.prepare(next); err != nil {
		return false, fmt.Errorf("it cannot be kept: %w", err)
	}
	if cfg := m.wanted(); cfg != nil {
		if err := m.retire(ctx, cfg.Name, next.Public()); err == nil {
			ended = true
		} else {
			m.o.Log.Warn("the hub has not ended the key of the box", "err", err)
		}
	}
	if err := m.keys.replace(); err != nil {
		if ended {
			return ended, fmt.Errorf("the hub has ended the present key, and no other can be kept: %w", err)
		}
		return false, fmt.Errorf("it cannot be kept: %w", err)
	}
	m.o.Log.Info("the box has another key for its hub", "key", next)
	m.nudge()
	return ended, nil
}

// retire has the hub end the present key. A hub that has just been started may not listen yet, or lose the connection once more.
func (m *Member) retire(ctx context.Context, name, next string) error {
	ctx, cancel := context.WithTimeout(ctx, retireTime)
	defer cancel()
	connected, _ := m.bus.Changed()
	for {
		err := m.askRetire(ctx, name, next)
		if !errors.Is(err, fleet.ErrAway) || !connected || m.bus.State().State == status.FleetRefused {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryTime):
		}
	}
}

func (m *Member) askRetire(ctx context.Context, name, next string) error {
	body, _ := json.Marshal(fleet.Retire{Next: next}) // a string
	answer, err := m.bus.Request(ctx, fleet.RetireOf(name), body)
	if err != nil {
		return err
	}
	var a fleet.Answer
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("the answer of the hub: %w", err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}
