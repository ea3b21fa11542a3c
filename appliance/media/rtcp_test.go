package media

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"viaduct/appliance/srtp"

	pionrtcp "github.com/pion/rtcp"
)

func TestRTCPPassesInTheTermsOfTheOtherSide(t *testing.T) {
	eachWay(t, Options{}, testRTCPPassesInTheTermsOfTheOtherSide)
}

func testRTCPPassesInTheTermsOfTheOtherSide(t *testing.T, r *Relay) {
	for _, mux := range []bool{false, true} {
		c := call(t, r, srtp.AES80)
		c.pa.Mux = mux
		c.set(t)
		c.talk(t)
		last := c.b.send(8)
		heard := c.a.receive()

		report := &pionrtcp.SenderReport{SSRC: c.a.ssrc, NTPTime: 0x1122334455667788, RTPTime: 1000, PacketCount: 99, OctetCount: 99,
			Reports: []pionrtcp.ReceptionReport{{SSRC: ssrcOf(heard), LastSequenceNumber: uint32(seqOf(heard)), FractionLost: 3, TotalLost: 4, Jitter: 5}}}
		plain, err := pionrtcp.Marshal([]pionrtcp.Packet{report, &pionrtcp.SourceDescription{Chunks: []pionrtcp.SourceDescriptionChunk{{Source: c.a.ssrc,
			Items: []pionrtcp.SourceDescriptionItem{{Type: pionrtcp.SDESCNAME, Text: "secret@10.1.2.3"}}}}}, &pionrtcp.Goodbye{Sources: []uint32{c.a.ssrc}}})
		if err != nil {
			t.Fatal(err)
		}
		wire, err := c.a.out.EncryptRTCP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		if mux {
			c.a.write(c.a.rtp, c.a.to.RTP, wire)
		} else {
			c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
		}
		b := c.b.read(c.b.rtcp, patience)
		packets, err := pionrtcp.Unmarshal(b)
		if err != nil || len(packets) != 2 || bytes.Contains(b, []byte("secret")) {
			t.Fatalf("mux %v: %v %v", mux, packets, err)
		}
		sr, ok := packets[0].(*pionrtcp.SenderReport)
		if !ok || sr.NTPTime != report.NTPTime || sr.PacketCount != 1 || sr.OctetCount != 160 || len(sr.Reports) != 1 {
			t.Fatalf("mux %v: %v", mux, packets[0])
		}
		if block := sr.Reports[0]; block.SSRC != c.b.ssrc || uint16(block.LastSequenceNumber) != seqOf(last) || block.Jitter != 5 {
			t.Errorf("mux %v: %+v, sent %x %d", mux, block, c.b.ssrc, seqOf(last))
		}
		if sdes, ok := packets[1].(*pionrtcp.SourceDescription); !ok || sdes.Chunks[0].Source != sr.SSRC {
			t.Errorf("mux %v: %v", mux, packets[1])
		}
		// A replay is dropped.
		if mux {
			c.a.write(c.a.rtp, c.a.to.RTP, wire)
		} else {
			c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
		}
		if s := c.until(A, func(s Stats) bool { return s.Replayed > 0 }); s.Replayed != 1 || c.b.read(c.b.rtcp, ms) != nil {
			t.Errorf("mux %v: replayed report passed: %+v", mux, s)
		}
		// And the other way.
		plain, _ = pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: c.b.ssrc}})
		c.b.write(c.b.rtcp, c.b.to.RTCP, plain)
		back := c.a.rtcp
		if mux {
			back = c.a.rtp
		}
		if got, err := c.a.in.DecryptRTCP(nil, c.a.read(back, patience), nil); err != nil || binary.BigEndian.Uint32(got[4:]) != ssrcOf(heard) {
			t.Errorf("mux %v: %x, %v", mux, got, err)
		}
	}
}

func TestReportsOfOurOwnWhenTheOtherSideSendsNone(t *testing.T) {
	began := time.Now()
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	c.a.packet(8) // lost
	c.talk(t)
	wire := c.a.read(c.a.rtcp, patience)
	plain, err := c.a.in.DecryptRTCP(nil, wire, nil)
	if err != nil {
		t.Fatal(err)
	}
	packets, err := pionrtcp.Unmarshal(plain)
	if err != nil || len(packets) != 2 {
		t.Fatalf("%v, %v", packets, err)
	}
	sr := packets[0].(*pionrtcp.SenderReport)
	if sr.PacketCount != 2 || sr.OctetCount != 320 || len(sr.Reports) != 1 || sr.Reports[0].SSRC != c.a.ssrc ||
		sr.Reports[0].TotalLost != 1 || sr.Reports[0].FractionLost != 256/3 || uint16(sr.Reports[0].LastSequenceNumber) != c.a.seq-1 {
		t.Errorf("%+v", sr)
	}
	sent := time.Unix(int64(sr.NTPTime>>32)-2208988800, 0) // it counts from 1900
	if now := time.Now(); sent.After(now) || sent.Before(began.Truncate(time.Second)) {
		t.Errorf("the clock says %v, it was sent between %v and %v", sent, began, now)
	}
	time.Sleep(50 * time.Millisecond)
	plain, _ = pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: c.a.ssrc,
		Reports: []pionrtcp.ReceptionReport{{SSRC: sr.SSRC, LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536 / 50}}}})
	if wire, err = c.a.out.EncryptRTCP(nil, plain, nil); err != nil {
		t.Fatal(err)
	}
	c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
	trip := c.until(A, func(s Stats) bool { return s.RoundTrip > 0 }).RoundTrip
	if trip < 25*time.Millisecond || trip > time.Since(sent) {
		t.Errorf("round trip %v", trip)
	}
}
