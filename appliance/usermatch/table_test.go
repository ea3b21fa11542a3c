package usermatch_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"viaduct/appliance/config"
	"viaduct/appliance/printable/printabletest"
	"viaduct/appliance/usermatch"
)

// utf16le is text as Excel saves "Unicode text".
func utf16le(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func TestReadTable(t *testing.T) {
	cfg := guide(t)
	lines := func(list ...string) []string { return list }
	for _, x := range []struct {
		name, text string
		lines      []string
		problems   []string
		repeated   []int
		headings   []int
	}{
		{name: "as ProCall has it", text: "anna@contoso.com;user.01\r\nben@contoso.com;user.02\r\n",
			lines: lines("user anna@contoso.com identity user.01", "user ben@contoso.com identity user.02")},
		{name: "commas, headings, a third column, a mark at the begin", text: "\ufeffEntra name,UCServer name,Extension\nAnna@Contoso.com,USER.01,21\n",
			lines: lines("user Anna@Contoso.com identity user.01 extension 21"), headings: []int{1}},
		{name: "Excel: tabs in UTF-16", text: utf16le("Name\tIdentität\tDurchwahl\r\nanna@contoso.com\tuser.01\t21\r\nben@contoso.com\t\t22\r\n\t\t\r\n"),
			lines: lines("user anna@contoso.com identity user.01 extension 21", "user ben@contoso.com extension 22"), headings: []int{1}},
		{name: "Excel: the separator is told, rows are filled up", text: "sep=;\r\nName;Konto\r\nanna@contoso.com;user.01;\r\n;;\r\n\r\n",
			lines: lines("user anna@contoso.com identity user.01"), headings: []int{1, 2}},
		{name: "quotes", text: `"anna@contoso.com"; "user.01"` + "\n" + `ben@contoso.com;"user.02` + "\n" + `"o'neil@contoso.com";user.03`,
			lines:    lines("user anna@contoso.com identity user.01", "user o'neil@contoso.com identity user.03"),
			problems: lines(`line 2 (ben@contoso.com;"user.02): its quotation marks do not fit together`)},
		{name: "a separator inside quotes", text: "anna@contoso.com,\"us,er\"\n",
			problems: lines(`line 1 (anna@contoso.com,"us,er"): no location-service has an identity us,er`)},
		{name: "what an earlier line said", text: "anna@contoso.com;user.01\nANNA@contoso.com;User.01\nanna@contoso.com;user.02\nben@contoso.com;user.01\n",
			lines: lines("user anna@contoso.com identity user.01"), repeated: []int{2},
			problems: lines("line 3 (anna@contoso.com;user.02): line 1 says something else of anna@contoso.com",
				"line 4 (ben@contoso.com;user.01): line 1 gives user.01 to anna@contoso.com")},
		{name: "an empty second column", text: "anna@contoso.com;\nben@contoso.com;;\ncarl@contoso.com;;23\n;\ndora@contoso.com\n",
			lines: lines("user anna@contoso.com", "user ben@contoso.com", "user carl@contoso.com extension 23"), problems: lines("line 5 (dora@contoso.com): has one column alone: name in Entra and identity are wanted")},
		{name: "names that no line can have", text: "\"a;b@contoso.com\";user.01\n\"a,b@contoso.com\";user.01\nanna@contoso.com;user.01\n",
			lines:    lines("user anna@contoso.com identity user.01"),
			problems: lines(`line 1 ("a;b@contoso.com";user.01): the name in Entra has a sign that it cannot have: ";"`, `line 2 ("a,b@contoso.com";user.01): the name in Entra has a sign that it cannot have: ","`)},
		{name: "bad lines", text: "anna@contoso.com;user.01\nanna\nben@contoso.com;nobody\nben;user.02\nuser.02;ben@contoso.com\nben@contoso.com;user.02;1;2\nben@x@y;user.02\nb\xe9n@contoso.com;user.02\nbe n@contoso.com;user.02\n",
			lines: lines("user anna@contoso.com identity user.01"),
			problems: lines("line 2 (anna): has one column alone: name in Entra and identity are wanted",
				"line 3 (ben@contoso.com;nobody): no location-service has an identity nobody",
				`line 4 (ben;user.02): "ben" is no name in Entra, such as anna@contoso.com`,
				"line 5 (user.02;ben@contoso.com): the first column has the name in Entra, with an @: the columns are the other way round",
				"line 6 (ben@contoso.com;user.02;1;2): has 4 columns: name in Entra, identity and extension are wanted",
				`line 7 (ben@x@y;user.02): "ben@x@y" is no name in Entra, such as anna@contoso.com`,
				`line 8 (b\xe9n@contoso.com;user.02): is not UTF-8: save the table as "CSV UTF-8"`,
				`line 9 (be n@contoso.com;user.02): the name in Entra has a sign that it cannot have: " "`)},
		{name: "letters that were lost on the way", text: "b\ufffdn@contoso.com;user.02\n",
			problems: lines("line 1 (b\ufffdn@contoso.com;user.02): is not UTF-8: save the table as \"CSV UTF-8\"")},
		{name: "a first line without a name is no heading when it has an identity", text: "anna;user.01\n",
			problems: lines(`line 1 (anna;user.01): "anna" is no name in Entra, such as anna@contoso.com`)},
		{name: "nothing", text: "\n \r\n"},
		{name: "too much", text: strings.Repeat("x", usermatch.MaxTable+1), problems: lines("the table is larger than 1024 KiB: nothing is taken")},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := usermatch.ReadTable(cfg, []byte(x.text))
			var problems []string
			for _, p := range got.Problems {
				problems = append(problems, p.String())
			}
			for what, diff := range map[string]string{"lines": cmp.Diff(x.lines, got.Lines()), "problems": cmp.Diff(x.problems, problems),
				"repeated": cmp.Diff(x.repeated, got.Repeated), "headings": cmp.Diff(x.headings, got.Headings)} {
				if diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}
		})
	}
}

func TestReadTableTakesNoMoreThanItCanHold(t *testing.T) {
	var b strings.Builder
	for i := range usermatch.MaxPairs + 2 {
		b.WriteString("u" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "@" + strings.Repeat("y", 1+i%11) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + ";;1\n")
	}
	got := usermatch.ReadTable(&config.Config{}, []byte(b.String()))
	if len(got.Pairs) != usermatch.MaxPairs || len(got.Problems) != 2 || got.Problems[1].Why != "more than 4000 pairs" {
		t.Errorf("%d pairs, %v", len(got.Pairs), got.Problems)
	}
}

func FuzzReadTable(f *testing.F) {
	for _, text := range []string{"anna@contoso.com;user.01\n", "\ufeffName,Id,Ext\na@b,USER.01,21\na@b,user.01,21\n", utf16le("a@b\tuser.02\n"), "sep=,\na@b,\"user.03\"\n",
		`"a""b@c";user.01`, "a@b;;21\n;;\n", printabletest.Text + "@x;user.01\n"} {
		f.Add([]byte(text))
	}
	cfg := guide(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		got := usermatch.ReadTable(cfg, text)
		again := usermatch.ReadTable(cfg, text)
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatal(diff)
		}
		kept := map[int]bool{}
		keep := func(line int) {
			if kept[line] {
				t.Errorf("line %d has become two things", line)
			}
			kept[line] = true
		}
		var csv strings.Builder
		names := map[string]bool{}
		for _, p := range got.Pairs {
			keep(p.Line)
			csv.WriteString(p.Name + "\t" + p.Identity + "\t" + p.Extension + "\n")
			if names[strings.ToLower(p.Name)] {
				t.Errorf("%s comes twice", p.Name)
			}
			names[strings.ToLower(p.Name)] = true
		}
		for _, p := range got.Problems {
			keep(p.Line)
			if p.Why == "" || strings.ContainsFunc(p.String(), unicode.IsControl) {
				t.Errorf("problem %q", p)
			}
		}
		for _, n := range append(got.Repeated, got.Headings...) {
			keep(n)
		}
		for _, l := range got.Lines() {
			if strings.ContainsFunc(l, unicode.IsControl) {
				t.Errorf("line %q", l)
			}
		}
		if rest := usermatch.ReadTable(cfg, []byte(csv.String())); len(got.Pairs) > 0 && cmp.Diff(got.Lines(), rest.Lines()) != "" {
			t.Errorf("its own lines are read as %q, not %q", rest.Lines(), got.Lines())
		}
	})
}
