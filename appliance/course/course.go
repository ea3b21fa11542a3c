// Package course notes how the voice of a call went over its time: loss, jitter and rating of each side, in a bounded series of points.
//
// It owns what a point is and how a long call is kept in few of them. It does not own the figures (package media), nor their rating (package
// audio), and looks at no packet: whoever asks for the statistics of a call adds them. It has no goroutines.
package course

import (
	"strings"
	"sync"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/status"
)

const (
	most     = 64              // points of a side
	firstly  = 5 * time.Second // span of a point, until there are too many of them
	shortest = 2 * time.Second // between two figures: fewer packets say little about loss
)

// unrated is the rating of voice in a codec of which the rating does not know.
const unrated = 0xff

// Course is how both voices of one call went. It has no pointers, and less than 1 KiB. It is safe for concurrent use.
type Course struct {
	mu    sync.Mutex
	step  time.Duration // span of a point; 0: there is none yet
	begun time.Duration // of the first point, since the call began
	sides [2]side
}

type side struct {
	last           time.Duration // when figures were added, since the call began
	received, lost int64         // then
	number         int           // of the points that are in use
	points         [most]point
}

// point is the worst of a span.
type point struct {
	loss   uint16 // 1/1000
	jitter uint16 // milliseconds
	rating uint8  // R of the E-model
	kind   kind
}

type kind uint8

const (
	unasked kind = iota // there are no figures of that span
	silent              // nothing came
	heard
)

// Add adds what the relay has counted of a side since its media began, so long after the call began. The codec is named as in a status.Leg.
func (c *Course) Add(n int, at time.Duration, codec string, m status.Media) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.sides[n]
	if s.number > 0 && at-s.last < shortest {
		return
	}
	if c.step == 0 {
		c.step, c.begun = firstly, at
	}
	received, lost := int64(m.Received), m.Lost
	if received < s.received { // another session, after a transfer
		s.received, s.lost = 0, 0
	}
	p := measure(received-s.received, max(lost-s.lost, 0), codec, m)
	s.last, s.received, s.lost = at, received, lost
	index := max(int((at-c.begun)/c.step), 0)
	for index >= most {
		c.halve()
		index = int((at - c.begun) / c.step)
	}
	s.points[index] = worse(s.points[index], p)
	s.number = max(s.number, index+1)
}

// measure is the point of so many packets.
func measure(received, lost int64, codec string, m status.Media) point {
	if received == 0 {
		return point{kind: silent}
	}
	loss := float64(lost) / float64(lost+received)
	jitter := time.Duration(m.JitterMS * float64(time.Millisecond))
	p := point{kind: heard, loss: uint16(1000*loss + 0.5), jitter: uint16(min(m.JitterMS+0.5, 0xffff)), rating: unrated}
	name, _, _ := strings.Cut(codec, "/")
	if of := audio.LossOf(name); of != (audio.Impairment{}) {
		p.rating = uint8(of.Rate(loss, max(m.BurstRatio, 1), time.Duration(m.RoundTripMS*float64(time.Millisecond)), jitter).R + 0.5)
	}
	return p
}

// worse is one point for two spans.
func worse(a, b point) point {
	switch {
	case a.kind < b.kind:
		return b
	case a.kind > b.kind || a.kind != heard:
		return a
	}
	return point{kind: heard, loss: max(a.loss, b.loss), jitter: max(a.jitter, b.jitter), rating: min(a.rating, b.rating)}
}

// halve joins each two points into one.
func (c *Course) halve() {
	c.step *= 2
	for n := range c.sides {
		s := &c.sides[n]
		for i := range most / 2 {
			s.points[i] = worse(s.points[2*i], s.points[2*i+1])
		}
		clear(s.points[most/2:])
		s.number = (s.number + 1) / 2
	}
}

// Of is the course of one side; nil: nothing is known of it.
func (c *Course) Of(n int) *status.Course {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.sides[n]
	if s.number == 0 {
		return nil
	}
	x := &status.Course{StartS: int(c.begun.Seconds()), StepS: int(c.step.Seconds())}
	rated := false
	for _, p := range s.points[:s.number] {
		loss, jitter, rating := status.NotHeard, status.NotHeard, status.NotHeard
		if p.kind == heard {
			loss, jitter = int(p.loss), int(p.jitter)
			if p.rating != unrated {
				rating, rated = int(p.rating), true
			}
		}
		x.LossPermille, x.JitterMS, x.R = append(x.LossPermille, loss), append(x.JitterMS, jitter), append(x.R, rating)
	}
	if !rated {
		x.R = nil
	}
	return x
}
