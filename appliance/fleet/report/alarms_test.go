package report

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
)

func TestAlarmsReachTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		began := time.Now()
		b.down("clock")
		pass(time.Second)
		b.health.Set(health.CertificateExpires, health.Args{"name": "A", "left": "30 days"})
		pass(time.Second)
		b.health.Set(health.CertificateExpires, health.Args{"name": "A", "left": "14 days"})
		b.up("clock")
		pass(time.Minute)
		wantList(t, "told", h.told(t), "raised service-down clock", "raised certificate-expires A", "changed certificate-expires A", "cleared service-down clock")
		a := h.alarms(t)
		if !a[0].Time.Equal(began) || !a[3].Time.Equal(began.Add(2*time.Second)) || a[0].Severity != "error" || a[0].Text == "" || a[0].Cure == "" {
			t.Errorf("%+v", a)
		}
		if s, _ := h.status(); len(s.Alarms) != 1 || s.Alarms[0].Alarm != "certificate-expires" || s.Alarms[0].ID != "" || s.Serial != "00A0BA0F2439" || s.Box != "berlin" || s.Version != fleet.Version {
			t.Errorf("%+v", s)
		}
		if st := b.Status(); len(st) != 2 || st[0].What != "alarms" || st[0].Waiting != 0 || st[0].Last.IsZero() || st[1].What != "call-records" || st[1].Failing != "" {
			t.Errorf("%+v", st)
		}
	})
}

// What was raised before a kill is not told as a new alarm, and what is over since is told to be cleared.
func TestAlarmsOverARestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		for _, engine := range []string{"clock", "names", "hep", "snmp"} {
			b.down(engine)
		}
		pass(time.Minute)
		b.up("names")
		pass(time.Minute)
		before := len(h.told(t))
		for range 2 {
			b = start(t, b.kill(t), h, member())
			pass(10 * time.Second)
			b.down("clock") // as before
			b.health.Set(health.ServiceDown, health.Args{"engine": "hep", "why": "another reason"})
			pass(time.Minute)
			b.down("names") // anew
			pass(time.Hour)
		}
		// In the second round nothing is new.
		wantList(t, "told", h.told(t)[before:], "changed service-down hep", "raised service-down names", "cleared service-down snmp")
	})
}

// An alarm that is slow to become visible again is the same one.
func TestASlowAlarmOverARestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		b.health.Set(health.Unsaved, nil)
		pass(2 * time.Hour)
		b = start(t, b.kill(t), h, member())
		b.health.Set(health.Unsaved, nil)
		pass(2 * time.Hour)
		wantList(t, "told", h.told(t), "raised config-unsaved")
		b = start(t, b.kill(t), h, member())
		b.health.Set(health.Unsaved, nil)
		pass(30 * time.Minute)
		b.health.Clear(health.Unsaved, "") // before it is visible
		pass(time.Hour)
		wantList(t, "told", h.told(t), "raised config-unsaved", "cleared config-unsaved")
	})
}

// A fleet that is configured later hears of what is raised, not of the past; one that is gone leaves nothing.
func TestAlarmsWhenAFleetComesAndGoes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, nil)
		b.down("clock")
		b.down("names")
		b.up("clock")
		pass(time.Hour)
		if _, n := h.status(); n > 0 || len(h.times()) > 0 || b.Status() != nil {
			t.Error("something is sent without a fleet")
		}
		if left, err := os.ReadDir(b.dir); err != nil || len(left) != 1 { // cdr
			t.Errorf("%v, %v", left, err)
		}
		b.Apply(member())
		pass(time.Hour)
		wantList(t, "told", h.told(t), "raised service-down names")
		off := member()
		off.Enabled = false
		b.Apply(off)
		b.down("hep")
		pass(time.Hour)
		wantList(t, "told while it is shut down", h.told(t), "raised service-down names")
		b.Apply(member())
		pass(time.Hour)
		wantList(t, "told", h.told(t), "raised service-down names", "raised service-down hep")
		b.Apply(nil)
		pass(time.Minute)
		if _, err := os.Stat(filepath.Join(b.dir, "fleet", "alarms")); err == nil {
			t.Error("the journal is left")
		}
		if _, err := os.Stat(filepath.Join(b.dir, "cdr", RecordsFile)); err == nil {
			t.Error("the position is left")
		}
	})
}

// The hub is away for days while alarms flap. The journal has its bound, the end arrives, and it is said that the beginning does not.
func TestAlarmsBeyondTheJournal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		b.down("names")
		pass(time.Minute)
		h.connect(false)
		why := strings.Repeat("x", 1000)
		for range 30 {
			for n := range 100 {
				b.health.Set(health.ServiceDown, health.Args{"engine": fmt.Sprint(n % 10), "why": why})
				b.health.Clear(health.ServiceDown, fmt.Sprint(n%10))
			}
			pass(time.Second)
		}
		if st := b.Status()[0]; st.Waiting > journalSize || st.Waiting < journalSize/2 || st.Failing != "the hub is away" {
			t.Errorf("%+v", st)
		}
		b = start(t, b.kill(t), h, member())
		b.down("names") // its line is no more in the journal
		pass(time.Hour)
		h.connect(true)
		for !b.Status()[0].Lost {
			pass(time.Microsecond)
		}
		b.down("last")
		pass(time.Hour)
		told := h.told(t)
		if len(told) < 500 || told[0] != "raised service-down names" || slices.Contains(told[1:], "raised service-down names") || told[len(told)-1] != "raised service-down last" {
			t.Errorf("%d told: %q", len(told), told[max(0, len(told)-5):])
		}
		if b.Status()[0].Lost {
			t.Error("it has all, and still something is lost")
		}
	})
}

// The flash is full: alarms come from memory, in their order, and go on from flash when it has room.
func TestAlarmsWhileTheFlashIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		dir := t.TempDir()
		journal := filepath.Join(dir, "fleet", "alarms")
		if err := os.MkdirAll(journal, 0o700); err != nil {
			t.Fatal(err)
		}
		full := filepath.Join(journal, time.Now().UTC().Format(time.DateOnly)+".jsonl")
		if err := os.Symlink("/dev/full", full); err != nil {
			t.Fatal(err)
		}
		pass(23*time.Hour + 45*time.Minute)
		h.connect(false)
		var said bytes.Buffer
		b := start(t, dir, h, member(), func(r *Reporter) { r.o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
		pass(time.Second)
		var want []string
		for n := range mostHeld / 2 {
			b.down(fmt.Sprint(n))
			b.up(fmt.Sprint(n))
			want = append(want, fmt.Sprintf("raised service-down %d", n), fmt.Sprintf("cleared service-down %d", n))
			if n%50 == 0 {
				pass(time.Second)
			}
		}
		pass(time.Minute)
		if st := b.Status()[0]; st.Lost || st.Waiting == 0 {
			t.Errorf("%+v", st)
		}
		if n := strings.Count(said.String(), "journal of alarms for the hub not written"); n != 1 {
			t.Errorf("it is logged %d times that the flash is full", n)
		}
		h.connect(true)
		pass(time.Minute)
		wantList(t, "told from memory", h.told(t), want...)
		h.connect(false)
		for n := range mostHeld { // more than there is room for
			b.down(fmt.Sprint(n))
			b.up(fmt.Sprint(n))
			if n%50 == 0 {
				pass(time.Second)
			}
		}
		pass(time.Minute)
		if st := b.Status()[0]; !st.Lost {
			t.Errorf("%+v", st)
		}
		b.down("last")
		pass(15 * time.Minute) // the next day has a file of its own
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		b = start(t, b.kill(t), h, member())
		b.down("last")
		h.connect(true)
		pass(time.Hour)
		told := h.told(t)
		if last := told[len(told)-1]; last != "raised service-down last" || len(told) > len(want)+mostHeld+1 || b.Status()[0].Waiting > 0 {
			t.Errorf("%d told, the last %q, %+v", len(told), last, b.Status())
		}
	})
}

// A random life: alarms come and go, the connection does, answers are lost, the box is killed at any moment. The hub hears of each alarm in turn that
// it is raised and cleared, and at the end knows what is so.
func TestAlarmsOfARandomLife(t *testing.T) {
	for seed := range uint64(4) {
		inBubble(t, func(t *testing.T) {
			r, moods := rand.New(rand.NewPCG(seed, 18)), rand.New(rand.NewPCG(seed, 19))
			h := newHub()
			h.behave(func(string) (bool, error) {
				switch moods.IntN(6) {
				case 0:
					return false, fleet.ErrAway
				case 1:
					return true, fleet.ErrAway
				}
				return true, nil
			})
			b := start(t, t.TempDir(), h, member())
			up := map[string]bool{} // engines that are down
			for range 200 {
				engine := fmt.Sprint(r.IntN(5))
				switch k := r.IntN(20); {
				case k < 8:
					b.down(engine)
					up[engine] = true
				case k < 16:
					b.up(engine)
					delete(up, engine)
				case k < 18:
					h.connect(r.IntN(3) > 0)
				case k == 18:
					dir := b.kill(t)
					if r.IntN(2) == 0 {
						delete(up, engine) // cured by the restart
					}
					b = start(t, dir, h, member())
					for e := range up {
						b.down(e)
					}
				default:
					pass(time.Duration(r.IntN(300)) * time.Second)
				}
				if r.IntN(3) > 0 {
					pass(time.Duration(r.IntN(1000)) * time.Millisecond)
				}
			}
			h.connect(true)
			pass(2 * time.Hour)
			known := map[string]bool{}
			for _, a := range h.alarms(t) {
				if (a.What == raised) == known[a.Subject] {
					t.Errorf("seed %d: %s %s, and known %v", seed, a.What, a.Subject, known[a.Subject])
				}
				known[a.Subject] = a.What != cleared
			}
			for n := range 5 {
				if e := fmt.Sprint(n); known[e] != up[e] {
					t.Errorf("seed %d: engine %s: the hub knows %v, it is %v", seed, e, known[e], up[e])
				}
			}
		})
	}
}
