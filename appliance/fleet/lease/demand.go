package lease

import "time"

// recent is how far back the most that was used counts: what was not used for so long goes back.
const recent = 15 * time.Minute

// Use is how the licenses of a kind are used.
type Use struct {
	Own   int // that the box has without a lease
	InUse int // now
	Peak  int // most in use at once since this was told last
	Short int // more were wanted since then, and were not there
}

// demand is what the box needs, judged by its use.
type demand struct {
	own, level int
	waiting    bool // calls are, or were refused
	peaks      []peak
}

// peak says that so many were in use at a time, and never more since. They go down, so that the first one is the highest that still counts.
type peak struct {
	at time.Duration
	n  int
}

const maxPeaks = 32

func (d *demand) use(now time.Duration, u Use) {
	d.mark(now, d.level) // it lasted until now
	d.own, d.level = clamp(u.Own), clamp(u.InUse)
	d.mark(now, clamp(max(u.Peak, u.InUse)+clamp(u.Short)))
	d.waiting = d.waiting || u.Short > 0
}

func clamp(n int) int { return min(max(n, 0), MaxCount) }

func (d *demand) mark(now time.Duration, n int) {
	for len(d.peaks) > 0 && now-d.peaks[0].at >= recent {
		d.peaks = d.peaks[1:]
	}
	for len(d.peaks) > 0 && d.peaks[len(d.peaks)-1].n <= n {
		d.peaks = d.peaks[:len(d.peaks)-1]
	}
	if len(d.peaks) == maxPeaks { // the last two become the higher one, at the later time
		d.peaks[maxPeaks-1].at = now
		return
	}
	d.peaks = append(d.peaks, peak{now, n})
}

// most is the most that was in use lately, and when that will be less if nothing changes; 0: never.
func (d *demand) most(now time.Duration) (n int, until time.Duration) {
	for _, p := range d.peaks {
		if now-p.at < recent && p.n > d.level {
			return p.n, p.at + recent
		}
	}
	return d.level, 0
}

// headRoom is what a box has above what it uses, so that calls need not wait for the hub. When half of it is used, the box asks for more.
func headRoom(used int) int { return 2 + used/8 }

// wish is what the box is best lent.
func (d *demand) wish(now time.Duration) (n int, until time.Duration) {
	used, until := d.most(now)
	return clamp(used + headRoom(used) - d.own), until
}

// tight reports whether so many lent ones leave too little room above what was used lately.
func (d *demand) tight(now time.Duration, lent int) bool {
	used, _ := d.most(now)
	return used+headRoom(used)/2 > d.own+lent
}
