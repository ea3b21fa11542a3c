// Package update replaces the firmware of a box by a signed bundle: into the slot that does not run, tried, and kept or taken
// back.
//
// It owns the format of bundles (bundle.go), the two slots (slots.go), what boot loaders read on the boot partition to know which of them
// starts (loader.go, entries.go, fat.go), and the order of writing (install.go). It does not own where a bundle comes from, nor when the box restarts, nor what healthy means:
// image/cmd/init does. It has no goroutines.
package update

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A bundle is three lines and the parts, packed with gzip, in the order of the manifest:
//
//	viaduct update 1
//	{"board":"rpi4", ... ,"parts":[ ... ]}
//	base64 of the Ed25519 signature of the two lines before
const (
	magic   = "viaduct update 1\n"
	maxLine = 4096
)

// Manifest says what a bundle holds. The signature covers it.
type Manifest struct {
	Board   string    `json:"board"`
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Built   time.Time `json:"built"` // decides what is older
	Parts   []Part    `json:"parts"`
}

// Part is a file of a bundle.
type Part struct {
	Name   string `json:"name"`   // Root or Kernel
	Size   int64  `json:"size"`   // bytes as they are written to the medium
	SHA256 string `json:"sha256"` // of these
	Packed Packed `json:"packed"`
}

// Packed is a part as it lies in the bundle.
type Packed struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// The parts of every bundle, in this order.
const (
	Root   = "root"   // SquashFS
	Kernel = "kernel" // as the boot loader takes it
)

// Payload is a part, packed: ready for one bundle or several.
type Payload struct {
	part   Part
	packed []byte
}

// Pack packs a part; name is Root or Kernel.
func Pack(name string, data []byte) (Payload, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(data)
	if err = errors.Join(err, z.Close()); err != nil {
		return Payload{}, fmt.Errorf("pack %s: %w", name, err)
	}
	return Payload{Part{name, int64(len(data)), sum(data), Packed{int64(packed.Len()), sum(packed.Bytes())}}, packed.Bytes()}, nil
}

// Write makes a bundle. The manifest's parts are filled in.
func Write(out io.Writer, key ed25519.PrivateKey, m Manifest, root, kernel Payload) error {
	m.Parts = []Part{root.part, kernel.part}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	head := magic + string(text) + "\n"
	if len(head) > maxLine {
		return fmt.Errorf("write update: the manifest has %d bytes", len(head))
	}
	if _, err := fmt.Fprintf(out, "%s%s\n", head, base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(head)))); err != nil {
		return err
	}
	for _, p := range []Payload{root, kernel} {
		if _, err := out.Write(p.packed); err != nil {
			return err
		}
	}
	return nil
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// readManifest reads the three lines and checks the signature; r stands at the first part then.
func readManifest(r *bufio.Reader, keys []ed25519.PublicKey) (Manifest, error) {
	var lines [3]string
	for i := range lines {
		line, err := r.ReadSlice('\n') // as much as r's buffer holds, at most
		if err != nil {
			return Manifest{}, errors.New("this is no update: it does not begin as one")
		}
		lines[i] = string(line)
		if lines[0] != magic {
			return Manifest{}, errors.New("this is no update of a kind that this firmware knows")
		}
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(lines[2]))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return Manifest{}, errors.New("the signature cannot be read")
	}
	signed := []byte(lines[0] + lines[1])
	if len(keys) == 0 {
		return Manifest{}, errors.New("this firmware was built without a key for updates: it takes none")
	}
	if !slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return ed25519.Verify(k, signed, signature) }) {
		return Manifest{}, errors.New("the signature is not of a key that this firmware trusts")
	}
	var m Manifest
	if err := json.Unmarshal([]byte(lines[1]), &m); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	if len(m.Parts) != 2 || m.Parts[0].Name != Root || m.Parts[1].Name != Kernel {
		return Manifest{}, errors.New("manifest: a root and a kernel are wanted, in this order")
	}
	for _, p := range m.Parts {
		if p.Size <= 0 || p.Packed.Size <= 0 {
			return Manifest{}, fmt.Errorf("manifest: %s has no size", p.Name)
		}
	}
	return m, nil
}

// ParseKeys reads public keys, one in base64 a line; empty lines and comments (#) do not count.
func ParseKeys(text string) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("update key %q is no Ed25519 key in base64", line)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
