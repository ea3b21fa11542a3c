package lang

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// Ran is the outcome of one line of a batch.
type Ran struct {
	Text   []byte // output
	Result Result
	Err    error // of Exec
}

// batchTime limits how long a batch blocks the changes of other sessions.
const batchTime = 50 * time.Millisecond

// errCommand ends a batch.
var errCommand = errors.New("a command")

// ExecBatch runs lines as one change of the configuration. It stops before the first command, or when batchTime is over. The intermediate
// configurations are not visible to others, so a long list is copied once instead of once per line. It returns the outcome of the lines
// that it has run, maybe none; the caller runs the next line with Exec.
func (l *Language) ExecBatch(ctx context.Context, box device.Box, s *Session, lines []string) (ran []Ran, err error) {
	err = box.Mutate(s.Author(), func(old *config.Config) (*config.Config, error) {
		t := &stagedBox{Box: box, cfg: old}
		here, until := *s, time.Now().Add(batchTime)
		for _, line := range lines {
			r, ok := l.execStaged(ctx, t, &here, line)
			if !ok {
				break
			}
			ran = append(ran, r)
			here.Mode = r.Result.Mode
			// The line may have changed the rights of this session, which are looked up for the next line.
			if !slices.Equal(t.cfg.Accounts, old.Accounts) || ctx.Err() != nil || time.Now().After(until) {
				break
			}
		}
		return t.cfg, nil
	})
	return ran, err
}

// execStaged runs a line if it changes the configuration. It leaves a line that panics to Exec.
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

// stagedBox is a box whose configuration is not published yet. Its other methods must not be used to change anything.
type stagedBox struct {
	device.Box
	cfg   *config.Config
	draft cli.Draft
}

func (t *stagedBox) Running() *config.Config { return t.cfg }

func (t *stagedBox) Mutate(_ status.Author, change func(*config.Config) (*config.Config, error)) error {
	cfg, err := change(t.cfg)
	if err == nil {
		t.cfg = cfg
	}
	return err
}

// draftOf returns the draft behind the configuration of a staged box, or nil.
func draftOf(box device.Box) *cli.Draft {
	if t, ok := box.(*stagedBox); ok {
		return &t.draft
	}
	return nil
}
