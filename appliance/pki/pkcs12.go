package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// PFX is what a file of PKCS#12 holds.
type PFX struct {
	Key      crypto.Signer
	Chain    []*x509.Certificate // leaf first, as it is sent: without a root
	Leftover []*x509.Certificate // the others
}

const (
	asPEM  = "; convert it on a computer: `openssl pkcs12 -in FILE.pfx -nodes -legacy` prints PEM"
	noFile = "this is no PKCS#12 file"
)

// ParsePKCS12 opens a file of PKCS#12 (.pfx, .p12). Without a pass phrase for a file that has one the error wraps ErrEncrypted, with a wrong
// one ErrPassphrase.
func ParsePKCS12(der []byte, pass string) (*PFX, error) {
	if !isPKCS12(der) {
		return nil, errors.New(noFile)
	}
	if rounds(der, 0) > maxIterations {
		return nil, fmt.Errorf("the file asks for too many rounds of key derivation; up to %d are taken", maxIterations)
	}
	k, first, rest, err := pkcs12.DecodeChain(der, pass)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && pass == "":
		return nil, ErrEncrypted
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return nil, ErrPassphrase
	case err != nil:
		return nil, fmt.Errorf("this PKCS#12 file cannot be read (%.100q)%s", strings.TrimPrefix(err.Error(), "pkcs12: "), asPEM)
	}
	key, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("this private key cannot sign: TLS needs one that can (RSA)")
	}
	return arrange(key, append([]*x509.Certificate{first}, rest...))
}

// arrange puts the certificates of a file in the order of a chain: Windows writes them in any.
func arrange(key crypto.Signer, list []*x509.Certificate) (*PFX, error) {
	at := slices.IndexFunc(list, func(c *x509.Certificate) bool { return Belongs(c, key) == nil })
	if at < 0 {
		return nil, Belongs(list[0], key)
	}
	p := &PFX{Key: key}
	for at >= 0 {
		last := list[at]
		p.Chain = append(p.Chain, last)
		list = slices.DeleteFunc(list, func(c *x509.Certificate) bool { return c.Equal(last) })
		at = slices.IndexFunc(list, func(c *x509.Certificate) bool {
			return !bytes.Equal(c.RawSubject, c.RawIssuer) && bytes.Equal(c.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(c) == nil
		})
	}
	p.Leftover = list
	return p, nil
}

// CutPKCS12 takes the base64 of a PKCS#12 file from the beginning of a text, with or without lines -----BEGIN and -----END around it, and
// returns what follows it.
func CutPKCS12(text []byte) (der []byte, rest string, err error) {
	if bytes.Contains(text, []byte("(byte 0x")) || isPKCS12(text) {
		return nil, "", errors.New("this is the file itself: a paste takes its base64 (`base64 box.pfx`, or `certutil -encode box.pfx box.txt` on Windows)")
	}
	var body strings.Builder
	size := -1 // of the file, once its beginning says so
	lines := strings.SplitAfter(newlines.Replace(string(text)), "\n")
	for i, line := range lines {
		line = strings.Join(strings.Fields(line), "")
		if strings.HasPrefix(line, "-----") || strings.ContainsRune(line, ':') {
			continue
		}
		if strings.Trim(line, base64Alphabet) != "" {
			return nil, "", errors.New(noFile + ": its base64 is wanted")
		}
		body.WriteString(line)
		if size < 0 && body.Len() >= 16 {
			head, err := base64.StdEncoding.DecodeString(body.String()[:16])
			if size = derSize(head); err != nil || size < 0 {
				return nil, "", errors.New(noFile)
			}
		}
		if size < 0 || base64.StdEncoding.DecodedLen(body.Len()) < size {
			continue
		}
		if der, err = base64.StdEncoding.DecodeString(body.String()); err != nil || len(der) < size || !isPKCS12(der) {
			return nil, "", errors.New(noFile)
		}
		rest = strings.Join(lines[i+1:], "")
		if first, after, _ := strings.Cut(rest, "\n"); strings.HasPrefix(strings.TrimSpace(first), "-----END") {
			rest = after
		}
		return der[:size], strings.Trim(rest, "\n"), nil
	}
	if size < 0 {
		return nil, "", errors.New(noFile + ": its base64 is wanted")
	}
	return nil, "", errors.New("the paste ends before the end of the PKCS#12 file: a line or a part of one is missing")
}

// derSize returns the length of the element that a text begins with, -1 for none. Only lengths of the definite form are known.
func derSize(head []byte) int {
	if len(head) < 6 || head[0] != 0x30 {
		return -1
	}
	n := int(head[1])
	if n < 0x80 {
		return 2 + n
	}
	count := n - 0x80
	if count < 1 || count > 4 {
		return -1
	}
	size := 0
	for _, b := range head[2 : 2+count] {
		size = size<<8 | int(b)
	}
	if size > maxPaste {
		return -1
	}
	return 2 + count + size
}

// maxNesting is deeper than any PKCS#12 file.
const maxNesting = 24

// rounds returns the most rounds of key derivation that a file asks for where it is not encrypted: the number that follows a salt. The
// library does as many as it is told, so a hostile file would occupy the box.
func rounds(der []byte, depth int) (most int64) {
	salted := false
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil || depth > maxNesting {
			return most
		}
		der = rest
		switch {
		case v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger && salted:
			var n int64
			if _, err := asn1.Unmarshal(v.FullBytes, &n); err != nil {
				n = maxIterations + 1 // no number of rounds is that long
			}
			most = max(most, n)
		case v.IsCompound, derSize(v.Bytes) == len(v.Bytes): // the second: a content
			most = max(most, rounds(v.Bytes, depth+1))
		}
		salted = !v.IsCompound && v.Tag != asn1.TagInteger
	}
	return most
}

// howToImport tells how to import a file of PKCS#12.
const howToImport = "`import pki:pkcs12/NAME` takes its base64, and `openssl pkcs12 -in FILE.pfx -nodes` prints it as PEM"

// pkcs12Hint names PKCS#12 when a paste without PEM is that: the file itself, of which a console hands over what is no text in
// another form, its base64, or its base64 within a block of its name.
func pkcs12Hint(text []byte) string {
	binary := bytes.Contains(text, []byte("(byte 0x"))
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(unlabelled(string(text))), ""))
	if binary || err == nil && isPKCS12(der) || isPKCS12(text) {
		return ". Is it PKCS#12 (.pfx, .p12)? " + howToImport
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
