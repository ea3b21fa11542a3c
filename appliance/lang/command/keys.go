package command

import (
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pasted"
	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// The key store, licenses and backups.

type pkiName struct{ What config.PKIName }

// parts splits a name into class and name.
func (p pkiName) parts() (class, name string) {
	class, name, _ = strings.Cut(strings.TrimPrefix(string(p.What), "pki:"), "/")
	return class, name
}

func importPKI(c *Call, a *pkiName) error {
	class, name := a.parts()
	if class == "diffie-hellman-parameters" {
		c.Printf("%% note: not needed, only ECDHE suites are used\n")
		return nil
	}
	if c.Body == nil {
		c.Result.Collect = &Collect{Prompt: "Paste the contents of the file (enter an empty line when done):", Kind: "pem"}
		return nil
	}
	pem, pass := splitPassphrase(c.Body)
	err := check.KeyForTeams(c.Box.Running(), config.PKIName("pki:"+class+"/"+name), publicKey(class, pem, pass))
	var text string
	switch {
	case err != nil:
	case class == "certificate":
		text, err = c.Box.ImportCertificate(name, c.Body)
	default:
		text, err = c.Box.ImportPrivateKey(name, pem, pass)
		if errors.Is(err, pki.ErrEncrypted) && pass == "" {
			c.Result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "secret"}
			return nil
		}
	}
	if err != nil {
		return c.notImported(name, pass, err)
	}
	c.lines(text)
	return nil
}

// notImported says why nothing was stored. In a paste, the next command may have been taken for the pass phrase that is missing: it is
// given back, but only when it is a command, for a mistyped pass phrase must not be run and shown.
func (c *Call) notImported(name, pass string, err error) error {
	if errors.Is(err, pki.ErrPassphrase) && c.isLine(pass) {
		c.Result.Unused = true
		err = errors.New("it needs a pass phrase, and a command follows in its place: put the pass phrase into the line behind the block, or decrypt the key first (openssl pkey -in FILE)")
	}
	return fmt.Errorf("import of %s: %w; nothing stored", name, err)
}

// isLine reports whether a text is a line that can be run here as it stands.
func (c *Call) isLine(text string) bool {
	l := pasted.Read(text)
	return l.Prompt || c.Place.Takes(l.Text)
}

// publicKey returns the public key of a private key or of the first certificate; nil if it cannot be read.
func publicKey(class string, pem []byte, pass string) crypto.PublicKey {
	if class == "certificate" {
		if list, err := pki.ParseCertificates(pem); err == nil && len(list) > 0 {
			return list[0].PublicKey
		}
	} else if key, err := pki.ParsePrivateKey(pem, pass); err == nil {
		return key.Public()
	}
	return nil
}

// splitPassphrase splits a block from the passphrase, which the console has appended after the last END line.
func splitPassphrase(body []byte) (pem []byte, pass string) {
	text := string(body)
	at := strings.LastIndex(text, "-----END")
	if at < 0 {
		return body, ""
	}
	eol := strings.IndexByte(text[at:], '\n')
	if eol < 0 {
		return body, ""
	}
	cut := at + eol + 1
	return body[:cut], strings.Trim(text[cut:], "\r\n")
}

func exportPKI(c *Call, a *pkiName) error {
	_, name := a.parts()
	text, err := c.Box.ExportCertificate(name)
	if err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	_, err = io.WriteString(c.Out, printable.Lines(string(text))) // authorities write remarks around their certificates
	return err
}

type erasedKey struct {
	pkiName
	Force bool
}

// erasePKI asks before it takes away what something uses.
func erasePKI(c *Call, a *erasedKey) error {
	class, name := a.parts()
	if users := check.KeyUsers(c.Box.Running())[string(a.What)]; len(users) > 0 && c.has(class, name) &&
		!c.confirmed(a.Force, fmt.Sprintf("%s is in use: %s. Erase it?", a.What, strings.Join(users, ", "))) {
		return nil
	}
	if err := c.Box.DeletePKI(status.KeyKind(class), name); err != nil {
		return fmt.Errorf("erase %s: %w", name, err)
	}
	c.Printf("%s erased\n", a.What)
	return nil
}

// has reports whether the key store has something.
func (c *Call) has(class, name string) bool {
	return slices.ContainsFunc(c.Box.PKI(), func(k status.Key) bool { return string(k.Kind) == class && k.Name == name })
}

type fingerprint struct {
	Sum   string
	Force bool
}

// trustIssuer shows what a peer has sent before it asks: the fingerprint is all that tells the issuer from one who has taken its name.
func trustIssuer(c *Call, a *fingerprint) error {
	if !a.Force && !c.Session.Yes {
		all := c.Box.UnknownIssuers()
		i := slices.IndexFunc(all, func(u status.UnknownIssuer) bool { return u.SHA256 == a.Sum })
		if i < 0 {
			return errors.New("pki trust add: no peer has shown an issuer with this fingerprint that is not trusted: see `show pki trusted`")
		}
		c.page().UnknownIssuers(all[i : i+1])
	}
	if !c.confirmed(a.Force, "Trust "+a.Sum+"?") {
		return nil
	}
	return c.trust("pki trust add", a.Sum, c.Box.TrustIssuer)
}

func untrustIssuer(c *Call, a *fingerprint) error {
	return c.trust("no pki trust", a.Sum, c.Box.UntrustIssuer)
}

func (c *Call) trust(command, sum string, change func(sum string, by status.Author) (string, error)) error {
	text, err := change(sum, c.Session.Author())
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	c.Result.Changed = true
	c.Printf("%s\n", text)
	return nil
}

func importCalendar(c *Call, _ *none) error {
	if c.Body == nil {
		c.Result.Collect = &Collect{Prompt: "Paste the calendar, to the line -----END VIADUCT CALENDAR-----:", Kind: "block"}
		return nil
	}
	text, err := c.Box.ImportCalendar(c.Body)
	if err != nil {
		return fmt.Errorf("import calendar: %w; nothing changed", err)
	}
	c.Printf("%s\n", text)
	return nil
}

type licenseKey struct{ Key string }

func installLicense(c *Call, a *licenseKey) error {
	text, err := c.Box.InstallLicense(a.Key)
	if err != nil {
		return fmt.Errorf("install license: %w", err)
	}
	c.Printf("%s\n", text)
	return nil
}

func eraseLicense(c *Call, a *licenseKey) error {
	text, err := c.Box.EraseLicense(a.Key)
	if err != nil {
		return fmt.Errorf("erase license: %w", err)
	}
	c.Printf("erased: %s\n", text)
	return nil
}

var errBackup = errors.New("only a superuser can do this: a backup contains the accounts and the private keys")

// exportBackup prints a backup of the box, encrypted with a passphrase.
func exportBackup(c *Call, _ *none) error {
	if !c.ManagesAccounts() {
		return errBackup
	}
	pass := strings.Trim(string(c.Body), "\r\n")
	if pass == "" {
		c.Result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "new-secret"}
		return nil
	}
	text, err := c.Box.Backup(pass)
	if err != nil {
		return fmt.Errorf("export backup: %w", err)
	}
	_, err = c.Out.Write(text)
	return err
}

// givenBackup is the backup that was pasted below a command, with its passphrase. It is nil while the console is still asked for one of them.
func (c *Call) givenBackup(command string) (text []byte, pass string, err error) {
	if !c.ManagesAccounts() {
		return nil, "", errBackup
	}
	if c.Body == nil {
		c.Result.Collect = &Collect{Prompt: "Paste the backup, to the line -----END VIADUCT BACKUP-----:", Kind: "block"}
		return nil, "", nil
	}
	text, pass = splitPassphrase(c.Body)
	if block, _ := pem.Decode(text); block == nil { // do not ask for a passphrase: the next line may be a command
		return nil, "", fmt.Errorf("%s: the backup is incomplete; nothing was stored", command)
	}
	if pass == "" {
		c.Result.Collect = &Collect{Prompt: "Pass phrase: ", Kind: "secret"}
		return nil, "", nil
	}
	return text, pass, nil
}

func checkBackup(c *Call, _ *none) error {
	text, pass, err := c.givenBackup("check backup")
	if text == nil {
		return err
	}
	what, err := c.Box.CheckBackup(text, pass)
	if err != nil {
		return fmt.Errorf("check backup: %w", err)
	}
	c.Printf("%s\nIt can be restored. Nothing was stored.\n", what)
	return nil
}

func importBackup(c *Call, _ *none) error {
	text, pass, err := c.givenBackup("import backup")
	if text == nil {
		return err
	}
	what, err := c.Box.Restore(text, pass)
	if err != nil {
		return fmt.Errorf("import backup: %w; nothing stored", err)
	}
	then := "`reload` starts with it"
	if c.Box.Running().Pair() != nil { // the other box would be active meanwhile, and this one copy the running-config of that
		then = "`copy startup-config running-config replace` puts it in force on both boxes of the pair, and `reload` does not"
	}
	c.Printf("%s\nThe startup-config is that of the backup; %s.\n", what, then)
	return nil
}

// Certificates that the box obtains by itself.

func showACME(c *Call, a *named) error {
	list := c.Box.ACME()
	if a.Name != "" {
		list = slices.DeleteFunc(list, func(x status.ACME) bool { return config.SameName(x.Name) != config.SameName(a.Name) })
		if len(list) == 0 {
			return fmt.Errorf("there is no profile acme %s", a.Name)
		}
	}
	c.page().ACME(list, c.now())
	return nil
}

func renewACME(c *Call, a *named) error {
	if err := c.Box.RenewACME(a.Name); err != nil {
		return err
	}
	c.Printf("Renewing %s now: see show acme\n", a.Name)
	return nil
}

func testACME(c *Call, a *named) error {
	c.live()
	return c.Box.TestACME(c.Ctx, a.Name, func(line string) { c.Printf("%s\n", line) })
}
