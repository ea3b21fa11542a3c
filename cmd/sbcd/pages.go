package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/appliance/timeline"
)

// trimTime is when the start is over at the latest.
const trimTime = time.Minute

// trimAfter returns an engine that gives back what of the program's file the start alone has touched, once it is over. Half of what the program holds of
// its file is such: tables of types that the runtime reads once, initialisation of packages that are not used (the NATS server of a pair, on a box that
// stands alone), and neighbours that the kernel maps along. It stays in the page cache while there is room, and comes back from there when it is used.
func trimAfter(start *timeline.Timeline) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for began := time.Now(); !start.Has("up") && time.Since(began) < trimTime; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
		if err := trim(); err != nil {
			fmt.Fprintln(os.Stderr, "sbcd: what the start alone has used is kept:", err)
		}
		<-ctx.Done()
		return nil
	}
}

// trim gives back the pages of the program's file.
func trim() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	parts, err := unchanged(f, program)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return errors.New("no part of the file is mapped as it is")
	}
	for _, p := range parts {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, p.from, p.to-p.from, unix.MADV_DONTNEED); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return nil
}

// part is a range of addresses.
type part struct{ from, to uintptr }

// unchanged finds in smaps where a file is mapped as it is: what cannot be written, and was not either (a linker may have the start change constants).
func unchanged(smaps io.Reader, file string) (list []part, err error) {
	var p part
	mine := false
	for lines := bufio.NewScanner(smaps); ; {
		if !lines.Scan() {
			return list, lines.Err()
		}
		words := strings.Fields(lines.Text())
		switch {
		case len(words) >= 5 && !strings.HasSuffix(words[0], ":"): // FROM-TO PERMISSIONS OFFSET DEVICE INODE [FILE]
			mine = len(words) == 6 && words[5] == file && (words[1] == "r-xp" || words[1] == "r--p")
			if mine {
				if _, err := fmt.Sscanf(words[0], "%x-%x", &p.from, &p.to); err != nil {
					return nil, fmt.Errorf("read smaps: %w", err)
				}
			}
		case mine && len(words) == 3 && words[0] == "Anonymous:" && words[1] == "0":
			list = append(list, p)
		}
	}
}
