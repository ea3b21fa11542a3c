package provisioning

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/health"
)

// An administrator's template takes the place of the built-in one, and one that cannot be used never does.
func TestTemplatesOfAnAdministrator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Open(time.Hour, "admin")
		built := b.want(200, addr(21), "/001565aabbcc.cfg")
		own := "#!version:1.0.0.1\n{{range .Accounts}}account.{{.Number}}.password = {{.Password}}\n{{end}}phone_setting.ring_type = Ring3.wav\n"
		if err := b.ImportTemplate("yealink", []byte(own)); err != nil {
			t.Fatal(err)
		}
		want := "#!version:1.0.0.1\naccount.1.password = correct horse\nphone_setting.ring_type = Ring3.wav\n"
		if got := b.want(200, addr(21), "/001565aabbcc.cfg"); got != want {
			t.Errorf("the file is\n%s", got)
		}
		if x, err := b.Template("yealink"); err != nil || !x.Own || x.Text != own {
			t.Errorf("shown is %+v, %v", x, err)
		}
		for _, bad := range []struct{ name, text, why string }{
			{"yealink", "#!version:1.0.0.1\n{{.Nothing}}", "Nothing"},
			{"yealink", "#!version:1.0.0.1\n{{range .Accounts}}{{.Nothing}}{{end}}", "Nothing"},
			{"yealink", "#!version:1.0.0.1\n{{if}}", "missing value"},
			{"yealink", "account.1.enable = 1\n", "first line"},
			{"yealink", "", "first line"},
			{"yealink", "#!version:1.0.0.1\n{{range 1000000000}}x{{end}}", "range takes a field"},
			{"yealink", "#!version:1.0.0.1\n{{$n := 9}}{{range $n}}x{{end}}", "range takes a field"},
			{"yealink", "#!version:1.0.0.1\n{{range .Codecs}}{{range $.Codecs}}{{range $.Codecs}}{{range $.Codecs}}x{{end}}{{end}}{{end}}{{end}}", "within each other"},
			{"yealink", `#!version:1.0.0.1` + "\n" + `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, "further ones"},
			{"yealink", "#!version:1.0.0.1\n" + `{{template "yealink" .}}`, "is not taken"},
			{"yealink", "#!version:1.0.0.1\n" + `{{range .Codecs}}{{range $.Codecs}}{{range $.Codecs}}` + strings.Repeat("x", 4<<10) + `{{end}}{{end}}{{end}}`, "larger than"},
			{"yealink", strings.Repeat("#", maxTemplate+1), "at most 64 KiB"},
			{"yealink", "#!version:1.0.0.1\n\x00", "is text"},
			{"snom", "<settings><a></settings>", "XML"},
			{"snom", "<settings/><settings/>", "one element"},
			{"snom", "{{if .MAC}}<settings/>{{end}}", "one element"},
			{"cisco", "x", "no such template"},
			{"../licenses", "x", "no such template"},
		} {
			if err := b.ImportTemplate(bad.name, []byte(bad.text)); err == nil || !strings.Contains(err.Error(), bad.why) {
				t.Errorf("%.60q: %v, want %q", bad.text, err, bad.why)
			}
		}
		if got := b.want(200, addr(21), "/001565aabbcc.cfg"); got != want {
			t.Error("a template that was refused is used")
		}
		b.begin()
		if got := b.want(200, addr(21), "/001565aabbcc.cfg"); got != want {
			t.Error("a restart forgets the template")
		}
		if err := b.EraseTemplate("yealink"); err != nil || b.want(200, addr(21), "/001565aabbcc.cfg") != built {
			t.Errorf("erased: %v, and the built-in one is not back", err)
		}

		// One that fails with values that no trial had: the built-in one serves, the alarm stays until it is replaced.
		for name, text := range map[string]string{"fails": `#!version:1.0.0.1` + "\n" + `{{range .Accounts}}{{if eq .Identity "21"}}{{.Nothing}}{{end}}{{end}}`} {
			text = strings.Replace(text, `"21"`, `"23"`, 1)
			if err := b.ImportTemplate("yealink", []byte(text)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b.cfg.Provisioning[0].Phones[0].Identity = "23"
			if got := b.want(200, addr(21), "/001565aabbcc.cfg"); !strings.Contains(got, "account.1.password = third-secret\n") {
				t.Errorf("%s: %s", name, got)
			}
			if x, _ := b.Template("yealink"); !b.alarms.Active(health.ProvisioningTemplate) || x.Fault == "" {
				t.Errorf("%s: no alarm, %+v", name, x)
			}
			b.want(200, addr(21), "/001565aabbcc.cfg")
			if err := b.EraseTemplate("yealink"); err != nil || b.alarms.Active(health.ProvisioningTemplate) {
				t.Errorf("%s: %v, the alarm stays", name, err)
			}
		}

		// A kept one of another version of the box is checked at the start.
		b.templates["snom"] = []byte("<settings>")
		b.begin()
		if x, _ := b.Template("snom"); !b.alarms.Active(health.ProvisioningTemplate) || x.Fault == "" || !x.Own || x.Text != "<settings>" {
			t.Errorf("a kept template that is not XML: %+v", x)
		}
		b.Open(time.Hour, "admin")
		if text := b.want(200, addr(22), "/0004139922ff.xml"); !strings.Contains(text, "<user_name") {
			t.Errorf("the built-in one does not serve: %s", text)
		}
	})
}

// A template is not lost when it cannot be kept.
func TestTemplateThatIsNotKept(t *testing.T) {
	b := newBench(t)
	b.Server.templates.o.SaveTemplate = func(string, []byte) error { return errors.New("no space left on device") }
	if err := b.ImportTemplate("snom", []byte("<settings/>")); err == nil {
		t.Error("it was not kept, and nobody is told")
	}
	if x, _ := b.Template("snom"); x.Own {
		t.Error("it is used until the next start only")
	}
}

// No template makes texts, which could fill the memory: 22 lines such as the first make 90 MB of a URL.
func TestTemplatesMakeNoTexts(t *testing.T) {
	for _, text := range []string{
		`{{$x := .URL}}{{$x = print $x $x}}`, `{{with printf "%1000000d" 1}}{{end}}`, `{{if eq .URL (println 1)}}{{end}}`, `{{.URL | js | js}}`,
		`{{range .Accounts}}{{if true}}{{else}}{{html .Name}}{{end}}{{end}}`, `{{(urlquery .URL).X}}`, `{{call .URL}}`, `{{with .URL}}{{else with print 1}}{{end}}`,
	} {
		if _, err := checked("yealink", yealinkHead+text); err == nil || !strings.Contains(err.Error(), "is not taken") && !strings.Contains(err.Error(), "not defined") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := checked("yealink", yealinkHead+`{{range $i, $a := .Accounts}}{{if and (ne $i 0) (not (eq .Name ""))}}{{$a.Name}}{{$.URL}}{{end}}{{end}}`); err != nil {
		t.Error(err)
	}
}

// parts are the values of a file, in order.
func parts(t *testing.T, maker, text string) (list []string) {
	t.Helper()
	if maker == "yealink" {
		for l := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSuffix(l, "\n"), " = ")
			list = append(list, key, value)
		}
		return list
	}
	d, inside := xml.NewDecoder(strings.NewReader(text)), false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", maker, err, text)
		}
		switch x := token.(type) {
		case xml.StartElement:
			list = append(list, x.Name.Local)
			for _, a := range x.Attr {
				list = append(list, a.Name.Local, a.Value)
			}
			list, inside = append(list, ""), true
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside && strings.TrimSpace(string(x)) != "" {
				list[len(list)-1] += string(x)
			}
		}
	}
}

// Whatever a name or a password is, a file has the same parts as with plain ones, and the password is the one that was configured.
func FuzzValues(f *testing.F) {
	f.Add("Anna", "correct horse")
	f.Add("Anna\naccount.1.sip_server.1.address = evil", "x\r\ny")
	f.Add(`"/><user_host idx="1">evil</user_host>`, `]]>&lt;<!--`)
	f.Add("{{.Password}}", "{{.Label}}")
	f.Add("\x00\u2028\xff", "\u202e")
	set := newTemplates(Options{LoadTemplate: func(string) ([]byte, error) { return nil, nil }, Health: new(health.Tracker)})
	f.Fuzz(func(t *testing.T, name, password string) {
		for _, maker := range []string{"yealink", "snom", "gigaset"} {
			plain := samples[0]
			text, err := set.fill(maker, plain)
			if err != nil {
				t.Fatal(err)
			}
			v := plain
			a := plain.Accounts[0]
			a.Name, a.Label, a.CallerID, a.Password = name, name, name, password
			v.Accounts, v.Servers = []account{a}, []account{a}
			hostile, err := set.fill(maker, v)
			if err != nil {
				continue // a password that the file cannot carry
			}
			want, got := parts(t, maker, string(text)), parts(t, maker, string(hostile))
			if len(want) != len(got) {
				t.Fatalf("%s has %d parts with %q and %q, want %d:\n%s", maker, len(got), name, password, len(want), hostile)
			}
			found := false
			for i := range want {
				switch {
				case want[i] == plain.Accounts[0].Password:
					found = true
					if got[i] != password {
						t.Errorf("%s: the password %q arrives as %q", maker, password, got[i])
					}
				case want[i] == "Anna", want[i] == "+4972115104221":
				case want[i] != got[i]:
					t.Errorf("%s: %q has become %q", maker, want[i], got[i])
				}
			}
			if !found {
				t.Errorf("%s has no password", maker)
			}
		}
	})
}

// Whatever a template is, it ends soon or is refused.
func FuzzTemplate(f *testing.F) {
	for _, name := range TemplateNames {
		f.Add(name, builtInText(name))
	}
	f.Add("yealink", "#!version:1.0.0.1\n{{$x := .URL}}"+strings.Repeat("{{$x = print $x $x}}", 60))
	f.Add("yealink", "#!version:1.0.0.1\n{{range .Accounts}}{{range $.Codecs}}{{.Name}}{{end}}{{end}}")
	f.Fuzz(func(t *testing.T, name, text string) {
		if !slices.Contains(TemplateNames, name) { // nobody gets further with another one
			name = TemplateNames[len(name)%len(TemplateNames)]
		}
		checked(name, text)
	})
}
