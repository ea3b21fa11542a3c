// Command mkimage builds the image of a board: see docs/image.md.
package main

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"viaduct/image"
)

func main() {
	var o image.Options
	flag.StringVar(&o.Board, "board", "", "board `name`: "+strings.Join(image.Boards(), ", "))
	flag.StringVar(&o.Out, "out", "", "image `file` to write (default build/viaduct-BOARD.img)")
	flag.StringVar(&o.EFI, "efi", "", "`file` of the boot loader for EFI, put into the image when given; uefi-arm64 needs it")
	flag.StringVar(&o.Release.Version, "version", "development", "version that `show version` tells")
	flag.StringVar(&o.Release.Commit, "commit", "unknown", "commit that it was built from")
	built := flag.String("built", "", "`time` of the commit, RFC 3339")
	packed := flag.Bool("gz", false, "write FILE.gz too, for download")
	flag.Parse()
	if o.Out == "" {
		o.Out = "build/viaduct-" + o.Board + ".img"
	}
	o.Log = os.Stderr
	if err := run(o, *built, *packed); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(o image.Options, built string, packed bool) error {
	var err error
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
