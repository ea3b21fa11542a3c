package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/block"
	"viaduct/appliance/console/client"
	"viaduct/appliance/console/edit"
	"viaduct/appliance/pasted"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// ErrSaid is the result of a paste in which a line failed and the reason has been printed.
var ErrSaid = errors.New("there were errors")

// maxComplaints is how many lines that are not text are named one by one: a binary file must not answer with its length.
const maxComplaints = 10

// Paste runs lines that come without a user at the keys: a pipe into `consoled -stdio`, a command given to ssh, a shell without a
// terminal. It prints the answers, without echo or prompts, and after the last line the problems that are left.
type Paste struct {
	shell
	out io.Writer

	queue []input        // lines that are already here
	lines <-chan []input // lines to come
	start func()         // starts reading lines; nil once the input is read
	// File starts reading the input as it is, in place of lines; nil: it is no file.
	File func() io.ReadCloser
	// blocksOnly: lines that come are only read into blocks (`ssh box import pki:certificate/X < cert.pem`).
	blocksOnly bool
	alone      bool // it is one command: its line needs no number

	ran        int // lines that were run
	failed     bool
	complaints int
	secret     int // line number of the last secret
}

// pasteRows is how many rows the end of a paste may have where the size of the screen is not known.
const pasteRows = 23

// quiet is how long a line may be late to count as part of what came before it.
const quiet = 100 * time.Millisecond

// NewPaste makes a paste that reads its lines from in, through a goroutine that spawn starts and that ends when in does.
func NewPaste(ctx context.Context, who Who, in io.Reader, out io.Writer, spawn func(func())) *Paste {
	lines := make(chan []input, 1)
	p := &Paste{shell: shell{who: who}, out: out, lines: lines}
	p.start = func() {
		spawn(func() {
			defer close(lines)
			readLines(pasted.NewReader(in), func(some []input) bool {
				select {
				case lines <- some:
					return true
				case <-ctx.Done():
					return false
				}
			})
		})
	}
	return p
}

// Raw says that the output goes to no terminal: a line may write a file there, which is passed on octet by octet.
func (p *Paste) Raw() {
	p.file = func(b []byte) error {
		_, err := p.out.Write(b)
		return err
	}
}

// Command makes the paste run the lines of one command, in the mode of administrators if the user may. The input is then read only into
// blocks, or as a file.
func (p *Paste) Command(text string) {
	p.blocksOnly = true
	p.mode = []string{wire.Enabled}
	for i, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		p.queue = append(p.queue, input{text: line, n: i + 1, bad: edit.NotText(line)})
	}
	p.alone = len(p.queue) == 1
}

// place says which line of the input has failed.
func (p *Paste) place(n int) {
	if !p.alone {
		p.say(fmt.Sprintf("%% (input line %d)", n))
	}
}

// Run runs everything and returns ErrSaid when a line failed.
func (p *Paste) Run(ctx context.Context) error {
	for !p.exit {
		batch := p.batch(ctx)
		if len(batch) == 0 {
			break
		}
		if p.ran == 0 {
			p.beginPaste(ctx)
		}
		if err := p.exec(ctx, batch); err != nil {
			return err
		}
	}
	p.complain()
	if p.exit {
		p.leftOver()
	}
	if p.ran == 1 && !p.tally.changed { // the answer to one command needs no summary
		p.tally = tally{}
	}
	failed, err := p.endPaste(ctx, pasteRows, p.print)
	if err != nil {
		p.say(explain(err))
	}
	if p.failed || failed || err != nil {
		return ErrSaid
	}
	return ctx.Err()
}

// exec runs the lines of a batch, and reads the blocks that its last line may want.
func (p *Paste) exec(ctx context.Context, batch []input) error {
	lines := make([]string, len(batch))
	for i, l := range batch {
		lines[i] = l.text
	}
	ran, err := p.shell.send(ctx, lines, "", p.print, func(i int, a wire.Answer) { p.done(batch[i], a) })
	p.queue = append(batch[ran:len(batch):len(batch)], p.queue...)
	p.ran += ran
	var down *client.Down
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &down):
		p.say(fmt.Sprintf("%% %v: input line %d and what follows it were not run", err, batch[ran].n))
		return ErrSaid
	default:
		p.fail(batch[ran], explain(err), err.Error())
		p.place(batch[ran].n)
		p.queue = p.queue[1:]
		return nil
	}
	if p.collect != nil && ran > 0 {
		return p.collected(ctx, batch[ran-1])
	}
	return nil
}

func (p *Paste) done(l input, a wire.Answer) {
	p.tally.count(l.n, l.text, a)
	if a.Status == wire.Error {
		p.failed = true
		p.place(l.n)
	}
}

// collected reads the blocks that a line wants, and runs it again with all of them until it wants no more.
func (p *Paste) collected(ctx context.Context, l input) error {
	body := ""
	for p.collect != nil {
		if p.collect.Kind == wire.File {
			return p.sendFile(ctx, l)
		}
		if p.collect.Kind == wire.Confirm {
			if p.yes = p.confirm(p.collect); !p.yes {
				p.failed = true
				p.tally.refuse(l.n, l.text, "not done")
				p.collect = nil
				return ctx.Err()
			}
			p.again(ctx, l, body)
			continue
		}
		p.say(p.collect.Prompt)
		read := p.readPEM
		switch p.collect.Kind {
		case wire.Block:
			read = p.readBlock
		case wire.Secret:
			read = p.readSecret
		case wire.NewSecret:
			read = p.readNewSecret
		case wire.Text:
			read = p.readText
		}
		text := read(ctx, l)
		if text == "" {
			p.fail(l, fmt.Sprintf("%% no %s", p.wanting(strings.TrimSpace(l.text))), "no text follows")
			p.collect = nil
			return ctx.Err()
		}
		body += text
		p.again(ctx, l, body)
		if p.unused {
			p.queue = append([]input{{text: strings.TrimSuffix(text, "\n"), n: p.secret}}, p.queue...)
		}
	}
	return ctx.Err()
}

// wanting names what has not come behind a line, and where it belongs when nobody can be asked for it.
func (p *Paste) wanting(line string) string {
	switch p.collect.Kind {
	case wire.NewSecret:
		return fmt.Sprintf("pass phrase (as the next line of the input) follows %q: not done", line)
	case wire.Secret:
		return fmt.Sprintf("pass phrase (as the line behind the block) follows %q: nothing stored", line)
	}
	return fmt.Sprintf("text follows %q: nothing stored", line)
}

// again runs a line with the block that it asked for.
func (p *Paste) again(ctx context.Context, l input, body string) {
	if _, err := p.shell.send(ctx, []string{l.text}, body, p.print, func(_ int, a wire.Answer) { p.done(l, a) }); err != nil {
		p.fail(l, explain(err), err.Error())
	}
}

// fail says why a line has failed.
func (p *Paste) fail(l input, say, why string) {
	p.failed = true
	p.tally.refuse(l.n, l.text, why)
	p.say(say)
}

// sendFile runs a line again, with the input as the file that it wants.
func (p *Paste) sendFile(ctx context.Context, l input) error {
	if p.File == nil || p.start == nil {
		p.fail(l, p.collect.Prompt, "it reads a file")
		p.collect = nil
		return nil
	}
	p.start = nil
	if err := p.runWithFile(ctx, l.text, p.File(), p.print, func(a wire.Answer) { p.done(l, a) }); err != nil {
		p.fail(l, explain(err), err.Error())
	}
	return ctx.Err()
}

func (p *Paste) readSecret(ctx context.Context, _ input) string {
	l, ok := p.next(ctx)
	if !ok || l.bad != "" {
		return ""
	}
	p.secret = l.n
	return l.text + "\n"
}

// readNewSecret reads a secret, and its repetition where one follows: a script cannot mistype.
func (p *Paste) readNewSecret(ctx context.Context, l input) string {
	secret := p.readSecret(ctx, l)
	if secret != "" && p.peek() == strings.TrimSuffix(secret, "\n") {
		p.readSecret(ctx, l)
	}
	return secret
}

// readText reads lines up to one with a single dot, or to the end of the input.
func (p *Paste) readText(ctx context.Context, _ input) string {
	var b strings.Builder
	for {
		l, ok := p.next(ctx)
		if !ok || strings.TrimSpace(l.text) == endOfText {
			return b.String()
		}
		if b.Len()+len(l.text) >= wire.MaxBody {
			p.say(fmt.Sprintf("%% the text has more than %d bytes (input line %d)", wire.MaxBody, l.n))
			return ""
		}
		b.WriteString(l.text + "\n")
	}
}

// readPEM reads blocks; lines that turn out to be commands go back to the queue.
func (p *Paste) readPEM(ctx context.Context, l input) string { return p.readBlocks(ctx, l, false) }

// readBlock reads one block, to its END line.
func (p *Paste) readBlock(ctx context.Context, l input) string { return p.readBlocks(ctx, l, true) }

func (p *Paste) readBlocks(ctx context.Context, l input, one bool) string {
	var b block.Block
	var e *block.End
	at := l.n
	for e == nil {
		in, ok := p.next(ctx)
		if !ok {
			e = b.Finish()
			break
		}
		at = in.n
		if in.bad == "" && pasted.Blank(in.text) && b.Wants(p.peek()) {
			continue
		}
		if in.bad != "" {
			in.text = "(" + in.bad + ")" // keeps its place, so that the check of the block names it
		}
		if e = b.Add(in.text); e == nil && b.Over(one, p.peek) {
			e = &block.End{}
			for len(p.queue) > 0 && p.queue[0].bad == "" && strings.TrimSpace(p.queue[0].text) == "" {
				p.queue = p.queue[1:]
			}
		}
	}
	if e.Slip != "" {
		p.say(e.Slip)
		p.say(fmt.Sprintf("%% (input line %d)", at))
	}
	rest := make([]input, len(e.Rest))
	for i, text := range e.Rest {
		rest[i] = input{text: text, n: at - len(e.Rest) + 1 + i}
	}
	p.queue = append(rest, p.queue...)
	return b.Text()
}

// batch waits for a line and takes what else is there, up to a line that cannot be run.
func (p *Paste) batch(ctx context.Context) []input {
	var batch []input
	size := 0
	for len(batch) < batchLines && size < batchBytes {
		l, ok := p.ready()
		if !ok && len(batch) > 0 || p.blocksOnly && len(p.queue) == 0 && !ok {
			break
		}
		if !ok {
			if l, ok = p.next(ctx); !ok {
				break
			}
		}
		if l.bad != "" {
			if len(batch) > 0 {
				p.queue = append([]input{l}, p.queue...)
				break
			}
			p.refuse(l)
			p.lose(l.text)
			continue
		}
		batch = append(batch, l)
		size += len(l.text)
	}
	return batch
}

// ready takes a line that is already here.
func (p *Paste) ready() (input, bool) {
	if len(p.queue) == 0 && !p.blocksOnly && p.start == nil {
		select {
		case p.queue = <-p.lines:
		default:
		}
	}
	if len(p.queue) == 0 {
		return input{}, false
	}
	l := p.queue[0]
	p.queue = p.queue[1:]
	return l, true
}

// next waits for a line.
func (p *Paste) next(ctx context.Context) (input, bool) {
	if len(p.queue) > 0 {
		return p.ready()
	}
	if p.start != nil {
		p.start()
		p.start = nil
	}
	select {
	case p.queue = <-p.lines:
	case <-ctx.Done():
	}
	if len(p.queue) == 0 {
		return input{}, false
	}
	return p.ready()
}

// peek is the text of the next line that is not empty, when it is here or comes at once.
func (p *Paste) peek() string {
	for i := 0; ; i++ {
		if i == len(p.queue) {
			select {
			case some, ok := <-p.lines:
				if !ok {
					return ""
				}
				p.queue = append(p.queue, some...)
			case <-time.After(quiet):
				return ""
			}
		}
		if strings.TrimSpace(p.queue[i].text) != "" || p.queue[i].bad != "" {
			return p.queue[i].text
		}
	}
}

// refuse names a line that cannot be run; after some of them it only counts, for the end of the paste.
func (p *Paste) refuse(l input) {
	p.failed = true
	p.ran++
	p.tally.refuse(l.n, l.text, l.bad)
	if p.complaints++; p.complaints <= maxComplaints {
		p.say(fmt.Sprintf("%% input line %d: %s: not run", l.n, l.bad))
	}
}

// complain prints how many lines were not named.
func (p *Paste) complain() {
	if more := p.complaints - maxComplaints; more > 0 {
		p.say(fmt.Sprintf("%% %s %s not text: not run", plural.Of(more, "more line"), plural.Is(more)))
	}
}

// leftOver says when lines stood behind the one that ended the session.
func (p *Paste) leftOver() {
	for {
		l, ok := p.ready()
		if !ok {
			return
		}
		if strings.TrimSpace(l.text) != "" {
			p.failed = true
			p.say(fmt.Sprintf("%% the session ended: input line %d and what follows it were not run", l.n))
			return
		}
	}
}

func (p *Paste) print(t string) { io.WriteString(p.out, printable.Lines(t)) }

func (p *Paste) say(line string) { p.print(strings.TrimRight(line, "\n") + "\n") }
