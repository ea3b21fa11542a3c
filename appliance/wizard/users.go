package wizard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Bounds of the table: what one box carries, and what a browser may send.
const (
	MaxUsers = 2000
	MaxTable = 512 << 10
)

// Table is what a pasted table came to.
type Table struct {
	Users    []User
	Problems []Problem // of lines: users/3
	Left     []string  // the lines with a problem, as they were pasted
	Repeated []int     // numbers of lines that say again what an earlier one said
	Ignored  []string  // columns that nobody asked for, by their headings
}

// column is what a column of the table has.
type column int

const (
	other column = iota
	numberColumn
	accountColumn
	passwordColumn
	signInColumn
)

// headings are the words that begin a table, as people and exports write them.
var headings = map[column][]string{
	numberColumn:   {"number", "phone", "phonenumber", "telephone", "telephonenumber", "phonenumbers", "did", "ddi", "e164", "lineuri", "nummer", "rufnummer", "telefon", "telefonnummer", "durchwahl"},
	accountColumn:  {"account", "user", "username", "sip", "sipuser", "sipaccount", "sipusername", "login", "phonename", "extension", "konto", "benutzer", "benutzername", "telefonname", "nebenstelle"},
	passwordColumn: {"password", "pass", "passwd", "secret", "sippassword", "passwort", "kennwort", "sippasswort", "geheimnis"},
	signInColumn:   {"upn", "userprincipalname", "mail", "email", "emailaddress", "signin", "signinname", "identity", "teams", "anmeldename", "anmeldung", "emailadresse"},
}

// headingOf says what a word at the top of a column means.
func headingOf(word string) column {
	word = strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, word)
	for c, words := range headings {
		if slices.Contains(words, word) {
			return c
		}
	}
	return other
}

// Paste reads a table of users: number, account, password and, if it has a fourth column, the name with which somebody signs in to Microsoft
// 365. Columns stand apart by tabs, semicolons, commas or blanks; a line with headings may put them in another order. A line that is not
// understood is named, and left as it was; a line is never half taken.
func Paste(text string, n Numbers) (t Table) {
	text = strings.TrimPrefix(text, "\ufeff")
	if len(text) > MaxTable {
		t.Problems = []Problem{{Field: "users", Fault: "table-long"}}
		return t
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	cut := separator(lines)
	order := []column{numberColumn, accountColumn, passwordColumn, signInColumn}
	first := true
	said := map[User]bool{}
	byNumber, byAccount := map[string]int{}, map[string]int{}
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := cut(line)
		if first {
			first = false
			if o := headed(fields); o != nil {
				order = o
				for c, name := range fields {
					if order[c] == other {
						t.Ignored = append(t.Ignored, strings.TrimSpace(name))
					}
				}
				continue
			}
		}
		u, fault := userOf(fields, order, n)
		if fault == nil && !said[u] {
			fault = taken(byNumber, byAccount, u)
		}
		if fault == nil && len(t.Users) == MaxUsers {
			fault = &Problem{Fault: "too-many-users", Args: []string{strconv.Itoa(MaxUsers)}}
		}
		if fault != nil {
			fault.Field = fmt.Sprintf("users/%d", i+1)
			t.Problems = append(t.Problems, *fault)
			t.Left = append(t.Left, line)
			continue
		}
		if said[u] {
			t.Repeated = append(t.Repeated, i+1)
			continue
		}
		said[u] = true
		byNumber[u.Number], byAccount[u.Account] = i+1, i+1
		t.Users = append(t.Users, u)
	}
	return t
}

// taken says which earlier line has the number or the account of a user.
func taken(byNumber, byAccount map[string]int, u User) *Problem {
	if line := byNumber[u.Number]; line > 0 {
		return &Problem{Fault: "same-number", Args: []string{u.Number, strconv.Itoa(line)}}
	}
	if line := byAccount[u.Account]; line > 0 {
		return &Problem{Fault: "same-account", Args: []string{u.Account, strconv.Itoa(line)}}
	}
	return nil
}

// separator chooses how the columns of a table stand apart: as most of its lines make sense.
func separator(lines []string) func(string) []string {
	choices := []func(string) []string{columns('\t'), columns(';'), columns(','), blanks}
	best, most := blanks, 0
	for _, cut := range choices {
		sense := 0
		for _, line := range lines {
			if f := cut(line); len(f) >= 3 && (slices.ContainsFunc(f, looksLikeNumber) || headed(f) != nil) {
				sense++
			}
		}
		if sense > most {
			best, most = cut, sense
		}
	}
	return best
}

// headed says what the columns are when the fields are headings, else nil.
func headed(fields []string) (order []column) {
	known := map[column]int{}
	for _, f := range fields {
		c := headingOf(f)
		if c != other && known[c] > 0 {
			c = other // a second one of its kind says nothing
		}
		known[c]++
		order = append(order, c)
	}
	if known[numberColumn]+known[accountColumn]+known[passwordColumn] < 2 {
		return nil
	}
	return order
}

// columns cuts a line at one character. A field in double quotes may have it inside, and "" is a quote there, as spreadsheets write it.
func columns(at byte) func(string) []string {
	return func(line string) (fields []string) {
		for {
			field, rest, more := quotedField(strings.TrimLeft(line, " "), at)
			fields = append(fields, field)
			if !more {
				return fields
			}
			line = rest
		}
	}
}

// quotedField cuts the first field off a line. A quote that does not end before the next separator is a plain character.
func quotedField(line string, at byte) (field, rest string, more bool) {
	if strings.HasPrefix(line, `"`) {
		var b strings.Builder
		for i := 1; i < len(line); i++ {
			if line[i] != '"' {
				b.WriteByte(line[i])
				continue
			}
			if i+1 < len(line) && line[i+1] == '"' {
				b.WriteByte('"')
				i++
				continue
			}
			if tail := strings.TrimLeft(line[i+1:], " "); tail == "" || tail[0] == at {
				return b.String(), strings.TrimPrefix(tail, string(at)), tail != ""
			}
			break
		}
	}
	field, rest, more = strings.Cut(line, string(at))
	return strings.TrimSpace(field), rest, more
}

// blanks cuts a line at blanks. A number may be written with blanks itself: what can be part of it in front belongs to it, as long as
// an account and a password are left.
func blanks(line string) []string {
	f := strings.Fields(line)
	n := 0
	for n < len(f)-2 && strings.Trim(f[n], "+0123456789()-/.") == "" && (n == 0 || !strings.HasPrefix(f[n], "+")) {
		n++
	}
	if n < 2 {
		return f
	}
	if len(f)-n > 2 { // the account may be digits, too: nobody can tell
		return append([]string{unclear}, f...)
	}
	return append([]string{strings.Join(f[:n], "")}, f[n:]...)
}

// unclear marks a line whose columns blanks cannot tell apart. No field of a line has a line end.
const unclear = "\n"

// userOf makes a user of the fields of a line.
func userOf(fields []string, order []column, n Numbers) (u User, fault *Problem) {
	if fields[0] == unclear {
		return u, &Problem{Fault: "columns-unclear"}
	}
	for len(fields) > len(order) && strings.TrimSpace(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	if len(fields) < 3 || len(fields) > len(order) {
		return u, &Problem{Fault: "columns", Args: []string{strconv.Itoa(len(fields))}}
	}
	for i, f := range fields {
		switch order[i] {
		case numberColumn:
			u.Number = f
		case accountColumn:
			u.Account = strings.TrimSpace(f)
		case passwordColumn:
			u.Password = f
		case signInColumn:
			u.SignIn = strings.TrimSpace(f)
		}
	}
	if u.Number, fault = n.e164(u.Number); fault != nil {
		return u, fault
	}
	if strings.HasPrefix(u.Password, sealed) {
		return u, &Problem{Fault: "password-sealed"}
	}
	return u, u.fault()
}

// maxAccount and maxPassword bound what goes into a line of the configuration.
const (
	maxAccount  = 64
	maxPassword = 128
)

// sealed begins a password that a box has encrypted for itself alone. A running configuration may have such, a table has none.
const sealed = "$sealed$"

// fault says what is wrong with account, password or sign-in name.
func (u User) fault() *Problem {
	if u.Account == "" {
		return &Problem{Fault: "no-account"}
	}
	if len(u.Account) > maxAccount {
		return &Problem{Fault: "account-long", Args: []string{strconv.Itoa(maxAccount)}}
	}
	for _, r := range u.Account {
		// What stands before the @ of an address without an escape (RFC 3261, unreserved), and +.
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.!~*'+", r)) {
			return &Problem{Fault: "account-sign", Args: []string{u.Account, string(r)}}
		}
	}
	switch {
	case u.Password == "":
		return &Problem{Fault: "no-password"}
	case len(u.Password) > maxPassword:
		return &Problem{Fault: "password-long", Args: []string{strconv.Itoa(maxPassword)}}
	case !plain(u.Password):
		return &Problem{Fault: "password-sign"}
	case len(u.SignIn) > 256 || !plain(u.SignIn):
		return &Problem{Fault: "sign-in", Args: []string{u.SignIn}}
	}
	return nil
}

// looksLikeNumber reports whether a field may be a telephone number.
func looksLikeNumber(field string) bool {
	field = strings.TrimLeft(strings.TrimSpace(field), "'")
	count := strings.Count(field, "") - 1
	return count >= 4 && strings.Trim(field, "+0123456789()-/. \u00a0") == "" && strings.ContainsAny(field, "0123456789")
}

// e164 writes a number as the world knows it: with + and its country.
func (n Numbers) e164(text string) (string, *Problem) {
	typed := strings.TrimSpace(text)
	text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimLeft(typed, "'"), "tel:"), "+")
	plus := text != strings.TrimPrefix(strings.TrimLeft(typed, "'"), "tel:")
	if plus {
		text = strings.Replace(text, "(0)", "", 1)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("()-/.", r) {
			return -1
		}
		return r
	}, text)
	switch {
	case typed == "":
		return "", &Problem{Fault: "no-number"}
	case strings.Contains(strings.ToUpper(typed), "E+"):
		return "", &Problem{Fault: "number-rounded", Args: []string{typed}}
	case !digits(text, 1<<20):
		return "", &Problem{Fault: "number-letters", Args: []string{typed}}
	case plus:
	case n.International != "" && strings.HasPrefix(text, n.International):
		text = text[len(n.International):]
	case n.National != "" && n.Country != "" && strings.HasPrefix(text, n.National):
		text = n.Country + text[len(n.National):]
	default:
		return "", &Problem{Fault: "number-needs-country", Args: []string{typed}}
	}
	switch {
	case len(text) > 15:
		return "", &Problem{Fault: "number-long", Args: []string{typed}}
	case len(text) < 7 || text[0] == '0':
		return "", &Problem{Fault: "number-short", Args: []string{typed}}
	}
	return "+" + text, nil
}

// Add puts the users of a table to those that there are. An account that is known gets its new number and password; what it does not say
// about the sign-in name stays.
func Add(users, more []User) []User {
	users = slices.Clone(users)
	for _, u := range more {
		i := slices.IndexFunc(users, func(o User) bool { return o.Account == u.Account })
		if i < 0 {
			users = append(users, u)
			continue
		}
		if u.SignIn == "" {
			u.SignIn = users[i].SignIn
		}
		users[i] = u
	}
	return users
}
