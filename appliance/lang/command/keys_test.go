package command

import "testing"

func TestPassphraseStandsBehindTheBlock(t *testing.T) {
	pem, pass := splitPassphrase([]byte("-----BEGIN X-----\nAAAA\n-----END X-----\nopen sesame\n"))
	if string(pem) != "-----BEGIN X-----\nAAAA\n-----END X-----\n" || pass != "open sesame" {
		t.Errorf("%q %q", pem, pass)
	}
}
