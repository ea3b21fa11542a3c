package lang

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// Ran is what one of several lines has left behind.
type Ran struct {
	Text   []byte // to be shown
	Result Result
	Err    error // as of Exec
}

// batchTime is for how long others may have to wait with their changes.
const batchTime = 50 * time.Millisecond

// errCommand ends a run of lines that change the configuration.
var errCommand = errors.New("a command")

// ExecBatch runs lines as one change of the configuration, from the front up to one that is a command and not a statement, or as
// many as a moment allows. Nobody sees what is between them, so a long list is copied once and not for each line. It returns
// what became of those that it has run, maybe none: the next one is for Exec.
func (l *Language) ExecBatch(ctx context.Context, box Box, s *Session, lines []string) (ran []Ran, err error) {
	err = box.Mutate(func(old *config.Config) (*config.Config, error) {
		t := &stagedBox{Box: box, cfg: old}
		here, until := *s, time.Now().Add(batchTime)
		for _, line := range lines {
			r, ok := l.execStaged(ctx, t, &here, line)
			if !ok {
				break
			}
			ran = append(ran, r)
			here.Mode = r.Result.Mode
			// Who pastes may have taken his own rights away: they are looked up for the next line.
			if !slices.Equal(t.cfg.Accounts, old.Accounts) || ctx.Err() != nil || time.Now().After(until) {
				break
			}
		}
		return t.cfg, nil
	})
	return ran, err
}

// execStaged runs a line, if it is one that changes the configuration. One that breaks is left to whoever runs it alone.
func (l *Language) execStaged(ctx context.Context, t *stagedBox, s *Session, line string) (r Ran, ok bool) {
	before := t.cfg
	defer func() {
		if recover() != nil {
			t.cfg, ok = before, false
		}
	}()
	var out bytes.Buffer
	r.Result, r.Err = l.Exec(ctx, t, s, line, nil, &out)
	r.Text = out.Bytes()
	return r, r.Err != errCommand
}

// stagedBox is a box whose configuration is kept back. Its other methods must not be asked to change anything.
type stagedBox struct {
	Box
	cfg   *config.Config
	draft cli.Draft
}

func (t *stagedBox) Running() *config.Config { return t.cfg }

func (t *stagedBox) Mutate(change func(*config.Config) (*config.Config, error)) error {
	cfg, err := change(t.cfg)
	if err == nil {
		t.cfg = cfg
	}
	return err
}

// draftOf is the draft that a box's configuration is, nil when it is shown to others.
func draftOf(box Box) *cli.Draft {
	if t, ok := box.(*stagedBox); ok {
		return &t.draft
	}
	return nil
}
