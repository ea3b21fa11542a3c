// Package session reads lines, has sbcd run them, and prints the answers: at a terminal (Session) or from a pipe (Paste).
//
// It owns questions, blocks, help, and the end of a paste. It does not own the language: each line goes to sbcd with the mode in which the
// session stands, so that a session survives a restart of sbcd and can say that sbcd is down. Logins are not its business.
//
// Goroutines: a session has one of its own, the caller's, and a follower that prints what sbcd reports; Run waits for it. A paste has one
// that reads lines, which its caller starts.
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
	"viaduct/appliance/console/rescue"
	"viaduct/appliance/pasted"
	"viaduct/appliance/plural"
)

// Session is a user at a screen: it reads lines, runs them, and prints the answers.
type Session struct {
	shell
	screen  *edit.Screen
	history *edit.History
	queue   []string // pasted lines that are not run yet
	pasted  int      // lines that came too fast for a typist since the keyboard was last quiet
	bad     int      // lines in a row that were no text
	rescue  *rescue.Rescue
	down    bool // sbcd did not answer the last line
	quick   bool // the last secret was pasted
}

// New makes a session at a screen.
func New(scr *edit.Screen, who Who, history *edit.History, r *rescue.Rescue) *Session {
	return &Session{shell: shell{who: who}, screen: scr, history: history, rescue: r}
}

// pasteEnd is how long the keyboard must be quiet for a paste to be over.
const pasteEnd = 300 * time.Millisecond

// Run runs the session until its user leaves, the terminal goes, or the context ends. The error is nil after `exit`.
func (s *Session) Run(ctx context.Context) error {
	s.more = true
	s.screen.Assist(s.history, func(line string, pos int, key rune) (string, int, bool) { return s.help(ctx, line, pos, key) })
	defer s.history.Save() // an error is a full or missing disk, about which sbcd complains enough
	defer s.screen.Alone()
	ctx, cancel := context.WithCancel(ctx)
	followed := make(chan struct{})
	go s.follow(ctx, followed)
	defer func() {
		cancel()
		<-followed
	}()
	if err := s.refresh(ctx, s.screen.Print); err != nil {
		s.screen.Println(explain(err))
		s.explainDown(err)
		s.prompt = "> "
	}
	for !s.exit {
		if err := s.step(ctx); err != nil {
			if errors.Is(err, edit.ErrIdle) {
				s.screen.Println(fmt.Sprintf("\n%% nothing was typed for %v: logged out", s.screen.Keys.Idle))
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
func (s *Session) step(ctx context.Context) error {
	if s.pasted > 0 && len(s.queue) == 0 && !s.screen.Keys.Wait(0, pasteEnd) {
		if s.pasted > 1 {
			s.summary(ctx)
		}
		s.pasted = 0
	}
	if s.fill(); s.down && s.local() && len(s.queue) == 1 && s.rescue.Typed(s.screen, s.queue[0]) {
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
	line, state, err := s.screen.Read(s.prompt)
	if err != nil {
		return err
	}
	switch {
	case state.Mark == edit.Abandoned:
	case state.Mark == edit.ToTop:
		s.exec(ctx, []string{"end"}, false)
	case state.Mark == edit.AtEnd:
		s.exit = true
	case state.Bad != "":
		s.refuse(state.Bad)
		s.lose(line)
		s.refresh(ctx, s.screen.Print) // an error says what the next line will say
		if state.Fast {
			s.paste(ctx)
			s.pasted++
			s.tally.refuse(s.pasted, line, state.Bad)
		}
	case s.down && s.local() && s.rescue.Typed(s.screen, line):
	default:
		s.bad = 0
		s.history.Remember(line)
		if state.Fast {
			s.paste(ctx)
		}
		ran := s.exec(ctx, []string{line}, false)
		switch {
		case state.Fast:
			s.pasted += ran
		case s.leftOut:
			s.screen.Println("% left out: the line is in a block that is not understood, which exit leaves")
		}
	}
	return nil
}

// paste begins a paste, unless one goes on.
func (s *Session) paste(ctx context.Context) {
	if s.pasted == 0 {
		s.beginPaste(ctx)
	}
}

// fill takes the pasted lines that are here.
func (s *Session) fill() {
	if len(s.queue) == 0 {
		s.queue = s.screen.Keys.Lines(batchLines, batchBytes)
	}
}

// refuse says why a line is not run; of a binary file only the first lines are named.
func (s *Session) refuse(why string) {
	switch s.bad++; {
	case s.bad < maxComplaints:
		s.screen.Println("% " + why + ": not run")
	case s.bad == maxComplaints:
		s.screen.Println("% " + why + ": not run; further lines that are not text are left out without a word")
	}
}

// exec runs lines; pasted ones are shown behind their prompts, as the editor has shown a typed one. It returns how many it took.
func (s *Session) exec(ctx context.Context, lines []string, pasted bool) (took int) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s.screen.Keys.OnInterrupt(cancel)
	defer s.screen.Keys.OnInterrupt(nil)
	out := edit.NewPager(s.screen, s.more && !pasted, cancel)
	s.live = out.Live
	show := func(i int) {
		if pasted && i < len(lines) {
			out.Print(s.prompt + lines[i] + "\n")
		}
	}
	show(0)
	ran, err := s.shell.send(running, lines, "", out.Print, func(i int, a wire.Answer) {
		s.tally.count(s.pasted+i+1, lines[i], a)
		if s.collect == nil && !s.exit {
			show(i + 1)
		}
	})
	out.End()
	s.size()
	s.queue = append(lines[ran:len(lines):len(lines)], s.queue...)
	s.down = false
	switch {
	case err == nil && s.collect != nil && ran > 0:
		s.screen.Keys.OnInterrupt(nil)
		s.collected(ctx, s.pasted+ran, lines[ran-1])
	case err == nil:
	case running.Err() != nil:
		s.queue = nil // lines behind the interrupted command; none of them is run again
		if !out.Quit() {
			s.screen.Println("^C")
		}
	default:
		s.screen.Println(explain(err))
		if len(s.queue) > 0 {
			s.tally.refuse(s.pasted+ran+1, s.queue[0], err.Error())
			s.queue = s.queue[1:]
			ran++
		}
		var down *client.Down
		if n := len(s.queue); errors.As(err, &down) && n > 0 {
			s.screen.Println(fmt.Sprintf("%% %s %s not run", plural.Of(n, "more pasted line"), plural.Was(n)))
			s.queue = nil
		}
		s.explainDown(err)
	}
	return ran
}

// size makes the screen as large as `terminal length` and `terminal width` have said.
func (s *Session) size() {
	if s.rows+s.columns > 0 {
		s.screen.Fix(s.columns, s.rows)
		s.rows, s.columns = 0, 0
	}
}

// local reports whether the session's terminal is at the box.
func (s *Session) local() bool {
	where, _, _ := strings.Cut(s.who.TTY, " ")
	return where != "ssh" && where != "telnet" && where != "web"
}

// explainDown says why sbcd may not answer, and what can be done about it.
func (s *Session) explainDown(err error) {
	var down *client.Down
	if !errors.As(err, &down) {
		return
	}
	if s.down = true; s.local() {
		s.screen.Print(s.rescue.Why())
		s.screen.Print("Words that work meanwhile:\n" + s.rescue.Menu(true))
	}
}

// summary prints the end of a paste.
func (s *Session) summary(ctx context.Context) {
	if _, err := s.endPaste(ctx, s.screen.Height()-1, s.screen.Print); err != nil {
		s.screen.Println(explain(err))
	}
}

// collected reads the blocks that a line wants, and runs it again with all of them until it wants no more.
func (s *Session) collected(ctx context.Context, n int, line string) {
	body := ""
	for s.collect != nil {
		if s.collect.Kind == wire.File {
			s.screen.Println(s.collect.Prompt)
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
		read := s.readPEM
		switch s.collect.Kind {
		case wire.Block:
			read = s.readBlock
		case wire.Secret:
			read = s.readSecret
		case wire.NewSecret:
			read = s.readNewSecret
		case wire.Text:
			read = s.readText
		}
		text := read(s.collect.Prompt)
		if text == "" {
			s.collect = nil
			s.screen.Println("% nothing stored")
			s.tally.refuse(n, line, "nothing stored")
			return
		}
		body += text
		s.again(ctx, n, line, body)
		if s.unused && s.quick {
			s.queue = append([]string{strings.TrimSuffix(text, "\n")}, s.queue...)
		}
	}
}

// again runs a line with the block that it asked for.
func (s *Session) again(ctx context.Context, n int, line, body string) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s.screen.Keys.OnInterrupt(cancel)
	defer s.screen.Keys.OnInterrupt(nil)
	if _, err := s.shell.send(running, []string{line}, body, s.screen.Print, func(_ int, a wire.Answer) { s.tally.count(n, line, a) }); err != nil {
		s.screen.Println(explain(err))
	}
}

// readSecret reads a line that is not shown, whether it is typed or was pasted behind a block.
func (s *Session) readSecret(prompt string) string {
	if !strings.HasSuffix(prompt, " ") {
		prompt += " "
	}
	s.fill()
	if s.quick = len(s.queue) > 0; s.quick {
		line := s.queue[0]
		s.queue = s.queue[1:]
		s.screen.Println(prompt)
		return line + "\n"
	}
	line, state, err := s.screen.Password(prompt)
	if err != nil || state.Mark != edit.Entered || state.Bad != "" {
		return ""
	}
	return line + "\n"
}

// readNewSecret reads a new secret twice.
func (s *Session) readNewSecret(prompt string) string {
	for {
		first := s.readSecret(prompt)
		if first == "" || first == "\n" || s.readSecret("Again: ") == first {
			return first
		}
		s.screen.Println("% " + Differ)
	}
}

// readText reads lines up to one with a single dot.
func (s *Session) readText(prompt string) string {
	s.screen.Println(prompt)
	defer s.screen.Plain()()
	var b strings.Builder
	for {
		line, state, err := s.blockLine()
		switch {
		case err != nil, state.Mark == edit.Abandoned, state.Mark == edit.ToTop:
			return ""
		case state.Mark == edit.AtEnd, strings.TrimSpace(line) == endOfText:
			return b.String()
		case b.Len()+len(line) >= wire.MaxBody:
			s.screen.Println(fmt.Sprintf("%% the text has more than %d bytes", wire.MaxBody))
			return ""
		}
		b.WriteString(line + "\n")
	}
}

// endOfText is the line that ends a text, which may hold empty lines.
const endOfText = "."

// readPEM reads blocks; lines that turn out to be commands go back to the queue.
func (s *Session) readPEM(prompt string) string { return s.readBlocks(prompt, false) }

// readBlock reads one block, to its END line.
func (s *Session) readBlock(prompt string) string { return s.readBlocks(prompt, true) }

func (s *Session) readBlocks(prompt string, one bool) string {
	s.screen.Println(prompt)
	defer s.screen.Plain()()
	var b block.Block
	var e *block.End
	for e == nil {
		line, state, err := s.blockLine()
		switch {
		case err != nil, state.Mark == edit.Abandoned, state.Mark == edit.ToTop:
			return ""
		case state.Mark == edit.AtEnd:
			e = b.Finish()
		case state.Bad != "":
			e = b.Add("(" + state.Bad + ")") // keeps its place, so that the check of the block names it
		case pasted.Blank(line) && b.Wants(s.peek()):
		default:
			e = b.Add(line)
		}
		if e == nil && b.Over(one, s.peek) {
			e = &block.End{}
			for len(s.queue) > 0 && strings.TrimSpace(s.queue[0]) == "" {
				s.queue = s.queue[1:]
			}
		}
	}
	if e.Slip != "" {
		s.screen.Println(e.Slip)
	}
	s.queue = append(e.Rest, s.queue...)
	return b.Text()
}

// blockLine is the next line of a block, pasted or typed.
func (s *Session) blockLine() (string, edit.Line, error) {
	if s.fill(); len(s.queue) == 0 {
		return s.screen.Read("")
	}
	line := s.queue[0]
	s.queue = s.queue[1:]
	s.screen.Println(line)
	return line, edit.Line{Fast: true}, nil
}

// peek is the next pasted line that is not empty, when it is here or comes at once.
func (s *Session) peek() string {
	until := time.Now().Add(quiet)
	for {
		for _, l := range s.queue {
			if strings.TrimSpace(l) != "" {
				return l
			}
		}
		more := s.screen.Keys.Lines(batchLines, batchBytes)
		s.queue = append(s.queue, more...)
		left := time.Until(until)
		if len(more) == 0 && (left <= 0 || !s.screen.Keys.Wait(0, left)) {
			return ""
		}
		if len(more) == 0 {
			time.Sleep(min(left, 5*time.Millisecond)) // the rest of the line is on its way
		}
	}
}

// follow prints what sbcd reports to this session (debug output), through restarts of sbcd.
func (s *Session) follow(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	began := time.Now()
	for ctx.Err() == nil {
		s.who.Client.Events(ctx, s.who.User, s.who.TTY, began, func(e wire.Event) { s.screen.Println(e.Text) })
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// Hangup reports whether an error only means that the terminal is gone.
func Hangup(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, io.ErrClosedPipe)
}
