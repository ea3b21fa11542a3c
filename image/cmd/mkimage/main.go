// Command mkimage builds the image of a board: see docs/image.md.
package main

import (
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"viaduct/appliance/release"
	"viaduct/image"
)

func main() {
	var o image.Options
	flag.StringVar(&o.Board, "board", "", "board `name`: "+strings.Join(image.Boards(), ", "))
	flag.StringVar(&o.Out, "out", "", "image `file` to write (default build/viaduct-BOARD.img)")
	flag.StringVar(&o.EFI, "efi", "", "`file` of the boot loader for EFI, put into the image when given; uefi-arm64 needs it")
	flag.StringVar(&o.Release.Version, "version", release.Number(), "version that `show version` tells")
	flag.StringVar(&o.Release.Commit, "commit", "unknown", "commit that it was built from")
	built := flag.String("built", "", "`time` of the commit, RFC 3339")
	trust := flag.String("trust", "", "`file` of public keys, one a line: the box takes updates that are signed with one of them")
	flag.StringVar(&o.Bundle, "update", "", "write a signed update to `file` too; wants -key")
	key := flag.String("key", "", "`file` of the private key that signs the update")
	fresh := flag.String("genkey", "", "make a key pair, `file` and file.pub, and nothing else")
	packed := flag.Bool("gz", false, "write FILE.gz too, for download")
	flag.Parse()
	if o.Out == "" {
		o.Out = "build/viaduct-" + o.Board + ".img"
	}
	o.Log = os.Stderr
	err := genkey(*fresh)
	if *fresh == "" {
		err = run(o, *built, *trust, *key, *packed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(o image.Options, built, trust, key string, packed bool) error {
	var err error
	if trust != "" {
		if o.Trust, err = os.ReadFile(trust); err != nil {
			return err
		}
	}
	if key != "" {
		if o.Key, err = readKey(key); err != nil {
			return err
		}
	}
	if o.Release.Built, err = time.Parse(time.RFC3339, built); err != nil {
		return fmt.Errorf("build time: %w", err)
	}
	sizes, err := image.Build(o)
	if err != nil {
		return err
	}
	const mib = 1 << 20
	fmt.Printf("%s: %d MiB (kernel %.1f MiB, root %.1f MiB)\n", o.Out, sizes.Disk/mib, float64(sizes.Kernel)/mib, float64(sizes.Root)/mib)
	if packed {
		return compress(o.Out)
	}
	return nil
}

// compress writes name.gz, without a name or a time in it: it shall be the same each time.
func compress(name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(name + ".gz")
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, in)
	return errors.Join(err, z.Close(), out.Close())
}

// genkey makes a pair of keys. The private one is a seed in base64.
func genkey(name string) error {
	if name == "" {
		return nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(private.Seed()))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.WriteFile(name+".pub", []byte(base64.StdEncoding.EncodeToString(public)+"\n"), 0o644)
}

func readKey(name string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no private key", name)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
