package reports_test

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"viaduct/appliance/media/reports"
)

const ms = time.Millisecond

func TestBurstRatio(t *testing.T) {
	for _, c := range []struct {
		name string
		lost func(n int) bool
		want float64
	}{
		{"none", func(int) bool { return false }, 1},
		{"one in ten, evenly", func(n int) bool { return n%10 == 5 }, 1},
		{"four in a row of forty", func(n int) bool { return n%40 >= 10 && n%40 < 14 }, 3.6},
	} {
		var r reports.Reception
		for n := range 4000 {
			if !c.lost(n) {
				r.Update(1, uint16(n+65000), uint32(160*n), int64(160*n), 8000)
			}
		}
		if got := r.Totals().BurstRatio(); math.Abs(got-c.want) > 0.05 {
			t.Errorf("%s: %.3f, want %.2f", c.name, got, c.want)
		}
	}
}

func TestReorderingIsNoLoss(t *testing.T) {
	var r reports.Reception
	for _, n := range []int{0, 1, 3, 2, 4, 6, 7, 5, 8} {
		r.Update(1, uint16(n), uint32(160*n), int64(160*n), 8000)
	}
	if s := r.Totals(); s.Lost != 0 || s.Missing != 0 || s.Loss() != 0 {
		t.Errorf("%+v", r)
	}
}

func TestFiguresGoOnFromThoseOfAnotherBox(t *testing.T) {
	var r reports.Reception
	before := reports.Totals{Lost: 5, Heard: 95, Gaps: 2, Missing: 5, Jitter: 160}
	r.Resume(7, before)
	if r.Started || r.Totals() != before {
		t.Errorf("%+v", r.Totals())
	}
	r.Update(7, 3000, 0, 0, 8000) // nobody knows what was lost meanwhile
	before.Heard++
	if r.Totals() != before {
		t.Errorf("%+v, want %+v", r.Totals(), before)
	}
}

// A report is what RFC 3550 section 6.4 says, as another implementation reads it; the second says what was lost since the first.
func TestReport(t *testing.T) {
	var r reports.Reception
	var log reports.Log
	own := reports.Own{SSRC: 9, Timestamp: 1600, Sent: 10, Payload: 1600}
	wall := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	receive := func(numbers ...int) {
		for _, n := range numbers {
			r.Update(7, uint16(n), uint32(160*n), int64(160*n), 8000)
		}
	}
	put := func(now time.Duration) *rtcp.SenderReport {
		t.Helper()
		p := make([]byte, 128)
		n := log.Put(p, own, &r, wall.Add(now), now)
		n += reports.PutCNAME(p[n:], own.SSRC)
		list, err := rtcp.Unmarshal(p[:n])
		if err != nil || len(list) != 2 || list[1].(*rtcp.SourceDescription).Chunks[0].Items[0].Text != "00000009" {
			t.Fatal(list, err)
		}
		return list[0].(*rtcp.SenderReport)
	}
	receive(0, 1, 2, 3)
	first := put(time.Second)
	if first.SSRC != 9 || first.PacketCount != 10 || first.RTPTime != 1600 || len(first.Reports) != 1 || first.Reports[0].TotalLost != 0 || first.Reports[0].LastSenderReport != 0 {
		t.Errorf("%+v", first)
	}

	answer, err := (&rtcp.SenderReport{SSRC: 7, NTPTime: 0xb705_2000_0000, Reports: []rtcp.ReceptionReport{
		{SSRC: 8, TotalLost: 99}, // another stream
		{SSRC: 9, TotalLost: 3, Jitter: 4, LastSenderReport: uint32(first.NTPTime >> 16), Delay: 65536 / 2}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	blocks, end, ok := reports.Check(answer)
	if !ok || end != len(answer) {
		t.Fatal(blocks, end, ok)
	}
	log.Note(answer, reports.Blocks(answer, blocks), own.SSRC, 1600*ms)
	if log.PeerLost != 3 || log.PeerJitter != 4 || log.RoundTrip != 100*ms {
		t.Errorf("%+v", log)
	}

	receive(4, 7)
	if b := put(2100 * ms).Reports[0]; b.SSRC != 7 || b.FractionLost != 128 || b.TotalLost != 2 || b.LastSequenceNumber != 7 || b.LastSenderReport != 0xb705_2000 || b.Delay != 65536/2 {
		t.Errorf("%+v", b)
	}

	own.Sent = 0
	p := make([]byte, 128)
	if n := log.Put(p, own, &r, wall, 3*time.Second); new(rtcp.ReceiverReport).Unmarshal(p[:n]) != nil {
		t.Errorf("%x", p[:n])
	}
}

// Whatever a peer sends, only what is inside the packet is read.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("\x80\xc9\x00\x01abcd"), uint32(1))
	f.Add(append([]byte("\x81\xc8\x00\x0c"), make([]byte, 48)...), uint32(0))
	f.Fuzz(func(t *testing.T, p []byte, ssrc uint32) {
		if len(p) < 8 {
			return
		}
		p = p[:len(p):len(p)]
		blocks, end, ok := reports.Check(p)
		if !ok {
			return
		}
		var log reports.Log
		log.Note(p[:end:end], reports.Blocks(p[:end:end], blocks), ssrc, time.Second)
	})
}
