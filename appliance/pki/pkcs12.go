package pki

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// MakePEM tells how to convert a file of PKCS#12 to PEM.
const MakePEM = "`openssl pkcs12 -in FILE.pfx -nocerts -nodes` prints its private key as PEM, `openssl pkcs12 -in FILE.pfx -nokeys` its certificates"

// pkcs12Hint names PKCS#12 when a paste without PEM is that: the file itself, of which a console hands over what is no text in
// another form, its base64, or its base64 within a block of its name.
func pkcs12Hint(text []byte) string {
	binary := bytes.Contains(text, []byte("(byte 0x"))
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(unlabelled(string(text))), ""))
	if binary || err == nil && isPKCS12(der) || isPKCS12(text) {
		return ". Is it PKCS#12 (.pfx, .p12)? " + MakePEM
	}
	return ""
}

// unlabelled leaves the lines around a block away.
func unlabelled(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "-----") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// isPKCS12 looks at how a PFX begins (RFC 7292, 4): a sequence of the version 3 and a ContentInfo of type data or signedData.
func isPKCS12(der []byte) bool {
	version := bytes.Index(der[:min(len(der), 16)], []byte{0x02, 0x01, 0x03, 0x30})
	return len(der) > 0 && der[0] == 0x30 && version > 0 && bytes.Contains(der[:min(len(der), 40)], []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07})
}
