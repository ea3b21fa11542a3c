package lang

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// witness is a box that looks at every configuration that is published.
type witness struct {
	*box
	lang      *Language
	published []*config.Config
	printed   []string
}

func (w *witness) Mutate(by status.Author, f func(*config.Config) (*config.Config, error)) error {
	err := w.box.Mutate(by, f)
	if n := len(w.published); n == 0 || w.published[n-1] != w.cfg {
		w.published = append(w.published, w.cfg)
		w.printed = append(w.printed, string(w.lang.Print(w.cfg, false)))
	}
	return err
}

// whatever is a paste that makes, changes and removes elements of long and short lists, with commands and mistakes between.
func whatever(r *rand.Rand, n int) []string {
	lines := []string{"enable", "configure", "context cs S", "mapping-table e164 to e164 T"}
	for range n {
		key := r.IntN(90)
		switch r.IntN(20) {
		case 0:
			lines = append(lines, fmt.Sprintf("no map %d", key))
		case 1:
			lines = append(lines, "map (1 to 2", "nonsense", "", "# a comment")
		case 2:
			lines = append(lines, "show clock", fmt.Sprintf("mapping-table e164 to e164 T%d", r.IntN(3)))
		case 3:
			lines = append(lines, "location-service L", fmt.Sprintf("identity user.%d", key), fmt.Sprintf("alias name %d", r.IntN(5)), "context cs S", "mapping-table e164 to e164 T")
		default:
			lines = append(lines, fmt.Sprintf("map %d to %d", key, r.IntN(5)))
		}
	}
	return lines
}

func TestLinesTogetherDoWhatEachDoesAlone(t *testing.T) {
	for seed := range uint64(5) {
		lines := whatever(rand.New(rand.NewPCG(seed, 0)), 400)
		l := New()
		alone := console{lang: l, box: newBox(), s: Session{Class: config.Superuser}}
		together := console{lang: l, box: newBox(), s: Session{Class: config.Superuser}}
		one, many := &witness{box: alone.box, lang: l}, &witness{box: together.box, lang: l}
		type answer struct {
			text, prompt string
			failed       bool
		}
		var want, got []answer
		run := func(b device.Box, s *Session, line string) answer {
			var out strings.Builder
			r, err := l.Exec(t.Context(), b, s, line, nil, &out)
			s.Mode = r.Mode
			return answer{out.String(), r.Prompt, err != nil}
		}
		for _, line := range lines {
			want = append(want, run(timeless{one}, &alone.s, line))
		}
		for rest := lines; len(rest) > 0; {
			ran, err := l.ExecBatch(t.Context(), timeless{many}, &together.s, rest)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range ran {
				got = append(got, answer{string(r.Text), r.Result.Prompt, r.Err != nil})
				together.s.Mode = r.Result.Mode
			}
			if rest = rest[len(ran):]; len(rest) > 0 {
				got = append(got, run(timeless{many}, &together.s, rest[0]))
				rest = rest[1:]
			}
		}
		for i := range lines {
			if got[i] != want[i] {
				t.Fatalf("seed %d, line %d %q: %+v, alone %+v", seed, i+1, lines[i], got[i], want[i])
			}
		}
		if a, b := string(l.Print(alone.box.cfg, false)), string(l.Print(together.box.cfg, false)); a != b {
			t.Fatalf("seed %d: together\n%s\nalone\n%s", seed, b, a)
		}
		if len(many.published) >= len(one.published)/2 {
			t.Errorf("%d configurations were published, %d by lines alone", len(many.published), len(one.published))
		}
		for i, cfg := range many.published {
			if now := string(l.Print(cfg, false)); now != many.printed[i] {
				t.Fatalf("seed %d: the published configuration %d has changed", seed, i)
			}
		}
	}
}

// timeless has a clock to show.
type timeless struct{ *witness }

func (timeless) Clock() status.Clock { return status.Clock{Now: noon} }

func TestRightsAreLookedUpAfterALineAboutAccounts(t *testing.T) {
	l, b := New(), newBox()
	s := &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}
	lines := []string{"sntp-client", "superuser anna password secret", "superuser otto password secret"}
	ran, err := l.ExecBatch(t.Context(), b, s, lines)
	if err != nil || len(ran) != 2 {
		t.Errorf("%d lines ran together, %v", len(ran), err)
	}
}

func TestALineThatBreaksLeavesTheOthersAlone(t *testing.T) {
	l, b := New(), &breaking{newBox()}
	b.cfg.Hostname = "a" // else each prompt asks, too
	s := &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}
	ran, err := l.ExecBatch(t.Context(), b, s, []string{"sntp-client", "# for 00aabb0f2439", "system hostname x"})
	if err != nil || len(ran) != 1 || !b.cfg.SNTP.Enabled || b.cfg.Hostname != "a" {
		t.Errorf("%d lines ran, %v, %+v", len(ran), err, b.cfg)
	}
}

// breaking is a box that breaks when it is asked for its serial number.
type breaking struct{ *box }

func (breaking) Serial() string { panic("broken") }

func TestCtrlCEndsLinesThatRunTogether(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lines := slices.Repeat([]string{"sntp-client"}, 100)
	if ran, _ := New().ExecBatch(ctx, newBox(), &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}, lines); len(ran) != 1 {
		t.Errorf("%d lines ran", len(ran))
	}
}
