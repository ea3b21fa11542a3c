package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// The places that a configuration is copied from and to.
const (
	runningConfig = "running-config"
	startupConfig = "startup-config"
	factoryConfig = "factory-config"
	consolePlace  = "console:"
	flashPlace    = "flash:" // where an image goes
)

// place types of `copy` and `show config diff`.
type (
	copyFrom   string
	copyTo     string
	configFile string
)

// placeType is a word of a list, or a URL.
func placeType(what string, words ...string) cli.Type {
	return cli.Type{What: what, Words: words, Parse: func(w string, _ any) (any, error) {
		for _, known := range words {
			if w == known {
				return w, nil
			}
		}
		if isURL(w) {
			return w, nil
		}
		return nil, fmt.Errorf("%q is no place for a configuration: %s", w, strings.Join(words, ", ")+", http://HOST/PATH or https://HOST/PATH")
	}}
}

func isURL(w string) bool { return strings.HasPrefix(w, "http://") || strings.HasPrefix(w, "https://") }

// fileType is a configuration that the box has.
func fileType() cli.Type {
	words := []string{runningConfig, startupConfig, factoryConfig}
	for n := 1; n <= keptConfigs; n++ {
		words = append(words, fmt.Sprintf("%s.%d", startupConfig, n))
	}
	return cli.Type{What: "configuration", Words: words}
}

const keptConfigs = 10 // startup-config.1 is the youngest

type copyArgs struct {
	From  copyFrom
	To    copyTo
	Force bool
}

func copyConfig(c *call, a *copyArgs) error {
	from, to := string(a.From), string(a.To)
	switch {
	case to == flashPlace:
		return c.fetchImage(from, a.Force)
	case a.Force:
		return errors.New("force is for images: copy https://HOST/PATH flash: force")
	case from == to && from != consolePlace:
		return errors.New("a copy onto itself")
	}
	text, err := c.read(from)
	if err != nil || c.result.Collect != nil {
		return err
	}
	switch {
	case to == consolePlace:
		_, err := c.out.Write(text)
		return err
	case isURL(to):
		if err := c.box.Send(c.ctx, to, text); err != nil {
			return fmt.Errorf("send to %s: %w", to, err)
		}
		return nil
	case to == startupConfig && from == runningConfig:
		return c.write(text)
	}
	cfg, err := c.judged(from, text)
	if err != nil {
		return err
	}
	if from != factoryConfig && !c.managesAccounts() && !sameAccounts(cfg, c.box.Running()) {
		return fmt.Errorf("the accounts of %s are others than those of the %s: only a superuser manages accounts", from, runningConfig)
	}
	if to == startupConfig {
		return c.write(text)
	}
	c.result.Changed = true
	err = c.box.Mutate(func(*config.Config) (*config.Config, error) { return cfg, nil })
	c.place = c.lang.place(c.box.Running(), c.place.mode())
	return err
}

// sameAccounts reports whether the same people get in with either configuration.
func sameAccounts(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Accounts, b.Accounts) && reflect.DeepEqual(a.PublicKeys, b.PublicKeys)
}

func (c *call) write(text []byte) error {
	if err := c.box.WriteFile(startupConfig, text); err != nil {
		return fmt.Errorf("write %s: %w", startupConfig, err)
	}
	return nil
}

// read returns a configuration as text; from the console it may only ask for it.
func (c *call) read(from string) ([]byte, error) {
	switch {
	case from == runningConfig:
		return c.lang.Print(c.box.Running(), c.masked()), nil
	case from == consolePlace && c.body == nil:
		c.result.Collect = &Collect{Prompt: "Paste the configuration (enter a line with a single . when done):", Kind: "text"}
		return nil, nil
	case from == consolePlace:
		return c.body, nil
	case isURL(from):
		text, err := c.box.Fetch(c.ctx, from)
		if err != nil {
			return nil, fmt.Errorf("fetch %s: %w", from, err)
		}
		return text, nil
	}
	text, err := c.box.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s yet", from)
	}
	return text, err
}

// judged parses a configuration that is to be used as a whole. One that holds lines which are not understood is refused when
// it comes from outside: it may be anything, the error page of a web server for example.
func (c *call) judged(from string, text []byte) (*config.Config, error) {
	cfg, problems := c.lang.Parse(text)
	bad := 0
	for _, p := range problems {
		if p.Severity != Error {
			continue
		}
		const shown = 10
		if bad++; bad <= shown {
			c.printf("%% line %d: %s\n", p.Line, p.Text)
		}
	}
	if bad > 0 && (from == consolePlace || isURL(from)) {
		return nil, fmt.Errorf("%s not understood: nothing was copied", plural(bad, "line"))
	}
	return cfg, nil
}

type diffArgs struct{ A, B configFile }

// showDiff compares two configurations line by line, each line with the block that it stands in; their order means nothing.
func showDiff(c *call, d *diffArgs) error {
	a, b := d.A, d.B
	if a == "" {
		a = startupConfig
	}
	if b == "" {
		b = runningConfig
	}
	before, err := c.linesOf(string(a))
	if err != nil {
		return err
	}
	after, err := c.linesOf(string(b))
	if err != nil {
		return err
	}
	gone, come := missingIn(before, after), missingIn(after, before)
	if len(gone)+len(come) == 0 {
		c.printf("%s and %s are the same.\n", a, b)
		return nil
	}
	c.printf("- only in %s\n+ only in %s\n", a, b)
	for _, block := range blocksOf(gone, come) {
		if block != "" {
			c.printf("%s\n", block)
		}
		for _, l := range gone {
			if l.block == block {
				c.printf("- %s\n", l.text)
			}
		}
		for _, l := range come {
			if l.block == block {
				c.printf("+ %s\n", l.text)
			}
		}
	}
	return nil
}

// printedLine is a line with the headers of the block that it stands in.
type printedLine struct{ block, text string }

func (c *call) linesOf(name string) ([]printedLine, error) {
	cfg := c.box.Running()
	if name != runningConfig {
		text, err := c.read(name)
		if err != nil {
			return nil, err
		}
		cfg, _ = c.lang.Parse(text)
	}
	var list []printedLine
	c.lang.printer(cfg).Walk(cfg, c.masked(), func(p *cli.Printed) {
		list = append(list, printedLine{strings.Join(p.Path, " / "), p.Text})
	})
	return list, nil
}

func missingIn(list, other []printedLine) (missing []printedLine) {
	have := map[printedLine]bool{}
	for _, l := range other {
		have[l] = true
	}
	for _, l := range list {
		if !have[l] {
			missing = append(missing, l)
		}
	}
	return missing
}

func blocksOf(lists ...[]printedLine) (blocks []string) {
	seen := map[string]bool{}
	for _, list := range lists {
		for _, l := range list {
			if !seen[l.block] {
				seen[l.block] = true
				blocks = append(blocks, l.block)
			}
		}
	}
	slices.Sort(blocks)
	return blocks
}

var errBackup = errors.New("only a superuser: a backup holds the accounts and the private keys")

// exportBackup prints everything that makes this box what it is, under a pass phrase.
func exportBackup(c *call, _ *none) error {
	if !c.managesAccounts() {
		return errBackup
	}
	pass := strings.Trim(string(c.body), "\r\n")
	if pass == "" {
		c.result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "secret"}
		return nil
	}
	text, err := c.box.Backup(pass)
	if err != nil {
		return fmt.Errorf("export backup: %w", err)
	}
	_, err = c.out.Write(text)
	return err
}

func importBackup(c *call, _ *none) error {
	if !c.managesAccounts() {
		return errBackup
	}
	if c.body == nil {
		c.result.Collect = &Collect{Prompt: "Paste the backup (enter an empty line when done):", Kind: "pem"}
		return nil
	}
	text, pass := splitPassphrase(c.body)
	if pass == "" {
		c.result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "secret"}
		return nil
	}
	what, err := c.box.Restore(text, pass)
	if err != nil {
		return fmt.Errorf("import backup: %w; nothing stored", err)
	}
	c.printf("%s\nThe startup-config is that of the backup; `reload` starts with it.\n", what)
	return nil
}
