package sipdialog

import (
	"net/netip"
	"testing"

	"viaduct/appliance/sipmsg"
)

func TestBlanksInRecordRoute(t *testing.T) {
	head, body, f := sipmsg.FrameDatagram([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:b@192.0.2.2>;tag=b\r\n" +
		"Call-ID: c\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:proxy.example;lr> ; x = y , <sip:b.example ; lr>\r\nContent-Length: 0\r\n\r\n"))
	m := sipmsg.Parse(head, body, f, netip.AddrPort{})
	var d Dialog
	d.Confirm(m.Response)
	if _, routes := d.uriAndRoutes(); len(routes) != 2 {
		t.Errorf("a loose router is taken for a strict one: %q", routes)
	}
}
