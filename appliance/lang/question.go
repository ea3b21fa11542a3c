package lang

// force is the word behind a command that leaves its question out: in a script nobody is there to answer.
const force = "force"

// confirmed reports whether the question of this line was answered with yes, or need not be asked. Else it asks; the line is sent again
// with the answer.
func (c *call) confirmed(forced bool, question string) bool {
	if forced || c.session.Yes {
		return true
	}
	c.result.Collect = &Collect{Prompt: question + " [yes/no] ", Kind: "confirm"}
	return false
}
