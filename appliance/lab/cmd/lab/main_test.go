package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestALabLeavesNothingOfItsOwnBehind(t *testing.T) {
	for name, foreign := range map[string]string{"an empty folder": "", "a folder with something else in it": "notes"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			for range 2 { // the second finds what the first has left
				if err := emptyState(dir); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "box.log"), []byte("log"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if foreign != "" {
				if err := os.WriteFile(filepath.Join(dir, foreign), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := removeState(dir); err != nil {
				t.Fatal(err)
			}
			left, err := os.ReadDir(dir)
			if foreign == "" && !errors.Is(err, os.ErrNotExist) || foreign != "" && (len(left) != 1 || left[0].Name() != foreign) {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}
