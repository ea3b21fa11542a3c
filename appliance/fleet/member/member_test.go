package member

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/records"
)

// A box that starts without a fleet keeps no place in the records of calls: a fleet that it joins later does not get those of the time between.
func TestAStartWithoutAFleetForgetsTheHub(t *testing.T) {
	dir := t.TempDir()
	cdr, own := filepath.Join(dir, "cdr"), filepath.Join(dir, "fleet")
	left := []string{filepath.Join(cdr, "sent-to-hub"), filepath.Join(own, "alarms", "2026-11-29.jsonl")}
	key := filepath.Join(own, "key")
	for _, file := range append(left, key) {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		log, tracker := slog.New(slog.DiscardHandler), &health.Tracker{}
		archive := records.New(records.Options{Dir: cdr, Log: log, Health: tracker, Sane: func() error { return nil }})
		reader := archive.Follow("sent-to-hub")
		m := New(Options{Log: log, Health: tracker, Dir: own, Serial: func() string { return serial }, Licenses: license.New(), Sane: func() error { return nil }, Records: reader})
		go archive.Run(t.Context())
		go m.Run(t.Context())
		synctest.Wait()
		if !reader.Begun() {
			t.Error("it is forgotten before the box knows its configuration")
		}
		for _, file := range left {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s is gone before the box knows its configuration", file)
			}
		}
		m.Apply(&config.Config{})
		synctest.Wait()
		if reader.Begun() {
			t.Error("it is still known what the hub has of the records")
		}
	})
	for _, file := range left {
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is left", file)
		}
	}
	if _, err := os.Stat(key); err != nil {
		t.Errorf("the key: %v", err)
	}
}

// The standby of a pair has asked for its key before it got that of the active box. As the active one it goes by the latter.
func TestTheKeyOfTheOtherBoxOfAPair(t *testing.T) {
	k := keys{file: keyFile(t.TempDir())}
	own, err := k.ensure()
	if err != nil || own.Public() != k.public() {
		t.Fatal(err)
	}
	other, err := bus.Generate()
	if err == nil {
		err = other.Write(k.file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if now, err := k.ensure(); err != nil || now.Public() != other.Public() || k.public() != other.Public() {
		t.Errorf("it goes by %v, %v", now, err)
	}
}
