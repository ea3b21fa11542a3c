package provisioning

import (
	"testing"
	"time"

	"viaduct/appliance/config"
)

func TestZones(t *testing.T) {
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		zone string
		want zone
	}{
		{"", zone{Offset: "0", Seconds: "0"}},
		{"+05:30", zone{Offset: "+5:30", Seconds: "19800"}},
		{"-03:00", zone{Offset: "-3", Seconds: "-10800"}},
		{"Europe/Berlin", zone{"Europe/Berlin", "+1", "3600", "GER+1", true, "3/5/7/2", "10/5/7/3", "60"}},
		{"Europe/London", zone{"Europe/London", "0", "0", "GBR-0", true, "3/5/7/1", "10/5/7/2", "60"}},
		{"America/New_York", zone{"America/New_York", "-5", "-18000", "", true, "3/2/7/2", "11/1/7/2", "60"}},
		{"Australia/Sydney", zone{"Australia/Sydney", "+10", "36000", "", true, "10/1/7/2", "4/1/7/3", "60"}},
		{"Asia/Tokyo", zone{Name: "Asia/Tokyo", Offset: "+9", Seconds: "32400"}},
	} {
		if got := zoneOf(config.LocalClock{Zone: c.zone}, now); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.zone, got, c.want)
		}
	}
}
