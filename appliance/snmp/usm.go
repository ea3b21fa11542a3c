package snmp

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync/atomic"

	"viaduct/appliance/config"

	"github.com/gosnmp/gosnmp"
)

const (
	digestLength = 24  // of HMAC-192-SHA-256 (RFC 7860)
	minMessage   = 484 // that every engine takes (RFC 3412, msgMaxSize)
	maxUser      = 32  // RFC 3414, msgUserName
)

// user is a user of v3 with its keys for this engine.
type user struct {
	keys  *gosnmp.UsmSecurityParameters
	level gosnmp.SnmpV3MsgFlags // that its messages have, no more and no less
}

// newUser derives the keys, which takes milliseconds.
func newUser(c config.SNMPUser, e engine) (*user, error) {
	u := &user{level: gosnmp.AuthNoPriv, keys: &gosnmp.UsmSecurityParameters{
		UserName: c.Name, AuthoritativeEngineID: e.id, AuthenticationProtocol: gosnmp.SHA256, AuthenticationPassphrase: string(c.Authentication),
		PrivacyProtocol: gosnmp.NoPriv,
	}}
	if c.Privacy != "" {
		u.level, u.keys.PrivacyProtocol, u.keys.PrivacyPassphrase = gosnmp.AuthPriv, gosnmp.AES, string(c.Privacy)
	}
	return u, u.keys.InitSecurityKeys()
}

// authentic verifies the digest of a message (RFC 7860 4.2.2), which covers the message with zeros in its place.
func (u *user) authentic(text []byte, digest string) bool {
	if len(digest) != digestLength {
		return false
	}
	// What stands before the digest is known: our engine, this user. So the first such octets are the digest's.
	place := bytes.Index(text, append([]byte{byte(gosnmp.OctetString), digestLength}, digest...))
	if place < 0 {
		return false
	}
	text = bytes.Clone(text)
	clear(text[place+2 : place+2+digestLength])
	mac := hmac.New(sha256.New, u.keys.SecretKey)
	mac.Write(text)
	return hmac.Equal(mac.Sum(nil)[:digestLength], []byte(digest))
}

// handle3 goes through RFC 3412 7.2 and RFC 3414 3.2 in their order.
func (r *Responder) handle3(text []byte, head *gosnmp.SnmpPacket) (reply []byte, refused error) {
	to, _ := head.SecurityParameters.(*gosnmp.UsmSecurityParameters)
	level := head.MsgFlags & gosnmp.AuthPriv
	switch {
	case to == nil || len(to.UserName) > maxUser || int32(head.MsgID) < 0 || int32(head.MsgMaxSize) < minMessage:
		r.counts.malformed.Add(1)
		return nil, errMalformed
	case head.SecurityModel != gosnmp.UserSecurityModel:
		r.counts.models.Add(1)
		return nil, errMalformed
	case level == gosnmp.AuthPriv&^gosnmp.AuthNoPriv: // privacy without authentication does not exist
		r.counts.invalid.Add(1)
		return nil, errMalformed
	case to.AuthoritativeEngineID != r.engine.id:
		reply, refused = r.report(head, to, nil, statEngines), errEngine
		if to.AuthoritativeEngineID == "" {
			refused = nil // that is how a station asks who we are
		}
		return reply, refused
	}
	u := r.users[to.UserName]
	if u == nil {
		return r.report(head, to, nil, statUsers), errUser
	}
	if level != u.level {
		return r.report(head, to, nil, statLevels), errLevel
	}
	if !u.authentic(text, to.AuthenticationParameters) {
		return r.report(head, to, nil, statDigests), errDigest
	}
	if !r.engine.timely(to.AuthoritativeEngineBoots, to.AuthoritativeEngineTime) {
		return r.report(head, to, u, statTimes), errTime
	}
	request, err := r.decoder.read(bytes.Clone(text), u.keys)
	switch {
	case err != nil && u.level == gosnmp.AuthPriv:
		return r.report(head, to, nil, statKeys), errKey
	case err != nil, int32(request.RequestID) < 0:
		r.counts.malformed.Add(1)
		return nil, errMalformed
	}
	m := r.message(u)
	m.PDUType, m.MsgID, m.RequestID = gosnmp.GetResponse, head.MsgID, request.RequestID
	a, err := r.look().ask(request)
	if request.ContextName != "" || request.ContextEngineID != r.engine.id { // there is one context
		r.counts.contexts.Add(1)
		a, err = answer{variables: []gosnmp.SnmpPDU{{Name: unknownContexts.String(), Type: gosnmp.Counter32, Value: uint32(r.counts.contexts.Load())}}}, nil
		m.PDUType = gosnmp.Report
	}
	if err == nil {
		reply, err = a.fit(m, request.PDUType == gosnmp.GetBulkRequest, min(maxAnswer, int(head.MsgMaxSize)))
	}
	if err != nil {
		return nil, r.silent(err)
	}
	return reply, nil
}

// unknownContexts is of SNMP-TARGET-MIB.
var unknownContexts = snmpModules.and(12, 1, 5, 0)

// message begins a message of v3 to a user; nil: to nobody in particular, without security.
func (r *Responder) message(u *user) *gosnmp.SnmpPacket {
	m := &gosnmp.SnmpPacket{Version: gosnmp.Version3, MsgMaxSize: maxMessage, SecurityModel: gosnmp.UserSecurityModel, ContextEngineID: r.engine.id}
	s := &gosnmp.UsmSecurityParameters{AuthoritativeEngineID: r.engine.id, AuthenticationProtocol: gosnmp.NoAuth, PrivacyProtocol: gosnmp.NoPriv}
	if u != nil {
		s = u.keys.Copy().(*gosnmp.UsmSecurityParameters)
		m.MsgFlags = u.level
		s.PrivacyParameters = make([]byte, 8) // a salt, which must not repeat (RFC 3826 3.1.2.1)
		rand.Read(s.PrivacyParameters)
	}
	s.AuthoritativeEngineBoots, s.AuthoritativeEngineTime = r.engine.boots, r.engine.time()
	m.SecurityParameters = s
	return m
}

// Counters of usmStats, by their numbers there.
const (
	statLevels = 1 + iota
	statTimes
	statUsers
	statEngines
	statDigests
	statKeys
	statsEnd
)

// report counts a refusal and tells the station, if it wants to hear of it and strangers have not had too many.
func (r *Responder) report(head *gosnmp.SnmpPacket, to *gosnmp.UsmSecurityParameters, u *user, stat uint32) []byte {
	n := r.counts.usm[stat].Add(1)
	if head.MsgFlags&gosnmp.Reportable == 0 || !r.reports.take() {
		return nil
	}
	m := r.message(nil)
	if u != nil { // the station's clock is set by this one, so it is authenticated (RFC 3414 3.2 7)
		v := user{u.keys, gosnmp.AuthNoPriv}
		m = r.message(&v)
	}
	m.PDUType, m.MsgID, m.RequestID = gosnmp.Report, head.MsgID, head.RequestID&0x7fffffff
	m.SecurityParameters.(*gosnmp.UsmSecurityParameters).UserName = to.UserName
	m.Variables = []gosnmp.SnmpPDU{{Name: usmStats.and(stat, 0).String(), Type: gosnmp.Counter32, Value: uint32(n)}}
	text, err := m.MarshalMsg()
	if err != nil {
		return nil
	}
	return text
}

// counts are the counters of messages; others read them while they grow.
type counts struct {
	in, versions, communities, malformed, silent atomic.Uint64 // snmp
	models, invalid                              atomic.Uint64 // snmpMPDStats
	contexts                                     atomic.Uint64
	usm                                          [statsEnd]atomic.Uint64
	surplus, strangers                           atomic.Uint64 // dropped unread
	traps, lost                                  atomic.Uint64
}
