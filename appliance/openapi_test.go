package appliance_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/api"
	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/status"
	"viaduct/appliance/web/machine"
	"viaduct/appliance/web/machine/machinetest"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// describing writes the description of the interface for machines from the handlers' table and the types of their answers.
type describing struct {
	t       *testing.T
	schemas map[string]any
}

type object = map[string]any

var (
	textual  = reflect.TypeFor[encoding.TextMarshaler]()
	jsonable = reflect.TypeFor[json.Marshaler]()
)

// formats are those of types that are written as text, and are no enumeration.
var formats = map[string]object{
	"time.Time":      {"type": "string", "format": "date-time"},
	"netip.Addr":     {"type": "string", "description": "an IPv4 or IPv6 address; empty: none"},
	"netip.AddrPort": {"type": "string", "description": "an address with its port; empty: none"},
	"netip.Prefix":   {"type": "string", "description": "a network; empty: none"},
}

// of is the schema of a type.
func (d *describing) of(t reflect.Type) object {
	if f, ok := formats[t.String()]; ok {
		return f
	}
	switch {
	case t.Implements(textual) && (t.Kind() == reflect.Uint8 || t.Kind() == reflect.Int):
		return object{"type": "string", "enum": enumeration(t)}
	case t.Implements(jsonable) || t.Implements(textual):
		d.t.Fatalf("%s writes itself: say how in formats", t)
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Pointer:
		return object{"anyOf": []any{d.of(t.Elem()), object{"type": "null"}}}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && !t.Elem().Implements(textual) {
			return object{"type": []any{"string", "null"}, "contentEncoding": "base64"}
		}
		return object{"type": []any{"array", "null"}, "items": d.of(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": d.of(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": []any{"object", "null"}, "additionalProperties": d.of(t.Elem())}
	case reflect.Struct:
		if t.Name() == "" {
			return d.object(t)
		}
		name := t.Name()
		if t.PkgPath() != "viaduct/appliance/status" {
			name = t.String()
		}
		if _, ok := d.schemas[name]; !ok {
			d.schemas[name] = object{} // it may contain itself
			d.schemas[name] = d.object(t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	d.t.Fatalf("%s has no form in JSON", t)
	return nil
}

// object is the schema of a struct. What may be left out is not required; nothing else may come.
func (d *describing) object(t reflect.Type) object {
	properties, required := object{}, []any{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || name == "-" || len(f.Index) > 1 && name == "" || f.Anonymous && name == "":
			continue
		case name == "":
			d.t.Fatalf("%s.%s has no name in JSON", t, f.Name)
		}
		properties[name] = d.of(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// enumeration lists the words of a type.
func enumeration(t reflect.Type) (list []any) {
	for n := range math.MaxUint8 {
		word := wordOf(t, n)
		if word == "" {
			break
		}
		list = append(list, word)
	}
	return list
}

// wordOf is the text of a value; "": there is no such value.
func wordOf(t reflect.Type, n int) (word string) {
	defer func() {
		if recover() != nil {
			word = ""
		}
	}()
	v := reflect.New(t).Elem()
	if v.CanUint() {
		v.SetUint(uint64(n))
	} else {
		v.SetInt(int64(n))
	}
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return ""
	}
	return string(text)
}

// described are the parts of the status as docs/status.md tells them.
func described(t *testing.T) map[string]string {
	text, err := os.ReadFile("../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(strings.ReplaceAll(m[2], "`", ""), "$1")
	}
	return found
}

// parameter is one of the query.
type parameter struct {
	name, of, what string // of parts of the status, or of requests by their operationId
	required       bool
	schema         object
}

const (
	ofSearches = "records history"
	ofCalls    = "explain ladder message"
)

var (
	text       = object{"type": "string"}
	flagged    = object{"type": "string", "enum": []any{""}}
	moment     = object{"type": "string", "format": "date-time"}
	parameters = []parameter{
		{"last", ofSearches + " audit alarms-history", "so many of the newest", false, object{"type": "integer", "minimum": 1, "maximum": 10000}},
		{"number", ofSearches, "a part of the calling or called number", false, text},
		{"to", ofSearches, "a part of the called number", false, text},
		{"interface", ofSearches, "the SIP interface by which the call came, or was to go out", false, text},
		{"before", ofSearches, "the ID of a call: only older ones", false, text},
		{"since", ofSearches + " audit", "begun then or later", false, moment},
		{"before", "audit", "before that time", false, moment},
		{"account", "audit", "what this account did", false, text},
		{"what", "audit", "entries of this kind", false, object{"type": "string", "enum": status.AuditKinds()}},
		{"until", ofSearches, "begun before", false, moment},
		{"code", ofSearches, "SIP status of the call", false, object{"type": "integer", "minimum": 100, "maximum": 699}},
		{"result", ofSearches, "how the call ended", false, object{"type": "string", "enum": status.RecordResults()}},
		{"id", ofCalls, "the ID of the call, or the Call-ID of one of its legs", true, text},
		{"of", "config", "which one: running-config (the default), startup-config, startup-config.1 to .10, factory-config", false, text},
		{"dry-run", "config-put", "say what it would do, and change nothing", false, flagged},
		{"merge", "config-put", "run the lines one by one, as a paste does, and keep the rest of the configuration", false, flagged},
		{"leave-out", "config-put", "leave lines out that are not understood, instead of taking nothing", false, flagged},
		{"keep", "config-put", "so many seconds to confirm it in, or the configuration of before comes back", false, object{"type": "integer", "minimum": 1, "maximum": 86400}},
		{"message", "message", "the number of the message in the ladder, from 1 on", true, object{"type": "integer", "minimum": 1}},
	}
)

// parametersOf describes those of a request.
func parametersOf(of string) (list []any) {
	for _, p := range parameters {
		if slices.Contains(strings.Fields(p.of), of) {
			o := object{"name": p.name, "in": "query", "description": p.what, "required": p.required, "schema": p.schema}
			if reflect.DeepEqual(p.schema, flagged) {
				o["allowEmptyValue"] = true
			}
			list = append(list, o)
		}
	}
	return list
}

// The handlers read the parameters that are described, and no others.
func TestParametersAreDescribed(t *testing.T) {
	read := map[string]bool{}
	names, _ := filepath.Glob("api/*.go")
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			for _, m := range regexp.MustCompile(`(?:Parameters\.Get|q\.number|q\.time|q\.Get|q\.Has|Query\(\)\.Get)\("([a-z_-]+)"`).FindAllStringSubmatch(string(source), -1) {
				read[m[1]] = true
			}
		}
	}
	for _, p := range parameters {
		if !read[p.name] {
			t.Errorf("no handler reads %s", p.name)
		}
	}
	for name := range read {
		if slices.Contains([]string{"user", "tty", "line"}, name) {
			continue // no machine may send them
		}
		if !slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name }) {
			t.Errorf("%s is not described", name)
		}
	}
}

// description is docs/openapi.json.
func description(t *testing.T) object {
	d := &describing{t: t, schemas: map[string]any{}}
	answer := func(what string, content object) object { return object{"description": what, "content": content} }
	inJSON := func(schema object) object { return object{"application/json": object{"schema": schema}} }
	failure := d.of(reflect.TypeFor[wire.Failure]())
	refused := func(more object) object {
		all := object{
			"401":     answer("no token, or a wrong one", inJSON(failure)),
			"429":     answer("too many wrong tokens or passwords came from this address: Retry-After says when to come again", inJSON(failure)),
			"503":     answer("the box cannot answer at the moment", inJSON(failure)),
			"default": answer("the request is refused; error says why", inJSON(failure)),
		}
		maps.Copy(all, more)
		return all
	}
	box := &hostileBox{cfg: config.New()}
	backend := api.NewBackend(lang.New(), box)
	ask := func(part string) any {
		v, err := backend.Status(t.Context(), &api.Session{}, part, api.StatusQuery{Last: 1, Parameters: url.Values{"id": {"15"}, "message": {"1"}}})
		if err != nil {
			t.Fatalf("%s: %v", part, err)
		}
		return v
	}
	texts := described(t)
	operations := map[string]func(r machine.Route) map[string]object{
		"GET /v1/status": func(machine.Route) map[string]object {
			return map[string]object{"/v1/status": {"summary": "The parts of the status that the account may see", "operationId": "status",
				"responses": refused(object{"200": answer("their names", inJSON(d.of(reflect.TypeFor[status.Parts]())))})}}
		},
		"GET /v1/status/{part}": func(machine.Route) map[string]object {
			all := map[string]object{}
			for _, part := range ask("").(status.Parts).Parts {
				text := texts[part]
				if text == "" {
					t.Errorf("docs/status.md does not tell of the part %s", part)
				}
				o := object{"summary": text, "operationId": "status-" + part, "responses": refused(object{
					"200": answer("this part of the status", inJSON(d.of(reflect.TypeOf(ask(part))))),
					"403": answer("the account may not see it at the console, either", inJSON(failure)),
				})}
				if list := parametersOf(part); list != nil {
					o["parameters"] = list
				}
				all["/v1/status/"+part] = o
			}
			return all
		},
		"GET /v1/config": func(machine.Route) map[string]object {
			return map[string]object{"/v1/config": {"summary": "A configuration as text, by default the running one, whose ETag comes along", "operationId": "config", "parameters": parametersOf("config"),
				"responses": refused(object{"200": answer("the text; its secrets are shown to those to whom the console shows them", object{"text/plain": object{"schema": text}})})}}
		},
		"PUT /v1/config": func(machine.Route) map[string]object {
			verdict := d.of(reflect.TypeFor[wire.ConfigReply]())
			return map[string]object{"/v1/config": {"summary": "Puts a text in the place of the running configuration, or says what that would do", "operationId": "config-put",
				"parameters":  append(parametersOf("config-put"), object{"name": "If-Match", "in": "header", "description": "the ETag of the configuration that was changed, or *; a dry run needs none", "schema": text}),
				"requestBody": object{"required": true, "content": object{"text/plain": object{"schema": text}}},
				"responses": refused(object{
					"200": answer("it is in force, or would be", inJSON(verdict)),
					"403": answer("the account may not, or not this", inJSON(object{"anyOf": []any{failure, verdict}})),
					"409": answer("another change waits for its confirmation", inJSON(verdict)),
					"412": answer("the configuration has changed meanwhile: changed says by whom", inJSON(verdict)),
					"422": answer("lines are not understood: problems names them", inJSON(verdict)),
				})}}
		},
		"GET /v1/config/history": func(machine.Route) map[string]object {
			return map[string]object{"/v1/config/history": {"summary": "The startup-configs, the newest first", "operationId": "config-history",
				"responses": refused(object{"200": answer("their names, times and sizes", inJSON(d.of(reflect.TypeFor[[]status.SavedConfig]())))})}}
		},
		"GET /v1/health": func(machine.Route) map[string]object {
			return map[string]object{"/v1/health": {"summary": "Whether the box can carry calls", "operationId": "health",
				"responses": refused(object{"200": answer("why there can be no calls, if so", inJSON(d.of(reflect.TypeFor[wire.Health]())))})}}
		},
		"GET /metrics": func(machine.Route) map[string]object {
			return map[string]object{"/metrics": {"summary": "The counters of the box, for Prometheus", "operationId": "metrics",
				"responses": refused(object{"200": answer("its text format", object{"text/plain": object{"schema": object{"type": "string"}}})})}}
		},
	}
	paths := map[string]object{}
	for _, r := range machine.Routes {
		describe := operations[r.Method+" "+r.Path]
		if describe == nil {
			t.Errorf("%s %s is not described", r.Method, r.Path)
			continue
		}
		for path, o := range describe(r) {
			o["x-scope"] = r.Scope
			if paths[path] == nil {
				paths[path] = object{}
			}
			paths[path][strings.ToLower(r.Method)] = o
		}
		delete(operations, r.Method+" "+r.Path)
	}
	for o := range operations {
		t.Errorf("no handler takes %s", o)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Viaduct SBC", "version": "1",
			"description": "What machines can read and change over HTTPS. docs/web.md tells how to switch it on and how to make a token. New versions may add paths, fields and words: ignore what you do not know. Fields that end in _ns are nanoseconds. Text of peers may hold anything."},
		"servers":    []any{object{"url": "https://{box}", "variables": object{"box": object{"default": "192.168.1.1"}}}},
		"security":   []any{object{"token": []any{}}},
		"paths":      paths,
		"components": object{"schemas": d.schemas, "securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "webserver token NAME account ACCOUNT read|configure TOKEN; x-scope says what a request needs"}}},
	}
}

const openAPI = "../docs/openapi.json"

// The file in docs says what the handlers do: each path and method, each part of the status, and the types of all fields.
func TestTheDescriptionForMachinesIsCurrent(t *testing.T) {
	want, err := json.MarshalIndent(description(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(openAPI, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(openAPI); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/openapi.json is not current (%v): make docs", err)
	}
}

// The check finds what it is there for.
func TestTheCheckOfAnswersFindsFaults(t *testing.T) {
	d, err := machinetest.Read(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"port":443}`:                       "tokens is missing",
		`[]`:                                 "answer is array, not [object]",
		`{"tokens":"1"}`:                     "tokens is string",
		`{"tokens":1.5}`:                     "tokens is number",
		`{"tokens":1,"x":1}`:                 "x is not described",
		`{"tokens":1,"addresses":[true]}`:    "addresses[0] is boolean",
		`{"tokens":1,"addresses":{"a":"b"}}`: "a is not described",
		`{"tokens":null}`:                    "tokens is null",
		`{"tokens":1`:                        "unexpected EOF",
	} {
		if why := d.Answer("GET", "/v1/status/webserver", http.StatusOK, "application/json", []byte(body)); !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q", body, why, want)
		}
	}
	if why := d.Answer("GET", "/v1/status/check", http.StatusOK, "application/json", []byte(strings.Replace(`{"of":"all","steps":[{"id":"a","title":"b","state":"sideways"}]}`, "'", `"`, -1))); why == "" {
		t.Error("a state that does not exist is taken")
	}
	if d.Answer("DELETE", "/v1/status", http.StatusOK, "application/json", nil) == "" || d.Answer("GET", "/v1/status/webserver", http.StatusOK, "text/html", nil) == "" {
		t.Error("what is not described is taken")
	}
}
