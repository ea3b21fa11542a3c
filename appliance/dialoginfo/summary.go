package dialoginfo

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Summary says which messages wait in a mailbox (RFC 3842). Two that are equal say the same.
type Summary struct {
	Waiting    bool
	Account    string // URI of the mailbox; "": not said
	Voice, Fax Messages
}

// Messages are those of one kind; the zero value is not said at all.
type Messages struct {
	Said                           bool
	New, Old, UrgentNew, UrgentOld uint32
}

const maxSummary = 64 // lines of a summary that are looked at

// ParseSummary reads a message summary. Lines that it does not know are skipped; one that it knows and does not understand is an error: a lamp is
// neither on nor off for what was not understood.
func ParseSummary(body []byte) (Summary, error) {
	if len(body) > MaxBody {
		return Summary{}, fmt.Errorf("message summary: %d octets are more than %d", len(body), MaxBody)
	}
	var s Summary
	said := false
	for n, line := range strings.SplitN(string(body), "\n", maxSummary+1) {
		if n == maxSummary {
			break // headers of single messages, which no phone shows
		}
		name, value, ok := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !ok {
			continue
		}
		var err error
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "messages-waiting":
			switch strings.ToLower(value) {
			case "yes":
				s.Waiting = true
			case "no":
				s.Waiting = false
			default:
				return Summary{}, errors.New("message summary: Messages-Waiting is neither yes nor no")
			}
			said = true
		case "message-account":
			s.Account = account(value)
		case "voice-message":
			s.Voice, err = parseMessages(value)
		case "fax-message":
			s.Fax, err = parseMessages(value)
		}
		if err != nil {
			return Summary{}, fmt.Errorf("message summary: %s: %w", strings.TrimSpace(name), err)
		}
	}
	if !said {
		return Summary{}, errors.New("message summary: it does not say whether messages wait")
	}
	return s, nil
}

// parseMessages reads "2/8 (0/2)": new and old messages, and those of them that are urgent.
func parseMessages(value string) (m Messages, err error) {
	all, urgent, has := strings.Cut(value, "(")
	if m.New, m.Old, err = pair(all); err != nil {
		return Messages{}, err
	}
	m.Said = true
	if has {
		inner, rest, closed := strings.Cut(urgent, ")")
		if !closed || strings.TrimSpace(rest) != "" {
			return Messages{}, errors.New("its parentheses do not match")
		}
		m.UrgentNew, m.UrgentOld, err = pair(inner)
	}
	return m, err
}

func pair(s string) (a, b uint32, err error) {
	x, y, _ := strings.Cut(s, "/")
	if a, err = count(x); err != nil {
		return 0, 0, err
	}
	b, err = count(y)
	return a, b, err
}

func count(s string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return 0, errors.New("it has no numbers of messages")
	}
	return uint32(n), nil
}

// Bytes writes the summary.
func (s Summary) Bytes() []byte {
	var b strings.Builder
	word := "no"
	if s.Waiting {
		word = "yes"
	}
	b.WriteString("Messages-Waiting: " + word + "\r\n")
	if a := account(s.Account); a != "" {
		b.WriteString("Message-Account: " + a + "\r\n")
	}
	s.Voice.write(&b, "Voice-Message")
	s.Fax.write(&b, "Fax-Message")
	return []byte(b.String())
}

func (m Messages) write(b *strings.Builder, name string) {
	if m.Said {
		fmt.Fprintf(b, "%s: %d/%d (%d/%d)\r\n", name, m.New, m.Old, m.UrgentNew, m.UrgentOld)
	}
}

// account is the address of a mailbox, without characters that would end its line, and without brackets around it.
func account(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	return strings.TrimFunc(bounded(s), func(r rune) bool { return r == '<' || r == '>' || unicode.IsSpace(r) })
}
