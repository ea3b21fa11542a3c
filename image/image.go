package image

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"viaduct/image/update"
)

// Options of a build.
type Options struct {
	Board   string // profile: see Boards
	Release Release
	EFI     string             // file: a boot loader for EFI that reads loader/entries (systemd-boot); uefi-arm64 needs it
	Out     string             // image file to write; "": none
	Bundle  string             // update to write; "": none
	Key     ed25519.PrivateKey // signs the update
	Trust   []byte             // public keys whose updates the box takes, see update.ParseKeys; empty: it takes none
	Dir     string             // folder inside the module, where the go command runs; "" is the present one
	Log     io.Writer          // what the go command says; nil: nothing
}

// Release is what `show version` tells.
type Release struct {
	Version, Commit string
	Built           time.Time // also the time of all files in the image, and the least that the box's clock can show
}

// Sizes of the parts of an image, in bytes.
type Sizes struct {
	Kernel, Root, Disk int
}

// Build writes the image.
func Build(o Options) (Sizes, error) {
	fail := func(err error) (Sizes, error) { return Sizes{}, fmt.Errorf("build image for %s: %w", o.Board, err) }
	profile, err := boardNamed(o.Board)
	if err != nil {
		return Sizes{}, err
	}
	if o.Release.Built.Year() < 1980 || o.Release.Built.Year() > 2100 { // FAT knows no earlier one, SquashFS hardly a later one
		return fail(fmt.Errorf("build time %v is not possible", o.Release.Built))
	}
	host := toolchain{dir: o.Dir, log: o.Log}
	if _, err := update.ParseKeys(string(o.Trust)); err != nil {
		return fail(err)
	}
	if o.Bundle != "" && len(o.Key) != ed25519.PrivateKeySize {
		return fail(errors.New("an update wants a key to sign it"))
	}
	programs, err := os.MkdirTemp("", "viaduct-image")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(programs)
	if err := host.build(programs, o.Release, allShipped()); err != nil {
		return fail(err)
	}
	sizes, err := assemble(profile, o, programs)
	if err != nil {
		return fail(err)
	}
	return sizes, nil
}

// assemble puts the image together from the folder where its programs are.
func assemble(profile boardProfile, o Options, programs string) (Sizes, error) {
	host := toolchain{dir: o.Dir, log: o.Log}
	module, err := host.module(profile.kernel)
	if err != nil {
		return Sizes{}, err
	}
	kernel, err := os.ReadFile(filepath.Join(module, "vmlinuz"))
	if err != nil {
		return Sizes{}, err
	}
	rootTree, err := rootFiles(profile, o.Release, programs, o.Trust)
	if err != nil {
		return Sizes{}, err
	}
	root, err := writeSquashFS(rootTree, o.Release.Built)
	if err != nil {
		return Sizes{}, err
	}
	sizes := Sizes{Kernel: len(kernel), Root: len(root), Disk: diskSize}
	if o.Bundle != "" {
		if err := writeBundle(o, root, kernel); err != nil {
			return Sizes{}, err
		}
	}
	if o.Out == "" {
		return sizes, nil
	}
	bootTree, err := bootFiles(profile, o.Release, host, kernel, module, o.EFI)
	if err != nil {
		return Sizes{}, err
	}
	boot, err := writeFAT16(bootTree, "VIADUCT", bootSize, bootStart/sector, o.Release.Built)
	if err != nil {
		return Sizes{}, err
	}
	if err := writeDisk(o.Out, boot, root); err != nil {
		return Sizes{}, err
	}
	return sizes, nil
}

// writeBundle writes the update to what the image would hold.
func writeBundle(o Options, root, kernel []byte) error {
	packedRoot, err := update.Pack(update.Root, root)
	if err != nil {
		return err
	}
	packedKernel, err := update.Pack(update.Kernel, kernel)
	if err != nil {
		return err
	}
	f, err := os.Create(o.Bundle)
	if err != nil {
		return err
	}
	m := update.Manifest{Board: o.Board, Version: o.Release.Version, Commit: o.Release.Commit, Built: o.Release.Built.UTC()}
	return errors.Join(update.Write(f, o.Key, m, packedRoot, packedKernel), f.Close())
}
