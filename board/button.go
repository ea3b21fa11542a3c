package board

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// ResetHold is how long the button must be held for a factory reset, so that it does not happen by chance.
const ResetHold = 10 * time.Second

// keyRestart is the code that device trees give to reset buttons (KEY_RESTART of linux/input-event-codes.h).
const keyRestart = 0x198

// ResetButton calls held when the box's reset button was held for ResetHold, once, without waiting for its release, until ctx ends.
// A box without a button returns nil at once.
func (b *box) ResetButton(ctx context.Context, held func()) error {
	name, err := b.buttonDevice()
	if err != nil || name == "" {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open reset button: %w", err)
	}
	return watchButton(ctx, f, ResetHold, held)
}

// buttonDevice is the input device whose driver has a key for a restart, "" when there is none.
func (b *box) buttonDevice() (string, error) {
	if b.sim {
		return "", nil
	}
	class := filepath.Join(b.root, "sys/class/input")
	entries, err := os.ReadDir(class)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find reset button: %w", err)
	}
	for _, e := range entries {
		keys, err := os.ReadFile(filepath.Join(class, e.Name(), "device/capabilities/key"))
		if err == nil && strings.HasPrefix(e.Name(), "event") && hasKey(string(keys), keyRestart) && onBoard(filepath.Join(class, e.Name())) {
			return filepath.Join(b.root, "dev/input", e.Name()), nil
		}
	}
	return "", nil
}

// onBoard reports whether an input device is soldered in: a keyboard that is plugged in has a key for a restart, too.
func onBoard(name string) bool {
	path, err := filepath.EvalSymlinks(filepath.Join(name, "device"))
	return err == nil && !strings.Contains(path, "/usb") && strings.Contains(path, "gpio")
}

// hasKey reads a bitmap as the kernel prints it: hexadecimal words of the machine's size, the highest first, leading zeros left out.
func hasKey(bitmap string, key int) bool {
	words := strings.Fields(bitmap)
	const size = 8 * int(unsafe.Sizeof(uintptr(0)))
	at := len(words) - 1 - key/size
	if at < 0 {
		return false
	}
	word, err := strconv.ParseUint(words[at], 16, 64)
	return err == nil && word>>(key%size)&1 == 1
}

// eventSize is that of struct input_event: two longs of time, type, code, value.
const eventSize = 2*int(unsafe.Sizeof(uintptr(0))) + 8

// watchButton reads input events until ctx ends, and closes f.
func watchButton(ctx context.Context, f *os.File, hold time.Duration, held func()) error {
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer func() {
		if stop() {
			f.Close()
		}
	}()
	var once sync.WaitGroup
	defer once.Wait()
	var timer *time.Timer
	release := func() {
		if timer != nil && timer.Stop() {
			once.Done()
		}
		timer = nil
	}
	defer release()
	buf := make([]byte, eventSize)
	for {
		if _, err := f.Read(buf); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read reset button: %w", err)
		}
		const keys = 1
		event := buf[eventSize-8:]
		if binary.NativeEndian.Uint16(event) != keys || binary.NativeEndian.Uint16(event[2:]) != keyRestart {
			continue
		}
		switch value := int32(binary.NativeEndian.Uint32(event[4:])); {
		case value == 0:
			release()
		case value == 1 && timer == nil:
			once.Add(1)
			timer = time.AfterFunc(hold, func() { defer once.Done(); held() })
		}
	}
}
