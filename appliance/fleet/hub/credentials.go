package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
)

// Credentials are with what an operator connects to the hub from any machine.
type Credentials struct {
	Customer string   `json:"customer"`
	Operator string   `json:"operator"`
	Hubs     []string `json:"hubs"` // HOST:PORT of each node
	Pin      string   `json:"pin"`
	Seed     string   `json:"seed"` // secret
}

// NewCredentials makes a new key for an operator; public is what AddOperator takes.
func (n *Node) NewCredentials(customer, operator string) (c Credentials, public string, err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return c, "", fmt.Errorf("make a key: %w", err)
	}
	var hubs []string
	for _, p := range n.set.Nodes {
		hubs = append(hubs, strings.TrimPrefix(p.URL(), "wss://"))
	}
	c, err = n.credentials(customer, operator, hubs, pair)
	return c, publicOf(pair), err
}

// LocalCredentials are those of DefaultOperator, which are of use at this node alone.
func (n *Node) LocalCredentials(customer string) (Credentials, error) {
	return n.credentials(customer, DefaultOperator, []string{n.place.dialled()}, n.localOperator(customer))
}

func (n *Node) credentials(customer, operator string, hubs []string, pair nkeys.KeyPair) (Credentials, error) {
	pin, err := n.Pin()
	if err != nil {
		return Credentials{}, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return Credentials{}, fmt.Errorf("make a key: %w", err)
	}
	return Credentials{customer, operator, hubs, pin, string(seed)}, nil
}

// String is the file that `hub operator add` prints.
func (c Credentials) String() string {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic(err) // strings alone
	}
	return string(text) + "\n"
}

// maxCredentials is the size of such a file in octets.
const maxCredentials = 16 << 10

// ReadCredentials reads one, which nobody else may be able to read.
func ReadCredentials(file string) (c Credentials, err error) {
	about, err := os.Stat(file)
	switch {
	case err != nil:
		return c, fmt.Errorf("read the operator's credentials: %w", err)
	case about.Mode().Perm()&0o077 != 0:
		return c, fmt.Errorf("others may read %s, so they may know the key in it: `chmod 600 %s` if they do not", file, file)
	case about.Size() > maxCredentials:
		return c, fmt.Errorf("%s is too large for an operator's credentials", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("read the operator's credentials: %w", err)
	}
	if c, err = ParseCredentials(text); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// ParseCredentials reads the text of such a file.
func ParseCredentials(text []byte) (c Credentials, err error) {
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("these are no credentials, as `hub operator add` prints them: %w", err)
	}
	if err := errors.Join(fleet.CheckName(c.Customer), fleet.CheckName(c.Operator)); err != nil {
		return c, err
	}
	if len(c.Hubs) == 0 || len(c.Hubs) > 3 {
		return c, fmt.Errorf("the credentials name %d nodes of the hub: it has one to three", len(c.Hubs))
	}
	for _, at := range c.Hubs {
		host, port, err := net.SplitHostPort(at)
		if n, wrong := net.LookupPort("tcp", port); err != nil || wrong != nil || n == 0 || !validHost(host) {
			return c, fmt.Errorf("%q is no node of a hub: it is HOST:PORT", at)
		}
	}
	if pin, err := hex.DecodeString(c.Pin); err != nil || len(pin) != sha256.Size {
		return c, errors.New("the credentials have no pin, by which the hub is known: it is 64 hex digits")
	}
	return c, nil
}
