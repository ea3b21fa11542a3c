package graph

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
)

// answering is a client whose sign-in works and whose Graph answers one body.
func answering(status int, body string) *Client {
	c := New(roundTrip(func(q *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: q, Header: http.Header{}}, nil
	}), testCredentials())
	now := time.Now()
	c.token = token{text: "t", until: now.Add(time.Hour), renew: now.Add(time.Hour)}
	return c
}

// shown checks what an error of foreign text must keep to.
func shown(t *testing.T, e *Error) {
	t.Helper()
	for _, s := range []string{e.Error(), e.Code, e.Text, e.Cure} {
		if len(s) > 4000 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q (%d octets) is shown", s, len(s))
		}
	}
	if e.Text == "" || e.Kind != Refused && e.Cure == "" {
		t.Errorf("%#v does not help anybody", e)
	}
}

func FuzzPresences(f *testing.F) {
	f.Add(`{"value":[{"id":"a","availability":"Busy","activity":"InACall","outOfOfficeSettings":{"isOutOfOffice":true}},{"id":7}]}`)
	f.Add(`{"@odata.context":{"a":[1]},"value":[null,"x",{"id":"B","availability":"New"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		ids := []string{"a", "b", "c"}
		list, err := answering(http.StatusOK, body).Presences(t.Context(), ids, nil)
		if len(list) > len(ids) {
			t.Errorf("%d presences of %d users", len(list), len(ids))
		}
		for i, p := range list {
			if p.State != StateOf(p.Availability, p.Activity) || len(p.Availability) > wordMax || len(p.Activity) > wordMax {
				t.Errorf("%+v", p)
			}
			for _, q := range list[:i] {
				if q.ID == p.ID {
					t.Errorf("%s twice", p.ID)
				}
			}
		}
		if err != nil {
			shown(t, err.(*Error))
		}
	})
}

func FuzzUsers(f *testing.F) {
	f.Add(`{"value":[{"id":"a","userPrincipalName":"x@y","mail":null,"businessPhones":["1"],"accountEnabled":false}],"@odata.nextLink":"https://graph.microsoft.com/v1.0/users?2"}`)
	f.Add(`{"value":[],"@odata.nextLink":"https://graph.microsoft.com:443/v1.0/users"}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := answering(http.StatusOK, body)
		base := c.http.Transport
		asked := 0
		c.http.Transport = roundTrip(func(q *http.Request) (*http.Response, error) {
			if asked++; q.URL.Scheme != "https" || q.URL.Host != "graph.microsoft.com" || q.URL.User != nil {
				t.Errorf("a token goes to %s", q.URL)
			}
			if asked > 3 {
				return nil, io.ErrClosedPipe
			}
			return base.RoundTrip(q)
		})
		err := c.Users(t.Context(), func(u User) error {
			if u.ID == "" || u.UPN == "" || len(u.ID) > idMax || len(u.UPN) > fieldMax || len(u.Mail) > fieldMax || len(u.EmployeeID) > fieldMax || len(u.Phones) > phonesMax {
				t.Errorf("%+v", u)
			}
			return nil
		})
		if err != nil {
			shown(t, err.(*Error))
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add(400, `{"error":{"code":"BadRequest","message":"x","innerError":{"request-id":"1"}}}`)
	f.Add(403, `{"error":{"code":"Forbidden"}}`)
	f.Add(401, `{"error":"invalid_client","error_description":"AADSTS7000215: x","error_codes":[7000215]}`)
	f.Add(429, "<html>\x1b[2J")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 300 || status > 999 {
			return
		}
		_, err := answering(status, body).Presences(t.Context(), []string{"a"}, nil)
		shown(t, err.(*Error))
		err = answering(status, body).Clear(t.Context(), "a")
		if (err == nil) != (status == http.StatusNotFound) {
			t.Errorf("%d: %v", status, err)
		}
		c := answering(status, body)
		c.token = token{}
		_, err = c.Roles(t.Context())
		shown(t, err.(*Error))
	})
}

func FuzzToken(f *testing.F) {
	f.Add(`{"token_type":"Bearer","expires_in":3599,"access_token":"` + testToken(1, []string{"User.Read.All"}) + `"}`)
	f.Add(`{"expires_in":1e300,"access_token":"a.b.c"}`)
	f.Fuzz(func(t *testing.T, body string) {
		now := time.Now()
		got, err := answering(http.StatusOK, "").readToken([]byte(body), now)
		if err != nil {
			shown(t, err)
			return
		}
		if got.text == "" || strings.ContainsAny(got.text, "\r\n \x00") || !got.until.After(now) || got.until.After(now.Add(tokenLife)) || got.renew.After(got.until) || len(got.roles) > rolesMax {
			t.Errorf("%+v", got)
		}
	})
}
