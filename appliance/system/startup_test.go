package system

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/logs"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/store"
	"viaduct/board"
)

// A power cut or a worn medium leaves files that are empty, full of zeros or not to be read. The box starts with what was saved
// before, and at last with the factory settings: one without any address can be reached over the serial line only.
func TestAStartupConfigThatCannotBeUsed(t *testing.T) {
	const good, older = "system hostname good\n", "system hostname older\n"
	garbage := string(bytes.Repeat([]byte{0xff, 0x00, '#', 0x80, '\n', 0x1b}, 50))
	folder := "a folder"
	for name, c := range map[string]struct {
		files  []string // startup-config, .1, .2
		starts string   // the hostname, "factory"
		says   []string // in the problem; nothing: there is none
	}{
		"good":                           {[]string{good, older}, "good", nil},
		"none":                           {nil, "", nil},
		"erased, with older ones":        {[]string{"-", older}, "", nil},
		"nothing but a comment":          {[]string{"# nothing is configured\n", older}, "", nil},
		"a line of two":                  {[]string{"system hostname half\nconte", older}, "half", nil},
		"a good line, then zeros":        {[]string{"system hostname half\n\x00\x00\x00", older}, "older", []string{"startup-config (a part of it is zeros)"}},
		"zeros in the only one":          {[]string{"system hostname half\n\x00\x00\x00"}, "factory", []string{"started with the factory settings"}},
		"empty":                          {[]string{"", good}, "good", []string{"started with startup-config.1", "startup-config (it is empty)"}},
		"zeros":                          {[]string{strings.Repeat("\x00", 4096), good}, "good", []string{"startup-config (it is empty)"}},
		"blank lines":                    {[]string{"\n\r\n  \n", good}, "good", []string{"startup-config (it is empty)"}},
		"garbage":                        {[]string{garbage, good}, "good", []string{"no line of it is understood"}},
		"one long comment of garbage":    {[]string{"#" + strings.ReplaceAll(garbage, "\n", ""), good}, "good", []string{"no line of it is understood"}},
		"nothing but the end of a block": {[]string{"exit\nend\n", good}, "good", []string{"no line of it is understood"}},
		"a folder in its place":          {[]string{folder, good}, "good", []string{"startup-config (", "is a directory"}},
		"empty, and the one before too":  {[]string{"", "", good}, "good", []string{"started with startup-config.2", "startup-config (it is empty), startup-config.1 (it is empty)"}},
		"all of them":                    {[]string{"", garbage}, "factory", []string{"started with the factory settings", "startup-config.1 (no line"}},
		"the only one":                   {[]string{garbage}, "factory", []string{"started with the factory settings"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i, text := range c.files {
				name := filepath.Join(dir, store.StartupFile)
				if i > 0 {
					name += "." + string(rune('0'+len(c.files)-i)) // the youngest has the highest number
				}
				err := os.WriteFile(name, []byte(text), 0o600)
				switch text {
				case "-":
					err = os.Remove(name)
				case folder:
					if err = os.Remove(name); err == nil {
						err = os.Mkdir(name, 0o755)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s := boxOf(t, named(t, "sim"), dir, "")
			got := s.Running().Hostname
			if len(s.Running().IP) == 1 {
				got = "factory"
			}
			if got != c.starts {
				t.Errorf("starts with %q, want %q", got, c.starts)
			}
			list := failing(s)
			if (len(list) == 0) != (len(c.says) == 0) {
				t.Fatalf("failures %q", list)
			}
			for _, want := range c.says {
				if !strings.Contains(list[0], want) {
					t.Errorf("says %q, want %q", list[0], want)
				}
			}
			if len(c.says) > 0 && s.light() != board.LightAlarm {
				t.Error("the LED says that all is well")
			}
			// Whatever stands there, it can be replaced.
			if err := s.WriteFile(store.StartupFile, []byte("system hostname new\n")); err != nil {
				t.Fatal(err)
			}
			if got := boxOf(t, named(t, "sim"), dir, "").Running().Hostname; got != "new" {
				t.Errorf("after a save: %q", got)
			}
			if list := failing(s); len(list) > 0 {
				t.Errorf("after a save: %q", list)
			}
		})
	}
}

// failing are the alarms that something does not work, a sentence each.
func failing(s *System) (list []string) {
	for _, a := range s.Alarms() {
		if a.Severity >= health.Error {
			list = append(list, a.Sentence())
		}
	}
	return list
}

// An empty configuration can be saved, and is no damaged file then.
func TestAnEmptyConfigurationIsSaved(t *testing.T) {
	dir := t.TempDir()
	s := boxOf(t, named(t, "sim"), dir, "")
	for _, text := range []string{"system hostname a\n", ""} {
		if err := s.WriteFile(store.StartupFile, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	s = boxOf(t, named(t, "sim"), dir, "")
	if list := failing(s); len(list) > 0 || s.Running().Hostname != "" {
		t.Errorf("%q, hostname %q", list, s.Running().Hostname)
	}
}

// Files of the state folder that a power cut has emptied. What can still be used is; the rest is said.
func TestDamagedFilesOfTheState(t *testing.T) {
	cert, key := pkitest.SelfSigned(t, "a")
	fill := func(dir string) {
		state, err := store.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := state.ImportCertificate("a", cert)
		_, err2 := state.ImportPrivateKey("a", key, "")
		for _, err := range []error{err1, err2, state.AddLicense("one"), state.AddLicense("two")} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		file, text string
		folder     bool
		says       string
	}{
		"licenses":         {file: "licenses", says: "the file of licenses is damaged: it is empty: 1 of the version before"},
		"licenses, zeros":  {file: "licenses", text: "\x00\x00\x00\x00", says: "the file of licenses is damaged: it is empty"},
		"licenses, folder": {file: "licenses", folder: true, says: "the file of licenses is damaged"},
		"certificate":      {file: "pki/certificate/a", says: "certificate a cannot be used, import it again: it is empty"},
		"private key":      {file: "pki/private-key/a", says: "private key a cannot be used, import it again: it is empty"},
		"folder of keys":   {file: "pki/private-key", text: "a file", says: "the folder pki/private-key is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(dir)
			path := filepath.Join(dir, c.file)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			err := os.WriteFile(path, []byte(c.text), 0o600)
			if c.folder {
				err = os.Remove(path)
				if err == nil {
					err = os.Mkdir(path, 0o755)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			s := boxOf(t, named(t, "sim"), dir, "")
			if !slices.ContainsFunc(s.problems(), func(p check.Problem) bool { return strings.Contains(p.Text, c.says) }) {
				t.Errorf("problems %v", s.problems())
			}
			if name == "folder of keys" {
				return
			}
			// The next import or installation puts it right.
			store := s.store
			_, err1 := store.ImportCertificate("a", cert)
			_, err2 := store.ImportPrivateKey("a", key, "")
			for _, err := range []error{err1, err2, store.AddLicense("three")} {
				if err != nil {
					t.Fatal(err)
				}
			}
			s.judgeLicenses()
			if list := s.problems(); len(list) > 0 {
				t.Errorf("afterwards %v", list)
			}
		})
	}
}

// The log says once what is wrong, and once that it is over.
func TestTheLogOfADamagedStartupConfig(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, store.StartupFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ring := logs.NewRing(100)
	s, err := Open(Options{Board: named(t, "sim"), StateDir: dir, Log: slog.New(slog.NewTextHandler(io.Writer(ring), nil)), Ring: ring, Language: lang.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.net.Close(); s.resolver.Close() })
	if err := s.WriteFile(store.StartupFile, []byte("system hostname a\n")); err != nil {
		t.Fatal(err)
	}
	log := strings.Join(ring.Last(100), "\n")
	for _, want := range []string{"configuration not usable", "msg=\"alarm raised\" alarm=startup-config-unusable", "alarm cleared"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, log)
		}
	}
}
