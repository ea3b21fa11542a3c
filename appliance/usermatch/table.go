package usermatch

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/pasted"
	"viaduct/appliance/printable"
)

// Bounds of a table: twice what one box carries.
const (
	MaxTable = 1 << 20 // octets
	MaxPairs = 4000
)

// Table is what a table of pairs came to. Each of its lines is in one of these, or says nothing.
type Table struct {
	Pairs     []Row
	Problems  []BadRow // lines that are left out, each with its reason
	Repeated  []int    // numbers of lines that say again what an earlier one said
	Headings  []int    // numbers of lines that name the columns or the separator
	Separator rune     // of the columns
}

// Row is a line that was understood.
type Row struct {
	Line int // its number, from 1
	config.PresenceUser
}

// BadRow is a line that was not.
type BadRow struct {
	Line int    // its number, from 1; 0: the whole table
	Text string // as it stands, printable
	Why  string // printable: "no location-service has an identity anna"
}

func (p BadRow) String() string {
	if p.Line == 0 {
		return p.Why
	}
	return fmt.Sprintf("line %d (%s): %s", p.Line, printable.Short(p.Text, 60), p.Why)
}

// Lines are the lines of a presence-service that say what the table says.
func (t *Table) Lines() (list []string) {
	for _, p := range t.Pairs {
		l := "user " + cli.Quote(p.Name)
		if p.Identity != "" {
			l += " identity " + cli.Quote(p.Identity)
		}
		if p.Extension != "" {
			l += " extension " + cli.Quote(p.Extension)
		}
		list = append(list, l)
	}
	return list
}

// ReadTable reads a table of pairs, as ProCall has them in usermatching.csv: name in Entra, identity, and if there is a third column the
// extension, apart by semicolons, commas or tabs, with headings or without, in UTF-8 or UTF-16. Names and identities may be in any case; an
// identity is written as the configuration has it. An empty identity is left to the rule of the service.
//
// A line is never half taken. One that is not understood, or that contradicts an earlier one, is a problem and changes nothing.
func ReadTable(cfg *config.Config, text []byte) (t Table) {
	t.Separator = ';'
	if len(text) > MaxTable {
		t.Problems = []BadRow{{Why: fmt.Sprintf("the table is larger than %d KiB: nothing is taken", MaxTable>>10)}}
		return t
	}
	text, _ = pasted.Decode(text)
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n")
	t.Separator = separator(lines)
	r := reader{names: identities(cfg), byName: map[string]Row{}, byIdentity: map[string]Row{}}
	begun := false
	for i, text := range lines {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if excel, ok := strings.CutPrefix(fold(text), "sep="); ok && !begun && len(excel) <= 1 {
			t.Headings = append(t.Headings, i+1) // tells Excel the separator
			continue
		}
		fields, err := columns(text, t.Separator)
		if err == nil && len(fields) == 0 {
			continue // a row of a spreadsheet with nothing in it
		}
		if !begun && err == nil && r.heads(fields) {
			t.Headings, begun = append(t.Headings, i+1), true
			continue
		}
		begun = true
		p := Row{Line: i + 1}
		if err == nil {
			p.PresenceUser, err = r.pair(fields)
		}
		if err == nil {
			again, clash := r.clash(p)
			if again {
				t.Repeated = append(t.Repeated, i+1)
				continue
			}
			err = clash
		}
		if err == nil && len(t.Pairs) == MaxPairs {
			err = fmt.Errorf("more than %d pairs", MaxPairs)
		}
		if err != nil {
			t.Problems = append(t.Problems, BadRow{Line: i + 1, Text: printable.Text(text), Why: err.Error()})
			continue
		}
		r.take(p)
		t.Pairs = append(t.Pairs, p)
	}
	return t
}

// separator is what most lines make sense with.
func separator(lines []string) rune {
	best, most := ';', 0
	for _, c := range []rune{';', ',', '\t'} {
		sense := 0
		for _, l := range lines {
			if f, err := columns(l, c); err == nil && len(f) >= 2 && strings.Contains(f[0], "@") {
				sense++
			}
		}
		if sense > most {
			best, most = c, sense
		}
	}
	return best
}

// columns cuts a line. Empty columns at its end say nothing: spreadsheets write them.
func columns(line string, separator rune) ([]string, error) {
	if !utf8.ValidString(line) || strings.ContainsRune(line, utf8.RuneError) { // which is what became of it on the way here
		return nil, errors.New("is not UTF-8: save the table as \"CSV UTF-8\"")
	}
	r := csv.NewReader(strings.NewReader(strings.Trim(line, " ")))
	r.Comma, r.FieldsPerRecord = separator, -1
	r.TrimLeadingSpace = separator != '\t' // which it takes for such space
	fields, err := r.Read()
	if err != nil {
		return nil, errors.New("its quotation marks do not fit together")
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	for n := len(fields); n > 0 && fields[n-1] == "" && (n != 2 || fields[0] == ""); n-- { // an empty second one leaves the identity to the rule
		fields = fields[:n-1]
	}
	return fields, nil
}

// reader knows what the lines so far have said.
type reader struct {
	names              index
	byName, byIdentity map[string]Row
}

// heads reports whether the first line names the columns: no name of Entra is in it, and no identity that there is.
func (r *reader) heads(fields []string) bool {
	return len(fields) >= 2 && !slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(f, "@") || len(r.names.of(f)) > 0 })
}

// pair reads the columns of a line.
func (r *reader) pair(fields []string) (u config.PresenceUser, err error) {
	if len(fields) < 2 {
		return u, errors.New("has one column alone: name in Entra and identity are wanted")
	}
	if len(fields) > 3 {
		return u, fmt.Errorf("has %d columns: name in Entra, identity and extension are wanted", len(fields))
	}
	name, identity, extension := fields[0], fields[1], ""
	if len(fields) == 3 {
		extension = fields[2]
	}
	if !strings.Contains(name, "@") && strings.Contains(identity, "@") {
		return u, errors.New("the first column has the name in Entra, with an @: the columns are the other way round")
	}
	if before, domain, ok := strings.Cut(name, "@"); !ok || before == "" || domain == "" || strings.Contains(domain, "@") {
		return u, fmt.Errorf("%s is no name in Entra, such as anna@contoso.com", quote(name))
	} else if i := strings.IndexAny(name, ",;"); i >= 0 {
		return u, fmt.Errorf("the name in Entra has a sign that it cannot have: %s", quote(name[i:i+1]))
	}
	for _, x := range []struct {
		what, value string
		most        int
	}{{"the name in Entra", name, maxName}, {"the identity", identity, maxIdentity}, {"the extension", extension, maxIdentity}} {
		if err := word(x.what, x.value, x.most); err != nil {
			return u, err
		}
	}
	if identity != "" {
		list := r.names.of(identity)
		switch len(list) {
		case 0:
			return u, fmt.Errorf("no location-service has an identity %s", printable.Text(identity))
		case 1:
			identity = list[0]
		default:
			return u, fmt.Errorf("%s may be %s", quote(identity), several("or", list))
		}
	}
	return config.PresenceUser{Name: name, Identity: identity, Extension: extension}, nil
}

// Lengths of what a line has, in octets.
const (
	maxName     = 254 // as in a line `user`: RFC 3696, errata
	maxIdentity = 64
)

// word reports what keeps a value from being a word of the configuration.
func word(what, value string, most int) error {
	if len(value) > most {
		return fmt.Errorf("%s is longer than %d characters", what, most)
	}
	for _, r := range value {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune("\"\\", r) {
			return fmt.Errorf("%s has a sign that it cannot have: %s", what, quote(string(r)))
		}
	}
	return nil
}

// clash compares a pair with the earlier ones: again, if one of them says the same.
func (r *reader) clash(p Row) (again bool, err error) {
	if old, known := r.byName[fold(p.Name)]; known {
		if old.Identity == p.Identity && old.Extension == p.Extension {
			return true, nil
		}
		return false, fmt.Errorf("line %d says something else of %s", old.Line, printable.Text(p.Name))
	}
	if old, known := r.byIdentity[p.Identity]; known && p.Identity != "" {
		return false, fmt.Errorf("line %d gives %s to %s", old.Line, printable.Text(p.Identity), printable.Text(old.Name))
	}
	return false, nil
}

func (r *reader) take(p Row) {
	r.byName[fold(p.Name)] = p
	r.byIdentity[p.Identity] = p
}

// quote shows a value with its ends.
func quote(s string) string { return `"` + printable.Text(s) + `"` }
