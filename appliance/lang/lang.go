package lang

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/lang/word"
	"viaduct/appliance/pasted"
	"viaduct/appliance/printable"
)

// Session is the user of a console, Result and Collect tell the console what to do after a line.
type (
	Session = command.Session
	Result  = command.Result
	Collect = command.Collect
)

// Help is what can come next at a position in a line.
type Help = cli.Help

// Choice is one possible next word: a keyword, the name of an object, or a form such as "<seconds>".
type Choice = cli.Choice

// Language is the compiled table. Many sessions can use it concurrently.
type Language struct {
	table    *cli.Table
	editor   *cli.Editor
	operator *cli.Mode // commands for every account
	admin    *cli.Mode // all commands, for administrators after enable

	sealed func() *cli.Table // prints secrets sealed; nil: there is no key
	tags   [32]byte          // the key of Tag
}

// options are the words of the language, for the configuration and for commands.
var options = cli.Options{Types: command.Types(), Kinds: command.Kinds(), Topics: word.Topics(), Words: word.Help(), Same: config.SameName}

// New compiles the table. It panics if the table has a mistake.
func New() *Language { return NewSealing(nil) }

// NewSealing compiles the table for a box that can seal secrets.
func NewSealing(s Sealer) *Language {
	t := cli.New(config.New(), statements, sealing(options, s, false))
	var sealed func() *cli.Table
	if s != nil { // only a configuration with password-encryption wants it, and a start need not wait for it
		sealed = sync.OnceValue(func() *cli.Table { return cli.New(config.New(), statements, sealing(options, s, true)) })
	}
	l := &Language{sealed: sealed, table: t, editor: t.NewEditor(), operator: t.Commands(command.Operator()), admin: t.Commands(command.Admin())}
	rand.Read(l.tags[:])
	return l
}

// Exec runs one line for s and writes the output to out. body is the block that an earlier Result asked for. If the line was rejected, Exec
// returns an error, which it has already written to out.
func (l *Language) Exec(ctx context.Context, box device.Box, s *Session, line string, body []byte, out io.Writer) (Result, error) {
	cfg := box.Running()
	p := l.resolve(cfg, s.Mode)
	if !s.May(config.Administrator) {
		p = cursor{}
	}
	copied := pasted.Read(line)
	line = copied.Text
	c := &call{Call: command.Call{Ctx: ctx, Language: l, Box: box, Session: s, Body: body, Out: out}, lang: l, object: copied.Object, at: p}
	c.Place = c
	c.leaveGone()
	err := l.exec(c, cfg, line)
	if err != nil && l.showHelp(c, line, err) {
		err = nil
	}
	if err != nil {
		l.explain(out, line, err)
	}
	if err != nil && c.at.out != nil && c.at.out.sure {
		c.Printf("%% the lines below it are left out, up to the next header that is understood\n")
	}
	c.Result.Mode = c.at.mode()
	c.Result.Prompt = l.prompt(hostname(box), c.at)
	return c.Result, err
}

func (l *Language) exec(c *call, cfg *config.Config, line string) error {
	if len(line) > pasted.MaxLine {
		return fmt.Errorf("line longer than %d characters", pasted.MaxLine)
	}
	if blank(line) {
		c.comment(line)
		return nil
	}
	if c.at.out != nil && l.belongs(cfg, c.at, line) == inside {
		c.at.out.lines++
		c.Result.LeftOut = true
		return nil
	}
	return fromElsewhere(line, l.understand(c, cfg, line))
}

// understand runs a line outside a left-out block.
func (l *Language) understand(c *call, cfg *config.Config, line string) error {
	block := c.at.out
	if block != nil && l.belongs(cfg, c.at, line) == beyond {
		c.at.out = nil
		c.saidLeftOut(block)
		block = nil
	}
	var modes []cli.Layer
	var where []layer
	if c.at.level == command.Configuring {
		modes, where = l.layers(cfg, c.at)
	}
	modes = append(modes, cli.Layer{Mode: l.commands(c.at.level)})
	m, err := l.table.Match(modes, line, cfg)
	if err != nil {
		if ran, err := l.filteredCommand(c, modes, line); ran {
			return err
		}
	}
	if err != nil && c.at.level == command.Configuring {
		return l.otherwise(c, cfg, modes, line, err)
	}
	if err != nil {
		return l.hintMode(c, cfg, line, err)
	}
	if m.Layer >= len(where) && draftOf(c.Box) != nil {
		return errCommand
	}
	c.corrections(m)
	if m.Layer >= len(where) {
		err := m.Stmt.Data.(command.Action).Run(&c.Call, m.Args())
		noteCommand(c, m, line, err)
		if block != nil && c.at.out == nil {
			c.saidLeftOut(block)
		}
		return err
	}
	if err := c.at.otherObject(c.object, m); err != nil {
		return err
	}
	if err := l.take(c, where[m.Layer], m); err != nil {
		if m.Stmt.Mode != nil && !m.Neg {
			c.at = c.at.refused(where[m.Layer], line)
		}
		return marked(line, err)
	}
	return nil
}

// filteredCommand runs a command with filters behind it; ran is false where the line is none.
func (l *Language) filteredCommand(c *call, layers []cli.Layer, line string) (ran bool, err error) {
	bare, texts := answer.SplitFilters(line)
	if len(texts) == 0 {
		return false, nil
	}
	m, err := l.table.Match(layers, bare, c.Box.Running())
	if err != nil {
		return false, nil
	}
	do, isCommand := m.Stmt.Data.(command.Action)
	if !isCommand {
		return false, nil
	}
	if draftOf(c.Box) != nil {
		return true, errCommand
	}
	to := c.Out
	out, err := answer.NewFilter(to, texts)
	if err != nil {
		return true, err
	}
	c.corrections(m)
	c.Out = out
	err = do.Run(&c.Call, m.Args())
	noteCommand(c, m, bare, err)
	c.Out = to
	return true, cmp.Or(err, out.End())
}

// marked adds the column of a wrong key or value to an error.
func marked(line string, err error) error {
	var key *config.PatternError
	var value *config.ValueError
	word, pos := "", 0
	switch {
	case errors.As(err, &key):
		word, pos = key.Key, key.Pos
	case errors.As(err, &value):
		word = value.Value
	}
	if at := strings.LastIndex(line, word); word != "" && at >= 0 {
		return &cli.Error{Col: at + pos, Text: err.Error()}
	}
	return err
}

// take changes the running configuration by one line.
func (l *Language) take(c *call, w layer, m *cli.Match) error {
	if traitsOf(m.Stmt).accounts && !c.ManagesAccounts() {
		return errors.New("only a superuser can manage accounts")
	}
	if err := command.Copies(c.Box); err != nil {
		return err
	}
	before := l.doomed(c, w, m)
	err := c.Box.Mutate(c.Session.Author(), func(old *config.Config) (*config.Config, error) {
		changed, err := l.apply(old, w, m, draftOf(c.Box))
		if err == nil && traitsOf(m.Stmt).accounts {
			err = c.leavesManager(old, changed)
		}
		c.Result.Changed = changed != old
		return changed, err
	})
	if err != nil {
		c.Result.Changed = false
		return l.gone(c, w, err)
	}
	l.noteChange(c, w, m, before)
	if w.implicit != "" {
		c.Note("taken into %s", w.implicit)
	}
	if m.Stmt.Note != "" && !m.Neg {
		c.Printf("%% note: %s\n", m.Stmt.Note)
	}
	if note := nothingTaken(m, c.Result.Changed); note != "" {
		c.Note("%s", note)
	}
	if l.sealed != nil && !m.Neg && strings.Contains(l.editor.Text(c.Box.Running(), w.path, m), " "+check.SealedPrefix) {
		c.Printf("%% note: %s\n", check.Unopened)
	}
	if m.Stmt.Mode != nil && !m.Neg {
		text := l.editor.Text(c.Box.Running(), w.path, m)
		c.at.path, c.at.header = append(w.path, m), append(w.headers, text)
	} else if m.Neg {
		c.at = l.resolve(c.Box.Running(), c.at.mode())
	}
	return nil
}

// nothingTaken explains a `no` without effect: it names the built-in default of an empty list.
func nothingTaken(m *cli.Match, changed bool) string {
	if !m.Neg || changed || m.Stmt.Builtin == "" {
		return ""
	}
	return "nothing was removed: " + m.Stmt.Builtin
}

// errHidden keeps a configuration that was shown without its secrets from losing them when it is pasted back.
var errHidden = errors.New("*** stands for a secret that was hidden when this line was shown: enter the secret itself")

// apply returns the configuration with line m applied in the mode that w leads to.
func (l *Language) apply(cfg *config.Config, w layer, m *cli.Match, d *cli.Draft) (*config.Config, error) {
	if err := l.unambiguous(cfg, w, m); err != nil {
		return cfg, err
	}
	if m.Hidden() && !m.Neg {
		return cfg, errHidden
	}
	if w.implicit != "" && !m.Neg {
		made, err := l.editor.Apply(cfg, nil, w.path[0], d)
		if err != nil {
			return cfg, err
		}
		cfg = made.(*config.Config)
	}
	changed, err := l.editor.Apply(cfg, w.path, m, d)
	if w.implicit != "" && errors.Is(err, cli.ErrGone) {
		err = nil // `no` of something that never existed
	}
	if traitsOf(m.Stmt).bindable {
		return fixBindOrder(changed.(*config.Config)), err
	}
	return changed.(*config.Config), err
}

// gone leaves a mode whose object another session has deleted, and says so.
func (l *Language) gone(c *call, w layer, err error) error {
	if !errors.Is(err, cli.ErrGone) {
		return err
	}
	left := c.at.header
	c.at = l.resolve(c.Box.Running(), c.at.mode())
	return fmt.Errorf("%s no longer exists", strings.Join(left[len(c.at.header):], " / "))
}

// hintMode names the mode in which a line would be understood.
func (l *Language) hintMode(c *call, cfg *config.Config, line string, err error) error {
	if c.at.level == command.Configuring {
		return err
	}
	line, _ = answer.SplitFilters(line)
	here, commands := []cli.Layer{{Mode: l.commands(c.at.level)}}, []cli.Layer{{Mode: l.admin}}
	if l.begins(here, line, cfg) && l.reach(commands, line, cfg) <= l.reach(here, line, cfg) {
		return err
	}
	statements, _ := l.layers(cfg, cursor{})
	understood := func(layers []cli.Layer) bool {
		_, e := l.table.Match(layers, line, cfg)
		return e == nil
	}
	isCommand, isStatement := understood(commands), understood(statements)
	if !isCommand && !isStatement {
		isCommand, isStatement = l.begins(commands, line, cfg), l.begins(statements, line, cfg)
	}
	switch operator := !c.Session.May(config.Administrator); {
	case isCommand && operator:
		return fmt.Errorf("this command is for administrators, and %s is an operator", c.Session.User)
	case isCommand:
		return errors.New("type enable first")
	case isStatement && operator:
		return fmt.Errorf("only an administrator can change the configuration, and %s is an operator", c.Session.User)
	case isStatement:
		return errors.New("this is a line of the configuration: type enable and configure first")
	}
	return err
}

// begins reports whether the layers understand at least the first word of a line, apart from a leading `no`.
func (l *Language) begins(layers []cli.Layer, line string, cfg *config.Config) bool {
	_, err := l.table.Match(layers, line, cfg)
	first := strings.TrimLeft(line, " \t")
	if word, rest, more := strings.Cut(first, " "); more && word == "no" {
		first = strings.TrimLeft(rest, " \t")
	}
	var e *cli.Error
	return err == nil || errors.As(err, &e) && e.Col > len(line)-len(first)
}

// reach is the column up to which the layers understand a line.
func (l *Language) reach(layers []cli.Layer, line string, cfg *config.Config) int {
	_, err := l.table.Match(layers, line, cfg)
	var e *cli.Error
	switch {
	case err == nil:
		return len(line) + 1
	case errors.As(err, &e):
		return e.Col
	}
	return 0
}

func (l *Language) commands(at command.Level) *cli.Mode {
	if at == command.OperatorExec {
		return l.operator
	}
	return l.admin
}

// Class is the lowest class of account that may run a command.
func (l *Language) Class(line string) (config.AccountClass, error) {
	cfg := config.New()
	_, err := l.table.Match([]cli.Layer{{Mode: l.operator}}, line, cfg)
	if err == nil {
		return config.Operator, nil
	}
	_, err = l.table.Match([]cli.Layer{{Mode: l.admin}}, line, cfg)
	return config.Administrator, err
}

// explain prints an error. If one word is wrong, it prints the line first, with a caret below the word.
func (l *Language) explain(out io.Writer, line string, err error) {
	var e *cli.Error
	if errors.As(err, &e) && len(line) < 200 {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", " ")
		col := utf8.RuneCountInString(printable.Line(line[:min(e.Col, len(line))]))
		fmt.Fprintf(out, "  %s\n  %s^\n", printable.Line(line), strings.Repeat(" ", col))
	}
	fmt.Fprintf(out, "%% %s\n", answer.Sentence(err))
}

// blank reports whether a line is empty or a comment.
func blank(line string) bool {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	return line == "" || line[0] == '#'
}

// Prompt returns the prompt of s, for a console that has just connected.
func (l *Language) Prompt(box device.Box, s *Session) string {
	p := l.resolve(box.Running(), s.Mode)
	if !s.May(config.Administrator) {
		p = cursor{}
	}
	return l.prompt(hostname(box), p)
}

// hostname starts each prompt.
func hostname(box device.Box) string { return Hostname(box.Running(), box.Serial) }

// Hostname is the name of a box: the configured one, or the last six digits of the serial number.
func Hostname(cfg *config.Config, serialNumber func() string) string {
	if cfg.Hostname != "" {
		return cfg.Hostname
	}
	if serial := serialNumber(); len(serial) >= 6 {
		return strings.ToUpper(serial[len(serial)-6:])
	}
	return "sbc"
}

// serialNumber matches a serial number in a comment: the twelve hex digits of a MAC address. One digit at least must be a letter, or it
// could be a telephone number.
var serialNumber = regexp.MustCompile(`\b[0-9A-Fa-f]{12}\b`)

// comment looks for serial numbers in comments. License keys are delivered with comments that name their unit. A warning about a wrong
// unit helps more than the rejection of the key below it.
func (c *call) comment(line string) {
	ours := c.Box.Serial()
	if ours == "" {
		return
	}
	for _, serial := range serialNumber.FindAllString(line, -1) {
		if strings.ContainsAny(strings.ToUpper(serial), "ABCDEF") && !strings.EqualFold(serial, ours) {
			c.Printf("%% warning: the comment names unit %s, this is %s: a license key below it is for another unit\n", strings.ToUpper(serial), ours)
			return
		}
	}
}
