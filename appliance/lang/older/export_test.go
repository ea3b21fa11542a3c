package older

// Prompts are those of the modes in which statements of other generations are known.
func Prompts() (list []string) {
	for _, f := range forms {
		list = append(list, f.prompt)
	}
	for _, n := range noEffects {
		list = append(list, n.prompt)
	}
	return list
}
