package call_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// registrations are the registrar, the busy lamps and the survival of a scenario: which peers have registered as which identity, what lamps were
// told of each, and which interfaces' calls go elsewhere.
type registrations struct {
	w *world

	mu      sync.Mutex
	phones  map[string][]siptransport.PhoneTarget // by identity, the last first
	lamps   map[string][]string
	shut    map[string]bool // IDs of dialogs that are over
	detours map[string]detour
}

type detour struct {
	survival string
	to       config.Dest
}

func newRegistrations(w *world) *registrations {
	return &registrations{w: w, phones: map[string][]siptransport.PhoneTarget{}, lamps: map[string][]string{}, shut: map[string]bool{}, detours: map[string]detour{}}
}

// Admit lets in who has registered, by its address. An emergency call is let in from anywhere.
func (r *registrations) Admit(_ *config.SIPInterface, _ *sipmsg.Request, from siptransport.Arrival, urgent bool) (string, *sipmsg.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for identity, list := range r.phones {
		if slices.ContainsFunc(list, func(t siptransport.PhoneTarget) bool { return t.Addr == from.Source }) {
			return identity, nil
		}
	}
	if urgent {
		return "", nil
	}
	return "", &sipmsg.Fault{Code: 403}
}

func (r *registrations) Lost(siptransport.FlowID) {}

func (r *registrations) Targets(iface config.InterfaceID, user string) ([]siptransport.PhoneTarget, string, bool) {
	cfg := r.w.config()
	_, i := iface.In(cfg)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range i.Phones.In(cfg).Identities {
		bare := func(s string) string { return strings.TrimPrefix(s, "+") }
		if x.Name == user || slices.ContainsFunc(x.Aliases, func(a string) bool { return bare(a) == bare(user) }) {
			return slices.Clone(r.phones[x.Name]), x.Name, true
		}
	}
	return nil, "", false
}

func (r *registrations) Route(from config.InterfaceID) (config.Dest, string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.detours[from.Name]
	return d.to, d.survival, ok
}

// Line is what lamps are told.
func (r *registrations) Line(location, identity string, d dialoginfo.Dialog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut[d.ID] || location != "LS_PHONES" || d.CallID == "" || d.LocalTag == "" || d.RemoteTag == "" {
		r.w.problem("a lamp of %s in %s is told of %+v", identity, location, d)
	}
	r.shut[d.ID] = d.State == dialoginfo.Terminated
	r.lamps[identity] = append(r.lamps[identity], fmt.Sprintf("%s %s %s", d.State, d.Direction, d.Remote.URI))
}

// set is `registered IDENTITY PEER ...`, `lamps`, `survival NAME INTERFACE KIND DEST` or `survival NAME is over`.
func (r *registrations) set(s step) {
	r.w.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch s.words[0] {
	case "registered":
		var list []siptransport.PhoneTarget
		for _, name := range s.words[2:] {
			p := r.w.peers[name]
			if p == nil {
				r.w.fail(s, "there is no peer %s", name)
			}
			list = append(list, siptransport.PhoneTarget{URI: fmt.Sprintf("sip:%s@%s;line=%s", s.words[1], p.addr, name), Addr: p.addr, Local: p.box, Transport: siptransport.UDP})
		}
		r.phones[s.words[1]] = list
	case "lamps":
		f := map[string]string{}
		for _, identity := range []string{"21", "22", "23"} {
			f[identity] = strings.Join(r.lamps[identity], ", ")
		}
		r.lamps = map[string][]string{}
		r.w.facts(s, f)
	case "survival":
		if s.words[2] == "is" {
			clear(r.detours)
			return
		}
		d := detour{survival: s.words[1]}
		switch s.words[3] {
		case "dest-service":
			d.to.Service.Name = s.words[4]
		case "dest-table":
			d.to.Table.Name = s.words[4]
		case "dest-interface":
			d.to.Interface.Name = s.words[4]
		default:
			r.w.fail(s, "what is that?")
		}
		r.detours[s.words[2]] = d
	}
}
