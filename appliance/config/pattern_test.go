package config

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

func pattern(t testing.TB, text string) Pattern {
	t.Helper()
	p, err := ParsePattern(text)
	if err != nil {
		t.Fatalf("ParsePattern(%q): %v", text, err)
	}
	return p
}

func TestKeysMatch(t *testing.T) {
	for _, c := range []struct {
		why, key, value, to, want string // want "-": no match
	}{
		{"anchored at the start", `123`, `5123`, `x`, `-`},
		{"open at the end", `\+497123222`, `+4971232221`, `x`, `x`},
		{"closed by $", `\+497123222$`, `+4971232221`, `x`, `-`},
		{"closed by $ and met", `\+497123222$`, `+497123222`, `\0`, `+497123222`},
		{"an escaped $ is a character", `4\$`, `4$5`, `\0`, `4$`},
		{"the whole match of an open key is what the key met", `0049`, `004930`, `[\0]`, `[0049]`},
		{"a dot is any character", `sip:user.01@`, `sip:userX01@host`, `x`, `x`},
		{"an escaped dot is not", `sip:user\.01@`, `sip:userX01@host`, `x`, `-`},
		{"a dot is one character, however many bytes", `J.rg$`, `Jörg`, `x`, `x`},
		{".+ wants something", `sip:user.01@.+`, `sip:user.01@`, `x`, `-`},
		{".+ takes the rest", `sip:user.01@.+`, `sip:user.01@h`, `\0`, `sip:user.01@h`},
		{".* takes nothing too", `sip:.*`, `sip:`, `\0`, `sip:`},
		{"SmartWare's .% is .*", `sip:USER@.%`, `sip:USER@host`, `\0`, `sip:USER@host`},
		{"% repeats a set", `[0-4]%9$`, `01239`, `x`, `x`},
		{"% repeats a group", `(01)%9$`, `01019`, `x`, `x`},
		{"% is a character elsewhere", `sip:%23`, `sip:%23@h`, `x`, `x`},
		{"group that takes the rest", `sip:(.*)`, `sip:+49@h;p=1`, `\1`, `+49@h;p=1`},
		{"two groups", `sip:(.+)@(.+)`, `sip:a@b`, `\2-\1`, `b-a`},
		{"an unset group expands to nothing", `(00)?49(...)?$`, `49222`, `<\1>\2`, `<>222`},
		{"the guide's rule", `(00)?49(...)?$`, `0049222`, `\2`, `222`},
		{"the guide's rule leaves long numbers", `(00)?49(...)?$`, `4930123456`, `\2`, `-`},
		{"the guide's rule with nothing behind", `(00)?49(...)?$`, `49`, `\2`, ``},
		{"groups keep their numbers beside literals that are counted", `(00)?(49)?(1)(2)?`, `004912`, `\1,\2,\3,\4`, `00,49,1,2`},
		{"a group that does not exist", `12`, `12`, `\1\9`, ``},
		{"ten is group one and a zero", `(12)`, `12`, `\10`, `120`},
		{"an escape in the value", `12`, `12`, `\\\@\.`, `\@.`},
		{"a lone backslash at the end", `12`, `12`, `x\`, `x\`},
		{"a leading + is a character", `+49`, `+4930`, `x`, `x`},
		{"a leading * is a character", `*21`, `*21#`, `x`, `x`},
		{"a + in a group's beginning is a character", `(+|00)49(.*)`, `+4930`, `\1 \2`, `+ 30`},
		{"a caret at the start says what is said anyway", `^\+49`, `+4930`, `x`, `x`},
		{"SmartWare's T", `00T`, `0049`, `x`, `x`},
		{"SmartWare's dot and T", `.T`, `0049`, `x`, `x`},
		{"a T in a name is a T", `BERT`, `BER`, `x`, `-`},
		{"a set", `[5-79]1`, `91`, `x`, `x`},
		{"a negated set", `[^01]1`, `01`, `x`, `-`},
		{"+ repeats", `01+2$`, `01112`, `x`, `x`},
		{"? makes optional", `01?2$`, `02`, `x`, `x`},
		{"a repeated literal", `0{2}49`, `0049`, `x`, `x`},
		{"alternatives are anchored both", `30|40`, `140`, `x`, `-`},
		{"# is a character", `#31#`, `#31#030`, `x`, `x`},
		{"a class", `\d\d$`, `12`, `x`, `x`},
		{"without case", `(?i)sip:anna@`, `SIP:Anna@h`, `x`, `x`},
		{"the empty key matches everything", ``, `4930`, `x`, `x`},
		{"the empty closed key matches nothing else", `$`, `4930`, `x`, `-`},
		{"a key longer than the value", `12345`, `123`, `x`, `-`},
	} {
		got := "-"
		if m, ok := pattern(t, c.key).Match(c.value); ok {
			got, _ = m.Expand(c.to, MaxURI)
		}
		if got != c.want {
			t.Errorf("%s: key %q on %q: got %q, want %q", c.why, c.key, c.value, got, c.want)
		}
	}
}

func TestTheBestKeyWins(t *testing.T) {
	for _, c := range []struct{ why, value, better, worse string }{
		{"more literals", `sip:user.01@h`, `sip:user.01@.+`, `sip:(.+)@(.+)`},
		{"literals count where the value meets them", `0049222`, `(00)?49(...)?$`, `004`},
		{"optional literals that are not met do not count", `49222`, `492`, `(00)?49(...)?$`},
		{"more of the number", `4930`, `49..`, `49.`},
		{"direct dial-in before the whole block", `+493012345`, `\+4930123(..)`, `\+4930123`},
		{"a set after a prefix", `12`, `1[1-5]`, `1`},
		{"sets and dots before one dot", `322`, `[2-4]..$`, `.T`},
		{"three digits before two", `+4930123456`, `\+4930123(...)`, `\+4930123(..)`},
		{"something before anything", `4930`, `49.+`, `49.*`},
		{"as many characters, more of them literal", `4930`, `4930`, `49..`},
		{"a repeated digit", `00493`, `0{2}49`, `004`},
		{"of the alternatives the one that is met", `1234`, `(1...|2)`, `123`},
		{"the alternative that is not met does not count", `2999`, `29`, `(1...|2)`},
		{"fewer wildcards where nothing else decides", `4930`, `49`, `49.*`},
		{"closed before open", `4930`, `4930$`, `4930`},
		{"the longer prefix", `4930123`, `49301`, `4930`},
		{"literals of alternatives", `30123`, `(30123|40)`, `301`},
	} {
		b, ok1 := pattern(t, c.better).Match(c.value)
		w, ok2 := pattern(t, c.worse).Match(c.value)
		if !ok1 || !ok2 || !b.Better(w) || w.Better(b) {
			t.Errorf("%s: on %q key %q (%v %+v) is not better than %q (%v %+v)", c.why, c.value, c.better, ok1, b, c.worse, ok2, w)
		}
	}
}

func TestAValueHasALength(t *testing.T) {
	m, _ := pattern(t, `(.+)`).Match(strings.Repeat("1", 40))
	if v, ok := m.Expand(`\1\1`, 80); !ok || len(v) != 80 {
		t.Errorf("%d characters, %v", len(v), ok)
	}
	for _, to := range []string{`\1\1\1`, strings.Repeat(`\1`, 30_000), strings.Repeat("x", 81), strings.Repeat(`\x`, 81)} {
		if v, ok := m.Expand(to, 80); ok || len(v) > 121 && strings.Contains(to, `\`) {
			t.Errorf("%.20q: %d characters, %v", to, len(v), ok)
		}
	}
}

func TestAWrongKeyIsMarked(t *testing.T) {
	for _, c := range []struct {
		key string
		pos int
	}{
		{`(00)?49(...`, 7}, {`00)49`, 2}, {`0[5-7`, 1}, {`00\`, 2}, {`?12`, 0}, {`(?12)`, 0}, {`1**2`, 1}, {`12[z-a]`, 3}, {`1{2000}`, 1}, {`(.{30}){30}(.{30}){30}(.{30}){30}`, 2},
		{`ab\y`, 2}, {"12\x0034", 2}, {strings.Repeat("1", 600), 512}, {"12\xff", 2},
	} {
		_, err := ParsePattern(c.key)
		var e *PatternError
		if !errors.As(err, &e) {
			t.Errorf("ParsePattern(%q): error %v", c.key, err)
		} else if e.Pos != c.pos || e.Text == "" {
			t.Errorf("ParsePattern(%q): marked at %d (%s), want %d", c.key, e.Pos, e.Text, c.pos)
		}
	}
}

func TestKeysAreEqualByText(t *testing.T) {
	a, b := pattern(t, `(00)?49`), pattern(t, `(00)?49`)
	if !a.Equal(b) || a.Equal(pattern(t, `(00)?4`)) || a.String() != `(00)?49` {
		t.Error("equality is not that of the text")
	}
	var c Pattern
	if text, _ := a.MarshalText(); c.UnmarshalText(text) != nil || !c.Equal(a) {
		t.Error("the text does not come back")
	}
	if !pattern(t, "").Equal(Pattern{}) {
		t.Error("the zero value is not the empty key")
	}
}

func TestManyPlainKeysStaySmall(t *testing.T) {
	const n = 20_000
	keys, texts := make([]Mapping, n), make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf(`\+49712%05d`, i)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i, text := range texts {
		keys[i].Key = pattern(t, text)
	}
	after := heap()
	per := (int64(after) - int64(before)) / n
	t.Logf("%d bytes a key beside its text", per)
	if per > 200 {
		t.Errorf("%d bytes a key", per)
	}
	runtime.KeepAlive(keys)
	runtime.KeepAlive(texts)
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{`(00)?49(...)?$`, `\+497123222`, `sip:user.01@.+`, `sip:(.*)`, `[^01]%T`, `+49`, `(+|00)`, `.+$`, `a.*$`, `^12`, `1{2,3}`, `(?i)a`, `.%$`, `sip:+49`, `(a|b..)?c`} {
		f.Add(s, "0049222")
		f.Add(s, "sip:user.01@host")
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		p, err := ParsePattern(key)
		if err != nil {
			var e *PatternError
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(key) {
				t.Fatalf("%q: error %#v", key, err)
			}
			return
		}
		m, ok := p.Match(value)
		if ok {
			m.Expand(`\0\1\2\9\`, MaxURI)
			if !strings.HasPrefix(value, m.Group(0)) || !strings.HasPrefix(value, p.Prefix()) || m.Demand > p.MaxDemand() {
				t.Fatalf("%q on %q: %+v", key, value, m)
			}
		}
		// A plain key means what package regexp makes of the same text.
		if _, isPlain := p.Fixed(); !isPlain || !utf8.ValidString(value) || strings.ContainsAny(value, "\n") || dropT(key) != key {
			return
		}
		text := strings.NewReplacer(".%", ".*", ":+", `:\+`, ":*", `:\*`).Replace(strings.TrimPrefix(key, "^"))
		if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "*") {
			text = `\` + text
		}
		re, err := regexp.Compile("^(?:" + text + ")")
		if err != nil {
			t.Fatalf("%q is plain here and no regular expression: %v", key, err)
		}
		if found := re.FindStringIndex(value); (found != nil) != ok || ok && found[1] != len(m.Group(0)) {
			t.Fatalf("%q on %q: %v %q, package regexp %v", key, value, ok, m.Group(0), found)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, key, value string }{
		{"plain", `\+497123222`, "+497123222"}, {"wildcards", `sip:user.01@.+`, "sip:user.01@192.168.1.1"}, {"groups", `sip:(.+)@(.+)`, "sip:user.01@192.168.1.1"},
	} {
		p := pattern(b, c.key)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(c.value)
			}
		})
	}
}

func BenchmarkParsePattern(b *testing.B) {
	for _, c := range []struct{ name, key string }{{"plain", `\+497123222`}, {"wildcards", `sip:user.01@.+`}, {"groups", `(00)?49(...)?$`}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParsePattern(c.key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
