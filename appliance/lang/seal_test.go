package lang

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// hexSealer is as good as any for the language.
type hexSealer struct{}

func (hexSealer) Seal(s string) (string, error) { return hex.EncodeToString([]byte(s)), nil }

func (hexSealer) Unseal(s string) (string, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return "", errors.New("the secret was sealed by another box")
	}
	return string(b), nil
}

func TestSecretsAreStoredSealed(t *testing.T) {
	l := NewSealing(hexSealer{})
	c := configuringConsole(l)
	c.types("authentication-service A", `username u password "a secret"`, "end")
	if out := c.types("show running-config"); !strings.Contains(out, `password "a secret"`) {
		t.Errorf("without password-encryption:\n%s", out)
	}
	c.types("configure", "password-encryption", "copy running-config startup-config")
	text := string(c.box.files["startup-config"])
	if strings.Contains(text, "a secret") || !strings.Contains(text, "username u password $sealed$6120736563726574") {
		t.Errorf("stored:\n%s", text)
	}
	again, problems := l.Parse([]byte(text))
	if len(problems) > 0 {
		t.Errorf("read back: %v", problems)
	}
	same(t, c.box.cfg, again)
	if out := c.types("authentication-service A", "username v password $sealed$zz"); !strings.Contains(out, "sealed by another box") {
		t.Errorf("another box's secret: %s", out)
	}
}
