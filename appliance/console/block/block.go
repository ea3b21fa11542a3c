// Package block collects PEM text behind a line that wants it (`import pki:...`, `import backup`), typed or pasted. It owns where such a
// block ends: with its last END line, an empty line, or a command that stands in its place. No line is lost. It does not know what the
// text holds. It has no goroutines.
package block

import (
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/pasted"
)

// Block collects what follows `import pki:…`: PEM text up to an empty line. The commonest slip is a command that follows
// the END line, or a torn body, directly: then the block ends there by itself, says so, and gives the command back.
// No line is lost: each goes into the block, or into Rest.
type Block struct {
	lines []string
	// doubt holds lines in the middle of a body that PEM cannot hold: an END line takes them into the block (whose check
	// then names them), anything else that ends the block gives them back as commands.
	doubt []string
	state state
	width int // length of a full line of the body
	size  int
	// numbered: lines carry numbers, so one that is a number and nothing else is empty.
	numbered bool
	dump     bool // lines of `openssl x509 -text` or `openssl pkcs12` stand around the block
	dumped   int  // that many
}

// state is where in the text the next line stands.
type state int

const (
	before  state = iota // no BEGIN yet
	header               // after BEGIN: RFC 1421 headers may stand here
	body                 // base64
	between              // after END
)

// maxDoubt is how many lines may wait for an END line before they are taken for commands.
const maxDoubt = 200

// End tells how a block ended.
type End struct {
	Slip string   // what to tell the user, "" when all is well
	Rest []string // lines that were not part of the block, to be run as commands
}

// Add takes the next line; the result is not nil when the block has ended.
func (b *Block) Add(line string) *End {
	t, command := b.read(line)
	if command {
		return b.command(line, t)
	}
	if b.size += len(t) + 1; b.size > wire.MaxBody {
		return &End{Slip: fmt.Sprintf("%% the block has more than %d bytes: it ends here", wire.MaxBody), Rest: b.leftOver(line)}
	}
	if begin, over := strings.HasPrefix(t, "-----BEGIN"), strings.HasPrefix(t, "-----END"); begin || over {
		return b.boundary(line, t, begin)
	}
	switch b.state {
	case before, between:
		return b.outside(line, t)
	case header:
		if strings.Contains(t, ": ") || strings.HasSuffix(t, ":") { // a box without a serial number has none in its backup
			b.keep(t)
			return nil
		}
		b.state = body
		if t == "" { // the empty line after the headers of an encrypted key
			b.keep(t)
			return nil
		}
	}
	return b.inside(line, t)
}

// read removes the marks in front of a copied line; command: one of them was a prompt, so the line is a command.
func (b *Block) read(line string) (t string, command bool) {
	l := pasted.Read(line)
	t = strings.TrimSpace(l.Text)
	raw := strings.TrimSpace(line)
	switch {
	case l.Prompt:
		return t, true
	case t == "" && strings.Trim(raw, "0123456789") == "" && !b.numbered:
		return raw, false // the end of a key may be digits
	case l.Marked && !octets(raw): // 00:c1: is no number of a line
		b.numbered = true
	}
	return t, false
}

// command ends the block in front of a line that was typed behind a prompt.
func (b *Block) command(line, t string) *End {
	var e *End
	switch {
	case b.state == body || b.state == header || len(b.doubt) > 0:
		e = b.torn(line)
	case b.state == before && t != "":
		e = &End{Slip: "% no PEM block follows (-----BEGIN is missing), and no file in base64: the next line is run as a command", Rest: []string{line}}
	default:
		e = &End{Rest: []string{line}}
	}
	return e
}

// boundary takes a BEGIN or an END line.
func (b *Block) boundary(line, t string, begin bool) *End {
	if begin && len(b.doubt) > 0 {
		return b.torn(line)
	}
	for _, d := range b.doubt {
		b.keep(strings.TrimSpace(d))
	}
	b.doubt, b.width, b.dump = nil, 0, false
	b.keep(t)
	b.state = between
	if begin {
		b.state = header
	}
	return nil
}

// outside takes a line before the first BEGIN or after an END.
func (b *Block) outside(line, t string) *End {
	switch {
	case t == "":
		return &End{}
	case beginsDump(t), b.dump && inDump(line, t):
		b.dump = true
		b.dumped++
		return nil
	case b.state == before && (binary(t) || len(b.lines) > 0 && binary(b.lines[0])): // a file that is no text, up to its end
		b.keep(t)
		return nil
	case preamble(t), len(t) >= 40 && base64ish(t): // the second: the BEGIN line is missing; key material is no command
		b.keep(t)
		return nil
	case b.state == before && len(b.lines) > 0 && base64ish(b.lines[len(b.lines)-1]) && base64ish(t) && !word(t): // its last line
		b.keep(t)
		return nil
	case b.state == between:
		return &End{Slip: "% the empty line after the END line is missing: the block ends there, and the next line is run as a command", Rest: []string{line}}
	default:
		return &End{Slip: "% no PEM block follows (-----BEGIN is missing), and no file in base64: the next line is run as a command", Rest: []string{line}}
	}
}

// inside takes a line of a body.
func (b *Block) inside(line, t string) *End {
	if len(b.doubt) > 0 {
		if t == "" || len(b.doubt) == maxDoubt {
			return b.torn(line)
		}
		b.doubt = append(b.doubt, line)
		return nil
	}
	switch {
	case t == "":
		return &End{Slip: "% the END line is missing: the block is torn"}
	case base64ish(t) && !(len(t) < b.width && word(t)):
		b.width = max(b.width, len(t))
		b.keep(t)
	default:
		b.doubt = append(b.doubt, line)
	}
	return nil
}

// torn ends a block without an END line; the lines in doubt are commands.
func (b *Block) torn(line string) *End {
	rest := b.doubt
	if strings.TrimSpace(line) != "" {
		rest = b.leftOver(line)
	}
	b.doubt = nil
	return &End{Slip: "% the END line is missing: the block is torn, and the lines after it are run as commands", Rest: rest}
}

// Finish ends the block where the input ends (EOF, Ctrl-D).
func (b *Block) Finish() *End {
	switch {
	case len(b.doubt) > 0:
		return b.torn("")
	case b.state == body || b.state == header:
		return &End{Slip: "% the END line is missing: the block is torn"}
	}
	return &End{}
}

func (b *Block) keep(t string) { b.lines = append(b.lines, t) }

func (b *Block) leftOver(line string) []string {
	rest := append(b.doubt, line)
	b.doubt = nil
	return rest
}

// Text is the block as it is sent.
func (b *Block) Text() string {
	if len(b.lines) == 0 {
		return ""
	}
	return strings.Join(b.lines, "\n") + "\n"
}

// Over reports whether the block is complete with the END line that came last: where one block is wanted, and where an encrypted key
// stands alone, since its pass phrase follows, with or without an empty line before it. An encrypted key
// that certificates follow goes on.
func (b *Block) Over(one bool, next func() string) bool {
	if b.state != between || !strings.HasPrefix(b.lines[len(b.lines)-1], "-----END") {
		return false
	}
	if !one && !b.encrypted() {
		return false
	}
	if t := strings.TrimSpace(next()); !one && (strings.HasPrefix(t, "-----BEGIN") || preamble(t)) {
		return false
	}
	return true
}

// encrypted reports whether the block holds a private key under a pass phrase.
func (b *Block) encrypted() bool {
	return slices.ContainsFunc(b.lines, func(l string) bool {
		return l == "-----BEGIN ENCRYPTED PRIVATE KEY-----" || strings.HasPrefix(l, "Proc-Type:") && strings.Contains(l, "ENCRYPTED")
	})
}

// Wants reports whether an empty line does not end the block when next follows it: chains are often written with empty
// lines between the certificates, and a paste may begin with one.
func (b *Block) Wants(next string) bool {
	next = strings.TrimSpace(pasted.Read(next).Text)
	return (b.state == before || b.state == between) && (strings.HasPrefix(next, "-----BEGIN") || beginsDump(next) || preamble(next) && !remark(next))
}

// remark reports whether a line is a comment, here or on other boxes.
func remark(t string) bool { return strings.HasPrefix(t, "#") || strings.HasPrefix(t, "!") }

// beginsDump reports whether a line is the first one of what openssl prints of a certificate or a key in words, or of the attributes that
// PKCS#12 gives them: those of a key from Windows go on for several lines.
func beginsDump(t string) bool {
	for _, p := range []string{"Bag Attributes", "Key Attributes", "Certificate:", "Certificate Request:", "Private-Key:", "RSA Private-Key:", "Public-Key:", "RSA Public-Key:", "Certificate Revocation List"} {
		if strings.HasPrefix(t, p) {
			return true
		}
	}
	return false
}

// inDump reports whether a line may be one of those. They are dropped: the block says the same.
func inDump(line, t string) bool {
	return pasted.Indent(pasted.Read(line).Text) > 0 || strings.HasSuffix(t, ":") || strings.Contains(t, ": ") || strings.Contains(t, " = ") || octets(t)
}

// octets reports whether a line is a row of octets of a key or a signature.
func octets(t string) bool { return strings.Trim(t, "0123456789abcdefABCDEF:") == "" }

// binary reports whether a line stands for one that is no text.
func binary(t string) bool { return strings.HasPrefix(t, "(byte 0x") }

// preamble are the lines that tools write around PEM blocks.
func preamble(t string) bool {
	for _, p := range []string{"Paste the contents of the file", "Bag Attributes", "Key Attributes", "friendlyName:", "localKeyID:", "subject=", "issuer=", "subject:", "issuer:", "Certificate chain", "s:", "i:", "0 s:", "1 s:", "2 s:", "3 s:", "a:", "v:"} {
		if strings.HasPrefix(t, p) {
			return true
		}
	}
	return remark(t)
}

func base64ish(t string) bool {
	for i := range len(t) {
		c := t[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/', c == '=':
		default:
			return false
		}
	}
	return t != ""
}

// word reports whether a short line of a body reads like a command (`exit`, `enable`) rather than the rest of a key.
func word(t string) bool {
	for i := range len(t) {
		if t[i] < 'a' || t[i] > 'z' {
			return false
		}
	}
	return len(t) <= 12
}
