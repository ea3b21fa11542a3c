package lang

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/pasted"
	"viaduct/appliance/plural"
)

// Proposal is a text that is to become the running configuration.
type Proposal struct {
	Text     []byte
	Merge    bool          // as a paste; else in place of everything
	LeaveOut bool          // what is not understood is left out; else it keeps everything from being taken
	Match    string        // tag of the configuration that the author knows; "": any
	Keep     time.Duration // it goes back then unless it is confirmed; 0: it stays
}

// Verdict is what a proposal would make of the running configuration.
type Verdict struct {
	Problems  []check.Problem // by line; those without one concern the running configuration
	Taken     int             // statements
	Refused   int             // lines
	Changes   []answer.Change // against the running configuration
	Reordered bool            // there are no such changes, and yet lines stand in another order
	LocksOut  bool            // nobody could log in over the network, and somebody can now
	next      *config.Config
}

// What keeps a proposal from being taken.
var (
	ErrStale   = errors.New("the configuration has been changed meanwhile")
	ErrRefused = errors.New("not understood: nothing was changed")
	// ErrLong: a box that reads text has less time for calls. A password in clear takes as long as a thousand other lines.
	ErrLong = errors.New("the text takes too long to read: nothing was changed; send a part of it at a time")
)

// Tag names a configuration by its contents. It tells nothing of them: the key is another one after each start.
func (l *Language) Tag(cfg *config.Config) string {
	h := hmac.New(sha256.New, l.tags[:])
	h.Write(l.table.Print(cfg, false))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Masked reports whether secrets are hidden from a user, as they are in his `show running-config`.
func Masked(s *Session) bool { return !s.May(config.Administrator) }

// Text returns a configuration as `show` prints it to a user: the running one for "", or one in a file.
func (l *Language) Text(box device.Box, s *Session, name string) ([]byte, error) {
	if name == "" || name == command.RunningConfig {
		return l.Print(box.Running(), Masked(s)), nil
	}
	if !command.IsSaved(name) {
		return nil, fmt.Errorf("there is no configuration %s: %w", name, fs.ErrNotExist)
	}
	return command.SavedText(l, box, name, Masked(s))
}

// Changes lists the lines that only one of two configurations has, without secrets: of a secret that differs, both lines read the same.
func (l *Language) Changes(before, after *config.Config) []answer.Change {
	shown := map[answer.ConfigLine]answer.ConfigLine{}
	read := func(cfg *config.Config) (list []answer.ConfigLine) {
		each := func(masked bool) (list []answer.ConfigLine) {
			l.table.Walk(cfg, masked, func(p *cli.Printed) {
				list = append(list, answer.ConfigLine{Block: strings.Join(p.Path, " / "), Text: p.Text})
			})
			return list
		}
		list = each(false)
		for n, x := range each(true) {
			shown[list[n]] = x
		}
		return list
	}
	list := answer.Changes(read(before), read(after))
	for n := range list {
		list[n].ConfigLine = shown[list[n].ConfigLine]
	}
	return list
}

// Read is the configuration of a text, without what is not understood, when it is read before ctx ends.
func (l *Language) Read(ctx context.Context, text []byte) (*config.Config, error) {
	r := l.readWithin(ctx, config.New(), "", text)
	if r.cut {
		return nil, ErrLong
	}
	return r.cfg, nil
}

// Judge finds out what a proposal would do, until ctx ends. Nothing changes.
func (l *Language) Judge(ctx context.Context, box device.Box, p Proposal) (Verdict, error) {
	running := box.Running()
	onto := config.New()
	if p.Merge {
		onto = running
	}
	r := l.readWithin(ctx, onto, "", p.Text)
	if r.cut {
		return Verdict{}, ErrLong
	}
	v := Verdict{Problems: r.problems, Taken: r.taken, next: r.cfg}
	for _, x := range r.problems {
		if x.Severity == check.Error {
			v.Refused++
		}
	}
	env := box.Env()
	known := map[uint64]bool{}
	if p.Merge {
		for _, x := range l.checks().Configuration(running, env) {
			known[x.Hash()] = true
		}
	}
	for _, x := range l.checks().Configuration(r.cfg, env) {
		if !known[x.Hash()] {
			x.Line = r.known(x)
			v.Problems = append(v.Problems, x)
		}
	}
	check.Sort(v.Problems)
	v.Problems = check.Merge(v.Problems)
	v.Changes = l.Changes(running, r.cfg)
	v.Reordered = len(v.Changes) == 0 && !bytes.Equal(l.table.Print(running, false), l.table.Print(r.cfg, false))
	v.LocksOut = running.LetsIn() && !r.cfg.LetsIn()
	return v, nil
}

// Adopt makes a proposal the running configuration, all of it or nothing. The verdict is there with an error as well.
func (l *Language) Adopt(ctx context.Context, box device.Box, s *Session, p Proposal) (Verdict, error) {
	v, err := l.Judge(ctx, box, p)
	if err != nil {
		return v, err
	}
	understood := v.Taken > 0 || !p.Merge && l.Understands(p.Text)
	switch {
	case !understood:
		return v, fmt.Errorf("no line is %w", ErrRefused)
	case v.Refused > 0 && !p.LeaveOut:
		return v, fmt.Errorf("%s %w", plural.Of(v.Refused, "line"), ErrRefused)
	}
	_, err = command.Adopt(l, box, s, command.Adoption{From: "the text", Keep: p.Keep, Make: func(old *config.Config) (*config.Config, error) {
		if p.Match != "" && p.Match != l.Tag(old) {
			return nil, ErrStale
		}
		if p.Merge {
			merged, _, _ := l.ParseOnto(old, p.Text)
			return merged, nil
		}
		return v.next, nil
	}})
	return v, err
}

// HelpInText returns what can come next at a byte offset of a line that stands in a text: in the mode to which the lines above lead, with the
// names of the text. There is none when ctx ends before.
func (l *Language) HelpInText(ctx context.Context, box device.Box, s *Session, text string, row int, line string, offset int) Help {
	lines := strings.Split(lineEnds.Replace(text), "\n")
	row = max(0, min(row, len(lines)))
	above := l.readWithin(ctx, config.New(), "", []byte(strings.Join(lines[:row], "\n")))
	mode := above.at.mode()
	if row < len(lines) {
		lines[row] = ""
	}
	all := l.readWithin(ctx, config.New(), "", []byte(strings.Join(lines, "\n")))
	if all.cut {
		return Help{}
	}
	there := *s
	there.Mode = mode
	if len(line) > pasted.MaxLine {
		return Help{Text: true}
	}
	return l.statementHelp(&stagedBox{Box: box, cfg: all.cfg}, &there, line, offset)
}
