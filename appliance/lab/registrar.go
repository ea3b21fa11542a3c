package lab

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// challenge asks for credentials, as Asterisk does (MD5, qop=auth).
func (s *Starface) challenge(tx *serverTx, stale bool) {
	nonce := fmt.Sprintf("%d/%s", time.Now().Unix(), token(16))
	s.nonces[nonce] = true
	value := fmt.Sprintf(`Digest realm="%s",nonce="%s",opaque="%s",algorithm=MD5,qop="auth"`, realm, nonce, token(8))
	if stale {
		value += ",stale=true"
	}
	tx.respond(401, "Unauthorized", nil, header{"WWW-Authenticate", value}, header{"Server", starfaceServer})
}

// authenticate checks the digest of a request (RFC 2617 3.2.2, RFC 3261 22.4) and returns the user
// of the credentials. When it returns false it has responded.
func (s *Starface) authenticate(tx *serverTx) (account string, ok bool) {
	m := tx.request
	value := m.get("Authorization")
	if value == "" {
		s.challenge(tx, false)
		return "", false
	}
	scheme, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Digest") {
		s.respondRefusal(tx, &refusal{400, "Bad Request", "Authorization is not Digest"})
		return "", false
	}
	p := map[string]string{}
	for _, part := range splitList(rest) {
		name, v, _ := strings.Cut(part, "=")
		p[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(v), `"`)
	}
	password, known := s.passwords[p["username"]]
	forbidden := func(format string, args ...any) (string, bool) {
		s.respondRefusal(tx, &refusal{403, "Forbidden", fmt.Sprintf(format, args...)})
		return "", false
	}
	switch {
	case !known:
		return forbidden("no account %q", p["username"])
	case p["realm"] != realm:
		return forbidden("digest for realm %q, asked for %q", p["realm"], realm)
	case p["uri"] != m.uri:
		return forbidden("digest for URI %q, the request has %q", p["uri"], m.uri)
	case p["qop"] != "auth" || p["cnonce"] == "":
		return forbidden("digest without qop=auth and cnonce, which were offered")
	case len(p["nc"]) != 8:
		return forbidden("digest with nc=%q, not 8 digits", p["nc"])
	}
	hash := func(parts ...string) string {
		sum := md5.Sum([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(sum[:])
	}
	want := hash(hash(p["username"], realm, password), p["nonce"], p["nc"], p["cnonce"], "auth", hash(m.method, p["uri"]))
	if p["response"] != want {
		return forbidden("wrong digest for %q (password, or how it was computed)", p["username"])
	}
	if !s.nonces[p["nonce"]] {
		s.challenge(tx, true)
		return "", false
	}
	return p["username"], true
}

// registered takes a REGISTER.
func (s *Starface) registered(tx *serverTx) {
	s.registers++
	m := tx.request
	to := parseAddress(m.get("To"))
	if _, known := s.passwords[to.uri.user]; !known {
		s.respondRefusal(tx, &refusal{404, "Not Found", fmt.Sprintf("no account %q", to.uri.user)})
		return
	}
	if host := to.uri.host; host != StarfaceAddr.String() && host != StarfaceName {
		s.respondRefusal(tx, &refusal{404, "Not Found", fmt.Sprintf("host %q in To is not this PBX", host)})
		return
	}
	account, ok := s.authenticate(tx)
	if !ok {
		return
	}
	if account != to.uri.user {
		s.respondRefusal(tx, &refusal{403, "Forbidden", fmt.Sprintf("credentials of %q for account %q", account, to.uri.user)})
		return
	}
	if contacts := m.list("Contact"); len(contacts) > 0 && !s.bind(tx, account, contacts[0]) {
		return
	}
	headers := []header{{"Date", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}, {"Server", starfaceServer}}
	if r := s.contacts[account]; r != nil {
		headers = append(headers, header{"Contact", fmt.Sprintf("<%s>;expires=%d", r.uri, int(r.lifetime.Seconds()))})
	}
	tx.respond(200, "OK", nil, headers...)
}

// bind keeps, renews or removes a contact. When it returns false it has responded.
func (s *Starface) bind(tx *serverTx, account, contact string) bool {
	text := tx.request.get("Expires")
	a := parseAddress(contact)
	if own, ok := a.params["expires"]; ok {
		text = own
	}
	seconds := 3600
	if text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			s.respondRefusal(tx, &refusal{400, "Bad Request", fmt.Sprintf("Expires %q", text)})
			return false
		}
		seconds = n
	}
	switch {
	case seconds == 0:
		delete(s.contacts, account)
		s.tell("%s is unregistered", account)
		return true
	case seconds < minExpires:
		s.refuse(tx.request.describe(), tx.flow.String(), &refusal{text: fmt.Sprintf("Expires %d is under %d", seconds, minExpires)})
		tx.respond(423, "Interval Too Brief", nil, header{"Min-Expires", strconv.Itoa(minExpires)})
		return false
	case a.uri.scheme != "sip" || a.uri.host == "":
		s.respondRefusal(tx, &refusal{400, "Bad Request", fmt.Sprintf("Contact %s", a.text)})
		return false
	}
	r := s.contacts[account]
	if r == nil {
		r = &registration{}
		s.contacts[account] = r
		s.tell("%s is registered at %s for %d s", account, a.text, seconds)
		s.qualify(account)
	}
	r.uri, r.flow, r.lifetime = a.text, tx.flow, time.Duration(seconds)*time.Second
	r.expires = time.Now().Add(r.lifetime)
	r.times++
	return true
}

// qualify asks a contact whether it is there, now and then every minute, as Asterisk does.
func (s *Starface) qualify(account string) {
	s.after(0, func() {
		r := s.contacts[account]
		if r == nil || time.Now().After(r.expires) {
			return
		}
		s.after(time.Minute, func() { s.qualify(account) })
		m := &message{method: "OPTIONS", uri: r.uri}
		m.add("Max-Forwards", "70")
		m.add("From", fmt.Sprintf("<sip:%s@%v>;tag=%s", account, StarfaceAddr, token(8)))
		m.add("To", "<"+r.uri+">")
		m.add("Call-ID", token(16))
		m.add("CSeq", "1 OPTIONS")
		m.add("Contact", fmt.Sprintf("<sip:%s@%v:%d>", account, StarfaceAddr, starfacePort))
		m.add("User-Agent", starfaceServer)
		s.request(r.flow, m, func(m *message) {
			if m.code >= 300 && !s.offline {
				s.refuse(m.describe(), r.flow.String(), &refusal{text: fmt.Sprintf("our OPTIONS to %s got %d %s", r.uri, m.code, m.reason)})
			}
		})
	})
}
