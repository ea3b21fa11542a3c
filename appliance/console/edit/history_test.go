package edit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSecretsAreNotKept(t *testing.T) {
	h := Histories{dir: filepath.Join(t.TempDir(), "history")}
	one := h.Of("anna")
	for _, line := range []string{
		"superuser anna password good", "superuser anna pass good", "sup anna p good", "username user.01 Passw good",
		"copy https://anna:good@192.0.2.1/sbc.cfg running-config", "copy run https://good@192.0.2.1/x",
	} {
		one.Remember(line)
	}
	for _, line := range []string{"ping 192.0.2.1", "show port ethernet", "password-encryption?", "copy https://192.0.2.1/v2.image flash:"} {
		one.Remember(line)
	}
	if err := one.Save(); err != nil {
		t.Fatal(err)
	}
	const want = "ping 192.0.2.1\nshow port ethernet\ncopy https://192.0.2.1/v2.image flash:\n"
	text, err := os.ReadFile(one.file)
	if err != nil || string(text) != want {
		t.Errorf("kept, %v:\n%s", err, text)
	}
}
