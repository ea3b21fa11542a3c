package page

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// Languages of the page; the first is that of whoever asks for none of them.
var Languages = []string{"en", "de"}

//go:embed words/*.txt
var wordFiles embed.FS

// catalogue has the text of each key in each language.
type catalogue map[string]map[string]string

// readWords reads the catalogue.
func readWords(files fs.FS) (catalogue, error) {
	names, err := fs.Glob(files, "words/*.txt")
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	c := catalogue{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		prefix := strings.TrimSuffix(strings.TrimPrefix(name, "words/"), ".txt") + "."
		if err := c.read(prefix, string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// read reads one file: a key, and under it a line for each language, indented. A line with # is a comment.
func (c catalogue) read(prefix, text string) error {
	key := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case line[0] != ' ':
			key = trimmed
			if !strings.HasPrefix(key, prefix) {
				return fmt.Errorf("line %d: %s does not begin with %s", i+1, key, prefix)
			}
			if c[key] != nil {
				return fmt.Errorf("line %d: %s is there already", i+1, key)
			}
			c[key] = map[string]string{}
		default:
			lang, words, ok := strings.Cut(trimmed, ": ")
			if !ok || key == "" || c[key][lang] != "" {
				return fmt.Errorf("line %d: not a text of a key", i+1)
			}
			c[key][lang] = words
		}
	}
	return nil
}

// text is the text of a key, with its verbs filled in. A key that is not there stands for itself.
func (c catalogue) text(lang, key string, args ...any) string {
	words, ok := c[key][lang]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return words
	}
	return fmt.Sprintf(words, args...)
}

// number is the text of a key with a number, in the singular or the plural: "%d call | %d calls".
func (c catalogue) number(lang, key string, count int, args ...any) string {
	words, ok := c[key][lang]
	if !ok {
		return key
	}
	one, many, plural := strings.Cut(words, " | ")
	if plural && count != 1 {
		one = many
	}
	return fmt.Sprintf(one, append([]any{count}, args...)...)
}
