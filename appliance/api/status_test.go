package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// stated is a box with something in every part. It needs a method for each entry of parts.
type stated struct {
	accounts
	asked status.RecordSearch
}

var begun = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func (*stated) ACME() []status.ACME {
	return []status.ACME{{Name: "sbc", State: status.ACMETrial, Names: []string{"sbc.example.com"}, NotAfter: begun}}
}
func (*stated) Bans() []status.Ban { return nil }
func (*stated) Commit() status.Commit {
	return status.Commit{State: status.Pending, By: status.Author{Account: "anna"}}
}

func (*stated) Connections() []status.Connection { return nil }

func (*stated) Traffic(last time.Duration) status.Traffic { return status.Traffic{Calls: 1} }
func (*stated) LastChange() status.Changed                { return status.Changed{} }
func (*stated) Trend() status.Trend                       { return status.Trend{Points: []status.TrendPoint{}} }
func (*stated) Calls() []status.Call {
	return []status.Call{{ID: "17", State: status.CallHeld, Started: begun}}
}
func (*stated) LastCheck() status.Checkup {
	return status.Checkup{Of: "all", Steps: []status.CheckStep{{ID: "tls", State: status.CheckSkipped}}}
}
func (*stated) Clock() status.Clock      { return status.Clock{Now: begun, Synced: true} }
func (*stated) System() status.System    { return status.System{Release: "v1"} }
func (*stated) PKI() []status.Key        { return []status.Key{{Kind: status.KeyCertificate, Name: "MINE"}} }
func (*stated) Ports() []status.Port     { return []status.Port{{Name: "eth00", State: status.LinkUp}} }
func (*stated) IPRoutes() []status.Route { return nil }
func (*stated) IPInterfaces() []status.IPInterface {
	return []status.IPInterface{{Name: "if_eth00", State: status.LinkNoCarrier}}
}
func (*stated) Peers() []status.Peer {
	return []status.Peer{{Interface: "if_pbx", State: status.PeerUnasked}}
}
func (*stated) NameServers() []status.NameServer { return nil }
func (*stated) Sessions() []status.Session       { return []status.Session{{User: "anna"}} }
func (*stated) SNMP() status.SNMP                { return status.SNMP{Boots: 7} }
func (*stated) Web() status.Web                  { return status.Web{Port: 443} }
func (*stated) Fleet() status.Fleet {
	return status.Fleet{Name: "berlin", State: status.FleetConnected}
}
func (*stated) Redundancy() status.Redundancy {
	return status.Redundancy{State: status.PairStandby, Router: 51, Box: 2}
}
func (*stated) HEP() status.HEP { return status.HEP{Sent: 7} }
func (*stated) Events() status.Events {
	return status.Events{Subscriptions: []status.Subscription{{Identity: "user.01", State: status.SubscriptionActive}}}
}
func (*stated) Presence() status.Presence {
	return status.Presence{Services: []status.PresenceService{{Name: "TEAMS", State: status.PresenceWorking, Users: []status.PresenceUser{{Name: "anna@contoso.com", State: "busy"}}}}}
}
func (*stated) Phones() []status.Phone {
	return []status.Phone{{Identity: "21", Bindings: []status.Binding{{Identity: "21", State: status.BindingWaiting}}}}
}
func (*stated) Bindings() []status.Binding { return []status.Binding{{Identity: "21"}} }
func (*stated) Provisioning() status.Provisioning {
	return status.Provisioning{Services: []status.ProvisioningService{{Name: "PROV", State: status.ProvisioningServing}}, Strangers: []status.ProvisionedPhone{{MAC: "00:15:65:00:00:01"}}}
}
func (*stated) Survivals() []status.Survival {
	return []status.Survival{{Name: "PBX", State: status.SurvivalLost, Since: begun}}
}
func (*stated) Calendar() status.Calendar              { return status.Calendar{} }
func (*stated) PeerChains() status.PeerChains          { return status.PeerChains{} }
func (*stated) InternalCA() status.InternalCA          { return status.InternalCA{} }
func (*stated) UnknownIssuers() []status.UnknownIssuer { return nil }
func (*stated) Alarms() []health.Alarm {
	return []health.Alarm{{ID: "link-down", Severity: health.Error}}
}
func (*stated) Neighbours() ([]status.Neighbour, error) { return nil, nil }
func (*stated) Images(context.Context) (status.Images, error) {
	return status.Images{Board: "sim"}, nil
}
func (*stated) CallArchive() status.CallRecords { return status.CallRecords{Days: 7} }
func (s *stated) FindCalls(q status.RecordSearch) (status.RecordsFound, error) {
	s.asked = q
	if q.Call == "gone" {
		return status.RecordsFound{}, nil
	}
	return status.RecordsFound{Records: []status.Record{{ID: "15", By: status.ByBox, Ended: begun}}, Older: "15"}, nil
}
func (*stated) CallInProgress(id string) (status.Record, bool) {
	return status.Record{ID: id, Calling: "+4930123", Started: begun}, id == "17"
}
func (*stated) CallTrace(id string) (status.CallTrace, error) {
	if id == "gone" {
		return status.CallTrace{}, errors.New("there is no call \"gone\"")
	}
	return status.CallTrace{ID: id, Legs: []status.TraceLeg{{Interface: "if_pbx", CallID: "a", Kept: true}}, Messages: []status.TraceMessage{
		{Time: begun, Method: "INVITE", Size: 40, Text: "INVITE sip:1@pbx SIP/2.0\r\nSecret: xxxx\r\n\r\n"}, {Time: begun, Method: "INVITE", Code: 486, Sent: true, Text: "SIP/2.0 486 Busy\r\n\r\n"},
	}}, nil
}

func TestEveryPartOfTheStatusIsJSON(t *testing.T) {
	box := &stated{accounts: accounts{cfg: config.New()}}
	client, _, _ := start(t, NewBackend(lang.New(), box))
	get := func(path string) (int, string) {
		r, err := client.Get("http://sbcd" + path)
		if err != nil {
			t.Fatalf("%v: does stated have the method for it?", err) // without the method the server panics
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	_, text := get("/v1/status")
	var all status.Parts
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all.Parts) != len(parts) {
		t.Fatalf("%v: %s", err, text)
	}
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range all.Parts {
		row := regexp.MustCompile("\n\\| `" + part + "` \\|.*\\| (.*) \\|").FindStringSubmatch(string(doc))
		if row == nil || !strings.Contains(row[1], "`"+parts[part].shown) {
			t.Errorf("docs/status.md does not list %s, or not as shown by %s: %q", part, parts[part].shown, row)
		}
		code, text := get("/v1/status/" + part + map[string]string{"explain": "?id=15", "ladder": "?id=15", "message": "?id=15&message=1"}[part])
		if code != http.StatusOK || !json.Valid([]byte(text)) || strings.HasPrefix(text, "null") {
			t.Errorf("%s: %d %s", part, code, text)
		}
	}
	for path, want := range map[string]string{
		"/v1/status/alarms":          `[{"id":"link-down","severity":"error"`,
		"/v1/status/calls":           `[{"id":"17","state":"held"`,
		"/v1/status/commit":          `{"state":"pending","by":{"account":"anna"}`,
		"/v1/status/ports":           `"state":"up"`,
		"/v1/status/interfaces":      `"state":"no carrier"`,
		"/v1/status/registrations":   `"state":"registered"`,
		"/v1/status/peers":           `"state":"unasked"`,
		"/v1/status/routes":          "[]\n",
		"/v1/status/records":         `"by":"box"`,
		"/v1/status/nothing":         "there is no such part",
		"/v1/status/records?last=0":  "is not a number from 1 to",
		"/v1/status/records?last=17": `"id":"15"`,
	} {
		if _, text := get(path); !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
	}
	get("/v1/status/records?last=17&number=%2B4930&to=222&since=2026-11-22T08:00:00Z&until=2026-11-22T09:00:00%2B01:00&result=missed&code=480&interface=if_pbx&before=14")
	eight := begun.Add(-4 * time.Hour)
	if got := box.asked; !got.Since.Equal(eight) || !got.Until.Equal(eight) {
		t.Errorf("asked for %+v", got)
	}
	box.asked.Since, box.asked.Until = time.Time{}, time.Time{}
	if want := (status.RecordSearch{Last: 17, Number: "+4930", Called: "222", Result: status.ResultMissed, Code: 480, Interface: "if_pbx", Before: "14"}); box.asked != want {
		t.Errorf("asked for %+v, want %+v", box.asked, want)
	}
	if get("/v1/status/records"); box.asked != (status.RecordSearch{Last: usualRecords}) {
		t.Errorf("asked for %+v without parameters", box.asked)
	}
}

// TestOneCallInTheStatus has the parts that are about one call: what became of it, its messages, and the text of one, which is not in the
// list of all.
func TestOneCallInTheStatus(t *testing.T) {
	cfg := config.New()
	cfg.Accounts = []*config.Account{{Name: "olga", Class: config.Operator}, {Name: "anna", Class: config.Administrator}}
	client, _, _ := start(t, NewBackend(lang.New(), &stated{accounts: accounts{cfg: cfg}}))
	for _, x := range []struct {
		path string
		code int
		says string
	}{
		{"explain?id=17&user=olga", 200, `{"result":"in progress","lines":[{"head":"Call","text":"+4930123 called no number`},
		{"explain?id=15", 200, `"failed":true`},
		{"explain?id=gone", 404, "no such call"},
		{"explain", 400, "id= is missing"},
		{"ladder?id=15&user=olga", 200, `"code":486`},
		{"ladder?id=15&user=olga", 200, `"first":"INVITE sip:1@pbx SIP/2.0"}`},
		{"ladder?id=gone", 404, "there is no call"},
		{"message?id=15&message=1&user=anna", 200, `Secret: xxxx`},
		{"message?id=15&message=1&user=olga", 403, "class administrator"},
		{"message?id=15&message=3", 400, "is not a number from 1 to 2"},
		{"message?id=15&message=0", 400, "is not a number from 1 to 2"},
		{"message?id=15", 400, "message= is missing"},
		{"history?last=1&user=olga", 200, `"older":"15"`},
		{"history?since=yesterday", 400, "is not a time, such as"},
		{"history?result=odd", 400, "is not one of"},
		{"history?code=99", 400, "is not a number from 100 to 699"},
	} {
		r, err := client.Get("http://sbcd/v1/status/" + x.path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != x.code || !strings.Contains(string(text), x.says) || strings.HasPrefix(x.path, "ladder") && strings.Contains(string(text), "Secret") {
			t.Errorf("%s: %d %s, want %d %s", x.path, r.StatusCode, text, x.code, x.says)
		}
	}
}

func TestWhatTheStatusCannotTell(t *testing.T) {
	client, _, _ := start(t, &fake{})
	for path, want := range map[string]int{
		"/v1/status/broken": http.StatusServiceUnavailable, "/v1/status/absent": http.StatusNotFound, "/v1/status/x?last=y": http.StatusBadRequest,
	} {
		r, err := client.Get("http://sbcd" + path)
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Error string }
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil || f.Error == "" || r.StatusCode != want {
			t.Errorf("%s: %d %+v %v", path, r.StatusCode, f, err)
		}
		r.Body.Close()
	}
	if _, err := NewBackend(lang.New(), &stated{}).Status(t.Context(), &Session{}, "x", StatusQuery{}); !errors.Is(err, errNoPart) {
		t.Errorf("%v", err)
	}
}

// TestWhoMaySeeAPartOfTheStatus has an operator see what `show` shows an operator, and nobody what an administrator's command shows. The
// parts of today are all for operators, so that one is added.
func TestWhoMaySeeAPartOfTheStatus(t *testing.T) {
	parts["trail"] = part{"show audit", one(device.Box.System)}
	parts["lost"] = part{"show what-never-was", one(device.Box.System)}
	t.Cleanup(func() { delete(parts, "trail"); delete(parts, "lost") })
	cfg := config.New()
	cfg.Accounts = []*config.Account{{Name: "olga", Class: config.Operator}, {Name: "anna", Class: config.Administrator}, {Name: "susi", Class: config.Superuser}}
	client, _, _ := start(t, NewBackend(lang.New(), &stated{accounts: accounts{cfg: cfg}}))
	for _, x := range []struct {
		path string
		code int
		says string
	}{
		{"system?user=olga", 200, `"release":"v1"`},
		{"trail?user=olga", 403, "account \\\"olga\\\" is of class operator, and this is for class administrator, as `show audit` is"},
		{"trail?user=anna", 200, `"release":"v1"`},
		{"trail?user=susi", 200, `"release":"v1"`},
		{"trail", 200, `"release":"v1"`},
		{"trail?user=", 403, "names no account"},
		{"system?user=gone", 403, `account \"gone\" does not exist`},
		{"nothing?user=olga", 404, "there is no such part"},
		{"nothing?user=gone", 403, "does not exist"},
		{"lost", 503, "show what-never-was"},
		{"?user=gone", 403, "does not exist"},
	} {
		path := strings.TrimSuffix("/v1/status/"+x.path, "/")
		if strings.HasPrefix(x.path, "?") {
			path = "/v1/status" + x.path
		}
		r, err := client.Get("http://sbcd" + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != x.code || !strings.Contains(string(text), x.says) {
			t.Errorf("%s: %d %s, want %d %s", path, r.StatusCode, text, x.code, x.says)
		}
	}
	for user, sees := range map[string]bool{"olga": false, "anna": true} {
		v, err := NewBackend(lang.New(), &stated{accounts: accounts{cfg: cfg}}).Status(t.Context(), &Session{User: user}, "", StatusQuery{})
		if err != nil || slices.Contains(v.(status.Parts).Parts, "trail") != sees || slices.Contains(v.(status.Parts).Parts, "lost") {
			t.Errorf("%s: %+v %v", user, v, err)
		}
	}
}
