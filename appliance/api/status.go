package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// errNoPart is for a part of the status that does not exist.
var errNoPart = errors.New("there is no such part; GET " + wire.PathStatus + " lists them")

// ask is the question for one part. Its error is of the moment: the kernel or the medium does not answer.
type ask func(context.Context, device.Box, StatusQuery) (any, error)

// part is one part of the status.
type part struct {
	shown string // the command that shows it: who may run that may see the part
	ask   ask
}

// parts has one entry for each part of the status.
var parts = map[string]part{
	"accounts":        {"show accounts", accountList},
	"acme":            {"show acme", many(device.Box.ACME)},
	"alarms":          {"show alarms", many(device.Box.Alarms)},
	"alarms-history":  {"show alarms history", alarmHistory},
	"audit":           {"show audit", audit},
	"bans":            {"show bans", many(device.Box.Bans)},
	"bindings":        {"show sip bindings", many(device.Box.Bindings)},
	"calendar":        {"show pki calendar", one(device.Box.Calendar)},
	"call-records":    {"show call-records", one(device.Box.CallArchive)},
	"calls":           {"show calls", many(device.Box.Calls)},
	"check":           {"check all", one(device.Box.LastCheck)},
	"clock":           {"show clock", one(device.Box.Clock)},
	"commit":          {"show alarms", one(device.Box.Commit)},
	"connections":     {"show peer", many(device.Box.Connections)},
	"events":          {"show sip events", one(device.Box.Events)},
	"explain":         {"show calls explain 1a2b3c4d", explanation},
	"fleet":           {"show fleet", one(device.Box.Fleet)},
	"gateways":        {"show context sip-gateway", many(device.Box.Gateways)},
	"hep":             {"show hep-client", one(device.Box.HEP)},
	"history":         {"show calls history", history},
	"images":          {"show system images", images},
	"internal-ca":     {"show pki internal-ca", one(device.Box.InternalCA)},
	"interfaces":      {"show ip interface", many(device.Box.IPInterfaces)},
	"keys":            {"show pki", keys},
	"ladder":          {"show calls ladder 1a2b3c4d", ladder},
	"last-change":     {"show audit", one(device.Box.LastChange)},
	"licenses":        {"show system licenses", one(device.Box.Licenses)},
	"message":         {"debug sip", message}, // the text of messages is for the same class in a ladder
	"name-servers":    {"check all", many(device.Box.NameServers)},
	"neighbours":      {"show arp", neighbours},
	"peer-chains":     {"show pki peers", one(device.Box.PeerChains)},
	"peers":           {"show sip penalty-box", many(device.Box.Peers)},
	"phones":          {"show phones", many(device.Box.Phones)},
	"ports":           {"show port ethernet", many(device.Box.Ports)},
	"presence":        {"show presence", one(device.Box.Presence)},
	"provisioning":    {"show provisioning", one(device.Box.Provisioning)},
	"records":         {"show calls history", records},
	"redundancy":      {"show redundancy", one(device.Box.Redundancy)},
	"registrations":   {"show sip registrations", many(device.Box.Registrations)},
	"routes":          {"show ip route", many(device.Box.IPRoutes)},
	"sessions":        {"show users", many(device.Box.Sessions)},
	"snmp":            {"show snmp", one(device.Box.SNMP)},
	"survivals":       {"show survival", many(device.Box.Survivals)},
	"system":          {"show system", one(device.Box.System)},
	"tls-profiles":    {"show pki", tlsProfiles},
	"traffic":         {"show calls statistics", traffic},
	"trend":           {"show system", one(device.Box.Trend)},
	"webserver":       {"show webserver", one(device.Box.Web)},
	"unknown-issuers": {"show pki trusted", many(device.Box.UnknownIssuers)},
}

func one[T any](of func(device.Box) T) ask {
	return func(_ context.Context, b device.Box, _ StatusQuery) (any, error) { return of(b), nil }
}

func many[T any](of func(device.Box) []T) ask {
	return func(_ context.Context, b device.Box, _ StatusQuery) (any, error) { return list(of(b)), nil }
}

func images(ctx context.Context, b device.Box, _ StatusQuery) (any, error) { return b.Images(ctx) }

func neighbours(_ context.Context, b device.Box, _ StatusQuery) (any, error) {
	known, err := b.Neighbours()
	return list(known), err
}

func traffic(_ context.Context, b device.Box, _ StatusQuery) (any, error) {
	return b.Traffic(24 * time.Hour), nil
}

// list is never nil: JSON has [] for nothing.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// Status returns one part of the box's state, and for "" the names of those that the session may see.
func (b *backend) Status(ctx context.Context, s *Session, name string, q StatusQuery) (any, error) {
	ls, ok := b.session(s)
	if !ok {
		return nil, &forbidden{fmt.Sprintf("account %q does not exist", s.User)}
	}
	if name == "" {
		mine := slices.Sorted(maps.Keys(parts))
		mine = slices.DeleteFunc(mine, func(name string) bool { return b.sees(ls, parts[name]) != nil })
		return status.Parts{Parts: list(mine)}, nil
	}
	p, ok := parts[name]
	if !ok {
		return nil, errNoPart
	}
	if err := b.sees(ls, p); err != nil {
		return nil, err
	}
	return p.ask(ctx, b.box, q)
}

// sees refuses a part to an account that may not run the command that shows it.
func (b *backend) sees(s *lang.Session, p part) error {
	class, err := b.lang.Class(p.shown)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", p.shown, err)
	case !s.May(class):
		return &forbidden{fmt.Sprintf("account %q is of class %s, and this is for class %s, as `%s` is", s.User, s.Class, class, p.shown)}
	}
	return nil
}

// forbidden is the error of a request that the account may not make.
type forbidden struct{ why string }

func (f *forbidden) Error() string { return f.why }

// asker is the session that a request without a body is made for: its parameter user names the account, and without it, it comes from
// root at the socket. False when the request is refused, which has been answered then.
func (h handler) asker(w http.ResponseWriter, r *http.Request) (*Session, bool) {
	q := r.URL.Query()
	s := &Session{User: q.Get("user"), TTY: q.Get("tty")}
	if q.Has("user") && s.User == "" { // a page that has lost its user must not become root
		fail(w, http.StatusForbidden, errors.New("user= names no account"))
		return nil, false
	}
	return s, true
}

// status answers GET /v1/status and GET /v1/status/{part}.
func (h handler) status(w http.ResponseWriter, r *http.Request) {
	session, ok := h.asker(w, r)
	if !ok {
		return
	}
	q, err := queryOf(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	v, err := h.backend.Status(r.Context(), session, r.PathValue("part"), q)
	var text []byte
	if err == nil {
		text, err = json.Marshal(v)
	}
	var no *forbidden
	var wrong *badQuery
	switch {
	case errors.As(err, &wrong):
		fail(w, http.StatusBadRequest, err)
	case errors.As(err, &no):
		fail(w, http.StatusForbidden, err)
	case errors.Is(err, errNoPart), errors.Is(err, errNoCall):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(printable.JSON(text), '\n')) // an error is a closed connection
	}
}
