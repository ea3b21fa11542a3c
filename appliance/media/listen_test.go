package media

import (
	"bytes"
	"testing"

	"viaduct/appliance/srtp"
)

// Whoever listens hears both peers without encryption, knows digits from voice, and hears nothing before and after.
func TestListeningToASession(t *testing.T) {
	eachWay(t, Options{}, func(t *testing.T, r *Relay) {
		c := call(t, r, srtp.AES80)
		c.talk(t)
		type heard struct {
			side   Side
			packet []byte
			event  bool
		}
		all := make(chan heard, 10)
		c.Listen(func(h Heard) {
			if h.Header != 12 || h.To.Port() == 0 || h.From.Port() == 0 || h.Time.IsZero() {
				t.Errorf("%+v", h)
			}
			all <- heard{h.Side, bytes.Clone(h.Packet), h.Event}
		})
		voice := c.a.send(8)
		if h := <-all; h.side != A || h.event || !bytes.Equal(h.packet, voice) {
			t.Errorf("heard %+v, said %x", h, voice)
		}
		answer := c.b.send(8)
		if h := <-all; h.side != B || !bytes.Equal(h.packet, answer) {
			t.Errorf("heard %+v, said %x", h, answer)
		}
		c.Listen(nil)
		c.a.receive()
		c.b.receive()
		c.talk(t)
		if len(all) != 0 {
			t.Errorf("heard %+v after the end", <-all)
		}
	})
}
