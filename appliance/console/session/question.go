package session

import (
	"strings"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/edit"
)

// unanswered is said when a question in a paste or a script has no answer: the next line is a command.
const unanswered = "% not done: the next line is no answer (yes or no); the word force behind the command leaves the question out"

// Differ is said when a password was repeated wrongly.
const Differ = "The two are not the same."

const notDone = "% not done"

// answer reports whether a line is an answer to a question, and which.
func answer(line string) (yes, ok bool) {
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, true
	case "n", "no":
		return false, true
	}
	return false, false
}

// confirm asks a question at the keyboard. A line of a paste that is no answer stays in the queue.
func (s *Session) confirm(prompt string) bool {
	defer s.screen.Plain()()
	for {
		line, pasted := "", false
		if s.fill(); len(s.queue) > 0 {
			line, pasted = s.queue[0], true
			s.screen.Println(prompt)
		} else {
			var state edit.Line
			var err error
			line, state, err = s.screen.Read(prompt)
			if pasted = state.Fast; err != nil || state.Mark != edit.Entered || !pasted && strings.TrimSpace(line) == "" {
				s.screen.Println(notDone)
				return false
			}
			if pasted {
				s.queue = append([]string{line}, s.queue...)
			}
		}
		yes, ok := answer(line)
		if pasted && ok {
			s.queue = s.queue[1:]
		}
		switch {
		case yes:
			return true
		case ok:
			s.screen.Println(notDone)
			return false
		case pasted:
			s.screen.Println(unanswered)
			return false
		}
		s.screen.Println("% type yes or no")
	}
}

// confirm takes the answer of a question from the input, where the next line is one.
func (p *Paste) confirm(ask *wire.Collect) bool {
	p.say(strings.TrimSpace(ask.Prompt))
	yes, ok := answer(p.peek())
	if ok {
		for len(p.queue) > 0 { // up to the answer; what stands before it is empty
			_, answered := answer(p.queue[0].text)
			p.queue = p.queue[1:]
			if answered {
				break
			}
		}
	}
	switch {
	case !ok:
		p.say(unanswered)
	case !yes:
		p.say(notDone)
	}
	return yes
}
