package registrar

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/printable"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// A box without a clock of its own starts in 1970, so the file has no times. A phone of it is believed to be there for one more lifetime from
// the start: one that is has come back by then.

// keptBinding is a binding in the file.
type keptBinding struct {
	Location  string         `json:"location"`
	Identity  string         `json:"identity"`
	Context   string         `json:"context"` // of the interface
	Interface string         `json:"interface"`
	Contact   string         `json:"contact"`
	Instance  string         `json:"instance,omitempty"`
	Reg       string         `json:"reg_id,omitempty"`
	Q         int            `json:"q"`
	Addr      netip.AddrPort `json:"addr"`
	Local     netip.AddrPort `json:"local,omitzero"`
	Transport string         `json:"transport"`
	Agent     string         `json:"user_agent,omitempty"`
	CallID    string         `json:"call_id"`
	Seq       uint32         `json:"cseq"`
	Lifetime  int            `json:"lifetime_s"`
}

const maxFile = 16 << 20 // octets

// load reads the file. What is in it and is not a phone that could have registered now is left out. The caller holds the lock.
func (r *Registrar) load(now time.Time) {
	if r.o.Store == nil {
		return
	}
	err := r.o.Store.LoadBindings(func(text []byte) error {
		list, err := read(text)
		if err != nil {
			return err
		}
		for _, k := range list {
			if !r.takeIn(&k, now) {
				r.unsaved = true
			}
		}
		return nil
	})
	if err != nil {
		r.log.Warn("phones not read: those that come back are there", "err", err)
	}
	if r.phones.n > 0 {
		r.log.Info("phones are known from before the restart", "n", r.phones.n)
	}
}

// takeIn takes a phone of before, if it could have registered now. The caller holds the lock.
func (r *Registrar) takeIn(k *keptBinding, now time.Time) bool {
	f, ok := open(r.cfg, aor{k.Location, k.Identity})
	if !ok || len(r.phones.of[aor{k.Location, k.Identity}]) >= f.Inbound.MaxContacts || r.phones.n >= mostPhones {
		return false
	}
	b := k.binding(now)
	b.lifetime = min(b.lifetime, f.Inbound.Max)
	r.phones.add(b)
	r.remember(b, now)
	r.tell(b)
	return true
}

// read reads the text of a file. The whole of it is refused for one entry that cannot be understood.
func read(text []byte) (list []keptBinding, err error) {
	if len(text) > maxFile {
		return nil, errors.New("it is too large")
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list) > mostPhones {
		return nil, errors.New("it has too many entries")
	}
	for n, k := range list {
		if why := k.fault(); why != "" {
			return nil, fmt.Errorf("entry %d: %s", n+1, why)
		}
	}
	return list, nil
}

// fault is what is wrong with an entry.
func (k *keptBinding) fault() string {
	t, ok := siptransport.ParseTransport(k.Transport)
	switch {
	case k.Location == "" || k.Identity == "":
		return "it has no identity"
	case !ok:
		return "it has no transport"
	case !k.Addr.IsValid() || k.Addr.Port() == 0:
		return "it has no address"
	case k.Lifetime < 1 || k.Lifetime > 1<<31-1:
		return "it has no lifetime"
	case len(k.CallID) > 4*maxID || len(k.Agent) > 4*maxText:
		return "it is too long"
	}
	v := "<" + k.Contact + ">"
	if k.Instance != "" {
		v += `;+sip.instance="` + k.Instance + `"`
	}
	if k.Reg != "" {
		v += ";reg-id=" + k.Reg
	}
	w, fault := readContact(v, 0, t.Secure())
	if fault != nil || w.uri != k.Contact || w.instance != k.Instance || w.reg != k.Reg || k.Q < 0 || k.Q > 1000 {
		return "its contact cannot be understood"
	}
	return ""
}

// binding is what is left of it after a restart.
func (k *keptBinding) binding(now time.Time) *binding {
	t, _ := siptransport.ParseTransport(k.Transport)
	b := &binding{aor: aor{k.Location, k.Identity}, contact: contact{k.Contact, k.Instance, k.Reg, k.Q}, iface: config.InterfaceID{Context: k.Context, Name: k.Interface}, agent: printable.Short(k.Agent, maxText),
		target: siptransport.PhoneTarget{URI: k.Contact, Addr: k.Addr, Local: k.Local, Transport: t},
		callID: k.CallID, seq: k.Seq, since: now, refreshed: now, lifetime: time.Duration(k.Lifetime) * time.Second}
	if t.Reliable() {
		b.state = status.BindingWaiting
	}
	return b
}

// saveLast renews the file when the box ends. Phones whose connection ends with the box are in it, too: they will be waited for.
func (r *Registrar) saveLast() {
	r.mu.Lock()
	r.forgetLost(time.Now())
	var ended []*binding
	for _, x := range r.lost {
		if !slices.ContainsFunc(r.phones.of[x.aor], func(b *binding) bool { return b.same(&x.contact) }) {
			ended = append(ended, x.binding)
		}
	}
	r.unsaved = r.unsaved || len(ended) > 0
	r.mu.Unlock()
	r.save(ended...)
}

// save renews the file if bindings have changed.
func (r *Registrar) save(ended ...*binding) {
	if r.o.Store == nil {
		return
	}
	r.mu.Lock()
	if !r.unsaved || r.cfg == nil {
		r.mu.Unlock()
		return
	}
	list := []keptBinding{}
	for _, b := range append(r.phones.all(), ended...) {
		list = append(list, b.kept())
	}
	r.unsaved = false
	r.mu.Unlock()
	text, err := json.Marshal(list)
	if err == nil {
		err = r.o.Store.SaveBindings(text)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := err == nil
	switch {
	case kept && !r.keeping:
		r.o.Health.Clear(health.PhonesNotKept, "")
	case !kept:
		r.unsaved = true
		r.o.Health.Set(health.PhonesNotKept, health.Args{"why": err.Error()})
	}
	r.keeping = kept
}
