package status

import (
	"encoding/json"
	"testing"
	"time"
)

// A box that was updated has records of version 1 on its flash.
func TestReadRecordOfVersion1(t *testing.T) {
	const line = `{"id":"1ab2c3d4","call_id":"x","started":"2026-08-01T10:00:00Z","connected":"2026-08-01T10:00:05Z","ended":"2026-08-01T10:01:05Z",` +
		`"from":"if_teams","to":"if_pbx","calling":"+491","called":"22","attempts":[{"interface":"if_pbx","calling":"+491","called":"22","code":200}],` +
		`"by":"caller","code":200,"media":[{"codec":"PCMA/8000","received":1,"sent":2,"lost":0,"jitter_ms":0.5}]}`
	r, err := ReadRecord([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if r.Version != 1 || r.Ended.Sub(r.Connected) != time.Minute || len(r.Attempts) != 1 || r.Attempts[0].Code != 200 || r.Media[0].Received != 1 || r.OneWay() != "" {
		t.Errorf("%+v", r)
	}
}

// What this version writes it reads again; a later version may add to it.
func TestReadRecord(t *testing.T) {
	was := Record{Version: RecordVersion, ID: "1", Route: []RouteStep{{Table: "t", Action: "go"}}, Microsoft: &MicrosoftText{Code: 510532}}
	line, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadRecord(line)
	if err != nil || r.Version != RecordVersion || r.Route[0] != was.Route[0] || *r.Microsoft != *was.Microsoft {
		t.Errorf("%s: %+v %v", line, r, err)
	}
	if r, err := ReadRecord([]byte(`{"version":9,"id":"1","later":{"x":[1]}}`)); err != nil || r.Version != 9 || r.ID != "1" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := ReadRecord(line[:len(line)/2]); err == nil {
		t.Error("half a line was read")
	}
}
