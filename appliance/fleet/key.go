package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// KeyFile is what a box hands over so that a hub takes it: its name, its serial number and its public key. Nothing in it is secret: the private
// half never leaves the box.
type KeyFile struct {
	Box    string `json:"box"`
	Serial string `json:"serial"`
	Key    string `json:"key"` // public key of NATS, "U" and 55 characters of base32
}

const (
	keyFileBegin = "-----BEGIN VIADUCT BOX KEY-----"
	keyFileEnd   = "-----END VIADUCT BOX KEY-----"
)

// String is the file as it is shown and handed over.
func (k KeyFile) String() string {
	text, _ := json.Marshal(k) // three strings
	return keyFileBegin + "\n" + string(text) + "\n" + keyFileEnd + "\n"
}

// ParseKeyFile reads one, also out of the text around it, as when a whole terminal was copied. Whether Key is a key is not checked here.
func ParseKeyFile(text string) (k KeyFile, err error) {
	_, text, found := strings.Cut(text, keyFileBegin)
	text, _, ended := strings.Cut(text, keyFileEnd)
	if !found || !ended {
		return k, errors.New("no key file of a box: it begins with " + keyFileBegin + "; `show fleet key` at the box prints it")
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "")), &k); err != nil {
		return k, fmt.Errorf("the key file is damaged: %w", err)
	}
	return k, CheckName(k.Box)
}
