package console

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropPrivileges changes user and group to UID; the ports are open by then. First it gives that user its folder, the serial lines, and
// the file for orders. Of root's rights the process keeps the one to low ports, for Telnet.
func (c *console) dropPrivileges() error {
	if c.UID == 0 || os.Geteuid() != 0 {
		return nil
	}
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return fmt.Errorf("folder of the console: %w", err)
	}
	own := append([]string{}, c.Serial...)
	err := filepath.WalkDir(c.State, func(path string, _ fs.DirEntry, err error) error {
		own = append(own, path)
		return err
	})
	if err != nil {
		return fmt.Errorf("folder of the console: %w", err)
	}
	f, err := os.OpenFile(c.rescue.File(), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("file for orders: %w", err)
	}
	f.Close()
	for _, path := range append(own, c.rescue.File()) {
		if err := os.Lchown(path, c.UID, c.UID); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("own %s: %w", path, err)
		}
	}
	keep := keepCaps(1)
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("drop groups: %w", err)
	}
	if err := syscall.Setgid(c.UID); err != nil {
		return fmt.Errorf("become group %d: %w", c.UID, err)
	}
	if err := syscall.Setuid(c.UID); err != nil {
		return fmt.Errorf("become user %d: %w", c.UID, err)
	}
	if keep != nil {
		c.Log.Debug("no right to low ports is kept", "err", keep)
		return nil
	}
	return onlyLowPorts()
}

// keepCaps makes capabilities survive the change of user, in all threads; a program with C in it cannot.
func keepCaps(on uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, on, 0); errno != 0 {
		return errno
	}
	return nil
}

// onlyLowPorts gives up every capability but one.
func onlyLowPorts() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	const lowPorts = 1 << unix.CAP_NET_BIND_SERVICE
	data := [2]unix.CapUserData{{Effective: lowPorts, Permitted: lowPorts}}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}
