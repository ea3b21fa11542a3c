package call_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/health"
	"viaduct/appliance/registrar"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// registrations are what a scenario says about phones beside what they do themselves, as the registrar of the box takes it: which peers have
// registered as which identity, what lamps were told of each, and which interfaces' calls go elsewhere.
type registrations struct {
	*registrar.Registrar
	w *world

	mu      sync.Mutex
	phones  map[string][]siptransport.PhoneTarget // by identity, the last first
	lamps   map[string][]string
	shut    map[string]bool // IDs of dialogs that are over
	detours map[string]detour
	told    map[string]bool // what boxes have said of lines
}

type detour struct {
	survival string
	to       config.Dest
}

func newRegistrations(w *world, tracker *health.Tracker) *registrations {
	return &registrations{Registrar: registrar.New(registrar.Options{Health: tracker}), w: w, phones: map[string][]siptransport.PhoneTarget{}, lamps: map[string][]string{}, told: map[string]bool{}, shut: map[string]bool{}, detours: map[string]detour{}}
}

// Admit lets in whom the scenario has registered, by its address.
func (r *registrations) Admit(i *config.SIPInterface, req *sipmsg.Request, from siptransport.Arrival, urgent bool) (string, *sipmsg.Fault) {
	r.mu.Lock()
	for identity, list := range r.phones {
		if slices.ContainsFunc(list, func(t siptransport.PhoneTarget) bool { return t.Addr == from.Source }) {
			r.mu.Unlock()
			return identity, nil
		}
	}
	r.mu.Unlock()
	return r.Registrar.Admit(i, req, from, urgent)
}

func (r *registrations) Targets(iface config.InterfaceID, user string) ([]siptransport.PhoneTarget, string, bool) {
	list, identity, known := r.Registrar.Targets(iface, user)
	r.mu.Lock()
	defer r.mu.Unlock()
	if own, ok := r.phones[identity]; ok && known {
		return slices.Clone(own), identity, true
	}
	return list, identity, known
}

// signed replaces a line `digest USER PASSWORD` by the credentials that answer the last challenge in the dialog.
func (d *dialog) signed(m *message, block []string) ([]string, error) {
	for n, line := range block {
		words := strings.Fields(line)
		if words[0] != "digest" {
			continue
		}
		challenge, err := parseMessage(d.last["401"])
		if err != nil {
			return nil, err
		}
		p := map[string]string{}
		for _, f := range parameter.FindAllStringSubmatch(challenge.get("WWW-Authenticate"), -1) {
			p[f[1]] = strings.Trim(f[2], `"`)
		}
		hash := func(parts ...string) string {
			if p["algorithm"] == "SHA-256" {
				return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(parts, ":"))))
			}
			return fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(parts, ":"))))
		}
		uri := strings.Fields(m.start)[1]
		response := hash(hash(words[1], p["realm"], words[2]), p["nonce"], "00000001", "c0ffee", "auth", hash(m.method(), uri))
		block = slices.Clone(block)
		block[n] = fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=%s, qop=auth, nc=00000001, cnonce="c0ffee"`,
			words[1], p["realm"], p["nonce"], uri, response, p["algorithm"])
	}
	return block, nil
}

var parameter = regexp.MustCompile(`(\w+)=("[^"]*"|[^, ]+)`)

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
