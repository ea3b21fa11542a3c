package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnInitThatWasCut: a kill at any moment leaves a folder that nobody takes for a hub, and in which init begins anew.
func TestAnInitThatWasCut(t *testing.T) {
	o := Options{Name: "hub.example.com", Nodes: []Place{{Name: "a", Address: "a.example.com"}, {Name: "b", Address: "b.example.com"}, {Name: "c", Address: "c.example.com"}}}
	for what, o := range map[string]Options{"one node": {Name: "hub.example.com"}, "three nodes": o} {
		dir := t.TempDir()
		if _, err := Init(dir, o); err != nil {
			t.Fatal(err)
		}
		// What a kill before the last step leaves: everything but the key of the authority, and the mark.
		if err := os.Remove(filepath.Join(dir, fileCAKey)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fileMaking), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "run `hub init` again") {
			t.Errorf("%s: half a hub is opened: %v", what, err)
		}
		dirs, err := Init(dir, o)
		if err != nil || len(dirs) != max(1, len(o.Nodes)) {
			t.Fatalf("%s: %v, %v", what, dirs, err)
		}
		for _, d := range dirs {
			if _, err := Open(d); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, fileCAKey)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := Init(dir, o); err == nil || !strings.Contains(err.Error(), "is not empty") {
			t.Errorf("%s: a hub is made over another: %v", what, err)
		}
	}
}

// TestAnInitThatFails leaves nothing: a disk without room is like a path without room, which is so long that the files of node b do not fit any more.
func TestAnInitThatFails(t *testing.T) {
	dir := t.TempDir()
	for len(dir) < 4055 {
		dir += "/" + strings.Repeat("x", min(200, 4055-len(dir)-1))
	}
	o := Options{Name: "hub.example.com", Nodes: []Place{{Name: "a", Address: "a.example.com"}, {Name: strings.Repeat("b", 32), Address: "b.example.com"}, {Name: "c", Address: "c.example.com"}}}
	if _, err := Init(dir, o); err == nil {
		t.Fatal("it is made")
	} else if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v, %v is left", err, list)
	}
}
