package older

import (
	"fmt"
	"strings"
)

// Manual tells what becomes of lines that are not in the table: those of the generation before, and those that nobody knows.
func Manual() string {
	var b strings.Builder
	b.WriteString(manualUnknown)
	b.WriteString("\n## Lines of older SmartNodes\n\nThese are taken, with a note that names the line of this box that says the same. `show running-config` prints that one.\n\n")
	for _, o := range forms {
		fmt.Fprintf(&b, "- `%s`\n", o.shown)
	}
	b.WriteString("\nThese are taken and have no effect, with one note each. What is marked as a block is left out with all its lines.\n\n| lines | |\n|---|---|\n")
	for _, h := range noEffects {
		kind := h.why
		if h.Block {
			kind = "block: " + kind
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(h.begins, "`, `"), kind)
	}
	return b.String()
}

const manualUnknown = `
# What is not understood

A line that is not understood changes nothing. One that looks like the header of a block (` + "`interface gsm X`" + `, ` + "`port satellite 0 0`" + `, a table of an
unknown type, a header with a bad value or a name that is taken) is left out with its block, and one message says how many lines that were.

- A line is a header when a header of this box begins with the same word, also misspelt, and no other line
  of the present mode could have been meant.
- A line that begins with a word which nobody knows is a header only if the next line is indented further. So a slip takes no good
  line along, with and without indentation.
- Lines that are indented further than the header belong to the block, whatever they say. A line that is indented less ends it, and so does
  one with the header's indentation once a line of the block was indented further.
- Where the lines are not indented, the block goes on to the next header that is understood, with its keywords written out, or to
  ` + "`exit`" + ` or ` + "`end`" + `. Commands are run meanwhile. A header of the same mode that is not understood either begins a block of its own.
- At a console the prompt shows ` + "`(?)`" + ` within such a block.

A name belongs to its context: two ` + "`context cs`" + `, or two ` + "`context ip`" + `, may use the same names, and their lines refer to their own. Where a command
names no context and two have the name, write ` + "`CONTEXT/NAME`" + `. Lists, logs and metrics write it so, too, for contexts that are not called ` + "`SWITCH`" + `.

Characters that nobody sees, such as zero-width blanks, soft hyphens and no-break spaces in quotes, are refused and named with their column.
Printed quotation marks (“ ” „ « ») around a word count as ` + "`\"`" + `; elsewhere, and printed dashes, they are refused outside of quotes.

In front of a line, the prompt of a console, a line number and the ` + "`>`" + ` of a mail are ignored. A line with the prompt of another
object than the present one is refused. Files in UTF-16 are read.

` + "`context cs`" + `, ` + "`context ip`" + ` and ` + "`context sip-gateway`" + ` need no name where there is one only; the first two make ` + "`SWITCH`" + ` and ` + "`ROUTER`" + ` where there is none.
`
