package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/nats-io/nkeys"

	"viaduct/appliance/flash"
)

// Key is the key by which a box or an operator is known to the hub: an nkey of NATS, which is Ed25519. Its private half is in a file and in here, and
// nowhere else: a Key prints and logs as its public half.
type Key struct {
	pair   nkeys.KeyPair
	public string
}

// seedMax is the size of a file with a seed, in octets: 58 characters, the line's end, and some air.
const seedMax = 200

// Generate makes a key out of the random numbers of the operating system. It is in no file yet.
func Generate() (*Key, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return newKey(pair)
}

// ParseKey reads a seed: "SU" and 56 characters of base32, with space around it. Errors do not repeat it.
func ParseKey(seed []byte) (*Key, error) {
	pair, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	if err != nil {
		return nil, errors.New("not the seed of a key")
	}
	return newKey(pair)
}

func newKey(pair nkeys.KeyPair) (*Key, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("the public half of the key: %w", err)
	}
	if !nkeys.IsValidPublicUserKey(public) {
		return nil, errors.New("the seed is one of another sort of key, and not of a user's")
	}
	return &Key{pair, public}, nil
}

// ReadKey reads the key in a file. The error is fs.ErrNotExist when there is none. Like ssh it takes no file that others may read.
func ReadKey(file string) (*Key, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if about.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read the key: others may read %s, so it may be known to them; `chmod 600 %s` if it is not", file, file)
	}
	seed := make([]byte, seedMax)
	n, _ := f.Read(seed)
	defer clear(seed)
	k, err := ParseKey(seed[:n])
	if err != nil {
		return nil, fmt.Errorf("read the key: %s: %w", file, err)
	}
	return k, nil
}

// Write puts the key into a file, in place of the one there. When it returns nil, the file survives a power cut.
func (k *Key) Write(file string) error {
	seed, err := k.pair.Seed()
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return flash.Write(file, append(bytes.Clone(seed), '\n'), 0o600) // Seed gives its own memory away
}

// EnsureKey reads the key in a file, and makes one when there is none.
func EnsureKey(file string) (*Key, error) {
	k, err := ReadKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = Generate(); err != nil {
		return nil, err
	}
	return k, k.Write(file)
}

// Public is the public half: "U" and 55 characters of base32.
func (k *Key) Public() string { return k.public }

func (k *Key) String() string { return k.public }

// GoString keeps %#v from the private half.
func (k *Key) GoString() string { return k.public }

// LogValue keeps the log from the private half.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.public) }
