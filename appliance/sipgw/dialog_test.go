package sipgw

import "testing"

func TestBlanksInRecordRoute(t *testing.T) {
	res := response(200, "OK", "Record-Route: <sip:proxy.example;lr> ; x = y , <sip:b.example ; lr>")
	var d dialog
	d.confirm(res)
	if _, routes := d.uriAndRoutes(); len(routes) != 2 {
		t.Errorf("a loose router is taken for a strict one: %q", routes)
	}
}
