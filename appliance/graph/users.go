package graph

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	pageSize  = 999     // users an answer, the most that Graph gives
	usersMax  = 100_000 // of a directory
	pagesMax  = 200
	phonesMax = 10  // of a user
	phoneMax  = 64  // octets of a number, with all that people put into one
	fieldMax  = 320 // octets of a name or an address
	linkMax   = 8 << 10
	version   = "/v1.0"
)

// User is one of the directory. Texts are as Graph has them: they are made printable where they are shown.
type User struct {
	ID         string // a GUID, by which Graph wants users named
	UPN        string // user principal name
	Mail       string
	EmployeeID string
	Phones     []string // businessPhones, as somebody has typed them
	Enabled    bool     // the account may be used
}

type wireUser struct {
	ID         string   `json:"id"`
	UPN        string   `json:"userPrincipalName"`
	Mail       string   `json:"mail"`
	EmployeeID string   `json:"employeeId"`
	Phones     []string `json:"businessPhones"`
	Enabled    *bool    `json:"accountEnabled"`
}

// user takes over what is of a sensible size. One without an id or a name is nobody.
func (w *wireUser) user() (User, bool) {
	for _, s := range []*string{&w.Mail, &w.EmployeeID} {
		if len(*s) > fieldMax {
			*s = ""
		}
	}
	u := User{ID: w.ID, UPN: w.UPN, Mail: w.Mail, EmployeeID: w.EmployeeID, Enabled: w.Enabled == nil || *w.Enabled}
	for _, p := range w.Phones {
		if p != "" && len(p) <= phoneMax && len(u.Phones) < phonesMax {
			u.Phones = append(u.Phones, p)
		}
	}
	return u, u.ID != "" && len(u.ID) <= idMax && u.UPN != "" && len(u.UPN) <= fieldMax
}

// Users yields the users of the tenant as they come, at most 100,000. After an error only some of them have been yielded. An error of yield ends it,
// and is returned as it is.
func (c *Client) Users(ctx context.Context, yield func(User) error) error {
	link := c.hosts.Graph + version + "/users?$select=id,userPrincipalName,mail,employeeId,businessPhones,accountEnabled&$top=" + fmt.Sprint(pageSize)
	count := 0
	endless := &Error{Op: opUsers, Kind: Broken, Text: fmt.Sprintf("the directory has no end: more than %d users, or %d pages", usersMax, pagesMax), Cure: cureBroken}
	for range pagesMax {
		var next string
		var stop error
		err := c.request(ctx, opUsers, http.MethodGet, link, nil, func(m *meter) (err error) {
			next, err = collection(m, func(w *wireUser) error {
				u, ok := w.user()
				if !ok {
					return nil
				}
				if count++; count > usersMax {
					stop = endless
				} else {
					stop = yield(u)
				}
				return stop
			})
			return err
		})
		switch {
		case stop != nil:
			return stop
		case err != nil || next == "":
			return err
		case !c.ours(next):
			return &Error{Op: opUsers, Kind: Broken, Text: "the next page of users is said to be elsewhere than at " + hostOf(c.hosts.Graph), Cure: cureBroken}
		}
		link = next
	}
	return endless
}

// ours reports whether a link of an answer leads to where our token may go.
func (c *Client) ours(link string) bool {
	if len(link) > linkMax {
		return false
	}
	u, err := url.Parse(link)
	return err == nil && u.User == nil && u.Scheme+"://"+u.Host == c.hosts.Graph && strings.HasPrefix(u.Path, version+"/users")
}
