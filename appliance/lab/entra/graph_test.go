package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokensEndAndKeepTheirRoles(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, PresenceRead)
		u := r.s.AddUser(User{UPN: "anna@contoso.com"})
		ask := func() *answer {
			t.Helper()
			return r.post("communications/getPresencesByUserId", fmt.Sprintf(`{"ids":[%q]}`, u.ID))
		}
		if a := ask(); a.StatusCode != 401 || a.code() != "InvalidAuthenticationToken" {
			t.Errorf("no token: %s %s", a.Status, a.text)
		}
		r.enter()
		claims := func() map[string]any {
			text, err := base64.RawURLEncoding.DecodeString(strings.Split(r.bearer, ".")[1])
			m := map[string]any{}
			if err == nil {
				err = json.Unmarshal(text, &m)
			}
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		if m := claims(); m["appid"] != appID || m["aud"] != "https://"+Graph || fmt.Sprint(m["roles"]) != "["+PresenceRead+"]" {
			t.Errorf("claims: %v", m)
		}
		if a := ask(); a.StatusCode != 200 || len(a.body.Value) != 1 {
			t.Errorf("%s %s", a.Status, a.text)
		}
		// Consent that is withdrawn does not touch tokens that are out.
		r.app.Grant()
		time.Sleep(time.Hour - time.Second)
		if a := ask(); a.StatusCode != 200 {
			t.Errorf("a second before the end: %s %s", a.Status, a.text)
		}
		time.Sleep(time.Second)
		if a := ask(); a.StatusCode != 401 {
			t.Errorf("at the end: %s %s", a.Status, a.text)
		}
		r.enter()
		if roles, there := claims()["roles"]; there {
			t.Errorf("roles: %v", roles)
		}
		if a := ask(); a.StatusCode != 403 || a.code() != "Forbidden" {
			t.Errorf("without consent: %s %s", a.Status, a.text)
		}
		for _, link := range []string{"http://" + Login + "/contoso.onmicrosoft.com/adminconsent?client_id=" + appID, "https://login.microsoftonline.us/contoso.onmicrosoft.com/adminconsent?client_id=" + appID,
			"https://" + Login + "/fabrikam.onmicrosoft.com/adminconsent?client_id=" + appID, "https://" + Login + "/contoso.onmicrosoft.com/consent?client_id=" + appID,
			"https://" + Login + "/contoso.onmicrosoft.com/adminconsent?client_id=x", "https://" + Login + "/contoso.onmicrosoft.com/v2.0/adminconsent?client_id=" + appID, "%"} {
			if r.s.Consent(link) == nil {
				t.Errorf("%s is followed", link)
			}
		}
		if err := r.s.Consent("https://" + Login + "/contoso.onmicrosoft.com/adminconsent?client_id=" + appID); err != nil {
			t.Error(err)
		}
		r.enter()
		if a := ask(); a.StatusCode != 200 {
			t.Errorf("with consent: %s %s", a.Status, a.text)
		}
		r.s.Revoke()
		if a := ask(); a.StatusCode != 401 {
			t.Errorf("revoked: %s %s", a.Status, a.text)
		}
	})
}

func TestUsersComeInPages(t *testing.T) {
	r := newRig(t, UsersRead)
	for n := range 1300 {
		r.s.AddUser(User{UPN: fmt.Sprintf("user%04d@contoso.com", n), EmployeeID: fmt.Sprint(n), Phones: []string{"+49 30 1"}, Disabled: n%2 == 1})
	}
	r.enter()
	read := func(query string) (names []string, pages int) {
		for where := "https://" + Graph + "/v1.0/users" + query; where != ""; pages++ {
			a := r.do(http.MethodGet, where, "", "")
			if a.StatusCode != 200 {
				t.Fatalf("%s: %s %s", where, a.Status, a.text)
			}
			for _, u := range a.body.Value {
				names = append(names, u.UserPrincipalName)
			}
			where = a.body.Next
		}
		return names, pages
	}
	for query, want := range map[string][2]int{"?$select=id,userPrincipalName&$top=999": {1300, 2}, "": {1300, 13}, "?$filter=accountEnabled+eq+true&$top=650": {650, 1},
		"?$filter=accountEnabled%20eq%20true&$top=649": {650, 2}} {
		if names, pages := read(query); len(names) != want[0] || pages < want[1] || pages > want[1]+1 {
			t.Errorf("%s: %d users in %d pages", query, len(names), pages)
		} else if names[0] != "user0000@contoso.com" {
			t.Errorf("%s: begins with %s", query, names[0])
		}
	}
	first := r.do(http.MethodGet, "https://"+Graph+"/v1.0/users?$top=10&$select=id", "", "")
	for _, bad := range []string{"?$top=1000", "?$top=0", "?$top=x", "?$select=id,shoeSize", "?$orderby=mail", "?$filter=mail+eq+null", "?$top=1&$top=2",
		strings.TrimPrefix(strings.Replace(first.body.Next, "%24top=10", "%24top=20", 1), "https://"+Graph+"/v1.0/users")} {
		if a := r.do(http.MethodGet, "https://"+Graph+"/v1.0/users"+bad, "", ""); a.StatusCode != 400 {
			t.Errorf("%s: %s", bad, a.Status)
		}
	}
	all := r.do(http.MethodGet, "https://"+Graph+"/v1.0/users?$select=businessPhones,employeeId&$top=2", "", "").body.Value
	if all[1].EmployeeID != "1" || len(all[1].BusinessPhones) != 1 {
		t.Errorf("%+v", all)
	}
	if a := r.do(http.MethodGet, "https://"+Graph+"/v1.0/users?$top=1", "", ""); bytes.Contains(a.text, []byte("employeeId")) || !bytes.Contains(a.text, []byte("businessPhones")) {
		t.Errorf("what was not asked for: %s", a.text)
	}
	r.app.Grant(UsersReadBasic)
	r.enter()
	if a := r.do(http.MethodGet, "https://"+Graph+"/v1.0/users?$select=id,businessPhones,employeeId&$top=1", "", ""); len(a.body.Value[0].BusinessPhones) != 0 || a.body.Value[0].ID == "" {
		t.Errorf("basic: %s", a.text)
	}
	r.app.Grant(PresenceWrite)
	r.enter()
	if a := r.do(http.MethodGet, "https://"+Graph+"/v1.0/users", "", ""); a.StatusCode != 403 || a.code() != "Authorization_RequestDenied" {
		t.Errorf("without permission: %s %s", a.Status, a.text)
	}
	if a := r.do(http.MethodPost, "https://"+Graph+"/v1.0/users", "", ""); a.StatusCode != 405 {
		t.Errorf("POST: %s", a.Status)
	}
}

func TestPresencesOf650(t *testing.T) {
	r := newRig(t, PresenceRead)
	var ids []string
	for n := range 651 {
		ids = append(ids, r.s.AddUser(User{UPN: fmt.Sprint(n), NoTeams: n == 3}).ID)
	}
	r.enter()
	ask := func(ids ...string) *answer {
		text, err := json.Marshal(map[string]any{"ids": ids})
		if err != nil {
			t.Fatal(err)
		}
		return r.post("communications/getPresencesByUserId", string(text))
	}
	if a := ask(ids[:650]...); a.StatusCode != 200 || len(a.body.Value) != 650 {
		t.Errorf("650: %s, %d", a.Status, len(a.body.Value))
	}
	for name, a := range map[string]*answer{"651": ask(ids...), "none": ask(), "twice": ask(ids[0], ids[0]), "a name": ask("anna@contoso.com"),
		"no object":      r.post("communications/getPresencesByUserId", `[]`),
		"another field":  r.post("communications/getPresencesByUserId", `{"ids":["`+ids[0]+`"],"id":1}`),
		"two objects":    r.post("communications/getPresencesByUserId", `{"ids":["`+ids[0]+`"]}{}`),
		"nothing":        r.post("communications/getPresencesByUserId", ""),
		"another call":   r.post("communications/getPresences", `{}`),
		"another world":  r.do("POST", "https://"+Graph+"/beta/communications/getPresencesByUserId", "application/json", `{}`),
		"too much of it": r.post("communications/getPresencesByUserId", `{"ids":["`+strings.Repeat("x", 2<<20)+`"]}`)} {
		if a.StatusCode != 400 && (name != "nothing" || a.StatusCode != 415) {
			t.Errorf("%s: %s %s", name, a.Status, a.text)
		}
	}
	if a := r.do("POST", "https://"+Graph+"/v1.0/communications/getPresencesByUserId", "text/plain", `{"ids":["`+ids[0]+`"]}`); a.StatusCode != 415 {
		t.Errorf("text: %s", a.Status)
	}
	if a := ask(ids[3], newID()); len(a.body.Value) != 1 || a.body.Value[0].Availability != "PresenceUnknown" {
		t.Errorf("guest and nobody: %s", a.text)
	}
	r.s.SignIn(ids[4], Available)
	r.s.SetOutOfOffice(ids[4], true)
	if a := ask(ids[4]); a.body.Value[0].Activity != "OutOfOffice" || !a.body.Value[0].OutOfOfficeSettings.IsOutOfOffice {
		t.Errorf("out of office: %s", a.text)
	}
	get := func(id string) *answer {
		return r.do("GET", "https://"+Graph+"/v1.0/users/"+id+"/presence", "", "")
	}
	if a := get(ids[5]); a.body.Availability != "Offline" {
		t.Errorf("one: %s", a.text)
	}
	if a := get(ids[3]); a.StatusCode != 404 {
		t.Errorf("guest: %s", a.Status)
	}
	if a := r.post("users/"+ids[5]+"/presence/setPresence", `{}`); a.StatusCode != 403 {
		t.Errorf("write with permission to read: %s", a.Status)
	}
	r.app.Grant(UsersRead)
	r.enter()
	if a := get(ids[5]); a.StatusCode != 403 {
		t.Errorf("read without permission: %s", a.Status)
	}
}

func TestWhatCanBeSet(t *testing.T) {
	r := newRig(t, PresenceWrite)
	u := r.s.AddUser(User{UPN: "anna@contoso.com"})
	guest := r.s.AddUser(User{UPN: "guest@contoso.com", NoTeams: true})
	r.enter()
	set := func(changes map[string]any) string {
		body := map[string]any{"sessionId": appID, "availability": "Busy", "activity": "InACall", "expirationDuration": "PT10M"}
		maps.Copy(body, changes)
		for k, v := range body {
			if v == nil {
				delete(body, k)
			}
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct {
		body   string
		status int
	}{
		{set(nil), 200},
		{set(map[string]any{"expirationDuration": nil}), 200},
		{set(map[string]any{"expirationDuration": "PT5M"}), 200},
		{set(map[string]any{"expirationDuration": "PT4H"}), 200},
		{set(map[string]any{"expirationDuration": "PT300S"}), 200},
		{set(map[string]any{"expirationDuration": "PT4M59S"}), 400},
		{set(map[string]any{"expirationDuration": "PT4H1S"}), 400},
		{set(map[string]any{"expirationDuration": "P1D"}), 400},
		{set(map[string]any{"expirationDuration": "10M"}), 400},
		{set(map[string]any{"expirationDuration": "PT10"}), 400},
		{set(map[string]any{"expirationDuration": "PT"}), 400},
		{set(map[string]any{"expirationDuration": "PT5M1H"}), 400},
		{set(map[string]any{"expirationDuration": "PTxM"}), 400},
		{set(map[string]any{"expirationDuration": 600}), 400},
		{set(map[string]any{"availability": "Available", "activity": "Available"}), 200},
		{set(map[string]any{"activity": "InAConferenceCall"}), 200},
		{set(map[string]any{"availability": "DoNotDisturb", "activity": "Presenting"}), 200},
		{set(map[string]any{"activity": "Busy"}), 400},
		{set(map[string]any{"activity": "inacall"}), 400},
		{set(map[string]any{"availability": "DoNotDisturb", "activity": "DoNotDisturb"}), 400},
		{set(map[string]any{"availability": "Busy", "activity": "InAMeeting"}), 400},
		{set(map[string]any{"sessionId": newID()}), 400},
		{set(map[string]any{"sessionId": nil}), 400},
		{set(map[string]any{"reason": "call"}), 400},
	} {
		if a := r.post("users/"+u.ID+"/presence/setPresence", c.body); a.StatusCode != c.status {
			t.Errorf("%s: %s %s", c.body, a.Status, a.text)
		}
	}
	for _, id := range []string{newID(), guest.ID} {
		if a := r.post("users/"+id+"/presence/setPresence", set(nil)); a.StatusCode != 404 {
			t.Errorf("%s: %s", id, a.Status)
		}
	}
	end := "users/" + u.ID + "/presence/clearPresence"
	for n, c := range []struct {
		body   string
		status int
	}{{`{"sessionId":"` + newID() + `"}`, 400}, {`{}`, 400}, {``, 400}, {`{"sessionId":"` + appID + `"}`, 200}, {`{"sessionId":"` + appID + `"}`, 404}} {
		if a := r.post(end, c.body); a.StatusCode != c.status {
			t.Errorf("clear %d: %s %s", n, a.Status, a.text)
		}
	}
	for pair, status := range map[State]int{{"DoNotDisturb", "DoNotDisturb"}: 200, {"Busy", "Busy"}: 200, {"Offline", "OffWork"}: 200, {"Busy", "InACall"}: 400, {"Offline", "Offline"}: 400} {
		if a := r.post("users/"+u.ID+"/presence/setUserPreferredPresence", fmt.Sprintf(`{"availability":%q,"activity":%q,"expirationDuration":"P1DT2H"}`, pair.Availability, pair.Activity)); a.StatusCode != status {
			t.Errorf("prefer %v: %s %s", pair, a.Status, a.text)
		}
	}
	if a := r.post("users/"+u.ID+"/presence/setUserPreferredPresence", `{"availability":"Busy","activity":"Busy","expirationDuration":"soon"}`); a.StatusCode != 400 {
		t.Errorf("prefer for a time that is none: %s", a.Status)
	}
	if _, there := r.s.Preferred(u.ID); !there {
		t.Error("nothing is preferred")
	}
	for _, body := range []string{"", "{}"} {
		if a := r.post("users/"+u.ID+"/presence/clearUserPreferredPresence", body); a.StatusCode != 200 {
			t.Errorf("clear preferred: %s %s", a.Status, a.text)
		}
	}
	if n := r.s.Requests("clearUserPreferredPresence"); n != 2 {
		t.Errorf("%d requests", n)
	}
}
