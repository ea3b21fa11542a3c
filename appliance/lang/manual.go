package lang

import (
	"strings"

	"viaduct/appliance/lang/older"
)

// Manual is docs/commands.md: every line and every command, from the table.
func (l *Language) Manual() string {
	var b strings.Builder
	b.WriteString(manualIntro)
	b.WriteString(l.table.Manual(l.table.Root(), "\n# Lines of a configuration"))
	b.WriteString(l.table.Manual(l.admin, "\n# Commands\n\nThey work in every mode."))
	b.WriteString(older.Manual())
	return b.String()
}

const manualIntro = `<!-- Generated from the table of appliance/lang: go test ./appliance/lang -run TestManualIsCurrent -update -->

# The command language

A line of the configuration is understood in the present mode and in those around it, so a file needs no ` + "`exit`" + `; indentation
and blank lines mean nothing while every header is understood (see [what is not understood](#what-is-not-understood)), and ` + "`#`" + ` begins a comment. Keywords may be shortened to what is unique. ` + "`no`" + ` in front takes a line
back. Values with blanks, and empty ones, stand in quotes. ` + "`show config problems`" + ` says what is wrong, and how to put it right.

` + "`ssh NAME@BOX COMMAND`" + ` runs one command with all the rights of the account, without ` + "`enable`" + `, and exits with 1 when it failed. What the command
reads, a block or a file, comes from the input: ` + "`ssh admin@sbc01 import pki:certificate/CA < ca.pem`" + `. Lines on the input of ` + "`ssh NAME@BOX`" + `
without a terminal are a paste.

Patterns: ` + "`<argument>`" + `, ` + "`[may be left out]`" + ` (several in any order), ` + "`(one|of these)`" + `.

## Keys of tables

Keys of mapping and routing tables are regular expressions that begin at the first character and are open at the end unless ` + "`$`" + `
closes them. Of several that match, the best one counts, whatever the order of lines: the one that demands most characters of the
value, so that ` + "`\\+4930123(..)`" + ` comes before ` + "`\\+4930123`" + ` and ` + "`1[1-5]`" + ` before ` + "`1`" + `. Characters and alternatives that may be left out count where
the value has them, and a wildcard that may be left out does not count. Then most literal characters decide, then ` + "`$`" + `, then fewer
wildcards, then order. ` + "`default`" + ` comes last. A mapping replaces the whole value; ` + "`\\0`" + ` to ` + "`\\9`" + ` stand for the key's groups; where no key
matches and there is no ` + "`default`" + `, the value stays. What would be longer than 64 characters (numbers) or 1,024 (everything else) rejects the call.

A key of type e164 without a leading ` + "`+`" + ` also matches the number without its ` + "`+`" + `, and ` + "`T`" + ` alone matches every number. Numbers come without the
signs between their digits. A value of type e164 is cut at ` + "`@`" + `, ` + "`;`" + ` and ` + "`>`" + `.

Some tables take no patterns of characters, and refuse a key that could never match:

| type | keys |
|---|---|
| calling-ip, called-ip | an address, a network such as ` + "`192.0.2.0/24`" + ` (the smallest that matches is the best), or a pattern of addresses |
| time | ` + "`08:00-17:00`" + ` (17:00 is not in it), ` + "`22:00-06:00`" + `, ` + "`12:30`" + ` |
| date | ` + "`24.12.2026`" + `, ` + "`24.12.2026-06.01.2027`" + ` |
| day-of-week | ` + "`mon`" + `, ` + "`monday`" + `, ` + "`mon-fri`" + ` |
| calling-pi | allowed, restricted, interworking |
| calling-si | user-not-screened, user-passed, user-failed, network-provided (or network) |
`
