package duty

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"viaduct/appliance/flash"
	"viaduct/appliance/pair/election"
)

// keep is the file with what the box remembers of its pair.
type keep struct {
	file string
	log  *slog.Logger

	mu     sync.Mutex
	is     kept
	loaded bool
}

// kept is what is in the file. It helps two boxes that start together to see who has the later state; it is no secret, and believed as far as that goes.
type kept struct {
	election.Reign
	Acts  bool `json:"acts"`  // the box had the pair's addresses
	Knows bool `json:"knows"` // it has had what the pair has: it is not pair.Word.Fresh
}

const keptMax = 4 << 10 // octets

// read returns what the box remembers. A file that is damaged is as none.
func (k *keep) read() kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.load()
}

func (k *keep) load() kept {
	if k.loaded {
		return k.is
	}
	k.loaded = true
	about, err := os.Stat(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return k.is
	}
	var text []byte
	if err == nil && about.Size() > keptMax {
		err = errors.New("it is too large")
	}
	if err == nil {
		text, err = os.ReadFile(k.file)
	}
	var is kept
	if err == nil {
		err = json.Unmarshal(text, &is)
	}
	if err != nil {
		k.log.Warn("the box does not remember its pair", "err", err)
		return k.is
	}
	k.is = is
	return is
}

// write puts it on flash when it is another than before.
func (k *keep) write(is kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.load() == is {
		return
	}
	k.is = is
	text, err := json.Marshal(is)
	if err == nil {
		err = flash.MakeDir(filepath.Dir(k.file), 0o700)
	}
	if err == nil {
		err = flash.Write(k.file, text, 0o600)
	}
	if err != nil {
		k.log.Warn("what the box knows of its pair is not kept", "err", err)
	}
}

// forget keeps that the box is one of no pair: what it has from now on is its own.
func (k *keep) forget() {
	if is := k.read(); is.Knows {
		is.Knows = false
		k.write(is)
	}
}

// acts keeps whether the box has the addresses.
func (k *keep) acts(acts bool) {
	is := k.read()
	is.Acts = acts
	k.write(is)
}
