package registrar

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pair"
)

// The standby of a pair keeps the phones as entries of the file are, and they go on there with one more lifetime: a refresh is not told.

// tell has the standby keep a phone. The caller holds the lock.
func (r *Registrar) tell(b *binding) {
	value, err := json.Marshal(b.kept())
	if err == nil {
		r.o.Pair.Put(pair.Phones, b.id(), value)
	}
}

// Tell has the standby keep all phones: it may be a new one.
func (r *Registrar) Tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.phones.all() {
		r.tell(b)
	}
}

// id is the name of the entry of a phone.
func (b *binding) id() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{b.location, b.identity, b.instance, b.reg, b.uri}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// kept is the entry.
func (b *binding) kept() keptBinding {
	return keptBinding{b.location, b.identity, b.iface.Context, b.iface.Name, b.uri, b.instance, b.reg, b.q, b.target.Addr, b.target.Local, b.target.Transport.String(), b.agent,
		b.callID, b.seq, int(b.lifetime / time.Second)}
}

// Restore has the registrar go on with the phones that the other box of a pair has told of, and with the configuration for them. Its own file is older
// then, and counts only if the other one has told of none.
func (r *Registrar) Restore(cfg *config.Config, kept []pair.Kept) {
	r.mu.Lock()
	if len(kept) > 0 {
		r.loaded = true
		r.unsaved = true
	}
	r.cfg = cfg
	now := time.Now()
	n := 0
	for _, x := range kept {
		var k keptBinding
		if err := json.Unmarshal(x.Value, &k); err != nil || k.fault() != "" {
			continue
		}
		if r.takeIn(&k, now) {
			n++
		}
	}
	if n > 0 {
		r.log.Info("phones are known from the other box of the pair", "n", n)
	}
	r.mu.Unlock()
	r.Apply(cfg)
}

// Drop has it forget all phones: the other box of the pair has them.
func (r *Registrar) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phones, r.lost, r.unsaved = noPhones(), nil, false
}
