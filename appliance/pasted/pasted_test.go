package pasted

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

func TestWhatACopyPutsInFrontOfALine(t *testing.T) {
	for line, want := range map[string]Line{
		"context cs SWITCH":                           {Text: "context cs SWITCH"},
		"  remote 192.0.2.1":                          {Text: "  remote 192.0.2.1"},
		"0F2439(cfg)#import pki:certificate/X":        {Text: "import pki:certificate/X", Marked: true, Prompt: true},
		"0F2439#import pki:private-key/X":             {Text: "import pki:private-key/X", Marked: true, Prompt: true},
		"0F2439>enable":                               {Text: "enable", Marked: true, Prompt: true},
		"sbc01(if-sip)[IF_A]# remote 192.0.2.1":       {Text: "remote 192.0.2.1", Object: "IF_A", Marked: true, Prompt: true},
		"sbc01(prt-eth)[0 1]#no shutdown":             {Text: "no shutdown", Object: "0 1", Marked: true, Prompt: true},
		"sbc01(?)#exit":                               {Text: "exit", Marked: true, Prompt: true},
		"sbc01(regout)#":                              {Marked: true, Prompt: true},
		"> context cs SWITCH":                         {Text: "context cs SWITCH", Marked: true},
		">>   interface sip X":                        {Text: "  interface sip X", Marked: true},
		"> > map 1 to 2":                              {Text: "map 1 to 2", Marked: true},
		"| map 1 to 2":                                {Text: "map 1 to 2", Marked: true},
		"> |   map 1 to 2":                            {Text: "  map 1 to 2", Marked: true},
		"  12 | map 1 to 2":                           {Text: "map 1 to 2", Marked: true},
		"--More--   interface sip X":                  {Text: "   interface sip X", Marked: true},
		"--More-- \b\b\b   \b\b\b  map 1 to 2":        {Text: "  map 1 to 2", Marked: true},
		"--More--":                                    {Marked: true},
		"  12 context cs SWITCH":                      {Text: "context cs SWITCH", Marked: true},
		"  13   interface sip X":                      {Text: "  interface sip X", Marked: true},
		"     1\tcontext cs SWITCH":                   {Text: "context cs SWITCH", Marked: true},
		"12:context cs SWITCH":                        {Text: "context cs SWITCH", Marked: true},
		"12: context cs SWITCH":                       {Text: "context cs SWITCH", Marked: true},
		" 7":                                          {Marked: true},
		"> 12 sbc01(cfg)#banner x":                    {Text: "banner x", Marked: true, Prompt: true},
		"\ufeffcontext cs S":                          {Text: "context cs S"},
		"# a comment":                                 {Text: "# a comment"},
		"map (00)?49(...)?$ to \\2":                   {Text: "map (00)?49(...)?$ to \\2"},
		"route call dest-interface X":                 {Text: "route call dest-interface X"},
		"username u password a#b>c":                   {Text: "username u password a#b>c"},
		`banner "a#b"`:                                {Text: `banner "a#b"`},
		"MIIDXTCCAkWgAwIBAgIJAKLdQVPy90WjMA0GCSqGSIb": {Text: "MIIDXTCCAkWgAwIBAgIJAKLdQVPy90WjMA0GCSqGSIb"},
		"-----BEGIN CERTIFICATE-----":                 {Text: "-----BEGIN CERTIFICATE-----"},
	} {
		if got := Read(line); got != want {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
}

func TestIndent(t *testing.T) {
	for line, want := range map[string]int{"a": 0, "  a": 2, "\ta": 8, "  \ta": 8, "": 0, "\u00a0\u00a0a": 2} {
		if got := Indent(line); got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}

func encode(text string, order appender, mark bool) []byte {
	if mark {
		text = byteOrderMark + text
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// appender is what both byte orders are.
type appender interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func TestTextInUTF16IsRead(t *testing.T) {
	const text = "context cs SWITCH\r\n  banner \"Grüße 𝄞\"\r\n"
	for name, raw := range map[string][]byte{
		"UTF-8":                     []byte(text),
		"UTF-8 with a mark":         []byte(byteOrderMark + text),
		"little endian":             encode(text, binary.LittleEndian, true),
		"little endian, not marked": encode(text, binary.LittleEndian, false),
		"big endian":                encode(text, binary.BigEndian, true),
		"big endian, not marked":    encode(text, binary.BigEndian, false),
	} {
		if got, was := Decode(raw); string(got) != text || (was == "") != strings.HasPrefix(name, "UTF-8") {
			t.Errorf("%s: %q, was %q", name, got, was)
		}
		if strings.HasSuffix(name, "not marked") {
			continue // of a stream that comes byte by byte nothing can be said
		}
		got, err := io.ReadAll(NewReader(iotest.OneByteReader(strings.NewReader(string(raw)))))
		if strings.TrimPrefix(string(got), byteOrderMark) != text || err != nil {
			t.Errorf("%s as a stream: %q, %v", name, got, err)
		}
	}
	for _, raw := range []string{"", "a", "\xff", "\xff\xfe", "\xff\xfea", "\x00", "a\x00", "\xff\xfe\x00\xd8"} {
		Decode([]byte(raw))
		io.ReadAll(NewReader(strings.NewReader(raw)))
	}
}
