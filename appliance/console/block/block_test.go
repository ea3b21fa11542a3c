package block

import (
	"os"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/pasted"
)

const (
	begin = "-----BEGIN CERTIFICATE-----"
	stop  = "-----END CERTIFICATE-----"
	full  = "MIIBszCCAVmgAwIBAgIUQ2hlY2sgdGhlIGxlbmd0aCBvZiB0aGlzIGxpbmUhIQAB"
)

// collect gives lines to a block until it ends; what is left over comes back with what the block gives back.
func collect(b *Block, lines []string) (*End, []string) {
	for i, l := range lines {
		if strings.TrimSpace(l) == "" && i+1 < len(lines) && b.Wants(lines[i+1]) {
			continue
		}
		if e := b.Add(l); e != nil {
			return e, append(slices.Clone(e.Rest), lines[i+1:]...)
		}
	}
	e := b.Finish()
	return e, e.Rest
}

func TestBlockLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		keeps int      // lines in the block
		slip  string   // part of the message
		rest  []string // lines to run as commands
	}{
		{"an empty line ends it", []string{begin, full, "QUJD", stop, "", "show version"}, 4, "", []string{"show version"}},
		{"the input ends it", []string{begin, full, stop}, 3, "", nil},
		{"blanks and CR around lines", []string{"  " + begin + "\r", full + "  \r", stop + "\r", "\r", "exit"}, 3, "", []string{"exit"}},
		{"a chain", []string{begin, full, stop, begin, full, stop, "", "exit"}, 6, "", []string{"exit"}},
		{"a chain with empty lines", []string{begin, full, stop, "", begin, full, stop, "", "exit"}, 6, "", []string{"exit"}},
		{"an empty line before it", []string{"", begin, full, stop, "", "exit"}, 3, "", []string{"exit"}},
		{"what openssl writes around it", []string{"Bag Attributes", "    friendlyName: sbc", "subject=CN = sbc", begin, full, stop, ""}, 3, "", nil},
		{"headers of an encrypted key", []string{"-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,AB", "", full, "-----END RSA PRIVATE KEY-----", "", "exit"}, 6, "", []string{"exit"}},
		{"a header without a value", []string{"-----BEGIN VIADUCT BACKUP-----", "Box: ", "Made: 2026-11-29", "", full, "-----END VIADUCT BACKUP-----", "", "exit"}, 6, "", []string{"exit"}},
		{"no empty line after END", []string{begin, full, stop, "install license ABC", "show version"}, 3, "empty line after the END line is missing", []string{"install license ABC", "show version"}},
		{"exit after END", []string{begin, full, stop, "exit"}, 3, "empty line", []string{"exit"}},
		{"a comment after END", []string{begin, full, stop, "# SIP Sessions", "install license A"}, 4, "empty line", []string{"install license A"}},
		{"nothing but a command", []string{"show version", "exit"}, 0, "no PEM block follows", []string{"show version", "exit"}},
		{"no END line", []string{begin, full, "", "profile tls A", "exit"}, 2, "END line is missing", []string{"profile tls A", "exit"}},
		{"no END line, commands follow", []string{begin, full, "profile tls A", "no protocol tls-v1.0", "", "exit"}, 2, "END line is missing", []string{"profile tls A", "no protocol tls-v1.0", "exit"}},
		{"no END line, a word follows", []string{begin, full, "exit", "exit"}, 2, "END line is missing", []string{"exit", "exit"}},
		{"no END line, the next import follows", []string{begin, full, "import pki:certificate/CA", begin, full, stop}, 2, "END line is missing", []string{"import pki:certificate/CA", begin, full, stop}},
		{"dots in the body are for the check", []string{begin, full, ".....", full, stop, "", "exit"}, 5, "", []string{"exit"}},
		{"a blank in the body is for the check", []string{begin, "MIIG abc", full, stop, "", "exit"}, 4, "", []string{"exit"}},
		{"BEGIN is missing", []string{full, full, stop, "", "exit"}, 3, "", []string{"exit"}},
		{"base64 without a block", []string{full, full, "QUJDRA==", "", "exit"}, 3, "", []string{"exit"}},
		{"base64 without a block and its empty line", []string{full, full, "QUJDRA==", "exit"}, 3, "BEGIN is missing", []string{"exit"}},
		{"base64 without a block, a command with a blank", []string{full, "show version"}, 1, "BEGIN is missing", []string{"show version"}},
		{"the form of a printed guide", []string{"Paste the contents of the file (enter an empty line when done):", begin, full, stop, "", "0F2439(cfg)#import pki:private-key/K"}, 4, "", []string{"0F2439(cfg)#import pki:private-key/K"}},
		{"a prompt after END", []string{begin, full, stop, "0F2439(cfg)#import pki:private-key/K"}, 3, "", []string{"0F2439(cfg)#import pki:private-key/K"}},
		{"an empty prompt after END", []string{begin, full, stop, "0F2439(cfg)#", "exit"}, 3, "", []string{"0F2439(cfg)#", "exit"}},
		{"a prompt in a torn body", []string{begin, full, "0F2439(cfg)#exit"}, 2, "END line is missing", []string{"0F2439(cfg)#exit"}},
		{"marks of a mail", []string{"> " + begin, "> " + full, ">QUJD", "> " + stop, ">", "> exit"}, 4, "", []string{"> exit"}},
		{"line numbers", []string{" 8 " + begin, " 9 " + full, "10 " + stop, "11", "12 exit"}, 3, "", []string{"12 exit"}},
		{"digits at the end of a key", []string{begin, full, "1234", stop, "", "exit"}, 4, "", []string{"exit"}},
		{"what openssl x509 -text prints", []string{"Certificate:", "    Data:", "        Version: 3 (0x2)", "            04:a1:b2:", "        Signature Algorithm: sha256WithRSAEncryption",
			"        X509v3 extensions:", "                DNS:sbc.example.com", begin, full, stop, "", "exit"}, 3, "", []string{"exit"}},
		{"the same twice", []string{"Certificate:", "    Data:", begin, full, stop, "Certificate:", "    Data:", begin, full, stop, "", "exit"}, 6, "", []string{"exit"}},
		{"what openssl pkey -text prints", []string{begin, full, stop, "Private-Key: (2048 bit, 2 primes)", "modulus:", "    00:c1:02", "publicExponent: 65537 (0x10001)", "prime1:", "    00:f1", "", "exit"}, 3, "", []string{"exit"}},
		{"a row of that with one octet", []string{begin, full, stop, "Private-Key: (2048 bit, 2 primes)", "privateExponent:", "    00:c1:02:", "    81", "prime1:", "    00:f1", "", "exit"}, 3, "", []string{"exit"}},
		{"numbered, with an octet", []string{"1\t" + begin, "2\t" + full, "3\t" + stop, "4\tPrivate-Key: (2048 bit)", "5\tprime1:", "6\t    00:c1:", "7\t    81", "8\tprime2:", "9", "exit"}, 3, "", []string{"exit"}},
		{"a command behind it", []string{begin, full, stop, "Private-Key: (2048 bit)", "modulus:", "    00:c1", "show version"}, 3, "empty line", []string{"show version"}},
		{"attributes with empty lines between", []string{"Bag Attributes", "    localKeyID: 01", "", "subject=CN = sbc", "", "issuer=CN = ca", begin, full, stop, "", "exit"}, 3, "", []string{"exit"}},
		{"s_client -showcerts", []string{"Certificate chain", " 0 s:CN = sbc", "   i:CN = ca", "   a:PKEY: rsaEncryption, 2048 (bit)", begin, full, stop, " 1 s:CN = ca", begin, full, stop, "", "exit"}, 11, "", []string{"exit"}},
		{"what openssl pkcs12 writes of a key from Windows", []string{"Bag Attributes", "    Microsoft Local Key set: <No Values>", "    localKeyID: 01 00 00 00", "    friendlyName: te-4711",
			"    Microsoft CSP Name: Microsoft Enhanced Cryptographic Provider v1.0", "Key Attributes", "    X509v3 Key Usage: 10 ", "-----BEGIN PRIVATE KEY-----", full, "-----END PRIVATE KEY-----",
			"Bag Attributes", "    localKeyID: 01 00 00 00", "    1.3.6.1.4.1.311.17.3.92: 00 08 00 00 ", "subject=CN=sbc", "", "issuer=CN=CA", "", begin, full, stop, "", "exit"}, 8, "", []string{"exit"}},
		{"what it writes where there is nothing", []string{"Bag Attributes: <No Attributes>", "subject=CN = sbc", "issuer=CN = CA", begin, full, stop, "Bag Attributes: <Empty Attributes>", begin, full, stop, "", "exit"}, 6, "", []string{"exit"}},
		{"remarks of another generation", []string{"! the certificate", begin, full, stop, "! its issuer", begin, full, stop, "!", "exit"}, 9, "empty line", []string{"exit"}},
		{"a question in the body is for the check", []string{begin, full, "?", full, stop, "", "exit"}, 5, "", []string{"exit"}},
		{"a command in the body is for the check", []string{begin, full, "show version", full, stop, "", "exit"}, 5, "", []string{"exit"}},
		{"a question after END", []string{begin, full, stop, "?"}, 3, "empty line", []string{"?"}},
		{"a question in place of it", []string{"show ?"}, 0, "no PEM block follows", []string{"show ?"}},
		{"abandoned at once", []string{"", "exit"}, 0, "", []string{"exit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b Block
			e, rest := collect(&b, c.lines)
			if len(b.lines) != c.keeps {
				t.Errorf("keeps %q, want %d lines", b.lines, c.keeps)
			}
			if c.slip == "" && e.Slip != "" || !strings.Contains(e.Slip, c.slip) {
				t.Errorf("says %q, want %q", e.Slip, c.slip)
			}
			if !slices.Equal(rest, c.rest) {
				t.Errorf("gives back %q, want %q", rest, c.rest)
			}
		})
	}
}

// The root that Microsoft uses has a line that begins with "qUIT": other boxes end the paste there. Nothing that a line of base64 begins
// with makes it a command, whatever a copy has done to the blanks.
func TestLinesOfPEMThatReadLikeCommands(t *testing.T) {
	file, err := os.ReadFile("../../pki/roots/DigiCert_TLS_RSA4096_Root_G5.pem")
	if err != nil {
		t.Fatal(err)
	}
	root := strings.Split(strings.TrimSpace(string(file)), "\n")
	at := slices.IndexFunc(root, func(l string) bool { return strings.HasPrefix(l, "qUIT") })
	if at < 0 {
		t.Fatal("the root has no line that begins with qUIT")
	}
	for _, word := range []string{"qUIT", "quit", "Quit", "QUIT", "exit", "EXIT", "end", "End", "END", "no", "NO", "No", "show", "Show", "enable", "reload"} {
		full := slices.Clone(root)
		full[at] = word + root[at][len(word):]
		for name, last := range map[string]string{"a full line": "", "the last line": word + "=", "the last line alone": word} {
			lines := slices.Clone(full)
			if last != "" {
				lines = slices.Insert(lines, len(lines)-1, last)
			}
			for form, change := range map[string]func(string) string{
				"as it is": func(l string) string { return l },
				"CRLF":     func(l string) string { return l + "\r" },
				"blanks":   func(l string) string { return "    " + l + "  " },
				"tabs":     func(l string) string { return "\t" + l + "\t" },
			} {
				var pasted []string
				for _, l := range append(slices.Clone(lines), "", "show version") {
					pasted = append(pasted, change(l))
				}
				var b Block
				e, rest := collect(&b, pasted)
				if e.Slip != "" || !slices.Equal(b.lines, lines) || len(rest) != 1 || strings.TrimSpace(rest[0]) != "show version" {
					t.Errorf("%s, %s, %s: %q, gives back %q", word, name, form, e.Slip, rest)
				}
			}
		}
	}
}

func TestBlockIsBounded(t *testing.T) {
	var b Block
	b.Add(begin)
	for i := range 1 << 20 {
		if e := b.Add(full); e != nil {
			if !strings.Contains(e.Slip, "bytes") {
				t.Errorf("says %q", e.Slip)
			}
			return
		}
		if i > 1<<16 {
			t.Fatal("goes on for ever")
		}
	}
}

func FuzzBlock(f *testing.F) {
	f.Add(strings.Join([]string{begin, full, stop, "", "exit"}, "\n"))
	f.Add(strings.Join([]string{begin, full, "profile tls A", "a: b", begin, stop}, "\n"))
	f.Add(strings.Join([]string{"Certificate:", "    Data:", begin, full, stop, "Private-Key: (2048 bit)", "modulus:", "exit"}, "\n"))
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		if slices.ContainsFunc(lines, func(l string) bool { return pasted.Read(l).Marked }) {
			return // what stands in front of a line is left away
		}
		var b Block
		_, rest := collect(&b, lines)
		want, got := 0, len(b.lines)+len(rest)+b.dumped
		empty := 0
		for _, l := range lines {
			want++
			if strings.TrimSpace(l) == "" {
				empty++
			}
		}
		for _, l := range slices.Concat(b.lines, rest) {
			if strings.TrimSpace(l) == "" {
				got, empty = got-1, empty-1
				want--
			}
		}
		if got != want-empty {
			t.Errorf("%d lines of text came in, %d are kept or given back\nkept %q\nrest %q", want-empty, got, b.lines, rest)
		}
	})
}
