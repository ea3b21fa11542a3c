package hep

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/status"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// over is a call with voice on both sides: the callee's came twice in part, and has no rating.
func over() *status.Record {
	return &status.Record{ID: "9f2b3c4d", CallID: "a", Ended: noon, Media: []status.RecordMedia{
		{Side: status.ByCaller, CallID: "a", Codec: "PCMA/8000", Local: addr("192.0.2.1:16384"), Remote: addr("192.0.2.9:4000"),
			Media: status.Media{Received: 990, Sent: 1000, Lost: 10, JitterMS: 1.25, MOS: 4.31}},
		{Side: status.ByCallee, CallID: "b\x1b[2J\"", Codec: "opus/48000", Local: addr("[2001:db8::1]:16386"), Remote: addr("[2001:db8::7]:4002"),
			Media: status.Media{Received: 1000, Lost: -4}},
		{Side: status.ByCallee, Codec: "PCMA/8000", Local: addr("192.0.2.1:16384")}, // the peer has named no address
	}}
}

// At its end a call says what came from each peer, in the form that Homer reads, under the id of the call.
func TestACallEndsWithReports(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := begin(t, 0, nil)
	c.Ended(over()) // nothing is configured
	c.Apply(to(server.LocalAddr().(*net.UDPAddr).Port, "udp"), nil, "sbc01")
	c.Ended(over())
	c.Trace(message("last", ""))
	b := make([]byte, 70000)
	var got []map[uint16][]byte
	for range 3 {
		size, _, err := server.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, read(t, append([]byte(nil), b[:size]...)))
	}
	if string(got[2][chunkCorrelation]) != "last" || got[2][chunkType][0] != 1 {
		t.Errorf("after the reports comes %v", got[2])
	}
	for n, want := range []struct {
		source, dest       string
		kindS, kindD       uint16
		sourcePort, toPort string
		report             map[string]any
	}{
		{"192.0.2.9", "192.0.2.1", chunkSource4, chunkDest4, "\x0f\xa0", "\x40\x00", map[string]any{
			"CORRELATION_ID": "9f2b3c4d", "RTP_SIP_CALL_ID": "a", "REPORT_TS": 1795953600.0, "TYPE": "HANGUP", "DIR": 0.0,
			"SRC_IP": "192.0.2.9", "SRC_PORT": 4000.0, "DST_IP": "192.0.2.1", "DST_PORT": 16384.0, "CODEC_NAME": "PCMA", "CLOCK": 8000.0,
			"TOTAL_PK": 990.0, "EXPECTED_PK": 1000.0, "PACKET_LOSS": 10.0, "JITTER": 1.25, "MEAN_JITTER": 1.25, "MOS": 4.31, "MEAN_MOS": 4.31,
		}},
		{"2001:db8::7", "2001:db8::1", chunkSource6, chunkDest6, "\x0f\xa2", "\x40\x02", map[string]any{
			"CORRELATION_ID": "9f2b3c4d", "RTP_SIP_CALL_ID": "b\x1b[2J\"", "REPORT_TS": 1795953600.0, "TYPE": "HANGUP", "DIR": 1.0,
			"SRC_IP": "2001:db8::7", "SRC_PORT": 4002.0, "DST_IP": "2001:db8::1", "DST_PORT": 16386.0, "CODEC_NAME": "opus", "CLOCK": 48000.0,
			"TOTAL_PK": 1000.0, "EXPECTED_PK": 996.0, "PACKET_LOSS": 0.0, "JITTER": 0.0, "MEAN_JITTER": 0.0,
		}},
	} {
		p := got[n]
		source, _ := netip.AddrFromSlice(p[want.kindS])
		dest, _ := netip.AddrFromSlice(p[want.kindD])
		if source.String() != want.source || dest.String() != want.dest || string(p[chunkSourcePort]) != want.sourcePort || string(p[chunkDestPort]) != want.toPort ||
			string(p[chunkType]) != "\x22" || string(p[chunkProtocol]) != "\x11" || string(p[chunkCorrelation]) != "9f2b3c4d" || string(p[chunkNodeName]) != "sbc01" {
			t.Errorf("packet %d: %v", n, p)
		}
		var report map[string]any
		if err := json.Unmarshal(p[chunkPayload], &report); err != nil || !reflect.DeepEqual(report, want.report) {
			t.Errorf("%v\n%v, want\n%v", err, report, want.report)
		}
	}
}

// Reports share the memory of messages: what is told of one packet is not told of the next one out of the pool.
func TestAReportLeavesNothingInThePool(t *testing.T) {
	c := New(Options{})
	c.Apply(to(1, "udp"), nil, "")
	for range 100 {
		c.Ended(over())
		c.drop()
		c.Trace(message("m", ""))
		x := <-c.queue
		if x.call != "" || x.kind != typeSIP || !strings.HasPrefix(string(x.text), "INVITE") {
			t.Fatalf("%+v", x)
		}
		c.free(x)
	}
	if c.octets.Load() != 0 {
		t.Errorf("%d octets in an empty queue", c.octets.Load())
	}
}

// A server that is away stays so while it is tried again; the text of its certificate is made printable.
func TestTheStateOfAServerThatIsAway(t *testing.T) {
	c := begin(t, 0, nil)
	c.o.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no \x1b[2J name") }
	if s := c.Status(); s.State != status.HEPOff || s.Server != "" {
		t.Errorf("%+v", s)
	}
	c.Apply(to(9060, "tcp"), nil, "")
	for c.Status().Error == "" {
		time.Sleep(time.Millisecond)
	}
	s := c.Status()
	if s.State != status.HEPAway || s.Server != "homer.example.com:9060/tcp" || s.Error != `no \x1b[2J name` || s.Failed.IsZero() || s.Since.IsZero() {
		t.Errorf("%+v", s)
	}
	same := &settings{HEP: *to(9060, "tcp")}
	c.become(status.HEPReaching, same)
	if now := c.Status(); now.State != status.HEPAway || now.Since != s.Since {
		t.Errorf("tried again it is %+v", now)
	}
}
