package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// errNoPart is for a part of the status that does not exist.
var errNoPart = errors.New("there is no such part; GET " + wire.PathStatus + " lists them")

const (
	usualRecords = 20
	mostRecords  = 10_000
)

// StatusQuery narrows a part of the status.
type StatusQuery struct {
	Last int // of the records: so many of them
}

// ask is the question for one part. Its error is of the moment: the kernel or the medium does not answer.
type ask func(context.Context, device.Box, StatusQuery) (any, error)

// parts has one entry for each part of the status.
var parts = map[string]ask{
	"acme":            many(device.Box.ACME),
	"alarms":          many(device.Box.Alarms),
	"bans":            many(device.Box.Bans),
	"calendar":        one(device.Box.Calendar),
	"call-records":    one(device.Box.CallArchive),
	"calls":           many(device.Box.Calls),
	"check":           one(device.Box.LastCheck),
	"clock":           one(device.Box.Clock),
	"connections":     many(device.Box.Connections),
	"gateways":        many(device.Box.Gateways),
	"hep":             one(device.Box.HEP),
	"images":          images,
	"internal-ca":     one(device.Box.InternalCA),
	"interfaces":      many(device.Box.IPInterfaces),
	"keys":            many(device.Box.PKI),
	"licenses":        one(device.Box.Licenses),
	"name-servers":    many(device.Box.NameServers),
	"neighbours":      neighbours,
	"peer-chains":     one(device.Box.PeerChains),
	"peers":           many(device.Box.Peers),
	"ports":           many(device.Box.Ports),
	"records":         records,
	"registrations":   many(device.Box.Registrations),
	"routes":          many(device.Box.IPRoutes),
	"sessions":        many(device.Box.Sessions),
	"snmp":            one(device.Box.SNMP),
	"system":          one(device.Box.System),
	"traffic":         traffic,
	"unknown-issuers": many(device.Box.UnknownIssuers),
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

func records(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	last, err := b.CallRecords(q.Last)
	return list(last), err
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

// Status returns one part of the box's state, and the names of all parts for "".
func (b *backend) Status(ctx context.Context, part string, q StatusQuery) (any, error) {
	if part == "" {
		return status.Parts{Parts: slices.Sorted(maps.Keys(parts))}, nil
	}
	question, ok := parts[part]
	if !ok {
		return nil, errNoPart
	}
	return question(ctx, b.box, q)
}

// status answers GET /v1/status and GET /v1/status/{part}.
func (h handler) status(w http.ResponseWriter, r *http.Request) {
	q := StatusQuery{Last: usualRecords}
	if last := r.URL.Query().Get("last"); last != "" {
		n, err := strconv.Atoi(last)
		if err != nil || n < 1 || n > mostRecords {
			fail(w, http.StatusBadRequest, fmt.Errorf("last=%s is not a number from 1 to %d", strings.ToValidUTF8(last, "?"), mostRecords))
			return
		}
		q.Last = n
	}
	v, err := h.backend.Status(r.Context(), r.PathValue("part"), q)
	var text []byte
	if err == nil {
		text, err = json.Marshal(v)
	}
	switch {
	case errors.Is(err, errNoPart):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(printable.JSON(text), '\n')) // an error is a closed connection
	}
}
