package watch

import (
	"fmt"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

const (
	silentFor = 10 * time.Second // of a side, while the other one sends
	// remembered is how long an alarm about calls stands when no further call tells whether its cause is still there.
	remembered = time.Hour
	maxNames   = 256 // interfaces that anything is remembered of
)

// hearing is how far the voice of one side has come.
type hearing struct {
	received uint64
	since    time.Time // it has not come any further
}

// oneWay is an interface whose peer sent no voice in a call.
type oneWay struct {
	args health.Args
	call string    // the last such call
	last time.Time // when it was seen
}

// voice looks for calls in which only one side is heard. Such a call stays an alarm after its end, until another one of the interface
// carries voice.
func (w *Watch) voice(now time.Time, calls []status.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	here := map[string]bool{}
	flowing, silent := map[string]bool{}, map[string]bool{}
	for _, c := range calls {
		if c.State != status.CallConnected || len(c.Legs) != 2 || !c.Legs[0].Remote.IsValid() || !c.Legs[1].Remote.IsValid() {
			continue // on hold nobody has to speak
		}
		here[c.ID] = true
		h, known := w.hearing[c.ID]
		for n, leg := range c.Legs {
			if !known || leg.Received != h[n].received {
				h[n] = hearing{leg.Received, now}
			}
		}
		w.hearing[c.ID] = h
		for n, leg := range c.Legs {
			other := c.Legs[1-n]
			switch {
			case known && h[n].since.Equal(now):
				flowing[leg.Interface] = true
			case now.Sub(h[n].since) >= silentFor && now.Sub(h[1-n].since) <= silentFor/2:
				silent[leg.Interface] = true
				w.oneWay[leg.Interface] = oneWay{call: c.ID, last: now, args: health.Args{
					"interface": leg.Interface, "from": leg.Remote.String(), "to": leg.Local.String(), "other": other.Interface,
				}}
			}
		}
	}
	for id := range w.hearing {
		if !here[id] {
			delete(w.hearing, id)
		}
	}
	for name, x := range w.oneWay {
		if flowing[name] && !silent[name] || now.Sub(x.last) >= remembered {
			delete(w.oneWay, name)
		}
	}
}

// refusal is how the last calls to an interface were refused.
type refusal struct {
	text   string
	code   int
	inARow int
	last   time.Time
}

// Ended takes the record of a call.
func (w *Watch) Ended(r status.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range r.Attempts {
		w.attempted(r, a)
	}
	if r.Code == 200 && r.To != "" {
		delete(w.refusals, r.To)
	}
	for n, m := range r.Media {
		sides := []string{r.From, r.To}
		if n >= len(sides) || sides[n] == "" {
			break
		}
		if m.Received >= enough {
			w.judged(sides[n], bad(m.Media), r.Ended)
		}
		if x := w.oneWay[sides[n]]; x.call != r.ID && m.Received >= heard {
			delete(w.oneWay, sides[n]) // a call that is too short to be seen in progress
		}
	}
	w.tellOfCalls(r.Ended)
}

// attempted notes what a peer said to a call. Busy, not found or declined are answers like any other. A number in it stays with the records: alarms
// go to whoever looks after the box.
func (w *Watch) attempted(r status.Record, a status.Attempt) {
	switch a.Code {
	case 401, 403, 407, 415, 420, 421, 488, 500, 501, 502, 503, 505, 513, 606:
	case 0: // the health of the peer says it
		return
	default:
		if a.Code/100 == 2 {
			delete(w.refusals, a.Interface)
		}
		return
	}
	x := w.refusals[a.Interface]
	if len(w.refusals) >= maxNames && x.inARow == 0 {
		return
	}
	if x.code != a.Code {
		x.inARow = 0
	}
	w.refusals[a.Interface] = refusal{text: cdr.Hide(r, a.Text), code: a.Code, inARow: x.inARow + 1, last: r.Ended}
}

// media reports whether a code is about the media that was offered. The next call of that kind will fare no better.
func media(code int) bool { return code == 415 || code == 488 || code == 606 }

// Packets of a side.
const (
	enough = 500 // to judge its voice by: ten seconds
	heard  = 10  // to know that it comes through at all
)

const (
	badLoss     = 0.03 // of all packets
	badJitterMS = 50
	badMOS      = 3.1 // of the voice: "many users dissatisfied" (ITU-T G.107 annex B)
	judgedCalls = 10
	badCalls    = 3 // of them
	fewBad      = 1 // the alarm ends with so many, or fewer
)

// reputation is what the last calls of an interface sounded like.
type reputation struct {
	bad  []bool // the newest last
	poor bool   // there is an alarm
	last time.Time
}

// bad reports whether one side's voice was bad.
func bad(m status.Media) bool {
	return float64(m.Lost) > badLoss*float64(m.Received) || m.JitterMS > badJitterMS || m.MOS > 0 && m.MOS < badMOS
}

// judged adds a call to the reputation of an interface.
func (w *Watch) judged(name string, isBad bool, at time.Time) {
	x, known := w.reputation[name]
	if !known && len(w.reputation) >= maxNames {
		return
	}
	list := append(x.bad, isBad)
	w.reputation[name] = reputation{bad: list[max(0, len(list)-judgedCalls):], poor: x.poor, last: at}
}

// forget drops what no further call has confirmed.
func (w *Watch) forget(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellOfCalls(now)
}

// tellOfCalls renews the alarms about calls. The mutex is held.
func (w *Watch) tellOfCalls(now time.Time) {
	var unwilling, unfit, poor, oneWay []health.Args
	for _, x := range w.oneWay {
		oneWay = append(oneWay, x.args)
	}
	w.health.Replace(health.VoiceOneWay, oneWay)
	for name, x := range w.refusals {
		if now.Sub(x.last) >= remembered {
			delete(w.refusals, name)
			continue
		}
		why := fmt.Sprint(x.code)
		if x.text != "" {
			why += " (" + x.text + ")"
		}
		switch args := (health.Args{"interface": name, "why": why, "count": fmt.Sprint(x.inARow)}); {
		case media(x.code):
			unfit = append(unfit, args)
		case x.inARow >= 3:
			unwilling = append(unwilling, args)
		}
	}
	for name, x := range w.reputation {
		if now.Sub(x.last) >= remembered {
			delete(w.reputation, name)
			continue
		}
		n := 0
		for _, isBad := range x.bad {
			if isBad {
				n++
			}
		}
		if x.poor = n >= badCalls || x.poor && n > fewBad; x.poor {
			poor = append(poor, health.Args{"interface": name, "bad": fmt.Sprint(n), "calls": fmt.Sprint(len(x.bad))})
		}
		w.reputation[name] = x
	}
	w.health.Replace(health.CodecRefused, unfit)
	w.health.Replace(health.CallsRefused, unwilling)
	w.health.Replace(health.VoicePoor, poor)
}
