package command

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/word"
	"viaduct/appliance/pki"
)

// Keys and requests that the box makes, and files that hold a key with its certificate.

type generatedKey struct {
	What    config.PKIName
	Bits    string
	Replace bool
}

func generateKey(c *Call, a *generatedKey) error {
	bits := 2048
	if a.Bits != "" {
		bits, _ = strconv.Atoi(a.Bits) // one of three words
	}
	text, err := c.Box.GenerateKey(pki.Name(a.What), bits, a.Replace)
	if err != nil {
		return fmt.Errorf("generate %s: %w", a.What, err)
	}
	c.Printf("%s\n", text)
	return nil
}

type request struct {
	What, Key config.PKIName
	Names     string
}

func generateRequest(c *Call, a *request) error {
	key := a.Key
	if key == "" {
		key = a.What
	}
	names, err := requested(a.Names)
	if err != nil {
		return fmt.Errorf("generate %s: %w", a.What, err)
	}
	if len(names) == 0 {
		names = check.OwnNames(c.Box.Running())
	}
	if len(names) == 0 {
		return fmt.Errorf("generate %s: the box has no name towards Microsoft Teams yet: say which names the certificate is for (names sbc.example.com)", a.What)
	}
	text, err := c.Box.CertificateRequest(pki.Name(key), names)
	if err != nil {
		return fmt.Errorf("generate %s: %w", a.What, err)
	}
	c.page().Folded("% ", fmt.Sprintf("request for %s: give it to the authority, and import the certificate that comes back (import pki:certificate/%s)", strings.Join(names, ", "), pki.Name(a.What)))
	_, err = c.Out.Write(text)
	return err
}

// maxRequested bounds the names of a request.
const maxRequested = 50

// requested splits the names of a request. A wildcard is the whole first label.
func requested(text string) (names []string, err error) {
	for _, n := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if a, err := netip.ParseAddr(n); err != nil || a.Zone() != "" {
			plain := strings.TrimPrefix(n, "*.")
			if _, err := word.Kinds()["host"].Parse(plain, nil); err != nil || strings.ContainsAny(plain, "*:_") {
				return nil, fmt.Errorf("%q is no DNS name", n)
			}
		}
		names = append(names, n)
	}
	if len(names) > maxRequested {
		return nil, fmt.Errorf("%d names are too many: %d are taken", len(names), maxRequested)
	}
	return names, nil
}

type generatedRoot struct {
	Name    string
	Replace bool
}

func generateRoot(c *Call, a *generatedRoot) error {
	text, err := c.Box.CreateInternalCA(a.Name, a.Replace)
	if err != nil {
		return fmt.Errorf("generate pki:internal-ca: %w", err)
	}
	c.lines(text)
	return nil
}

type issued struct {
	What    config.PKIName
	Names   string
	Replace bool
}

func generateIssued(c *Call, a *issued) error {
	names, err := requested(a.Names)
	var text string
	if err == nil {
		text, err = c.Box.IssueInternal(pki.Name(a.What), names, a.Replace)
	}
	if err != nil {
		return fmt.Errorf("generate %s: %w", a.What, err)
	}
	c.lines(text)
	return nil
}

// pkcs12Class begins the names of files of PKCS#12, which are taken apart at once.
const pkcs12Class = "pki:pkcs12/"

type pkcs12File struct{ What config.PKIName }

func importPKCS12(c *Call, a *pkcs12File) error {
	if c.Body == nil {
		c.Result.Collect = &Collect{Prompt: "Paste the file in base64 (enter an empty line when done):", Kind: "pem"}
		return nil
	}
	der, pass, err := pki.CutPKCS12(c.Body)
	if err != nil {
		return fmt.Errorf("import of %s: %w; nothing stored", pki.Name(a.What), err)
	}
	return c.storePKCS12(a.What, der, pass)
}

// storePKCS12 stores a file, or asks for its pass phrase.
func (c *Call) storePKCS12(what config.PKIName, der []byte, pass string) error {
	text, err := c.Box.ImportPKCS12(pki.Name(what), der, pass)
	if errors.Is(err, pki.ErrEncrypted) && pass == "" {
		c.Result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "secret"}
		return nil
	}
	if err != nil {
		return c.notImported(pki.Name(what), pass, err)
	}
	c.lines(text)
	return nil
}

// fetchPKCS12 gets a file of PKCS#12 from a web server. It is fetched again with the pass phrase: nothing of it is kept meanwhile.
func (c *Call) fetchPKCS12(from, to string) error {
	if !isURL(from) {
		return errors.New("a file of PKCS#12 comes from a URL, or is pasted: import " + to)
	}
	file, err := c.Box.Fetch(c.Ctx, from)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", from, reason(err))
	}
	return c.storePKCS12(config.PKIName(to), file, strings.Trim(string(c.Body), "\r\n"))
}
