package lang

import "strings"

// Manual is docs/commands.md: every line and every command, from the table.
func (l *Language) Manual() string {
	var b strings.Builder
	b.WriteString(manualIntro)
	b.WriteString(l.table.Manual(l.table.Root(), "\n# Lines of a configuration"))
	b.WriteString(l.table.Manual(l.admin, "\n# Commands\n\nThey work in every mode."))
	return b.String()
}

const manualIntro = `<!-- Generated from the table of appliance/lang: go test ./appliance/lang -run TestManualIsCurrent -update -->

# The command language

A line of the configuration is understood in the present mode and in those around it, so a file needs no ` + "`exit`" + `; indentation
and blank lines mean nothing, and ` + "`#`" + ` begins a comment. Keywords may be shortened to what is unique. ` + "`no`" + ` in front takes a line
back. Values with blanks, and empty ones, stand in quotes. ` + "`show config problems`" + ` says what is wrong, and how to put it right.

` + "`ssh NAME@BOX COMMAND`" + ` runs one command with all the rights of the account, without ` + "`enable`" + `, and exits with 1 when it failed. What the command
reads, a block or a file, comes from the input: ` + "`ssh admin@sbc01 import pki:certificate/CA < ca.pem`" + `. Lines on the input of ` + "`ssh NAME@BOX`" + `
without a terminal are a paste.

Patterns: ` + "`<argument>`" + `, ` + "`[may be left out]`" + ` (several in any order), ` + "`(one|of these)`" + `.

## Keys of tables

Keys of mapping and routing tables are regular expressions that begin at the first character and are open at the end unless ` + "`$`" + `
closes them. Of several that match, the best one counts, whatever the order of lines: most literal characters, then fewer
wildcards, then ` + "`$`" + `, then order. A mapping replaces the whole value; ` + "`\\0`" + ` to ` + "`\\9`" + ` stand for the key's groups; where no key matches,
the value stays. A key of type e164 without a leading ` + "`+`" + ` also matches the number without its ` + "`+`" + `. A value of type e164 is cut at
` + "`@`" + `, ` + "`;`" + ` and ` + "`>`" + `.
`
