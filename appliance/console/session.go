package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/pasted"
	"viaduct/appliance/plural"
)

// session is somebody at a screen: it reads lines, runs them, and prints the answers.
type session struct {
	shell
	*screen
	history *history
	queue   []string // pasted lines that are not run yet
	pasted  int      // lines since the keyboard was last quiet that no fingers typed
	bad     int      // lines in a row that were no text
	rescue  *rescue
	down    bool // sbcd did not answer the last line
}

// pasteEnd is how long the keyboard must be quiet for a paste to be over.
const pasteEnd = 300 * time.Millisecond

// run runs the session until its user leaves, the terminal goes, or the context ends. The error is nil after `exit`.
func (s *session) run(ctx context.Context) error {
	s.more = true
	s.term.History = s.history
	s.term.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) { return s.key(ctx, line, pos, key) }
	defer s.history.save() // an error is a full or missing disk, about which sbcd complains enough
	defer func() {
		s.term.History = noHistory{}
		s.term.AutoCompleteCallback = nil
	}()
	ctx, cancel := context.WithCancel(ctx)
	followed := make(chan struct{})
	go s.follow(ctx, followed)
	defer func() {
		cancel()
		<-followed
	}()
	if err := s.refresh(ctx); err != nil {
		s.println(explain(err))
		s.explainDown(err)
		s.prompt = "> "
	}
	for !s.exit {
		if err := s.step(ctx); err != nil {
			if errors.Is(err, errIdle) {
				s.println(fmt.Sprintf("\n%% nothing was typed for %v: logged out", s.keys.idle))
				return nil
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// step runs the lines of a paste that are here, or the next one that is typed.
func (s *session) step(ctx context.Context) error {
	if s.pasted > 0 && len(s.queue) == 0 && !s.keys.wait(0, pasteEnd) {
		if s.pasted > 1 {
			s.summary(ctx)
		}
		s.pasted = 0
	}
	if s.fill(); s.down && s.local() && len(s.queue) == 1 && s.rescue.typed(s.screen, s.queue[0]) {
		s.queue = nil // a word for the rescue, typed ahead: it is no paste
		return nil
	}
	if len(s.queue) > 0 {
		lines := s.queue[:min(len(s.queue), batchLines)]
		s.queue = s.queue[len(lines):]
		s.bad = 0
		s.paste(ctx)
		s.pasted += s.exec(ctx, lines, true)
		return nil
	}
	line, state, err := s.read(s.prompt)
	if err != nil {
		return err
	}
	switch {
	case state.mark == abandoned:
	case state.mark == toTop:
		s.exec(ctx, []string{"end"}, false)
	case state.mark == atEnd:
		s.exit = true
	case state.bad != "":
		s.refuse(state.bad)
		s.lose(line)
		s.refresh(ctx) // an error says what the next line will say
		if state.fast {
			s.paste(ctx)
			s.pasted++
			s.tally.refuse(s.pasted, line, state.bad)
		}
	case s.down && s.local() && s.rescue.typed(s.screen, line):
	default:
		s.bad = 0
		s.history.remember(line)
		if state.fast {
			s.paste(ctx)
		}
		ran := s.exec(ctx, []string{line}, false)
		switch {
		case state.fast:
			s.pasted += ran
		case s.leftOut:
			s.println("% left out: the line is in a block that is not understood, which exit leaves")
		}
	}
	return nil
}

// paste begins a paste, unless one goes on.
func (s *session) paste(ctx context.Context) {
	if s.pasted == 0 {
		s.beginPaste(ctx)
	}
}

// fill takes the pasted lines that are here.
func (s *session) fill() {
	if len(s.queue) == 0 {
		s.queue = s.keys.lines()
	}
}

// refuse says why a line is not run; of a binary file only the first lines are named.
func (s *session) refuse(why string) {
	switch s.bad++; {
	case s.bad < maxComplaints:
		s.println("% " + why + ": not run")
	case s.bad == maxComplaints:
		s.println("% " + why + ": not run; further lines that are not text are left out without a word")
	}
}

// exec runs lines; pasted ones are shown behind their prompts, as the editor has shown a typed one. It returns how many it took.
func (s *session) exec(ctx context.Context, lines []string, pasted bool) (took int) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s.keys.onInterrupt(cancel)
	defer s.keys.onInterrupt(nil)
	out := &pager{screen: s.screen, on: s.more && !pasted, cancel: cancel}
	s.live = out.live
	show := func(i int) {
		if pasted && i < len(lines) {
			out.print(s.prompt + lines[i] + "\n")
		}
	}
	show(0)
	ran, err := s.shell.run(running, lines, "", out.print, func(i int, a wire.Answer) {
		s.tally.count(s.pasted+i+1, lines[i], a)
		if s.collect == nil && !s.exit {
			show(i + 1)
		}
	})
	out.end()
	s.size()
	s.queue = append(lines[ran:len(lines):len(lines)], s.queue...)
	s.down = false
	switch {
	case err == nil && s.collect != nil && ran > 0:
		s.keys.onInterrupt(nil)
		s.collected(ctx, s.pasted+ran, lines[ran-1])
	case err == nil:
	case running.Err() != nil:
		s.queue = nil // what was to be run after the command that was interrupted, which is not run again either
		if !out.quit {
			s.println("^C")
		}
	default:
		s.println(explain(err))
		if len(s.queue) > 0 {
			s.tally.refuse(s.pasted+ran+1, s.queue[0], err.Error())
			s.queue = s.queue[1:]
			ran++
		}
		var down *Down
		if n := len(s.queue); errors.As(err, &down) && n > 0 {
			s.println(fmt.Sprintf("%% %s %s not run", plural.Of(n, "more pasted line"), plural.Was(n)))
			s.queue = nil
		}
		s.explainDown(err)
	}
	return ran
}

// size makes the screen as large as `terminal length` and `terminal width` have said.
func (s *session) size() {
	if s.rows+s.columns > 0 {
		s.fix(s.columns, s.rows)
		s.rows, s.columns = 0, 0
	}
}

// local reports whether the session's terminal is at the box.
func (s *session) local() bool {
	return !strings.HasPrefix(s.tty, "ssh") && !strings.HasPrefix(s.tty, "telnet")
}

// explainDown says why sbcd may not answer, and what can be done about it.
func (s *session) explainDown(err error) {
	var down *Down
	if !errors.As(err, &down) {
		return
	}
	if s.down = true; s.local() {
		s.print(s.rescue.why())
		s.print("Words that work meanwhile:\n" + s.rescue.menu(true))
	}
}

// summary prints what a paste has brought.
func (s *session) summary(ctx context.Context) {
	if _, err := s.endPaste(ctx, int(s.height.Load())-1, s.print); err != nil {
		s.println(explain(err))
	}
}

// collected reads the blocks that a line wants, and runs it again with all of them until it wants no more.
func (s *session) collected(ctx context.Context, n int, line string) {
	body := ""
	for s.collect != nil {
		if s.collect.Kind == wire.File {
			s.println(s.collect.Prompt)
			s.collect = nil
			return
		}
		if s.collect.Kind == wire.Confirm {
			if s.yes = s.confirm(s.collect.Prompt); !s.yes {
				s.collect = nil
				s.tally.refuse(n, line, "not done")
				return
			}
			s.again(ctx, n, line, body)
			continue
		}
		read := s.pem
		switch s.collect.Kind {
		case wire.Block:
			read = s.block
		case wire.Secret:
			read = s.secret
		case wire.NewSecret:
			read = s.newSecret
		case wire.Text:
			read = s.text
		}
		text := read(s.collect.Prompt)
		if text == "" {
			s.collect = nil
			s.println("% nothing stored")
			s.tally.refuse(n, line, "nothing stored")
			return
		}
		body += text
		s.again(ctx, n, line, body)
	}
}

// again runs a line with what was collected for it.
func (s *session) again(ctx context.Context, n int, line, body string) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s.keys.onInterrupt(cancel)
	defer s.keys.onInterrupt(nil)
	if _, err := s.shell.run(running, []string{line}, body, s.print, func(_ int, a wire.Answer) { s.tally.count(n, line, a) }); err != nil {
		s.println(explain(err))
	}
}

// secret reads a line that is not shown, whether it is typed or was pasted behind a block.
func (s *session) secret(prompt string) string {
	if !strings.HasSuffix(prompt, " ") {
		prompt += " "
	}
	if s.fill(); len(s.queue) > 0 {
		line := s.queue[0]
		s.queue = s.queue[1:]
		s.println(prompt)
		return line + "\n"
	}
	line, state, err := s.password(prompt)
	if err != nil || state.mark != entered || state.bad != "" {
		return ""
	}
	return line + "\n"
}

// newSecret reads a secret that nobody has typed before: twice.
func (s *session) newSecret(prompt string) string {
	for {
		first := s.secret(prompt)
		if first == "" || first == "\n" || s.secret("Again: ") == first {
			return first
		}
		s.println("% " + differ)
	}
}

// text reads lines up to one with a single dot.
func (s *session) text(prompt string) string {
	s.println(prompt)
	help := s.term.AutoCompleteCallback
	s.term.AutoCompleteCallback, s.term.History = s.plainKey, noHistory{}
	defer func() { s.term.AutoCompleteCallback, s.term.History = help, s.history }()
	var b strings.Builder
	for {
		line, state, err := s.blockLine()
		switch {
		case err != nil, state.mark == abandoned, state.mark == toTop:
			return ""
		case state.mark == atEnd, strings.TrimSpace(line) == endOfText:
			return b.String()
		case b.Len()+len(line) >= wire.MaxBody:
			s.println(fmt.Sprintf("%% the text has more than %d bytes", wire.MaxBody))
			return ""
		}
		b.WriteString(line + "\n")
	}
}

// endOfText is the line that ends a text, which may hold empty lines.
const endOfText = "."

// pem reads blocks; lines that turn out to be commands go back to the queue.
func (s *session) pem(prompt string) string { return s.blocks(prompt, false) }

// block reads one block, to its END line.
func (s *session) block(prompt string) string { return s.blocks(prompt, true) }

func (s *session) blocks(prompt string, one bool) string {
	s.println(prompt)
	help := s.term.AutoCompleteCallback
	s.term.AutoCompleteCallback, s.term.History = s.plainKey, noHistory{}
	defer func() { s.term.AutoCompleteCallback, s.term.History = help, s.history }()
	var b block
	var e *end
	for e == nil {
		line, state, err := s.blockLine()
		switch {
		case err != nil, state.mark == abandoned, state.mark == toTop:
			return ""
		case state.mark == atEnd:
			e = b.close()
		case state.bad != "":
			e = b.add("(" + state.bad + ")") // keeps its place, so that the check of the block names it
		case pasted.Blank(line) && b.wants(s.peek()):
		default:
			e = b.add(line)
		}
		if e == nil && b.over(one, s.peek) {
			e = &end{}
			for len(s.queue) > 0 && strings.TrimSpace(s.queue[0]) == "" {
				s.queue = s.queue[1:]
			}
		}
	}
	if e.slip != "" {
		s.println(e.slip)
	}
	s.queue = append(e.rest, s.queue...)
	return b.text()
}

// blockLine is the next line of a block, pasted or typed.
func (s *session) blockLine() (string, lineState, error) {
	if s.fill(); len(s.queue) == 0 {
		return s.read("")
	}
	line := s.queue[0]
	s.queue = s.queue[1:]
	s.println(line)
	return line, lineState{fast: true}, nil
}

// peek is the next pasted line that is not empty, when it is here or comes at once.
func (s *session) peek() string {
	until := time.Now().Add(quiet)
	for {
		for _, l := range s.queue {
			if strings.TrimSpace(l) != "" {
				return l
			}
		}
		more := s.keys.lines()
		s.queue = append(s.queue, more...)
		left := time.Until(until)
		if len(more) == 0 && (left <= 0 || !s.keys.wait(0, left)) {
			return ""
		}
		if len(more) == 0 {
			time.Sleep(min(left, 5*time.Millisecond)) // the rest of the line is on its way
		}
	}
}

// follow prints what sbcd reports to this session (debug output), through restarts of sbcd.
func (s *session) follow(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	began := time.Now()
	for ctx.Err() == nil {
		s.client.Events(ctx, s.user, s.tty, began, func(e wire.Event) { s.println(e.Text) })
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// hangup reports whether an error only means that the terminal is gone.
func hangup(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, io.ErrClosedPipe)
}
