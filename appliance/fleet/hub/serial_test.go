package hub_test

import (
	"strings"
	"testing"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/hub/hubtest"
)

// Leases are counted by serial numbers: a device is the same, however its number is written.
func TestADeviceIsTheSameHoweverItsNumberIsWritten(t *testing.T) {
	h := hubtest.Start(t)
	file := func(box, serial string) fleet.KeyFile {
		key, err := bus.Generate()
		if err != nil {
			t.Fatal(err)
		}
		return fleet.KeyFile{Box: box, Serial: serial, Key: key.Public()}
	}
	add := func(box, serial string) error {
		return h.Registry.AddBox(t.Context(), hubtest.Customer, file(box, serial), nil)
	}
	if err := add("berlin", "00-a0-ba-0f-24-39"); err != nil {
		t.Fatal(err)
	}
	for _, serial := range []string{"00A0BA0F2439", "00a0ba0f2439", "00:A0:BA:0F:24:39"} {
		if err := add("munich", serial); err == nil || !strings.Contains(err.Error(), "berlin has the serial number") {
			t.Errorf("%s: %v", serial, err)
		}
		if _, err := h.Registry.ReplaceKey(t.Context(), hubtest.Customer, file("berlin", serial)); err != nil {
			t.Error(err)
		}
	}
	if err := add("munich", "---"); err == nil {
		t.Error("a number of nothing")
	}
	l, err := h.Registry.List(t.Context())
	if err != nil || l.Customers[hubtest.Customer].Boxes["berlin"].Serial != "00A0BA0F2439" {
		t.Errorf("%+v, %v", l, err)
	}
}
