package report

import (
	"context"
	"encoding/json"
	"time"

	"viaduct/appliance/fleet"
)

const (
	shownAlarms = 50
	gather      = time.Second     // after a change, for what changes with it
	rest        = 5 * time.Second // between two that follow from changes
)

// beat sends the status: at once when there is a connection, soon after a change, and as often as the hub wants to hear of the box.
func (r *Reporter) beat(ctx context.Context, box string) {
	alarms, cancel := r.o.Health.Subscribe()
	defer cancel()
	for ctx.Err() == nil {
		connected, anew := r.o.Link.Changed()
		if !connected {
			await(ctx, anew, nil, nil, 0)
			continue
		}
		text := r.present(box)
		if err := r.o.Link.Send(fleet.StatusOf(box), text); err != nil {
			r.o.Log.Debug("status not sent to the hub", "err", err)
		}
		if await(ctx, anew, nil, nil, rest) {
			continue
		}
		if await(ctx, anew, alarms, r.poke, fleet.Heartbeat-rest) {
			await(ctx, anew, nil, nil, gather)
		}
	}
}

// await waits until something comes, or for so long, and reports whether something came; 0: however long it takes.
func await(ctx context.Context, anew, alarms, poke <-chan struct{}, long time.Duration) bool {
	var over <-chan time.Time
	if long > 0 {
		over = time.After(long)
	}
	select {
	case <-ctx.Done():
	case <-anew:
	case <-alarms:
	case <-poke:
	case <-over:
		return false
	}
	return true
}

// present is the status as it is sent. When it has more than a message may, alarms are left out of it.
func (r *Reporter) present(box string) []byte {
	s := r.o.Status()
	s.Version, s.Box, s.Time, s.Unsent = fleet.Version, box, time.Now(), 0
	for _, sent := range r.Status() {
		s.Unsent += sent.Waiting
	}
	all := r.o.Health.Current()
	for most := shownAlarms; ; most /= 2 {
		s.Alarms = []fleet.Alarm{}
		for _, a := range all[:min(most, len(all))] {
			s.Alarms = append(s.Alarms, shown(a))
		}
		s.More = len(all) - len(s.Alarms)
		text, _ := json.Marshal(s) // texts, numbers and times
		if len(text) <= fleet.MaxStatus || most == 0 {
			return text
		}
	}
}
