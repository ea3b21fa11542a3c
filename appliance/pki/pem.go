package pki

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// maxPaste bounds a paste; long chains have some 20 KB.
const maxPaste = 1 << 20

// block is one PEM block. Unlike encoding/pem, which skips unreadable blocks, the reader below says where a block is broken.
type block struct {
	line    int // of BEGIN
	kind    string
	headers map[string]string
	der     []byte
}

// blocks reads all PEM blocks of a paste. Blanks and carriage returns mean nothing, and neither does text between blocks. With secret
// set, no error quotes the paste.
func blocks(text []byte, secret bool) (list []block, err error) {
	if len(text) > maxPaste {
		return nil, &ParseError{Text: "longer than 1 MB: no certificate or key is"}
	}
	var b *block
	var body strings.Builder
	n := 0
	for raw := range strings.Lines(newlines.Replace(string(text))) {
		n++
		line := strings.Join(strings.Fields(raw), " ")
		begin, isBegin := label(line, "BEGIN")
		end, isEnd := label(line, "END")
		name, value, isHeader := strings.Cut(line, ": ")
		data := strings.ReplaceAll(line, " ", "")
		switch {
		case isBegin && b != nil:
			return nil, &ParseError{Line: n, Text: fmt.Sprintf("a block begins here, but the one of line %d has no line -----END %s-----", b.line, b.kind)}
		case isBegin:
			b = &block{line: n, kind: begin, headers: map[string]string{}}
			body.Reset()
		case b == nil && isEnd:
			return nil, &ParseError{Line: n, Text: fmt.Sprintf("this ends a block of which there is no beginning: the line -----BEGIN %s----- is missing", end)}
		case b == nil || line == "":
		case isEnd && end != b.kind:
			return nil, &ParseError{Line: n, Text: fmt.Sprintf("END %s closes BEGIN %s of line %d", end, b.kind, b.line)}
		case isEnd:
			if b.der, err = base64.StdEncoding.DecodeString(body.String()); err != nil || len(b.der) == 0 {
				return nil, &ParseError{Line: b.line, Text: "this block is incomplete: a line or a part of one is missing"}
			}
			list = append(list, *b)
			b = nil
		case isHeader && body.Len() == 0:
			b.headers[name] = value
		case strings.Trim(data, base64Alphabet) != "":
			return nil, &ParseError{Line: n, Text: quote(line, secret) + " is no part of a PEM block"}
		default:
			body.WriteString(data)
		}
	}
	if b != nil {
		return nil, &ParseError{Line: n, Text: fmt.Sprintf("the paste ends before the line -----END %s----- of the block that begins in line %d", b.kind, b.line)}
	}
	return list, nil
}

// newlines makes one line end of each kind of line end.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

// label returns X of -----BEGIN X-----.
func label(line, word string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "-----"+word+" ")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "-----")
}

func quote(line string, secret bool) string {
	switch r := []rune(line); {
	case secret:
		return "this line"
	case len(r) > 20:
		return fmt.Sprintf("%q...", string(r[:20]))
	}
	return fmt.Sprintf("%q", line)
}

// ParseCertificates reads a paste of one or several PEM certificates, in its order. Errors are sentences that name the line, most of
// them a *ParseError.
func ParseCertificates(text []byte) (list []*x509.Certificate, err error) {
	all, err := blocks(text, false)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		switch {
		case b.kind == "CERTIFICATE" || b.kind == "X509 CERTIFICATE":
			c, err := x509.ParseCertificate(b.der)
			if err != nil {
				return nil, &ParseError{Line: b.line, Text: "this certificate cannot be read", Err: err}
			}
			list = append(list, c)
		case strings.HasSuffix(b.kind, "PRIVATE KEY"):
			return nil, &ParseError{Line: b.line, Text: "this is a private key: import it by itself, with `import pki:private-key/NAME`"}
		case b.kind == "CERTIFICATE REQUEST" || b.kind == "NEW CERTIFICATE REQUEST":
			return nil, &ParseError{Line: b.line, Text: "this is a request for a certificate: import the certificate that the authority made from it"}
		case b.kind == "PKCS7":
			return nil, &ParseError{Line: b.line, Text: "this is PKCS#7: make PEM certificates of it with `openssl pkcs7 -print_certs`"}
		case b.kind == "TRUSTED CERTIFICATE":
			return nil, &ParseError{Line: b.line, Text: "this is in a form of OpenSSL's own: make a plain certificate of it with `openssl x509`"}
		}
	}
	if len(list) == 0 {
		return nil, &ParseError{Text: "no certificate: there is no line -----BEGIN CERTIFICATE-----" + pkcs12Hint(text)}
	}
	return list, nil
}
