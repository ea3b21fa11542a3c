package page

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each text is there in both languages, with the same verbs; each is used, and each that is used is there.
func TestWords(t *testing.T) {
	words, err := readWords(wordFiles)
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	files := map[string]bool{}
	for key, texts := range words {
		file, _, _ := strings.Cut(key, ".")
		files[file] = true
		if len(texts) != len(Languages) {
			t.Errorf("%s: not exactly in %q", key, Languages)
		}
		for _, lang := range Languages {
			if texts[lang] == "" {
				t.Errorf("%s: no %s", key, lang)
			}
			if got, want := verbs.FindAllString(texts[lang], -1), verbs.FindAllString(texts[Languages[0]], -1); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %q, %s has %q", key, lang, got, Languages[0], want)
			}
			if strings.Contains(texts[lang], " | ") != strings.Contains(texts[Languages[0]], " | ") {
				t.Errorf("%s: a plural in one language only", key)
			}
		}
	}
	used, beginnings := usedWords(t, files)
	for key := range used {
		if words[key] == nil {
			t.Errorf("%s is used in %s, and is not there", key, used[key])
		}
	}
	for key := range words {
		if used[key] == "" && !slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(key, b) }) {
			t.Errorf("%s is not used", key)
		}
	}
	for _, b := range beginnings {
		if !slices.ContainsFunc(keys(words), func(key string) bool { return strings.HasPrefix(key, b) }) {
			t.Errorf("no key begins with %s", b)
		}
	}
}

func keys(c catalogue) (list []string) {
	for key := range c {
		list = append(list, key)
	}
	return list
}

// usedWords are the keys that sources and templates name in full, and the beginnings of those that they put together ("who.class.").
func usedWords(t *testing.T, files map[string]bool) (used map[string]string, beginnings []string) {
	t.Helper()
	used = map[string]string{}
	comment := regexp.MustCompile(`(?m)^\s*//.*$`)
	quoted := regexp.MustCompile("[\"`]([a-z][a-z0-9-]*)\\.([a-z0-9._-]*)[\"`]")
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		ext := filepath.Ext(path)
		if d.IsDir() || ext != ".go" && ext != ".html" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = comment.ReplaceAll(text, nil)
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			key := m[1] + "." + m[2]
			switch {
			case !files[m[1]] || slices.Contains([]string{".html", ".go", ".txt"}, filepath.Ext(key)):
			case topicName(string(text), key):
			case strings.HasSuffix(key, ".") || strings.HasSuffix(key, "-"):
				beginnings = append(beginnings, key)
			default:
				used[key] = path
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used, beginnings
}

// topicName reports whether a file uses a key as the name of a topic, too, and as nothing else.
func topicName(text, key string) bool {
	name := regexp.QuoteMeta(key)
	all := regexp.MustCompile(`"`+name+`"`).FindAllString(text, -1)
	topics := regexp.MustCompile(`data-live="`+name+`"|map\[string\]page\.Topic\{[^}]*"`+name+`"`).FindAllString(text, -1)
	return len(topics) > 0 && len(all) <= len(topics)
}

func TestPlurals(t *testing.T) {
	c := catalogue{"x.calls": {"en": "%d call | %d calls", "de": "%d Gespräch | %d Gespräche"}, "x.plain": {"en": "%d of %s"}}
	for n, want := range map[int]string{0: "0 calls", 1: "1 call", 2: "2 calls"} {
		if got := c.number("en", "x.calls", n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := c.number("de", "x.calls", 2); got != "2 Gespräche" {
		t.Error(got)
	}
	if got := c.number("en", "x.plain", 1, "all"); got != "1 of all" {
		t.Error(got)
	}
	if got := c.text("en", "x.missing"); got != "x.missing" {
		t.Error(got)
	}
}

func TestCatalogueIsReadStrictly(t *testing.T) {
	for name, text := range map[string]string{
		"a foreign key":        "y.a\n  en: A\n",
		"a key twice":          "x.a\n  en: A\nx.a\n  en: B\n",
		"a language twice":     "x.a\n  en: A\n  en: B\n",
		"a text without a key": "  en: A\n",
		"no language":          "x.a\n  A\n",
	} {
		if err := (catalogue{}).read("x.", text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	c := catalogue{}
	if err := c.read("x.", "# comment\nx.a\n  en: A: b\n\n  de: Ä\n"); err != nil || c["x.a"]["en"] != "A: b" || c["x.a"]["de"] != "Ä" {
		t.Errorf("%v %v", c, err)
	}
}
