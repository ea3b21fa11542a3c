package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const mailbox = "/dev/vcio"

// tryOnce asks the firmware of a Raspberry Pi to read tryboot.txt instead of config.txt at the next restart, and at that one only.
// The kernel passes messages to the firmware; this one is what its own reboot system call sends for "tryboot".
func tryOnce() error {
	f, err := os.OpenFile(mailbox, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("tell the firmware: %w", err)
	}
	defer f.Close()
	const (
		setRebootFlags = 0x00038064
		tryboot        = 1
		answered       = 1 << 31
		property       = 0xc0086400 // _IOWR(100, 0, char *)
	)
	// Size, code, then a tag: its name, the size of its value, room for the answer's size, the value; a zero ends the list.
	message := [...]uint32{7 * 4, 0, setRebootFlags, 4, 4, tryboot, 0}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), property, uintptr(unsafe.Pointer(&message))); errno != 0 {
		return fmt.Errorf("tell the firmware: %w", errno)
	}
	if message[1] != answered {
		return fmt.Errorf("tell the firmware: it answers %#x", message[1])
	}
	return nil
}
