package sipevent

import (
	"strings"

	"viaduct/appliance/config"
)

// phone is an identity of phones that register here: of a location-service.
type phone struct{ location, identity string }

// book says who is who at the PBX and here: an identity of phones and the one as which the box is registered at a PBX are the same person if a name
// or an alias of the one is a name or an alias of the other, with or without a plus in front. It is made of a configuration, and does not change.
type book struct {
	lines     map[string]string  // identities whose calls the PBX is asked for, by names, aliases and extensions
	twins     map[phone]string   // the one of them that an identity of phones is
	accounts  map[phone]bool     // identities whose PBX is asked for waiting messages: of other location-services, or the phone's own
	mailboxes map[string][]phone // whose phones are told of messages, by the names under which a PBX may speak of a mailbox
}

func newBook(cfg *config.Config) *book {
	b := &book{lines: map[string]string{}, twins: map[phone]string{}, accounts: map[phone]bool{}, mailboxes: map[string][]phone{}}
	extensions := extensionsOf(cfg)
	registered := map[string]phone{}
	for _, l := range cfg.Location {
		for _, id := range l.Identities {
			f, _ := l.Settings(id.Name)
			for _, name := range append(namesOf(id), bare(extensions[id.Name])) {
				if _, taken := b.lines[name]; f.SubscribeDialog && name != "" && !taken {
					b.lines[name] = id.Name
				}
				if _, taken := registered[name]; f.Registration != nil && !f.Registration.None && name != "" && !taken {
					registered[name] = phone{l.Name, id.Name}
				}
			}
		}
	}
	for _, l := range cfg.Location {
		for _, id := range l.Identities {
			p := phone{l.Name, id.Name}
			f, _ := l.Settings(id.Name)
			asked := false
			for _, name := range namesOf(id) {
				if line, ok := b.lines[name]; ok && b.twins[p] == "" {
					b.twins[p] = line
				}
				if !f.MessageWaiting {
					continue
				}
				b.mailbox(name, p)
				if account, ok := registered[name]; ok && !asked {
					asked, b.accounts[account] = true, true
					b.mailbox(bare(account.identity), p)
					b.mailbox(bare(extensions[account.identity]), p)
				}
			}
		}
	}
	return b
}

// mailbox notes that the phones of p are told of the messages of a mailbox.
func (b *book) mailbox(name string, p phone) {
	if name == "" {
		return
	}
	for _, x := range b.mailboxes[name] {
		if x == p {
			return
		}
	}
	b.mailboxes[name] = append(b.mailboxes[name], p)
}

// namesOf are the names of an identity, its own first.
func namesOf(id *config.Identity) []string {
	list := []string{bare(id.Name)}
	for _, a := range id.Aliases {
		list = append(list, bare(a))
	}
	return list
}

// bare is a name or number without the plus that some write and others do not.
func bare(name string) string { return strings.TrimPrefix(name, "+") }
