package call

import (
	"encoding/json"

	"viaduct/appliance/negotiation"
)

// WriteOut has each call write out what its sides have agreed, and go on with what is read back. It takes its turn in the mailbox of the
// call. A side with a re-INVITE under way keeps its own: the answer is not heard elsewhere.
func WriteOut(m *Manager, failed func(...any)) {
	for _, c := range m.list("") {
		c.Post(func() {
			for _, s := range []*side{&c.a, &c.b} {
				if s.AfterReinvite(func() {}) {
					continue
				}
				var state negotiation.State
				text, err := json.Marshal(s.Snapshot())
				if err == nil {
					err = json.Unmarshal(text, &state)
				}
				if err != nil {
					failed(err)
				}
				s.Negotiation = negotiation.Restore(state)
			}
		})
	}
}
