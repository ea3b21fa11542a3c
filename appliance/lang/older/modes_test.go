package older_test

import (
	"strings"
	"testing"

	"viaduct/appliance/lang"
	"viaduct/appliance/lang/older"
)

// The modes in which older statements stand are modes of the table, under the same prompts.
func TestModesOfOlderStatementsExist(t *testing.T) {
	manual := lang.New().Manual()
	for _, p := range older.Prompts() {
		if p != "" && !strings.Contains(manual, "Prompt `("+p+")`") {
			t.Errorf("no mode has the prompt %q", p)
		}
	}
}
