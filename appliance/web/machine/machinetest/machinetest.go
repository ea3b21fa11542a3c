// Package machinetest checks answers of the box with docs/openapi.json, for tests. It has no goroutines.
package machinetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Document is a description in the form of OpenAPI, as far as it is used here.
type Document struct {
	Paths      map[string]map[string]Operation
	Components struct{ Schemas map[string]any }
}

// Operation is a request.
type Operation struct {
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
}

// Read reads the file.
func Read(file string) (d Document, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d, err
}

// valid says what is wrong with a value, by its schema; "": nothing. It knows the words of JSON Schema that docs/openapi.json uses, and no other.
func (d Document) valid(at string, v any, schema map[string]any) string {
	if ref, ok := schema["$ref"].(string); ok {
		target, ok := d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		if !ok {
			return at + ": no schema " + ref
		}
		return d.valid(at, v, target)
	}
	if list, ok := schema["anyOf"].([]any); ok {
		why := ""
		for _, s := range list {
			if why = d.valid(at, v, s.(map[string]any)); why == "" {
				return ""
			}
		}
		return why
	}
	types, ok := schema["type"].([]any)
	if !ok {
		types = []any{schema["type"]}
	}
	is := map[bool]string{true: "other", false: "null"}[v != nil]
	switch v := v.(type) {
	case bool:
		is = "boolean"
	case string:
		is = "string"
		if words, ok := schema["enum"].([]any); ok && !slices.Contains(words, any(v)) {
			return fmt.Sprintf("%s: %q is not one of %v", at, v, words)
		}
	case json.Number:
		is = "number"
		if !strings.ContainsAny(v.String(), ".eE") {
			is = "integer"
		}
	case []any:
		is = "array"
		for n, item := range v {
			if why := d.valid(fmt.Sprintf("%s[%d]", at, n), item, schema["items"].(map[string]any)); why != "" {
				return why
			}
		}
	case map[string]any:
		is = "object"
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				return fmt.Sprintf("%s: %s is missing", at, name)
			}
		}
		for name, value := range v {
			of, ok := properties[name].(map[string]any)
			if !ok {
				of, ok = schema["additionalProperties"].(map[string]any)
			}
			if !ok {
				return fmt.Sprintf("%s: %s is not described", at, name)
			}
			if why := d.valid(at+"."+name, value, of); why != "" {
				return why
			}
		}
	}
	if !slices.Contains(types, any(is)) && !(is == "integer" && slices.Contains(types, any("number"))) {
		return fmt.Sprintf("%s is %s, not %v", at, is, types)
	}
	return ""
}

// Answer says what is wrong with an answer by the description; "": nothing.
func (d Document) Answer(method, path string, status int, kind string, body []byte) string {
	o, ok := d.Paths[path][strings.ToLower(method)]
	if !ok {
		return "it is not described"
	}
	r, ok := o.Responses[fmt.Sprint(status)]
	if !ok {
		r, ok = o.Responses["default"]
	}
	kind, _, _ = strings.Cut(kind, ";")
	content, known := r.Content[kind]
	switch {
	case !ok || !known:
		return fmt.Sprintf("an answer %d of %s is not described", status, kind)
	case kind != "application/json":
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return err.Error()
	}
	return d.valid("answer", v, content.Schema)
}
