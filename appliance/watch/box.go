package watch

import (
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/source"
	"viaduct/appliance/status"
)

// eased is how long a pool that was used up has had free licenses before its alarm ends: at the limit, calls come and go each second.
const eased = time.Minute

// pools checks how far the licenses are used. A pool that is nearly used up is one until a tenth of it is free again, so that each call that
// comes and goes is not an alarm.
func (w *Watch) pools(now time.Time, pools []status.Pool, peaks []status.Peak) {
	var empty, low []health.Args
	for _, p := range pools {
		refused := 0
		if n := slices.IndexFunc(peaks, func(k status.Peak) bool { return k.Name == p.Name }); n >= 0 {
			refused = peaks[n].Refused
		}
		if p.Free == 0 && p.Alloc > 0 {
			w.empty[p.Name] = now
		}
		if at, was := w.empty[p.Name]; was && now.Sub(at) < eased {
			empty = append(empty, health.Args{"pool": p.Name, "total": fmt.Sprint(p.Total), "refused": fmt.Sprint(refused)})
		}
		switch used := 10 * p.Alloc; {
		case p.Alloc > 0 && used >= 8*p.Total:
			w.low[p.Name] = true
		case used < 7*p.Total:
			delete(w.low, p.Name)
		}
		if w.low[p.Name] {
			low = append(low, health.Args{"pool": p.Name, "total": fmt.Sprint(p.Total)})
		}
	}
	w.health.Replace(health.LicensesUsedUp, empty)
	w.health.Replace(health.LicensesLow, low)
}

// bans checks for banned sources.
func (w *Watch) bans(list []status.Ban) {
	var banned []health.Args
	for _, b := range list {
		if b.Left > 0 {
			banned = append(banned, health.Args{"source": source.Name(b.Source)})
		}
	}
	w.health.Replace(health.SourceBanned, banned)
}

// overload tells that new calls are refused because too many come.
func (w *Watch) overload(o status.Overload) {
	if o.State != status.Shedding {
		w.health.Clear(health.Overloaded, "")
		return
	}
	w.health.Set(health.Overloaded, nil)
}

const (
	hotAt  = 80 // °C: a Raspberry Pi slows down there
	coolAt = 75
)

// machine checks the board.
func (w *Watch) machine(celsius *float64, flash status.Space) {
	switch {
	case celsius == nil, *celsius < coolAt:
		w.hot = false
	case *celsius >= hotAt:
		w.hot = true
	}
	if w.hot {
		w.health.Set(health.Hot, health.Args{"limit": fmt.Sprint(hotAt)})
	} else {
		w.health.Clear(health.Hot, "")
	}
	switch {
	case flash.Free < flash.Total/20:
		w.full = true
	case flash.Free >= flash.Total/12:
		w.full = false
	}
	if w.full {
		w.health.Set(health.FlashFull, health.Args{"free": fmt.Sprintf("%d MiB", flash.Free>>20), "total": fmt.Sprintf("%d MiB", flash.Total>>20)})
	} else {
		w.health.Clear(health.FlashFull, "")
	}
}

// Images checks the firmware: a new one that did not prove itself, and one that waits for a restart.
func (w *Watch) Images(list []status.Image) {
	var failed, waiting []health.Args
	for _, i := range list {
		switch {
		case i.Failed && !i.Running:
			failed = append(failed, health.Args{"version": i.Version, "slot": i.Slot})
		case i.Next && !i.Running:
			waiting = append(waiting, health.Args{"version": i.Version, "slot": i.Slot})
		}
	}
	w.health.Replace(health.ImageFailed, failed)
	w.health.Replace(health.ImageWaits, waiting)
}

// Saved tells whether the running configuration is the startup-config.
func (w *Watch) Saved(saved bool) {
	if saved {
		w.health.Clear(health.Unsaved, "")
		return
	}
	w.health.Set(health.Unsaved, nil)
}
