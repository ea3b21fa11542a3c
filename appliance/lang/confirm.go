package lang

// confirmed reports whether the question of this line was answered with yes, or need not be asked: forced is the word force behind it, for
// in a script nobody is there to answer. Else it asks; the line is sent again with the answer.
func (c *call) confirmed(forced bool, question string) bool {
	if forced || c.session.Yes {
		return true
	}
	c.result.Collect = &Collect{Prompt: question + " [yes/no] ", Kind: "confirm"}
	return false
}
