package presence

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
)

// remembered is what a user had chosen when the box preferred a presence for him, so that it can be restored, after a restart, too.
type remembered struct {
	Service string               `json:"service"`
	User    string               `json:"user"` // id in the directory
	Before  config.PresenceState `json:"before"`
	Since   time.Time            `json:"since"`
}

// memory keeps them in the state folder.
type memory struct {
	store Store

	mu   sync.Mutex
	list []remembered
}

// forgetAfter is when nothing remains to be restored: what the box prefers ends by itself long before.
const forgetAfter = 24 * time.Hour

func (m *memory) load() error {
	if m.store == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store.LoadPresence(func(text []byte) error {
		var list []remembered
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		m.list = slices.DeleteFunc(list, func(r remembered) bool { return time.Since(r.Since) > forgetAfter })
		m.list = m.list[:min(len(m.list), mostUsers)]
		return nil
	})
}

// put keeps one. It has to be there before Graph is asked for the change.
func (m *memory) put(r *remembered) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.index(r) >= 0 {
		return nil
	}
	m.list = append(m.list, *r)
	return m.save()
}

// drop forgets it.
func (m *memory) drop(r *remembered) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.index(r)
	if i < 0 {
		return nil
	}
	m.list = slices.Delete(m.list, i, i+1)
	return m.save()
}

func (m *memory) index(r *remembered) int {
	return slices.IndexFunc(m.list, func(x remembered) bool { return x.Service == r.Service && x.User == r.User })
}

// of returns what is remembered of the users of a service.
func (m *memory) of(service string) map[string]*remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]*remembered{}
	for _, r := range m.list {
		if r.Service == service {
			all[r.User] = &r
		}
	}
	return all
}

func (m *memory) save() error {
	if m.store == nil {
		return nil
	}
	text, err := json.Marshal(m.list)
	if err != nil {
		return err
	}
	return m.store.SavePresence(text)
}
