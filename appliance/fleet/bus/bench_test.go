package bus

import (
	"testing"
	"time"

	"viaduct/appliance/fleet"
)

// BenchmarkBulk is how much a box sends to an operator through a hub on the same machine, in messages as tunnels have them.
func BenchmarkBulk(b *testing.B) {
	ca := newAuthority(b, "Fleet CA")
	box, operator := member{"berlin", newKeyOf(b), true}, member{"anna", newKeyOf(b), false}
	h := newHub(b, ca.issue("hub.example.com"), box, operator)
	from, to := newClient(b), newClient(b)
	for c, m := range map[*client]member{from: box, to: operator} {
		c.start()
		c.Apply(Settings{Name: m.name, Key: m.key, Hubs: nodes(h.port), Roots: ca.roots()})
		must(b, c.Reach(c.within()))
	}
	heard := make(chan struct{}, 1)
	left := b.N
	_, err := to.Listen("tunnel.anna.berlin.1.out", func(fleet.Message) {
		if left--; left == 0 {
			heard <- struct{}{}
		}
	})
	must(b, err)
	_, _ = to.Request(to.within(), "nobody", nil) // the hub knows of it
	frame := make([]byte, 32<<10)
	b.SetBytes(int64(len(frame)))
	b.ResetTimer()
	for range b.N {
		for from.Send("tunnel.anna.berlin.1.out", frame) != nil {
			time.Sleep(time.Millisecond)
		}
	}
	<-heard
}
