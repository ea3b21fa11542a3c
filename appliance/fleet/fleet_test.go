package fleet_test

import (
	"strings"
	"testing"

	"viaduct/appliance/fleet"
)

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"berlin": true, "b": true, "box-12": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "-a": false, "a-": false, "Berlin": false, "a.b": false, "a b": false, "*": false, ">": false, "bär": false, "a\n": false,
	} {
		if err := fleet.CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	k := fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: "UAB"}
	for what, text := range map[string]string{
		"alone": k.String(), "in a terminal": "node# show fleet key\r\n" + strings.ReplaceAll(k.String(), "\n", "\r\n") + "node#", "folded": strings.Replace(k.String(), ",", ",\n", 1),
	} {
		if got, err := fleet.ParseKeyFile(text); err != nil || got != k {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	for _, text := range []string{"", "UAB", k.String()[:40], strings.Replace(k.String(), "berlin", "ber lin", 1), strings.Replace(k.String(), "}", "", 1)} {
		if got, err := fleet.ParseKeyFile(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzParseKeyFile(f *testing.F) {
	f.Add(fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: "UAB"}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := fleet.ParseKeyFile(text); err == nil {
			if again, err := fleet.ParseKeyFile(k.String()); err != nil || again != k {
				t.Errorf("%+v came back as %+v, %v", k, again, err)
			}
		}
	})
}
