package overview

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"viaduct/appliance/health"
)

// Every alarm has its title in the catalogue, and the English one is that of its declaration, which docs/alarms.md repeats.
func TestEveryAlarmHasATitle(t *testing.T) {
	words, err := os.ReadFile("../page/words/alarms.txt")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../../docs/alarms.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, c := range new(health.Tracker).Counts() {
		declared[titles+c.ID] = true
		entry := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(titles+c.ID) + `\n  en: (.+)\n  de: (.+)\n`).FindSubmatch(words)
		title := regexp.MustCompile(`(?m)^## ` + c.ID + `\n\n(.+), ` + c.Severity.String() + `\.`).FindSubmatch(manual)
		switch {
		case entry == nil:
			t.Errorf("words/alarms.txt has no %s%s in both languages", titles, c.ID)
		case title == nil || string(title[1]) != string(entry[1]):
			t.Errorf("%s is called %q in words/alarms.txt and %q in docs/alarms.md", c.ID, entry[1], title)
		case strings.ContainsAny(string(entry[1])+string(entry[2]), "{}%"):
			t.Errorf("%s: a title has no placeholders: %q", c.ID, entry)
		}
	}
	for _, key := range regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(titles)+`\S+`).FindAllString(string(words), -1) {
		if !declared[key] {
			t.Errorf("there is no alarm for %s", key)
		}
	}
}
