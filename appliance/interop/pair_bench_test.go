package interop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/media/mediatest"
)

var loadRounds = flag.Int("rounds", 3, "how often BenchmarkPair measures a box with and without a standby")

// BenchmarkPair is what a pair costs the active box: calls that are held for two seconds, at one that has a standby which keeps them, and at one that
// stands alone, in turn. The networks are the same, with a switch in each. The standby is sbcd in a namespace of its own. `points` is the difference in
// per cent of a core at that rate; it holds all that a pair does, adverts and words as well as copies.
func BenchmarkPair(b *testing.B) {
	rate := 300
	if *loadRate > 0 {
		rate = *loadRate
	}
	b.Run(strconv.Itoa(rate), func(b *testing.B) {
		var alone, paired, standby, points []float64
		for n := range 2 * *loadRounds {
			if with := n%4 == 1 || n%4 == 2; with { // a drift of the machine is no difference
				cost, other := callsOfPair(b, rate, true)
				paired, standby = append(paired, cost), append(standby, other)
			} else {
				cost, _ := callsOfPair(b, rate, false)
				alone = append(alone, cost)
			}
			if n%2 == 1 {
				points = append(points, (paired[n/2]-alone[n/2])*float64(rate)/10)
			}
		}
		b.Logf("CPU-ms/call alone %.3f, with a standby %.3f; points %.2f", alone, paired, points)
		mediatest.Metric(b, 0, "ns/op")
		mediatest.Metric(b, mean(alone), "CPU-ms/call-alone")
		mediatest.Metric(b, mean(paired), "CPU-ms/call-paired")
		mediatest.Metric(b, mean(points), "points")
		mediatest.Metric(b, mean(standby), "standby-%-of-a-core")
	})
}

func mean(list []float64) (sum float64) {
	for _, x := range list {
		sum += x / float64(len(list))
	}
	return sum
}

var copiedCalls = regexp.MustCompile(`everything; (\d+) calls`)

// callsOfPair is what a call costs one box, with a standby or without, in milliseconds of its processor; and what the standby takes, in per cent of a core.
func callsOfPair(b *testing.B, rate int, with bool) (cost, standby float64) {
	const hold = 2 * time.Second
	length := time.Duration(*loadSeconds) * time.Second
	ctx, cancel := context.WithTimeout(b.Context(), length+time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: 10*rate + rate*int(hold/time.Second), pinned: true, paired: true})
	defer func() {
		if err := l.world.Close(); err != nil {
			b.Error(err)
		}
	}()
	var second *lab.Box
	if with {
		second = l.joinStandby()
	}
	copied := -1
	var before time.Duration
	if with {
		before = mediatest.CPU(b, second.PID())
	}
	began := time.Now()
	c := l.carry(rate, hold, length, func(passed time.Duration) {
		if !with || copied >= 0 || passed < length-time.Second/2 {
			return
		}
		text, err := second.Exec(ctx, "show redundancy")
		if err != nil {
			b.Fatal(err)
		}
		copied = 0
		if m := copiedCalls.FindStringSubmatch(text); m != nil {
			copied, _ = strconv.Atoi(m[1])
		}
		if least := rate * int(hold/time.Second) / 2; copied < least {
			b.Errorf("the standby has %d calls, of %d at least:\n%s", copied, least, text)
		}
	})
	if with {
		standby = 100 * (mediatest.CPU(b, second.PID()) - before).Seconds() / time.Since(began).Seconds()
	}
	return c.cost(), standby
}

// joinStandby makes the box one of a pair, and starts the other one, as docs/redundancy.md says. The second box shares the processor of those who load
// the first.
func (l *load) joinStandby() *lab.Box {
	l.b.Helper()
	must := func(err error) {
		l.b.Helper()
		if err != nil {
			l.b.Fatal(err)
		}
	}
	exec := func(box *lab.Box, line string) string {
		l.b.Helper()
		text, err := box.Exec(l.ctx, line)
		must(err)
		return text
	}
	paste := func(box *lab.Box, lines string) {
		l.b.Helper()
		_, err := box.Paste(l.ctx, lines)
		must(err)
	}
	cables := func(do func(int, lab.Cable) error) error {
		var errs []error
		for _, c := range []lab.Cable{lab.CableLAN, lab.CableWAN, lab.CableDirect} {
			errs = append(errs, do(2, c))
		}
		return errors.Join(errs...)
	}
	must(cables(l.world.Unplug))
	must(l.world.Second.Pin(mediatest.Last()))
	second, err := l.world.StartBoxIn(l.ctx, l.world.Second, lab.Programs{SBCD: l.program(), Consoled: programs.consoled, State: l.b.TempDir(), Log: l.log})
	must(err)
	var keys []any
	for n, box := range []*lab.Box{l.box, second} {
		words := strings.Fields(exec(box, fmt.Sprintf("show redundancy key %d", n+1)))
		keys = append(keys, words[len(words)-1])
	}
	lines := fmt.Sprintf(lab.PairLines, append([]any{100}, keys...)...)
	paste(l.box, "enable\nconfigure\n"+lines+"end\ncopy running-config startup-config\n")
	paste(second, "enable\nconfigure\n"+lab.PairPorts+lines+"end\ncopy running-config startup-config\n")
	must(second.Kill())
	must(cables(l.world.Plug))
	must(second.Start(l.ctx))
	l.until("a standby that can take over", func() bool { return strings.Contains(exec(l.box, "show redundancy"), "standby, can take over") })
	return second
}
