package graph

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

const firstPage = "GET /v1.0/users?$select=id,userPrincipalName,mail,employeeId,businessPhones,accountEnabled&$top=999"

func all(t *testing.T, c *Client) (list []User, err error) {
	t.Helper()
	err = c.Users(t.Context(), func(u User) error { list = append(list, u); return nil })
	return list, err
}

func TestUsersComeByPages(t *testing.T) {
	o := newOffice(nil)
	o.graph = func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "Bearer "+testToken(1, o.roles) {
			t.Errorf("authorization %q", q.Header.Get("Authorization"))
		}
		switch asked, _ := o.last(); asked {
		case firstPage:
			say(w, http.StatusOK, map[string]any{"@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=2", "value": []any{
				map[string]any{"id": "1", "userPrincipalName": "anna@contoso.com", "mail": "Anna@contoso.com", "employeeId": "21", "businessPhones": []string{"+49 30 1234-21"}, "accountEnabled": true},
				map[string]any{"id": "2", "userPrincipalName": "old@contoso.com", "mail": nil, "employeeId": nil, "businessPhones": []string{}, "accountEnabled": false},
			}})
		case "GET /v1.0/users?$skiptoken=2":
			say(w, http.StatusOK, map[string]any{"value": []any{
				map[string]any{"id": "3", "userPrincipalName": "bert@contoso.com"},
				map[string]any{"id": "4"}, map[string]any{"userPrincipalName": "x@contoso.com"}, map[string]any{"id": 5, "userPrincipalName": "y@contoso.com"}, "z",
				map[string]any{"id": strings.Repeat("6", 99), "userPrincipalName": "x"}, map[string]any{"id": "7", "userPrincipalName": strings.Repeat("x", 999)},
				map[string]any{"id": "8", "userPrincipalName": "long@contoso.com", "mail": strings.Repeat("x", 999), "businessPhones": append(make([]string, 30), strings.Repeat("1", 65), "22")},
			}})
		default:
			t.Errorf("asked %s", asked)
		}
	}
	got, err := all(t, o.client())
	must(t, err)
	want := []User{
		{ID: "1", UPN: "anna@contoso.com", Mail: "Anna@contoso.com", EmployeeID: "21", Phones: []string{"+49 30 1234-21"}, Enabled: true},
		{ID: "2", UPN: "old@contoso.com"},
		{ID: "3", UPN: "bert@contoso.com", Enabled: true},
		{ID: "8", UPN: "long@contoso.com", Enabled: true, Phones: []string{"22"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// A token goes to Microsoft alone, whatever an answer says.
func TestTheNextPageIsOnTheSameHost(t *testing.T) {
	for _, link := range []string{
		"https://evil.example.com/v1.0/users", "http://graph.microsoft.com/v1.0/users", "https://graph.microsoft.com.evil.example.com/v1.0/users",
		"https://graph.microsoft.com@evil.example.com/v1.0/users", "https://graph.microsoft.com:444/v1.0/users", "//evil.example.com/v1.0/users", "/v1.0/users?x",
		"https://x:y@graph.microsoft.com/v1.0/users", "https://graph.microsoft.com/v1.0/me/messages", "https://graph.microsoft.com/beta/users", "\x00", "%",
		"https://graph.microsoft.com/v1.0/users?" + strings.Repeat("x", linkMax),
	} {
		o := newOffice(func(w http.ResponseWriter, _ *http.Request) {
			say(w, http.StatusOK, map[string]any{"value": []any{}, "@odata.nextLink": link})
		})
		_, err := all(t, o.client())
		wantError(t, err, Broken)
		if o.requests() != 1 {
			t.Errorf("%.60q is asked", link)
		}
	}
}

func TestADirectoryHasAnEnd(t *testing.T) {
	o := newOffice(func(w http.ResponseWriter, q *http.Request) {
		say(w, http.StatusOK, map[string]any{"value": []any{}, "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=x"})
	})
	_, err := all(t, o.client())
	wantError(t, err, Broken)
	if n := o.requests(); n != pagesMax {
		t.Errorf("%d pages without users are read", n)
	}
	page := make([]any, 5000)
	for i := range page {
		page[i] = map[string]any{"id": fmt.Sprint(i), "userPrincipalName": "x"}
	}
	o.graph = func(w http.ResponseWriter, q *http.Request) {
		say(w, http.StatusOK, map[string]any{"value": page, "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=x"})
	}
	list, err := all(t, o.client())
	wantError(t, err, Broken)
	if len(list) != usersMax {
		t.Errorf("%d users are read", len(list))
	}
}

func TestWhoReadsUsersMayStop(t *testing.T) {
	o := newOffice(func(w http.ResponseWriter, q *http.Request) {
		say(w, http.StatusOK, map[string]any{"value": []any{map[string]any{"id": "1", "userPrincipalName": "a"}, map[string]any{"id": "2", "userPrincipalName": "b"}}})
	})
	enough := errors.New("enough")
	n := 0
	if err := o.client().Users(t.Context(), func(User) error { n++; return enough }); err != enough || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}
