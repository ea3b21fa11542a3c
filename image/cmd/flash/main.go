// Command flash writes an image to a medium and reads it back. See docs/image.md.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	force := flag.Bool("force", false, "write to a disk that is mounted or cannot be pulled out too")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: flash [-force] IMAGE DEVICE")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), *force); err != nil {
		fmt.Fprintln(os.Stderr, "flash:", err)
		os.Exit(1)
	}
}

func run(imageName, device string, force bool) error {
	img, err := os.Open(imageName)
	if err != nil {
		return err
	}
	defer img.Close()
	info, err := img.Stat()
	if err != nil {
		return err
	}
	d, err := findDisk("/", device)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", device, d)
	if err := d.refuse(info.Size(), force); err != nil {
		return err
	}
	// O_EXCL fails while the kernel itself uses the disk.
	flags := os.O_RDWR
	if !force {
		flags |= os.O_EXCL
	}
	out, err := os.OpenFile(device, flags, 0)
	if err != nil {
		return err
	}
	err = write(out, img, info.Size())
	if err == nil {
		// What was written must come from the medium now.
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, out.Fd(), unix.BLKFLSBUF, 0); errno != 0 {
			err = fmt.Errorf("drop the cache of %s: %w", device, errno)
		}
	}
	if err == nil {
		err = verify(out, img, info.Size())
	}
	if err == nil {
		// The host's own view of the partitions; it may be in use, which does no harm.
		unix.Syscall(unix.SYS_IOCTL, out.Fd(), unix.BLKRRPART, 0)
	}
	return errors.Join(err, out.Close())
}

const step = 4 << 20

// write copies the image, zeros too: they say that the data partition is not formatted yet.
func write(out, img *os.File, size int64) error {
	p := progress{what: "writing", size: size, start: time.Now()}
	buf := make([]byte, step)
	for at := int64(0); at < size; {
		n, err := io.ReadFull(img, buf[:min(step, size-at)])
		if err != nil {
			return fmt.Errorf("read image: %w", err)
		}
		if _, err := out.WriteAt(buf[:n], at); err != nil {
			return err
		}
		at += int64(n)
		if at%(64<<20) == 0 {
			if err := out.Sync(); err != nil { // else the bar is at its end long before the card
				return err
			}
		}
		p.show(at)
	}
	p.end()
	return out.Sync()
}

// verify reads the medium and compares it with the image.
func verify(out, img *os.File, size int64) error {
	p := progress{what: "checking", size: size, start: time.Now()}
	want, got := make([]byte, step), make([]byte, step)
	for at := int64(0); at < size; {
		n := min(step, size-at)
		if _, err := img.ReadAt(want[:n], at); err != nil {
			return fmt.Errorf("read image: %w", err)
		}
		if _, err := out.ReadAt(got[:n], at); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		if !bytes.Equal(want[:n], got[:n]) {
			p.end()
			return fmt.Errorf("the medium is bad: between MiB %d and %d it returns other data than was written", at>>20, (at+n)>>20)
		}
		at += n
		p.show(at)
	}
	p.end()
	return nil
}

// progress is a bar on the terminal.
type progress struct {
	what  string
	size  int64
	start time.Time
}

func (p progress) show(at int64) {
	const width = 40
	done := int(at * width / p.size)
	rate := float64(at) / (1 << 20) / max(time.Since(p.start).Seconds(), 0.001)
	fmt.Printf("\r%-9s[%-*s] %3d%%  %6.1f MiB/s ", p.what, width, bytes.Repeat([]byte("="), done), at*100/p.size, rate)
}

func (p progress) end() { fmt.Println() }
