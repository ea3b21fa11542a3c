package entra

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of Graph.
const (
	// MaxIDs is the most users of one getPresencesByUserId.
	MaxIDs = 650
	// MaxPage is the most users of one page.
	MaxPage = 999

	defaultPage    = 100
	maxAsked       = 1500 // requests of presence in askedTime
	askedTime      = 30 * time.Second
	maxRequestBody = 1 << 20
)

// graph answers as Graph.
func (s *Service) graph(w http.ResponseWriter, r *http.Request) {
	t, p := s.bearer(r)
	if p != nil {
		s.decline(w, r, p)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1.0/")
	if !ok {
		s.decline(w, r, &problem{status: http.StatusBadRequest, code: "BadRequest", text: "Invalid version: " + r.URL.Path})
		return
	}
	f := strings.Split(path, "/")
	operation, method := f[len(f)-1], http.MethodPost
	var do func(t *token, id string, r *http.Request) (any, *problem)
	switch {
	case path == "users":
		method, do = http.MethodGet, s.listUsers
	case path == "communications/getPresencesByUserId":
		do = s.readPresences
	case len(f) == 3 && f[0] == "users" && f[2] == "presence":
		method, do = http.MethodGet, s.readPresence
	case len(f) == 4 && f[0] == "users" && f[2] == "presence":
		do = map[string]func(*token, string, *http.Request) (any, *problem){"setPresence": s.setPresence, "clearPresence": s.clearPresence,
			"setUserPreferredPresence": s.setPreferred, "clearUserPreferredPresence": s.clearPreferred}[f[3]]
	}
	if do == nil {
		s.decline(w, r, bad("Resource not found for the segment '%s'.", operation))
		return
	}
	s.count(operation)
	if r.Method != method {
		s.decline(w, r, &problem{status: http.StatusMethodNotAllowed, code: "Request_BadRequest", text: "Specified HTTP method is not allowed for the request target."})
		return
	}
	if wait := s.quota(operation != "users"); wait > 0 {
		s.throttle(w, r, wait)
		return
	}
	id := ""
	if len(f) > 2 {
		id = f[1]
	}
	body, p := do(t, id, r)
	switch {
	case p != nil:
		s.decline(w, r, p)
	case body == nil:
		w.Header().Set("request-id", newID())
		w.WriteHeader(http.StatusOK)
	default:
		w.Header().Set("request-id", newID())
		reply(w, http.StatusOK, body)
	}
}

// bearer finds the token of a request.
func (s *Service) bearer(r *http.Request) (*token, *problem) {
	unauthorized := func(text string) *problem {
		return &problem{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", text: text}
	}
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || value == "" {
		return nil, unauthorized("Access token is empty.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	switch {
	case t == nil:
		return nil, unauthorized("Access token validation failure. Invalid token.")
	case !time.Now().Before(t.end):
		return nil, unauthorized("Lifetime validation failed, the token is expired.")
	}
	return t, nil
}

// quota says how long a request must wait: as long as somebody was told to, and while too many came.
func (s *Service) quota(presence bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if wait := s.held.Sub(now); wait > 0 {
		return wait
	}
	if !presence {
		return 0
	}
	s.asked = slices.DeleteFunc(s.asked, func(t time.Time) bool { return now.Sub(t) >= askedTime })
	if len(s.asked) >= maxAsked {
		return askedTime - now.Sub(s.asked[0])
	}
	s.asked = append(s.asked, now)
	return 0
}

// may wants one of some roles.
func (t *token) may(roles ...string) *problem {
	for _, role := range roles {
		if slices.Contains(t.roles, role) {
			return nil
		}
	}
	if roles[0] == UsersRead {
		return &problem{status: http.StatusForbidden, code: "Authorization_RequestDenied", text: "Insufficient privileges to complete the operation."}
	}
	return &problem{status: http.StatusForbidden, code: "Forbidden", text: "Missing role permissions on the request. API requires one of '" + strings.Join(roles, ", ") +
		"'. Roles on the request '" + strings.Join(t.roles, ", ") + "'."}
}

// read reads a JSON object into a struct: exactly one, whose fields are known. Nothing at all is an empty one where that will do.
func read(r *http.Request, to any, mayBeEmpty bool) *problem {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
	if err != nil || len(text) > maxRequestBody {
		return bad("Unable to read JSON request payload.")
	}
	if len(text) == 0 && mayBeEmpty {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &problem{status: http.StatusUnsupportedMediaType, code: "RequestBodyRead", text: "A supported MIME type is needed: " + r.Header.Get("Content-Type")}
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return bad("Unable to read JSON request payload. %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("Unable to read JSON request payload. Something follows it.")
	}
	return nil
}

// properties are those of a user that can be selected, with those that come unasked.
var properties = map[string]bool{"id": true, "userPrincipalName": true, "mail": true, "businessPhones": true, "displayName": true, "givenName": true, "surname": true,
	"jobTitle": true, "mobilePhone": true, "officeLocation": true, "preferredLanguage": true, "employeeId": false, "accountEnabled": false, "userType": false}

// basic are the properties that User.ReadBasic.All gives.
var basic = []string{"id", "userPrincipalName", "mail", "displayName", "givenName", "surname"}

// listUsers is GET /users: $select, $top, $filter for those that are enabled, and pages.
func (s *Service) listUsers(t *token, _ string, r *http.Request) (any, *problem) {
	if p := t.may(UsersRead, UsersReadBasic); p != nil {
		return nil, p
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, bad("Invalid query.")
	}
	page, after := defaultPage, 0
	selected, enabled := []string{}, false
	for name, values := range query {
		value := values[0]
		switch {
		case len(values) > 1:
			return nil, bad("Query option '%s' was specified more than once, but it must be specified at most once.", name)
		case name == "$select":
			for _, p := range strings.Split(value, ",") {
				if _, ok := properties[p]; !ok {
					return nil, bad("Could not find a property named '%s' on type 'microsoft.graph.user'.", p)
				}
				selected = append(selected, p)
			}
		case name == "$top":
			if page, err = strconv.Atoi(value); err != nil || page < 1 || page > MaxPage {
				return nil, &problem{status: http.StatusBadRequest, code: "Request_UnsupportedQuery",
					text: "Invalid page size specified: '" + value + "'. Must be between 1 and 999 inclusive."}
			}
		case name == "$filter" && value == "accountEnabled eq true":
			enabled = true
		case name == "$skiptoken":
			without := url.Values{}
			for n, v := range query {
				if n != "$skiptoken" {
					without[n] = v
				}
			}
			text, err := base64.RawURLEncoding.DecodeString(value)
			rest, ok := strings.CutSuffix(string(text), "|"+without.Encode())
			if after, _ = strconv.Atoi(rest); err != nil || !ok {
				return nil, &problem{status: http.StatusBadRequest, code: "Directory_ExpiredPageToken", text: "The specified page token value has expired and can no longer be included in your request."}
			}
		default:
			return nil, bad("The query specified in the URI is not valid: %s=%s", name, value)
		}
	}
	if len(selected) == 0 {
		for p, unasked := range properties {
			if unasked {
				selected = append(selected, p)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, next := []map[string]any{}, len(s.users)
	for n := after; n < len(s.users); n++ {
		if len(list) == page {
			next = n
			break
		}
		if u := s.users[n]; !enabled || !u.Disabled {
			list = append(list, u.shown(selected, slices.Contains(t.roles, UsersRead)))
		}
	}
	answer := map[string]any{"@odata.context": "https://" + s.options.Graph + "/v1.0/$metadata#users", "value": list}
	if next < len(s.users) {
		query.Del("$skiptoken")
		query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d|%s", next, query.Encode())))
		answer["@odata.nextLink"] = "https://" + s.options.Graph + "/v1.0/users?" + query.Encode()
	}
	return answer, nil
}

// shown has the selected properties of a user; all is false for who may read basic ones only.
func (u *user) shown(selected []string, all bool) map[string]any {
	null := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	values := map[string]any{"id": u.ID, "userPrincipalName": u.UPN, "mail": null(u.Mail), "displayName": u.UPN, "employeeId": null(u.EmployeeID),
		"businessPhones": append([]string{}, u.Phones...), "accountEnabled": !u.Disabled, "userType": "Member"}
	list := map[string]any{}
	for _, p := range selected {
		if all || slices.Contains(basic, p) {
			list[p] = values[p]
		}
	}
	return list
}

// readPresences is POST /communications/getPresencesByUserId. The answers are in the order of the ids' text, not in that of the request.
func (s *Service) readPresences(t *token, _ string, r *http.Request) (any, *problem) {
	if p := t.may(PresenceRead, PresenceWrite); p != nil {
		return nil, p
	}
	var asked struct {
		IDs []string `json:"ids"`
	}
	if p := read(r, &asked, false); p != nil {
		return nil, p
	}
	if len(asked.IDs) == 0 || len(asked.IDs) > MaxIDs {
		return nil, bad("The number of ids must be between 1 and %d, there are %d.", MaxIDs, len(asked.IDs))
	}
	slices.Sort(asked.IDs)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for n, id := range asked.IDs {
		if n > 0 && id == asked.IDs[n-1] {
			return nil, bad("The id %s stands there twice.", id)
		}
		if !isID(id) {
			return nil, bad("Invalid id: %s", id)
		}
		if u := s.find(id); u != nil {
			list = append(list, u.presence(now))
		}
	}
	return map[string]any{"@odata.context": "https://" + s.options.Graph + "/v1.0/$metadata#Collection(microsoft.graph.presence)", "value": list}, nil
}

// isID reports whether text has the form of a GUID.
func isID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for n, c := range []byte(text) {
		if dash := n == 8 || n == 13 || n == 18 || n == 23; dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return false
		}
	}
	return true
}
