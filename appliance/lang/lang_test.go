package lang

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"viaduct/appliance/commit"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

// box is as much of a box as a configuration needs.
type box struct {
	device.Box
	cfg    *config.Config
	env    check.Env
	serial string
	alarms []health.Alarm
	files  map[string][]byte
	trail  []status.Audit
	told   []string
	*commit.Book
	alarmBook health.Tracker
}

func (b *box) BeginCommit(before *config.Config, by status.Author, after time.Duration) error {
	return b.Book.Begin(before, by, after)
}
func (b *box) KeepPassword(a *config.Account, first bool) { b.Book.KeepPassword(a, first) }
func (b *box) TakeBack(by status.Author) error            { return b.Book.Back(by) }
func (b *box) Commit() status.Commit                      { return b.Book.Status() }
func (b *box) LastChange() status.Changed                 { return b.Book.Last() }
func (b *box) Confirm(by status.Author) error             { return b.Book.Confirm(by) }

// Redundancy has the box stand alone until its pair is complete.
func (b *box) Redundancy() status.Redundancy { return status.Redundancy{State: status.PairUnready} }

func (b *box) Running() *config.Config   { return b.cfg }
func (b *box) Env() check.Env            { return b.env }
func (b *box) Serial() string            { return b.serial }
func (b *box) Alarms() []health.Alarm    { return b.alarms }
func (b *box) Presence() status.Presence { return status.Presence{} }
func (b *box) Phones() []status.Phone    { return nil }
func (b *box) Mutate(by status.Author, f func(*config.Config) (*config.Config, error)) error {
	cfg, err := f(b.cfg)
	if err == nil && cfg != b.cfg {
		b.cfg = cfg
		b.Book.Changed(by)
	}
	return err
}
func (b *box) ReadFile(name string) ([]byte, error) {
	text, ok := b.files[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return text, nil
}
func (b *box) WriteFile(name string, text []byte) error {
	b.files[name] = text
	return nil
}

func (b *box) Note(e status.Audit, more func(*status.Audit)) {
	if more != nil {
		more(&e)
	}
	b.trail = append(b.trail, e)
}

func (b *box) Audit(n int, wanted func(status.Audit) bool) (list []status.Audit, err error) {
	for _, e := range b.trail {
		if wanted(e) {
			list = append(list, e)
		}
	}
	return list[max(0, len(list)-n):], nil
}

func (b *box) Coming() *device.Coming { return nil }
func (b *box) CallCount() int         { return 0 }
func (b *box) Kept() (n int) {
	for b.files[fmt.Sprintf("%s.%d", command.StartupConfig, n+1)] != nil {
		n++
	}
	return n
}

func newBox() *box {
	b := &box{cfg: config.New(), serial: "00A0BA0F2439", files: map[string][]byte{}}
	b.alarmBook.Log = slog.New(slog.DiscardHandler)
	b.Book = commit.New(commit.Options{
		Log: b.alarmBook.Log, Health: &b.alarmBook, Zone: func() *time.Location { return time.UTC },
		Publish: func(by status.Author, before func() *config.Config) {
			b.Mutate(by, func(*config.Config) (*config.Config, error) { return before(), nil })
		},
		Note: func(e status.Audit) { b.Note(e, nil) }, Tell: func(text string) { b.told = append(b.told, text) },
	})
	return b
}

// console types lines into a box.
type console struct {
	lang *Language
	box  *box
	s    Session
	last Result
	err  error // of the last line
}

func newConsole(l *Language) *console {
	return &console{lang: l, box: newBox(), s: Session{Class: config.Superuser}}
}

// types runs lines and returns what they wrote.
func (c *console) types(lines ...string) string {
	var out strings.Builder
	for _, line := range lines {
		c.last, c.err = c.lang.Exec(context.Background(), c.box, &c.s, line, nil, &out)
		c.s.Mode = c.last.Mode
	}
	return out.String()
}

func configuringConsole(l *Language) *console {
	c := newConsole(l)
	c.types("enable", "configure")
	return c
}

func reference(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not current (-file +now), run the test with -update:\n%s", file, diff)
	}
}

func problemLines(list []check.Problem) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

func TestTheReferenceConfigurationHasNoError(t *testing.T) {
	for _, p := range New().CheckFile("starface-teams.cfg", reference(t, "starface-teams.cfg"), check.Env{}) {
		if p.Severity == check.Error {
			t.Error(p)
		}
	}
}

func TestProblemsOfTheReferenceConfiguration(t *testing.T) {
	golden(t, "testdata/starface-teams.problems", problemLines(New().CheckFile("starface-teams.cfg", reference(t, "starface-teams.cfg"), check.Env{})))
}

// The published guide as it was printed: each of its slips gets its message, and nothing else does.
func TestProblemsOfTheGuideAsPrinted(t *testing.T) {
	golden(t, "testdata/starface-teams-as-printed.problems",
		problemLines(New().CheckFile("starface-teams-as-printed.cfg", reference(t, "starface-teams-as-printed.cfg"), check.Env{})))
}

// One reference misspelt is one error, at its line, whichever it is.
func TestOneMisspeltReferenceIsOneErrorAtItsLine(t *testing.T) {
	l := New()
	text := string(reference(t, "starface-teams.cfg"))
	lines := strings.Split(text, "\n")
	refs := []string{"bind context", "route call", "route default", "use profile", "execute", "bind location-service", "authenticate 1", "inherits", "bind ipaddress", "bind interface"}
	tested := 0
	for i, line := range lines {
		is := false
		for _, r := range refs {
			is = is || strings.Contains(line, r)
		}
		if !is {
			continue
		}
		words := strings.Fields(line)
		last := words[len(words)-1]
		wrong := append([]string(nil), lines...)
		wrong[i] = strings.TrimSuffix(line, last) + last[:len(last)-1] + "x"
		var errors []check.Problem
		for _, p := range l.CheckFile("f", []byte(strings.Join(wrong, "\n")), check.Env{}) {
			if p.Severity == check.Error {
				errors = append(errors, p)
			}
		}
		if len(errors) != 1 || errors[0].Line != i+1 {
			t.Errorf("line %d %q: errors %v", i+1, wrong[i], problemLines(errors))
		}
		tested++
	}
	if tested < 30 {
		t.Errorf("only %d references tested", tested)
	}
}

func TestRoundTripOfTheReferenceConfiguration(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	printed := l.Print(c.box.cfg, false)
	again := configuringConsole(l)
	for line := range strings.Lines(string(printed)) {
		if out := again.types(line); strings.HasPrefix(out, "  ") {
			t.Errorf("%s%s", line, out)
		}
	}
	same(t, c.box.cfg, again.box.cfg)
	if diff := cmp.Diff(string(printed), string(l.Print(again.box.cfg, false))); diff != "" {
		t.Error(diff)
	}
	parsed, problems := l.Parse(printed)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problemLines(problems))
	}
	same(t, c.box.cfg, parsed)
}

// same compares configurations by value.
func same(t interface{ Errorf(string, ...any) }, a, b *config.Config) {
	if diff := cmp.Diff(a, b, cmp.Comparer(func(x, y config.Source) bool { return x == y }), comparable()); diff != "" {
		t.Errorf("configurations differ: %s", diff)
	}
}

func comparable() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return strings.HasPrefix(p.Last().Type().String(), "netip.") },
		cmp.Comparer(func(a, b any) bool { return reflect.DeepEqual(a, b) }))
}

// Every field of the configuration is reached by some line: what cannot be typed cannot be kept.
func TestEveryFieldIsReachedByALine(t *testing.T) {
	reached := New().table.Reached()
	seen := map[reflect.Type]bool{}
	var visit func(typ reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || !strings.HasSuffix(typ.PkgPath(), "appliance/config") {
			return
		}
		if _, ok := options.Types[typ]; ok {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			if typ == reflect.TypeFor[config.SIPInterface]() && f.Name == "Context" {
				continue // of the header around it, see completeInterface
			}
			if typ == reflect.TypeFor[config.FleetRecord]() && f.Name == "Sent" {
				continue // by the line itself, see SetDefaults
			}
			if !f.Anonymous && !reached[typ][f.Name] && typ.NumField() > 0 {
				t.Errorf("no line reaches %v.%s", typ, f.Name)
			}
			visit(f.Type)
		}
	}
	visit(reflect.TypeFor[config.Config]())
}

func TestManualIsCurrent(t *testing.T) {
	golden(t, "../../docs/commands.md", New().Manual())
}

func TestEveryPortOfAGatewayHasItsLine(t *testing.T) {
	full := &config.GatewayInterface{}
	for _, v := range reflect.ValueOf(full).Elem().Fields() {
		if v.Kind() == reflect.Uint16 {
			v.SetUint(1)
		}
	}
	for _, p := range full.Ports() {
		line := "transport-protocol " + p.Word + " 5070"
		cfg, problems := New().Parse([]byte("context sip-gateway G\ninterface I\n" + line + "\n"))
		if len(problems) > 0 {
			t.Errorf("%s: sipGateway in table.go lacks it: %v", line, problems)
			continue
		}
		if got := reflect.ValueOf(cfg.Gateways[0].Interfaces[0]).Elem().FieldByName(p.Field).Uint(); got != 5070 {
			t.Errorf("%s: %s is %d", line, p.Field, got)
		}
	}
}
