// Command issue makes issuers of license keys, and keys, and signs calendars. docs/licenses.md tells how it is used.
//
//	issue keygen -name NAME -out FILE        make an issuer: writes its private key, prints its `license-authority` line
//	issue key -key FILE -kind KIND -serial N [-count N] [-system SERIAL] [-expires YYYY-MM-DD]
//	                                         print a key as it is pasted: two comment lines and `install license KEY`
//	issue calendar -key FILE -in calendar.json
//	                                         print a signed calendar, for `import calendar`
package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"viaduct/appliance/calendar"
	"viaduct/appliance/license"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "issue:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("usage: issue keygen|key|calendar [flags]; -h after either lists its flags")
	}
	switch args[0] {
	case "keygen":
		return keygen(args[1:], out)
	case "key":
		return issue(args[1:], out)
	case "calendar":
		return sign(args[1:], out)
	}
	return fmt.Errorf("unknown command %q: keygen, key or calendar", args[0])
}

// keygen makes an issuer.
func keygen(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("keygen", flag.ContinueOnError)
	name := flags.String("name", "", "name of the issuer, for example viaduct-2027")
	file := flags.String("out", "", "file for the private key; must not exist")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *name == "" || *file == "" || strings.ContainsAny(*name, " \t\"") {
		return errors.New("keygen: -name (one word) and -out are needed")
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(*file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // never over an issuer that has signed keys
	if err != nil {
		return err
	}
	if err := errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", *file, err)
	}
	_, err = fmt.Fprintf(out, "license-authority %s %s\n", *name, license.FormatIssuer(public))
	return err
}

// issue prints a license key.
func issue(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("key", flag.ContinueOnError)
	file := flags.String("key", "", "file with the issuer's private key")
	kind := flags.String("kind", "", "sip-sessions, srtp-channels, iprouter, sip-registrar, sip-tls-srtp or transcoding")
	count := flags.Int("count", 1, "how many, 1 to 65535")
	serial := flags.Uint("serial", 0, "serial of the license, unique with this issuer, 1 to 4294967295")
	system := flags.String("system", "any", "serial number of the system, or any")
	expires := flags.String("expires", "", "last day, YYYY-MM-DD; empty: for ever")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *serial == 0 || uint64(*serial) > 0xffffffff {
		return errors.New("key: -serial is needed, 1 to 4294967295")
	}
	private, err := readKey(*file)
	if err != nil {
		return err
	}
	l := license.License{Kind: license.Kind(*kind), Count: *count, Serial: uint32(*serial)}
	if *system != "any" {
		l.System = *system
	}
	if *expires != "" {
		if l.Expires, err = time.Parse(time.DateOnly, *expires); err != nil {
			return fmt.Errorf("-expires: %w", err)
		}
	}
	key, err := license.Sign(private, l)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "# %s\n# [%s=%d]\ninstall license %s\n", l, l.Kind, l.Count, key)
	return err
}

// sign prints a signed calendar.
func sign(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("calendar", flag.ContinueOnError)
	file := flags.String("key", "", "file with the issuer's private key")
	in := flags.String("in", "", "file of the calendar, in the form of appliance/calendar/calendar.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	private, err := readKey(*file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(*in)
	if err != nil {
		return err
	}
	block, err := calendar.Sign(private, text)
	if err != nil {
		return fmt.Errorf("%s: %w", *in, err)
	}
	_, err = out.Write(block)
	return err
}

func readKey(file string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an Ed25519 key", file)
	}
	return private, nil
}
