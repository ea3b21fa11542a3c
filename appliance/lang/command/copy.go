package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/lang/word"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// Sources and destinations of `copy`.
const (
	RunningConfig = "running-config"
	StartupConfig = "startup-config"
	FactoryConfig = "factory-config"
	consoleText   = "console:"
	flashImages   = "flash:" // for images
)

// Types of the arguments of `copy` and `show config diff`.
type (
	copyFrom   string
	copyTo     string
	configFile string
)

// copyType is one of some words, or a URL.
func copyType(what string, words ...string) cli.Type {
	return cli.Type{What: what, Words: words, Help: configHelp, Parse: func(w string, _ any) (any, error) {
		if slices.Contains(words, w) || isURL(w) {
			return w, nil
		}
		if strings.HasPrefix(w, capturedCall) && len(w) > len(capturedCall) && !slices.Contains(words, flashImages) {
			return w, nil
		}
		if strings.HasPrefix(w, pkcs12Class) && slices.Contains(words, flashImages) {
			if _, err := word.Kinds()["pkcs12"].Parse(w, nil); err != nil {
				return nil, err
			}
			return w, nil
		}
		return nil, fmt.Errorf("%q is not a place for a configuration, which is %s", w, strings.Join(slices.DeleteFunc(slices.Clone(words), numbered), ", ")+", http://HOST/PATH or https://HOST/PATH")
	}}
}

func isURL(w string) bool { return strings.HasPrefix(w, "http://") || strings.HasPrefix(w, "https://") }

// savedConfigs returns the names of configurations in files.
func savedConfigs() []string {
	words := []string{StartupConfig, FactoryConfig}
	for n := 1; n <= keptConfigs; n++ {
		words = append(words, keptConfig(n))
	}
	return words
}

// numbered reports whether a word names an earlier startup-config.
func numbered(word string) bool { return strings.HasPrefix(word, StartupConfig+".") }

// keptConfig returns the name of the Nth last startup-config.
func keptConfig(n int) string { return fmt.Sprintf("%s.%d", StartupConfig, n) }

// fileType is the name of a configuration on the box.
func fileType() cli.Type {
	return cli.Type{What: "configuration", Words: append([]string{RunningConfig}, savedConfigs()...), Help: configHelp}
}

// configHelp is the help for sources and destinations.
var configHelp = func() map[string]string {
	help := map[string]string{
		RunningConfig: "The active configuration",
		StartupConfig: "The saved configuration, with which the box starts",
		FactoryConfig: "The factory settings",
		consoleText:   "This terminal: paste or show the text",
		flashImages:   "The flash memory for images",
	}
	for n := 1; n <= keptConfigs; n++ {
		help[keptConfig(n)] = fmt.Sprintf("The one that was saved %s before it", map[bool]string{true: "just", false: fmt.Sprintf("%d times", n)}[n == 1])
	}
	return help
}()

const keptConfigs = 10 // startup-config.1 is the newest

// OnlyKept removes startup-configs that do not exist from the help.
func OnlyKept(h cli.Help, box device.Box, partial string) cli.Help {
	there := -1
	gone := func(word string) bool {
		n, err := strconv.Atoi(strings.TrimPrefix(word, StartupConfig+"."))
		if !numbered(word) || err != nil {
			return false
		}
		if there < 0 {
			there = box.Kept()
		}
		return n > there
	}
	before := len(h.Choices)
	h.Choices = slices.DeleteFunc(h.Choices, func(c cli.Choice) bool { return gone(c.Word) })
	if len(h.Choices) == before {
		return h
	}
	words := slices.DeleteFunc(slices.Clone(h.Choices), func(c cli.Choice) bool { return strings.HasPrefix(c.Word, "<") })
	if len(words) == 1 {
		h.Insert = strings.TrimPrefix(words[0].Word, partial) + " "
	}
	return h
}

type copyArgs struct {
	From    copyFrom
	To      copyTo
	Replace bool
	Force   bool
	Minutes int
}

func copyConfig(c *Call, a *copyArgs) error {
	from, to := string(a.From), string(a.To)
	switch {
	case strings.HasPrefix(from, capturedCall):
		return c.sendCall(from, to)
	case to == flashImages:
		return c.fetchImage(from, a.Force)
	case strings.HasPrefix(to, pkcs12Class):
		if err := Copies(c.Box); err != nil {
			return err
		}
		return c.fetchPKCS12(from, to)
	case a.Replace && to != RunningConfig:
		return errors.New("only the running-config is merged or replaced")
	case a.Force && !a.Replace:
		return errors.New("force is for images, copy https://HOST/PATH flash: force, and leaves out the question of replace")
	case a.Minutes > 0 && to != RunningConfig:
		return errors.New("confirm is for the running-config: nothing else goes back by itself")
	case from == to && from != consoleText:
		return errors.New("source and destination are the same")
	}
	if to == RunningConfig || to == StartupConfig {
		if err := Copies(c.Box); err != nil {
			return err
		}
	}
	text, err := c.read(from)
	if err != nil || c.Result.Collect != nil {
		return err
	}
	switch {
	case to == consoleText:
		_, err := io.WriteString(c.Out, printable.Lines(string(text)))
		return err
	case isURL(to):
		if err := c.Box.Send(c.Ctx, to, text); err != nil {
			return fmt.Errorf("send to %s: %w", to, reason(err))
		}
		return c.copied(from, to, text)
	case to == RunningConfig && a.Replace:
		return c.replace(from, text, a)
	case to == RunningConfig:
		return c.merge(from, text, a.Minutes)
	}
	return c.save(from, text)
}

// save writes a text to the startup-config. It rejects a text from outside if it does not understand all lines: the text may be anything,
// for example the error page of a web server.
func (c *Call) save(from string, text []byte) error {
	cfg := c.Box.Running()
	if from == RunningConfig {
		if err := c.unconfirmed(); err != nil {
			return err
		}
	} else {
		parsed, taken, problems := c.Language.ParseOnto(config.New(), text)
		cfg = parsed
		bad, outside := c.refused(problems), from == consoleText || isURL(from)
		switch {
		case outside && bad > 0:
			return fmt.Errorf("%s not understood: nothing was copied", plural.Of(bad, "line"))
		case outside && taken == 0:
			return fmt.Errorf("nothing in %s is a line of a configuration: nothing was copied", from)
		}
		if err := c.Session.mayHave(from, cfg, c.Box.Running()); err != nil {
			return err
		}
	}
	if err := c.Box.WriteFile(StartupConfig, text); err != nil {
		return fmt.Errorf("write %s: %w", StartupConfig, err)
	}
	if !cfg.LetsIn() {
		c.Printf("%% warning: it has no account with a password or a public key: logins over the network will not be possible after the next reload\n")
	}
	return c.copied(from, StartupConfig, text)
}

// copied confirms a copy.
func (c *Call) copied(from, to string, text []byte) error {
	c.Printf("%s copied to %s: %s\n", from, to, plural.Of(strings.Count(string(text), "\n"), "line"))
	return nil
}

// read returns a configuration as text. For console: it first asks the console for the text.
func (c *Call) read(from string) ([]byte, error) {
	switch {
	case from == RunningConfig:
		return c.Language.Print(c.Box.Running(), c.masked()), nil
	case from == consoleText && c.Body == nil:
		c.Result.Collect = &Collect{Prompt: "Paste the configuration (enter a line with a single . when done):", Kind: "text"}
		return nil, nil
	case from == consoleText:
		return c.Body, nil
	case isURL(from):
		text, err := c.Box.Fetch(c.Ctx, from)
		if err != nil {
			return nil, fmt.Errorf("fetch %s: %w", from, reason(err))
		}
		return text, nil
	}
	text, err := c.Box.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFile{from}
	}
	return text, err
}

// reason is why a transfer failed, without the URL, which is named already.
func reason(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// refusedShown limits how many rejected lines are listed.
const refusedShown = 20

// refused lists the rejected lines of a text, and returns how many there are.
func (c *Call) refused(problems []check.Problem) (n int) {
	for _, p := range problems {
		if p.Severity != check.Error {
			continue
		}
		if n++; n <= refusedShown {
			c.Printf("%% line %d: %s\n", p.Line, p.Text)
		}
	}
	if n > refusedShown {
		c.Printf("%% and %s\n", plural.Of(n-refusedShown, "more line"))
	}
	return n
}

// missingFile is the error for a configuration that was never saved.
type missingFile struct{ name string }

func (m *missingFile) Error() string { return fmt.Sprintf("there is no %s yet", m.name) }
func (m *missingFile) Unwrap() error { return fs.ErrNotExist }

type diffArgs struct{ A, B configFile }

// showDiff compares two configurations line by line. A line is compared together with its block; the order of lines does not matter.
func showDiff(c *Call, d *diffArgs) error {
	a, b := d.A, d.B
	if a == "" {
		a = StartupConfig
	}
	if b == "" {
		b = RunningConfig
	}
	before, err := c.linesOf(string(a))
	if err != nil {
		return err
	}
	after, err := c.linesOf(string(b))
	if err != nil {
		return err
	}
	if c.page().Differences(string(a), string(b), before, after, 0) == 0 {
		c.Printf("%s and %s are the same.\n", a, b)
	}
	return nil
}

func (c *Call) linesOf(name string) ([]answer.ConfigLine, error) {
	if name == RunningConfig {
		return c.printed(c.Box.Running()), nil
	}
	text, err := c.read(name)
	if err != nil {
		return nil, err
	}
	cfg, _ := c.Language.Parse(text)
	return c.printed(cfg), nil
}

// printed returns the lines of a configuration.
func (c *Call) printed(cfg *config.Config) (list []answer.ConfigLine) {
	c.Language.Walk(cfg, c.masked(), func(p *cli.Printed) {
		list = append(list, answer.ConfigLine{Block: strings.Join(p.Path, " / "), Text: p.Text})
	})
	return list
}

// merge applies the lines of a text to the running configuration, as if they were pasted.
func (c *Call) merge(from string, text []byte, onTrial int) error {
	var taken int
	var problems []check.Problem
	changed, err := Adopt(c.Language, c.Box, c.Session, Adoption{From: from, Keep: minutes(onTrial), Make: func(old *config.Config) (*config.Config, error) {
		merged, n, found := c.Language.ParseOnto(old, text)
		if taken, problems = n, found; n == 0 {
			return nil, errNothing
		}
		return merged, nil
	}})
	if err != nil && !errors.Is(err, errNothing) {
		return err
	}
	c.Place.Renew()
	c.Result.Changed = changed
	bad := c.refused(problems)
	if err != nil {
		return fmt.Errorf("no line of %s is understood: nothing was changed", from)
	}
	c.Printf("%s merged into the %s: %s taken, %d refused\n", from, RunningConfig, plural.Of(taken, "line"), bad)
	if onTrial > 0 {
		c.onTrial(onTrial)
	}
	if bad > 0 {
		return errRefused
	}
	return nil
}

var errNothing = errors.New("nothing is understood")

// errRefused is the error of a copy that has rejected some lines.
var errRefused = errors.New("the lines above were rejected; all others are active")

// diffShown limits the lines of a difference in a confirmation.
const diffShown = 60

// replace replaces the running configuration by a text, after it has shown the differences and asked for confirmation.
func (c *Call) replace(from string, text []byte, a *copyArgs) error {
	cfg, problems := c.Language.Parse(text)
	bad := c.refused(problems)
	switch {
	case !c.Language.Understands(text):
		return fmt.Errorf("no line of %s is understood: nothing was changed", from)
	case bad > 0 && a.Force && !c.Session.Yes:
		return fmt.Errorf("%s not understood: nothing was changed", plural.Of(bad, "line"))
	}
	if err := c.Session.mayHave(from, cfg, c.Box.Running()); err != nil {
		return err
	}
	if !c.Session.Yes && c.page().Differences(RunningConfig, from, c.printed(c.Box.Running()), c.printed(cfg), diffShown) == 0 {
		c.Printf("%s and %s are the same: nothing was changed\n", from, RunningConfig)
		return nil
	}
	if !a.Force && !c.Session.Yes {
		if bad > 0 {
			c.Printf("%% %s not understood and left out\n", plural.Of(bad, "line"))
		}
		if !cfg.LetsIn() {
			c.Printf("%% warning: it has no account with a password or a public key: logins over the network will not be possible\n")
		}
	}
	if !c.confirmed(a.Force, "Replace the running configuration with "+from+"?") {
		return nil
	}
	_, err := Adopt(c.Language, c.Box, c.Session, Adoption{From: from, Keep: minutes(a.Minutes), Make: func(*config.Config) (*config.Config, error) { return cfg, nil }})
	if err != nil {
		return err
	}
	c.Result.Changed = true
	c.Place.Renew()
	c.Printf("%s is the %s now: %d refused\n", from, RunningConfig, bad)
	if a.Minutes > 0 {
		c.onTrial(a.Minutes)
	}
	if bad > 0 {
		return errRefused
	}
	return nil
}
