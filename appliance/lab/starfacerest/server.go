// Package starfacerest is a strict simulated STARFACE as far as its REST interface goes: login, users, phone configurations. It refuses what the
// published description of the interface (version 6.7) does not allow, and says why in Refusals.
//
// It owns its users, nonces and sessions. It shares no code with the box, opens no socket (a test serves the handler) and starts no goroutine.
package starfacerest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// User is a user of the STARFACE.
type User struct {
	ID       int64
	Login    string
	Mail     string
	Password string // "": cannot log in
	Admin    bool   // may see and change others
	Phones   PhoneConfig
}

// PhoneConfig is the configuration of his phones.
type PhoneConfig struct {
	CallWaiting     bool   `json:"callWaiting"`
	DisplayNumberID *int64 `json:"displayNumberId"`
	DoNotDisturb    bool   `json:"doNotDisturb"`
	PrimaryPhoneID  *int64 `json:"primaryPhoneId"`
}

// Change is a phone configuration that a program has written.
type Change struct {
	ID  int64
	DND bool
}

// Options are how a STARFACE behaves.
type Options struct {
	NonceLife   time.Duration              // zero: a minute
	SessionLife time.Duration              // without a request; zero: half an hour
	LoginType   string                     // "": Internal
	Newer       map[string]json.RawMessage // fields of a phone configuration that the description does not have; wanted back unchanged
}

// Server is a STARFACE.
type Server struct {
	o Options

	mu       sync.Mutex
	users    map[int64]*User
	nonces   map[string]time.Time // until when
	sessions map[string]*session
	logins   int
	requests []string
	changes  []Change
	refusals []string
	instead  func(w http.ResponseWriter, q *http.Request) (done bool)
}

type session struct {
	user  int64
	until time.Time
}

// New returns a STARFACE with users.
func New(o Options, users ...User) *Server {
	if o.NonceLife == 0 {
		o.NonceLife = time.Minute
	}
	if o.SessionLife == 0 {
		o.SessionLife = 30 * time.Minute
	}
	if o.LoginType == "" {
		o.LoginType = "Internal"
	}
	s := &Server{o: o, users: map[int64]*User{}, nonces: map[string]time.Time{}, sessions: map[string]*session{}}
	for _, u := range users {
		s.users[u.ID] = &u
	}
	return s
}

// Instead has f answer requests before the STARFACE does; f returns false for those that it leaves to it. nil: none.
func (s *Server) Instead(f func(w http.ResponseWriter, q *http.Request) (done bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead = f
}

// Switch is a user who switches do not disturb at his phone.
func (s *Server) Switch(id int64, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[id].Phones.DoNotDisturb = on
}

// Phones is a user's phone configuration now.
func (s *Server) Phones(id int64) PhoneConfig {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[id].Phones
}

// Put adds a user, or replaces one.
func (s *Server) Put(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.ID] = &u
}

// Remove deletes a user.
func (s *Server) Remove(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, id)
}

// EndSessions ends all sessions, as a restart does.
func (s *Server) EndSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// Sessions is how many there are, and Logins how many there ever were.
func (s *Server) Sessions() (now, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions), s.logins
}

// Changes are all phone configurations that were written by programs, in their order.
func (s *Server) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}

// Requests are the requests so far: "GET /rest/users".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Refusals are why requests were refused, other than for a session that had ended.
func (s *Server) Refusals() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refusals)
}

// refusal is an answer that is no success.
type refusal struct {
	code int
	why  string // "": the program is not to blame
}

func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, q.Method+" "+q.URL.Path)
	instead := s.instead
	s.mu.Unlock()
	if instead != nil && instead(w, q) {
		return
	}
	body, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, no := s.serve(q, body)
	if no != nil {
		if no.why != "" {
			s.refusals = append(s.refusals, q.Method+" "+q.URL.Path+": "+no.why)
		}
		http.Error(w, no.why, no.code)
		return
	}
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// serve answers a request; nil is 204.
func (s *Server) serve(q *http.Request, body []byte) (any, *refusal) {
	path, under := strings.CutPrefix(q.URL.Path, "/rest/")
	switch {
	case !under:
		return nil, &refusal{404, "not a path of the interface"}
	case q.Header.Get("Cookie") != "":
		return nil, &refusal{500, "a cookie"}
	case q.Method == http.MethodGet && path == "login":
		nonce := rand.Text()
		s.nonces[nonce] = time.Now().Add(s.o.NonceLife)
		return map[string]string{"loginType": s.o.LoginType, "nonce": nonce, "secret": ""}, nil
	case q.Header.Get("X-Version") != "2":
		return nil, &refusal{500, "X-Version is not 2"}
	case len(body) > 0 && q.Header.Get("Content-Type") != "application/json":
		return nil, &refusal{415, "the body is no JSON"}
	case q.Method == http.MethodPost && path == "login":
		return s.login(body)
	}
	token := q.Header.Get("authToken")
	now := s.sessions[token]
	if now == nil || time.Now().After(now.until) {
		delete(s.sessions, token)
		return nil, &refusal{401, ""}
	}
	now.until = time.Now().Add(s.o.SessionLife)
	if q.Method == http.MethodDelete && path == "login" {
		delete(s.sessions, token)
		return nil, nil
	}
	who := s.users[now.user]
	if who == nil {
		return nil, &refusal{401, ""}
	}
	if path == "users" && q.Method == http.MethodGet {
		return s.list(who, q)
	}
	rest, isUser := strings.CutPrefix(path, "users/")
	number, isPhones := strings.CutSuffix(rest, "/phoneconfig")
	id, err := strconv.ParseInt(number, 10, 64)
	if !isUser || !isPhones || err != nil {
		return nil, &refusal{404, "not a path of the interface"}
	}
	if !who.Admin && id != who.ID {
		return nil, &refusal{403, "the account may not administer users"}
	}
	u := s.users[id]
	if u == nil {
		return nil, &refusal{404, "no such user"}
	}
	switch q.Method {
	case http.MethodGet:
		return s.phones(u), nil
	case http.MethodPut:
		return nil, s.change(u, body)
	}
	return nil, &refusal{405, "not a method of the interface"}
}

// login takes the answer to a nonce.
func (s *Server) login(body []byte) (any, *refusal) {
	var l struct {
		Type   *string `json:"loginType"`
		Nonce  *string `json:"nonce"`
		Secret *string `json:"secret"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&l) != nil || l.Type == nil || l.Nonce == nil || l.Secret == nil || *l.Type != s.o.LoginType {
		return nil, &refusal{400, "a login lacks a field, has another, or is of another type"}
	}
	until, known := s.nonces[*l.Nonce]
	delete(s.nonces, *l.Nonce)
	if !known || time.Now().After(until) {
		return nil, &refusal{400, "a nonce that is not known, was used, or has ended"}
	}
	login, digest, _ := strings.Cut(*l.Secret, ":")
	for _, u := range s.users {
		inner := sha512.Sum512([]byte(u.Password))
		outer := sha512.Sum512([]byte(u.Login + *l.Nonce + hex.EncodeToString(inner[:])))
		if u.Login == login && u.Password != "" && digest == hex.EncodeToString(outer[:]) {
			s.logins++
			token := rand.Text()
			s.sessions[token] = &session{user: u.ID, until: time.Now().Add(s.o.SessionLife)}
			return map[string]string{"token": token}, nil
		}
	}
	return nil, &refusal{400, "a wrong login or password"}
}

// list is the list of users that somebody may see.
func (s *Server) list(who *User, q *http.Request) (any, *refusal) {
	query := q.URL.Query()
	term := strings.ToLower(query.Get("searchTerm"))
	if query.Del("searchTerm"); len(query) > 0 {
		return nil, &refusal{500, "a query that the interface does not have"}
	}
	users := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.users)) {
		u := s.users[id]
		if (who.Admin || u == who) && (term == "" || strings.Contains(strings.ToLower(u.Login+" "+u.Mail), term)) {
			users = append(users, map[string]any{
				"id": u.ID, "login": u.Login, "email": u.Mail, "firstName": "User", "familyName": fmt.Sprint(u.ID), "language": "de",
				"missedCallReport": false, "password": "", "personId": rand.Text(),
			})
		}
	}
	return users, nil
}

// phones is a phone configuration as it is sent.
func (s *Server) phones(u *User) map[string]any {
	sent := map[string]any{
		"callWaiting": u.Phones.CallWaiting, "displayNumberId": u.Phones.DisplayNumberID, "doNotDisturb": u.Phones.DoNotDisturb, "primaryPhoneId": u.Phones.PrimaryPhoneID,
	}
	for name, text := range s.o.Newer {
		sent[name] = text
	}
	return sent
}

// change writes a phone configuration. All its fields are required, and nothing but do not disturb may differ: whatever else a program changed
// would be what it had not understood.
func (s *Server) change(u *User, body []byte) *refusal {
	got := given(body)
	for name, text := range s.phones(u) {
		want, err := json.Marshal(text)
		if err != nil {
			return &refusal{500, err.Error()}
		}
		var compact bytes.Buffer
		if given, there := got[name]; !there || json.Compact(&compact, given) != nil || name != "doNotDisturb" && !bytes.Equal(compact.Bytes(), want) {
			return &refusal{500, name + " is missing, or was changed"}
		}
		delete(got, name)
	}
	if len(got) > 0 {
		return &refusal{500, "a field that the interface does not have"}
	}
	if dnd := string(bytes.TrimSpace(given(body)["doNotDisturb"])); dnd != "true" && dnd != "false" {
		return &refusal{500, "doNotDisturb is no truth"}
	}
	var p PhoneConfig
	if err := json.Unmarshal(body, &p); err != nil {
		return &refusal{500, "a field of another type"}
	}
	u.Phones.DoNotDisturb = p.DoNotDisturb
	s.changes = append(s.changes, Change{ID: u.ID, DND: p.DoNotDisturb})
	return nil
}

// given is an object's members; none when it is no object.
func given(body []byte) (members map[string]json.RawMessage) {
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	return members
}
