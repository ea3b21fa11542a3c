package messages

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"viaduct/appliance/siptransport"
)

// invite is as large as Teams sends it.
var invite = append(append([]byte("INVITE sip:+4989123@sbc.example.com:5061;transport=tls SIP/2.0\r\nVIA: SIP/2.0/TLS 52.114.75.24:5061;branch=z9hG4bKabcdef01\r\n"+
	"RECORD-ROUTE: <sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>\r\nFROM: Anna<sip:+4930123@sip.pstnhub.microsoft.com:5061;user=phone>;tag=0123456789abcdef\r\n"+
	"TO: <sip:+4989123@sbc.example.com:5061;user=phone>\r\nCSEQ: 1 INVITE\r\nCALL-ID: 0123456789abcdef0123456789abcdef\r\nMAX-FORWARDS: 70\r\n"),
	bytes.Repeat([]byte("X-HEADER: of no importance, and as long as they are\r\n"), 14)...), append([]byte("\r\nv=0\r\n"), bytes.Repeat([]byte("a=rtpmap:8 PCMA/8000\r\n"), 30)...)...)

// BenchmarkTrace keeps a message of 1,900 octets, in calls of 14 messages: a store that is full.
func BenchmarkTrace(b *testing.B) {
	s := New()
	at := bytes.Index(invite, []byte("0123456789abcdef0123456789abcdef"))
	branch := bytes.Index(invite, []byte("z9hG4bK")) + 7
	e := siptransport.TraceEntry{Time: time.Now(), Transport: siptransport.TLS, Local: here, Remote: there, Message: invite}
	b.SetBytes(int64(len(invite)))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; b.Loop(); n++ {
		if n%14 == 0 {
			copy(invite[at:], fmt.Sprintf("%032x", n))
		}
		invite[branch] = byte(n) // no repetition
		s.Trace(e)
	}
}

// BenchmarkTraceOfOthers takes a request of no call.
func BenchmarkTraceOfOthers(b *testing.B) {
	s := New()
	options := append([]byte("OPTIONS"), invite[6:]...)
	e := siptransport.TraceEntry{Time: time.Now(), Transport: siptransport.TLS, Local: here, Remote: there, Message: options}
	b.ReportAllocs()
	for b.Loop() {
		s.Trace(e)
	}
}
