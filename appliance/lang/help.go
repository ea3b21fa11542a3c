package lang

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/lang/word"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Help returns what can come next at a byte offset in line.
func (l *Language) Help(box device.Box, s *Session, line string, offset int) Help {
	cfg := box.Running()
	p := l.resolve(cfg, s.Mode)
	if !s.May(config.Administrator) {
		p = cursor{}
	}
	if h, ok := answer.FilterHelp(line[:max(0, min(offset, len(line)))]); ok {
		return h
	}
	var modes []cli.Layer
	if p.level == command.Configuring {
		modes = l.namedLayers(cfg, p)
	}
	h := l.table.Help(append(modes, cli.Layer{Mode: l.commands(p.level), Name: commandsName}), line, offset, cfg, outside(box))
	if len(h.Choices) == 0 && !h.Text && p.level != command.Configuring {
		return l.elsewhere(box, s, p, line, offset)
	}
	for n, c := range h.Choices {
		if c.Word == "<cr>" && c.Section == commandsName {
			h.Choices = slices.Insert(h.Choices, n, Choice{Word: "|", Help: "Choose from what it prints: include, exclude, begin, count", Section: commandsName})
			break
		}
	}
	before := line[:max(0, min(offset, len(line)))]
	return onlySections(command.OnlyKept(h, box, before[strings.LastIndexByte(before, ' ')+1:]))
}

// showHelp answers a line that was entered with a ? at its end, as it comes from a paste, from ssh NAME@BOX 'show ?' and from the fingers of
// who types Enter after it. It reports false if the line was refused for something else.
func (l *Language) showHelp(c *call, line string, err error) bool {
	var e *cli.Error
	before, asks := strings.CutSuffix(strings.TrimSpace(line), "?")
	if !asks || before != "" && !strings.HasSuffix(before, " ") || !errors.As(err, &e) || !strings.HasPrefix(line[min(e.Col, len(line)):], "?") {
		return false
	}
	h := l.Help(c.Box, c.Session, before, len(before))
	if h.Text {
		return false
	}
	answer.Page{Out: c.Out}.Choices(h.Choices)
	return len(h.Choices) > 0
}

// statementHelp is the help of a configuration alone, without commands.
func (l *Language) statementHelp(box device.Box, s *Session, line string, offset int) Help {
	cfg := box.Running()
	return onlySections(l.table.Help(l.namedLayers(cfg, l.resolve(cfg, s.Mode)), line, offset, cfg, outside(box)))
}

// commandsName is the heading of commands that are available in every mode.
const commandsName = "Commands"

// namedLayers returns the modes at a cursor, each named after the line that opens it.
func (l *Language) namedLayers(cfg *config.Config, p cursor) []cli.Layer {
	modes, where := l.layers(cfg, p)
	for n, w := range where {
		switch {
		case w.implicit != "":
			modes[n].Name = "Blocks of " + w.implicit
		case len(w.headers) == 0:
			modes[n].Name = "Configuration"
		default:
			modes[n].Name = w.headers[len(w.headers)-1]
		}
	}
	return modes
}

// onlySections removes the headings if all choices have the same one.
func onlySections(h Help) Help {
	for _, c := range h.Choices {
		if c.Section != h.Choices[0].Section {
			return h
		}
	}
	for n := range h.Choices {
		h.Choices[n].Section = ""
	}
	return h
}

// elsewhere returns what could come next in other modes, even in those that the account may not enter. Tab inserts none of it.
func (l *Language) elsewhere(box device.Box, s *Session, p cursor, line string, offset int) Help {
	cfg := box.Running()
	commands, statements := "After enable", "After enable and configure"
	if !s.May(config.Administrator) {
		commands, statements = "For administrators", "For administrators, after configure"
	}
	var layers []cli.Layer
	if p.level == command.OperatorExec {
		layers = append(layers, cli.Layer{Mode: l.admin, Name: commands})
	}
	modes, _ := l.layers(cfg, cursor{})
	for _, m := range modes {
		m.Name = statements
		layers = append(layers, m)
	}
	h := l.table.Help(layers, line, offset, cfg, nil)
	h.Insert = ""
	return h
}

// outside completes the names of objects that the box has outside its configuration. A name that nobody can type is not put into a line.
func outside(box device.Box) func(kind string) []string {
	return func(kind string) (names []string) {
		switch kind {
		case word.OutsideKeys, word.OutsideCertificates:
			for _, i := range box.PKI() {
				if i.Kind != status.KeyTrusted && (kind == word.OutsideKeys || i.Kind == status.KeyCertificate) {
					names = append(names, "pki:"+string(i.Kind)+"/"+i.Name)
				}
			}
		case word.OutsideRegistrations:
			for _, r := range box.Registrations() {
				names = append(names, r.Identity)
			}
		case word.OutsideCalls:
			names = callsOf(box)
		case word.OutsideTraced:
			names = append(callsOf(box), recordsOf(box)...)
		case word.OutsideRecords:
			names = recordsOf(box)
		case word.OutsideVersions:
			for n := 1; n <= box.Kept(); n++ {
				names = append(names, fmt.Sprint(n))
			}
		case word.OutsidePeers:
			for _, p := range box.Peers() {
				names = append(names, p.Interface)
			}
		case word.OutsideAlarms:
			for _, a := range box.Alarms() {
				if !slices.Contains(names, a.ID) {
					names = append(names, a.ID)
				}
			}
		case word.OutsidePresence:
			for _, p := range box.Presence().Services {
				for _, u := range p.Users {
					names = append(names, u.Name)
				}
			}
		case word.OutsidePhones:
			for _, p := range box.Phones() {
				names = append(names, p.Identity)
			}
		case word.OutsideBans:
			for _, b := range box.Bans() {
				names = append(names, b.Source.String())
			}
		}
		return slices.DeleteFunc(names, func(name string) bool { return printable.Line(name) != name })
	}
}

// callsOf returns the IDs of the calls in progress, recordsOf those of the last calls.
func callsOf(box device.Box) (ids []string) {
	for _, c := range box.Calls() {
		ids = append(ids, c.ID)
	}
	return ids
}

func recordsOf(box device.Box) (ids []string) {
	const shown = 20
	records, _ := box.CallRecords(shown) // no completion if they cannot be read
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}
