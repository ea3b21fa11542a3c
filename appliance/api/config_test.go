package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/commit"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/status"
)

// editable is a box whose configuration is written.
type editable struct {
	accounts
	book   *commit.Book
	health health.Tracker
	saved  string
}

func (b *editable) Mutate(by status.Author, change func(*config.Config) (*config.Config, error)) error {
	cfg, err := change(b.cfg)
	if err == nil && cfg != b.cfg {
		b.cfg = cfg
		b.book.Changed(by)
	}
	return err
}
func (b *editable) ReadFile(name string) ([]byte, error) {
	if name == "startup-config" && b.saved != "" {
		return []byte(b.saved), nil
	}
	return nil, os.ErrNotExist
}
func (b *editable) BeginCommit(before *config.Config, by status.Author, after time.Duration) error {
	return b.book.Begin(before, by, after)
}
func (b *editable) LastChange() status.Changed { return b.book.Last() }
func (b *editable) Commit() status.Commit      { return b.book.Status() }
func (b *editable) SavedConfigs() ([]status.SavedConfig, error) {
	return []status.SavedConfig{{Name: "startup-config", Saved: begun, Size: int64(len(b.saved))}}, nil
}

const runs = `cli version 4.00
system hostname before
superuser anna password secret12
administrator bert password secret13
operator otto password secret14
context ip ROUTER
  interface LAN
    ipaddress LAN 192.0.2.1/24
port ethernet 0 0
  bind interface ROUTER LAN
authentication-service A
  username u password geheim
`

func newEditable(t testing.TB) (*editable, *lang.Language) {
	l := lang.New()
	cfg, problems := l.Parse([]byte(runs))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return newEditableOf(l, cfg)
}

func newEditableOf(l *lang.Language, cfg *config.Config) (*editable, *lang.Language) {
	b := &editable{accounts: accounts{cfg: cfg}, saved: "system hostname saved\nauthentication-service A\n  username u password alt\n"}
	b.health.Log = slog.New(slog.DiscardHandler)
	b.book = commit.New(commit.Options{Log: b.health.Log, Health: &b.health, Zone: func() *time.Location { return time.UTC },
		Publish: func(by status.Author, before func() *config.Config) {
			b.Mutate(by, func(*config.Config) (*config.Config, error) { return before(), nil })
		},
		Note: func(e status.Audit) { b.Note(e, nil) }, Tell: func(string) {},
	})
	return b, l
}

// asking sends requests to a box, as somebody.
type asking struct {
	t      *testing.T
	client *http.Client
	box    *editable
	lang   *lang.Language
	runs   string // the running configuration at the start
}

func newAsking(t *testing.T) *asking {
	b, l := newEditable(t)
	client, _, _ := start(t, NewBackend(l, b))
	return &asking{t, client, b, l, string(l.Print(b.cfg, false))}
}

func (a *asking) get(path string) (int, string, string) {
	a.t.Helper()
	r, err := a.client.Get("http://sbcd" + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(text), r.Header.Get("ETag")
}

func (a *asking) put(query, tag, text string) (int, wire.ConfigReply) {
	a.t.Helper()
	r, err := http.NewRequest(http.MethodPut, "http://sbcd/v1/config?"+query, strings.NewReader(text))
	if err != nil {
		a.t.Fatal(err)
	}
	if tag != "" {
		r.Header.Set("If-Match", tag)
	}
	w, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer w.Body.Close()
	var v wire.ConfigReply
	if err := json.NewDecoder(w.Body).Decode(&v); err != nil {
		a.t.Fatalf("%d: %v", w.StatusCode, err)
	}
	return w.StatusCode, v
}

func TestTheConfigurationIsReadAsShowPrintsIt(t *testing.T) {
	a := newAsking(t)
	code, text, tag := a.get("/v1/config?user=anna")
	if code != 200 || text != string(a.lang.Print(a.box.cfg, false)) || len(tag) < 10 {
		t.Errorf("%d %s %s", code, tag, text)
	}
	if _, text, same := a.get("/v1/config?user=otto"); strings.Contains(text, "geheim") || !strings.Contains(text, "password ***") || same != tag {
		t.Errorf("an operator gets %s", text)
	}
	if _, text, _ := a.get("/v1/config?of=startup-config&user=otto"); strings.Contains(text, "alt") || !strings.Contains(text, "hostname saved") {
		t.Errorf("an operator gets of the startup-config %s", text)
	}
	for path, want := range map[string]int{
		"/v1/config?user=nobody": 403, "/v1/config?user=": 403, "/v1/config?of=startup-config.3&user=anna": 404, "/v1/config?of=../keys&user=anna": 404,
		"/v1/config/history?user=nobody": 403, "/v1/config/history?user=otto": 200,
	} {
		if code, text, _ := a.get(path); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, text, want)
		}
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	a := newAsking(t)
	before, trail := a.box.cfg, len(a.box.trail)
	text := strings.Replace(runs, "bind interface ROUTER LAN", "bind interface ROUTER LAM", 1)
	text = strings.Replace(text, "hostname before", "hostname after", 1) + "nonsense here\nport ethernet 0 0\n  encapsulation ip\n"
	code, v := a.put("dry-run&user=anna", "", text)
	if code != 200 || v.Applied || a.box.cfg != before || len(a.box.trail) > trail+1 { // the session begins
		t.Fatalf("%d %+v, trail %v", code, v, a.box.trail)
	}
	find := func(part string) wire.ConfigProblem {
		n := slices.IndexFunc(v.Problems, func(p wire.ConfigProblem) bool { return strings.Contains(p.Text, part) })
		if n < 0 {
			t.Fatalf("no problem %q in %+v", part, v.Problems)
		}
		return v.Problems[n]
	}
	if p := find("no such interface"); p.Line != 10 || p.Severity != "error" || p.Place != wire.Instead || !slices.Equal(p.Fix, []string{"bind interface ROUTER LAN"}) {
		t.Errorf("%+v", p)
	}
	if p := find("unknown"); p.Line != 13 || !p.Lost || p.Source != "nonsense here" {
		t.Errorf("%+v", p)
	}
	if v.Counts.Refused != 1 || v.Counts.NoEffect != 1 || v.Counts.Errors < 2 {
		t.Errorf("%+v", v.Counts)
	}
	if !slices.Contains(v.Changes, wire.ConfigChange{Text: "system hostname after", Come: true}) || !slices.Contains(v.Changes, wire.ConfigChange{Text: "system hostname before"}) {
		t.Errorf("%+v", v.Changes)
	}
	if code, _ := a.put("dry-run&user=otto", "", text); code != 403 {
		t.Errorf("an operator: %d", code)
	}
	if _, v := a.put("dry-run&user=anna", "", "system hostname alone\n"); !v.LocksOut {
		t.Error("nobody could log in, and it is not said")
	}
}

func TestAMergeIsAPaste(t *testing.T) {
	a := newAsking(t)
	_, v := a.put("dry-run&merge&user=anna", "", "port ethernet 0 0\n  bind interface ROUTER LAM\n")
	if len(v.Changes) != 2 || v.Problems[0].Line != 2 || !strings.Contains(v.Problems[0].Text, "no such interface") {
		t.Errorf("%+v", v)
	}
	_, v = a.put("dry-run&merge&user=anna", "", "no context ip ROUTER\n")
	if n := slices.IndexFunc(v.Problems, func(p wire.ConfigProblem) bool { return strings.Contains(p.Text, "no such") }); n < 0 || v.Problems[n].Line != 0 {
		t.Errorf("a problem of a line that stays: %+v", v.Problems)
	}
	_, _, tag := a.get("/v1/config?user=anna")
	if code, v := a.put("merge&user=anna", tag, "system hostname merged\n"); code != 200 || !v.Applied || a.box.cfg.Hostname != "merged" || len(a.box.cfg.Ports) != 1 {
		t.Errorf("%d %+v", code, v)
	}
}

// Two have the same text before them: the second is told who was first.
func TestTheSecondIsToldWhoWasFirst(t *testing.T) {
	a := newAsking(t)
	_, _, tag := a.get("/v1/config?user=bert")
	if code, _ := a.put("user=anna", "", a.runs); code != 428 {
		t.Errorf("without If-Match: %d", code)
	}
	if code, v := a.put("user=anna&tty=web+192.0.2.7", tag, strings.Replace(a.runs, "before", "annas", 1)); code != 200 || !v.Applied || v.ETag == strings.Trim(tag, `"`) {
		t.Fatalf("%d %+v", code, v)
	}
	code, v := a.put("user=bert", tag, strings.Replace(a.runs, "before", "berts", 1))
	if code != 412 || v.Applied || v.Changed.Account != "anna" || v.Changed.From != "web 192.0.2.7" || v.Changed.Time.IsZero() || a.box.cfg.Hostname != "annas" {
		t.Errorf("%d %+v %s", code, v, a.box.cfg.Hostname)
	}
	if code, v = a.put("user=bert", `"`+v.ETag+`"`, strings.Replace(a.runs, "before", "berts", 1)); code != 200 || a.box.cfg.Hostname != "berts" {
		t.Errorf("%d %+v", code, v)
	}
	for _, e := range a.box.trail {
		if strings.Contains(e.Line, "geheim") || strings.Contains(e.Line, "secret1") {
			t.Errorf("a secret in the trail: %+v", e)
		}
	}
	if !slices.ContainsFunc(a.box.trail, func(e status.Audit) bool {
		return e.Account == "bert" && e.What == status.AuditConfiguration && e.Line == "system hostname berts"
	}) {
		t.Errorf("the trail: %+v", a.box.trail)
	}
}

func TestWhatIsNotUnderstoodChangesNothing(t *testing.T) {
	a := newAsking(t)
	before := a.box.cfg
	for name, text := range map[string]string{"one line": a.runs + "nonsense\n", "nothing": "<html>\n", "empty": "", "zeros": "\x00\x00"} {
		code, v := a.put("user=anna", "*", text)
		if code != 422 || v.Applied || a.box.cfg != before || !strings.Contains(v.Error, "nothing was changed") {
			t.Errorf("%s: %d %q", name, code, v.Error)
		}
	}
	if code, v := a.put("leave-out&user=anna", "*", strings.Replace(a.runs, "before", "after", 1)+"nonsense\n"); code != 200 || !v.Applied || a.box.cfg.Hostname != "after" || v.Counts.Refused != 1 {
		t.Errorf("left out: %d %+v", code, v)
	}
	before = a.box.cfg
	if code, v := a.put("user=bert", "*", strings.Replace(a.runs, "operator otto", "superuser otto", 1)); code != 403 || !strings.Contains(v.Error, "only a superuser can manage accounts") || a.box.cfg != before {
		t.Errorf("an administrator makes a superuser: %d %+v", code, v)
	}
	for _, q := range []string{"keep=0", "keep=x", "keep=-1", "keep=86401"} {
		if code, _ := a.put(q+"&user=anna", "*", a.runs); code != 400 {
			t.Errorf("%s: %d", q, code)
		}
	}
	if code, _ := a.put("user=anna", "W/x", a.runs); code != 400 {
		t.Errorf("a malformed ETag: %d", code)
	}
	if code, _ := a.put("user=anna", "*", strings.Repeat("#", wire.MaxConfig+1)); code != 413 || a.box.cfg != before {
		t.Errorf("too large: %d", code)
	}
}

func TestAChangeIsKeptOnlyIfItIsConfirmed(t *testing.T) {
	a := newAsking(t)
	if code, v := a.put("keep=300&user=anna", "*", strings.Replace(a.runs, "before", "after", 1)); code != 200 || !v.Applied {
		t.Fatalf("%d %+v", code, v)
	}
	if st := a.box.Commit(); st.State != status.Pending || st.By.Account != "anna" {
		t.Errorf("%+v", st)
	}
	if code, v := a.put("keep=300&user=bert", "*", a.runs); code != 409 || v.Applied || a.box.cfg.Hostname != "after" {
		t.Errorf("another one: %d %+v", code, v)
	}
	if err := a.box.book.Back(status.Author{Account: "bert"}); err != nil || a.box.cfg.Hostname != "before" {
		t.Errorf("%v %s", err, a.box.cfg.Hostname)
	}
}

func TestConfigurationsAreComparedAndHelpStandsInTheText(t *testing.T) {
	a := newAsking(t)
	post := func(path, body string) string {
		r, err := a.client.Post("http://sbcd"+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return string(text)
	}
	if got := post("/v1/config/compare", `{"user":"otto","from":{"of":"startup-config"},"to":{"of":"running-config"}}`); !strings.Contains(got, `{"text":"system hostname saved"},{`) || strings.Contains(got, "geheim") || strings.Contains(got, "alt") ||
		!strings.Contains(got, `{"block":"authentication-service A","text":"username u password ***","come":true}`) {
		t.Error(got)
	}
	if got := post("/v1/config/compare", `{"user":"anna","from":{"of":"startup-config.7"},"to":{"text":"x"}}`); !strings.Contains(got, "there is no startup-config.7 yet") {
		t.Error(got)
	}
	for _, guess := range []string{`{"user":"otto","from":{"of":"running-config"},"to":{"text":"x"}}`, `{"user":"otto","from":{"text":"x"},"to":{"of":"running-config"}}`} {
		if got := post("/v1/config/compare", guess); !strings.Contains(got, "otto is an operator") {
			t.Errorf("an operator may find out a secret by trying: %s", got)
		}
	}
	text, _ := json.Marshal("context ip NEW\n  interface WAN\n\nport ethernet 0 1\n  bind interface \n")
	if got := post("/v1/config/help", `{"user":"anna","text":`+string(text)+`,"row":4,"line":"  bind interface NEW ","cursor":21}`); !strings.Contains(got, `"word":"WAN"`) {
		t.Errorf("a name of the text: %s", got)
	}
	if got := post("/v1/config/help", `{"user":"anna","text":`+string(text)+`,"row":2,"line":"    ipad","cursor":8}`); !strings.Contains(got, `"insert":"dress "`) {
		t.Errorf("the mode of the lines above: %s", got)
	}
	for _, body := range []string{`{"user":"otto","text":"","row":0,"line":"","cursor":0}`, `{"user":"anna","row":-1}`, `{"user":"anna","row":9,"line":"x","cursor":9}`} {
		if got := post("/v1/config/help", body); !strings.Contains(got, `"error"`) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// Any text that somebody sends is judged without a fault, changes nothing in a dry run, and nothing when a line is not understood.
func FuzzPutConfig(f *testing.F) {
	f.Add([]byte(runs), false)
	f.Add([]byte("port ethernet 0 0\n bind interface X Y\nno context ip ROUTER\nexit\n\xff\x00"), true)
	f.Add([]byte("context cs S\nmapping-table e164 to e164 T\nmap (1 to 2\nfoo\n bar\n"), false)
	l := lang.New()
	f.Fuzz(func(t *testing.T, text []byte, merge bool) {
		if len(text) > 4000 || strings.Contains(string(text), "password") {
			return // each password is hashed, which takes its time
		}
		cfg, _ := l.Parse([]byte("system hostname before\ncontext ip ROUTER\ninterface LAN\nport ethernet 0 0\nbind interface ROUTER LAN\n"))
		b, _ := newEditableOf(l, cfg)
		back := NewBackend(l, b)
		dry, err := back.PutConfig(t.Context(), &Session{}, lang.Proposal{Text: text, Merge: merge}, true)
		if err != nil || b.cfg != cfg || dry.Applied {
			t.Fatalf("a dry run: %v %+v", err, dry)
		}
		for _, p := range dry.Problems {
			if p.Line < 0 || p.Line > strings.Count(string(text), "\n")+strings.Count(string(text), "\r")+1 {
				t.Fatalf("a problem in line %d of %q", p.Line, text)
			}
		}
		wet, err := back.PutConfig(t.Context(), &Session{}, lang.Proposal{Text: text, Merge: merge}, false)
		if wet.Applied != (err == nil) || wet.Applied && dry.Counts.Refused > 0 || !wet.Applied && b.cfg != cfg {
			t.Fatalf("%v %+v", err, wet)
		}
		if wet.Applied && len(dry.Changes) == 0 && !dry.Reordered && wet.ETag != l.Tag(cfg) {
			t.Fatalf("something has changed that the dry run has not said: %q", text)
		}
	})
}

// One text is read at a time, and whoever has gone does not wait.
func TestTextsTakeTurns(t *testing.T) {
	b := NewBackend(lang.New(), nil).(*backend)
	within, over, err := b.turn(t.Context())
	if _, ends := within.Deadline(); !ends {
		t.Error("a text has all the time in the world")
	}
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := b.turn(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("%v: two texts are read at once", err)
	}
	over()
	if _, over, err = b.turn(t.Context()); err != nil {
		t.Error(err)
	}
	over()
}

// Texts that wait have a bound: each may have megabytes.
func TestSoManyTextsComeAtOnce(t *testing.T) {
	h := handler{texts: make(chan struct{}, mostTexts)}
	for range mostTexts {
		if !h.comes(httptest.NewRecorder()) {
			t.Fatal("there is no room")
		}
	}
	w := httptest.NewRecorder()
	if h.comes(w) || w.Code != http.StatusServiceUnavailable {
		t.Errorf("one more comes in: %d", w.Code)
	}
	if h.gone(); !h.comes(w) {
		t.Error("the place of one that has gone is not free")
	}
}

// A text whose time is over is not taken in part: neither by a dry run nor in earnest.
func TestATextThatTakesTooLongChangesNothing(t *testing.T) {
	b, l := newEditable(t)
	before := b.cfg
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p := lang.Proposal{Text: []byte("system hostname other\n"), Merge: true, LeaveOut: true}
	if _, err := l.Judge(over, b, p); !errors.Is(err, lang.ErrLong) {
		t.Errorf("a dry run: %v", err)
	}
	if _, err := l.Adopt(over, b, &lang.Session{User: "anna", Class: config.Superuser}, p); !errors.Is(err, lang.ErrLong) || b.cfg != before {
		t.Errorf("in earnest: %v, changed %v", err, b.cfg != before)
	}
	if _, err := l.Read(over, p.Text); !errors.Is(err, lang.ErrLong) {
		t.Errorf("a comparison: %v", err)
	}
	if h := l.HelpInText(over, b, &lang.Session{User: "anna", Class: config.Superuser}, "x\ny", 1, "", 0); len(h.Choices) > 0 {
		t.Errorf("help: %v", h)
	}
}
