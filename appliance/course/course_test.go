package course

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"
	"unsafe"

	"viaduct/appliance/status"
)

// spoken are the figures of a stream after so many seconds, of which each lost so many packets of 50.
func spoken(seconds int, lost int64) status.Media {
	return status.Media{Received: uint64(int64(seconds) * (50 - lost)), Lost: int64(seconds) * lost, BurstRatio: 1, JitterMS: 1.2}
}

func TestACourseHasThePointsOfItsTime(t *testing.T) {
	var c Course
	if c.Of(0) != nil {
		t.Error("a call without figures has a course")
	}
	m := status.Media{BurstRatio: 1}
	for n := range 10 { // each 3 s, as the watch asks
		at := 7*time.Second + time.Duration(n)*3*time.Second
		switch {
		case n == 4: // 12 s after the first: third point
			m.Received, m.Lost, m.JitterMS = m.Received+120, m.Lost+30, 40
		case n >= 6 && n <= 8: // 18 to 24 s: nothing comes; the fourth point has figures of 15 s too, the fifth has not
		default:
			m.Received, m.JitterMS = m.Received+150, 2
		}
		c.Add(0, at, "PCMA/8000", m)
		c.Add(1, at, "opus/48000", m)
	}
	want := &status.Course{StartS: 7, StepS: 5, LossPermille: []int{0, 0, 200, 0, -1, 0}, JitterMS: []int{2, 2, 40, 2, -1, 2}, R: []int{93, 93, 53, 93, -1, 93}}
	got := c.Of(0)
	if r := got.R[2]; r < 30 || r > 60 { // a fifth lost is bad; the exact value is the E-model's, which has tests of its own
		t.Errorf("R with a loss of 20 %% is %d", r)
	}
	want.R[2] = got.R[2]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if x := c.Of(1); x.R != nil || x.LossPermille[2] != 200 {
		t.Errorf("voice that cannot be rated: %+v", x)
	}
}

// Of a long call each point says the worst of its span, and one bad moment never gets lost.
func TestALongCallKeepsItsWorstMoments(t *testing.T) {
	for _, length := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour} {
		var c Course
		m, bad := status.Media{BurstRatio: 1}, length/3
		for at := time.Duration(0); at < length; at += 3 * time.Second {
			m.Received, m.JitterMS = m.Received+150, 1
			if at <= bad && bad < at+3*time.Second {
				m.Lost, m.JitterMS = m.Lost+50, 90
			}
			c.Add(1, at, "PCMU/8000", m)
		}
		x := c.Of(1)
		if n := len(x.R); n > most || n < most/2-1 {
			t.Errorf("%v has %d points", length, n)
		}
		worst := 0
		for n := range x.R {
			if x.LossPermille[n] == 250 && x.JitterMS[n] == 90 && x.R[n] < 60 {
				worst++
				if at := time.Duration(n*x.StepS) * time.Second; bad < at-3*time.Second || bad > at+time.Duration(x.StepS)*time.Second {
					t.Errorf("%v: the bad moment of %v is in the point of %v", length, bad, at)
				}
			} else if x.LossPermille[n] != 0 || x.R[n] < 93 {
				t.Errorf("%v: point %d is %d, %d", length, n, x.LossPermille[n], x.R[n])
			}
		}
		if worst != 1 {
			t.Errorf("%v has %d bad moments", length, worst)
		}
	}
}

// A second transfer of the peer begins the counters anew, late packets take losses back, and figures that come too soon say nothing.
func TestFiguresThatGoBack(t *testing.T) {
	var c Course
	c.Add(0, 0, "PCMA/8000", spoken(10, 5))
	c.Add(0, time.Second, "PCMA/8000", status.Media{Received: 451, Lost: 149})
	if x := c.Of(0); x.LossPermille[0] != 100 {
		t.Errorf("%+v", x)
	}
	c.Add(0, 5*time.Second, "PCMA/8000", status.Media{Received: 100, Lost: 0}) // of another session
	c.Add(0, 10*time.Second, "PCMA/8000", status.Media{Received: 350, Lost: -3})
	if x := c.Of(0); fmt.Sprint(x.LossPermille) != "[100 0 0]" {
		t.Errorf("%+v", x)
	}
}

func TestACourseIsSmallAndHasNoPointers(t *testing.T) {
	if size := unsafe.Sizeof(Course{}); size > 1024 {
		t.Errorf("%d octets", size)
	}
	var pointers func(reflect.Type) bool
	pointers = func(t reflect.Type) bool {
		switch t.Kind() {
		case reflect.Struct:
			for n := range t.NumField() {
				if pointers(t.Field(n).Type) {
					return true
				}
			}
			return false
		case reflect.Array:
			return pointers(t.Elem())
		}
		return t.Kind() > reflect.Complex128 || t.Kind() == reflect.Uintptr
	}
	if pointers(reflect.TypeFor[Course]()) {
		t.Error("it has pointers: the collector looks at each")
	}
}

func TestManyAskAtOnce(t *testing.T) {
	var c Course
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 1000 {
				c.Add(n%2, time.Duration(i)*time.Minute, "PCMA/8000", spoken(60*i, 1))
				c.Of(n % 2)
			}
		})
	}
	all.Wait()
}

// What a call costs: the memory of its course, and the time of two figures.
func BenchmarkCourse(b *testing.B) {
	m := status.Media{BurstRatio: 1, JitterMS: 1.2}
	b.Run("memory", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			kept = new(Course)
		}
	})
	b.Run("figures", func(b *testing.B) {
		c, at := new(Course), time.Duration(0)
		for b.Loop() {
			at += 3 * time.Second
			m.Received += 150
			c.Add(0, at, "PCMA/8000", m)
			c.Add(1, at, "PCMA/8000", m)
		}
	})
}

var kept *Course
