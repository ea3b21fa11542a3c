package flash

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestATwinIsMadeGoodFromTheOther(t *testing.T) {
	const good = "good text"
	check := func(text []byte) error {
		if !strings.HasPrefix(string(text), "good") {
			return errors.New("it is no text")
		}
		return nil
	}
	folder := "a folder in its place"
	for name, c := range map[string]struct {
		file, copy string // "": not there
		want       string
		err        string // when there is no text
	}{
		"both":                   {file: good, copy: good, want: good},
		"two versions":           {file: good, copy: "good old text", want: good},
		"no copy":                {file: good, want: good},
		"no file":                {copy: good, want: good},
		"a damaged file":         {file: "x", copy: good, want: good},
		"a damaged copy":         {file: good, copy: "x", want: good},
		"a folder for the file":  {file: folder, copy: good, want: good},
		"a folder for the copy":  {file: good, copy: folder, want: good},
		"nothing":                {err: "no such file"},
		"both damaged":           {file: "x", copy: "y", err: "it is no text"},
		"damaged, and no copy":   {file: "x", err: "it is no text"},
		"no file, a broken copy": {copy: "x", err: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := Twin{Path: filepath.Join(dir, "file"), Copy: filepath.Join(dir, "copy"), Perm: 0o600, Check: check}
			for path, text := range map[string]string{w.Path: c.file, w.Copy: c.copy} {
				var err error
				switch text {
				case "":
				case folder:
					err = os.Mkdir(path, 0o755)
				default:
					err = os.WriteFile(path, []byte(text), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := w.Read()
			if string(got) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("%q, %v", got, err)
			}
			if c.want == "" {
				if errors.Is(err, fs.ErrNotExist) != (c.file == "") {
					t.Errorf("%v", err)
				}
				if err := w.Write([]byte(good)); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{w.Path, w.Copy} {
				if text, err := os.ReadFile(path); string(text) != good || err != nil {
					t.Errorf("%s: %q, %v", path, text, err)
				}
			}
		})
	}
}
