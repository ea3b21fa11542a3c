package board

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// bitmap is what the kernel prints of these keys.
func bitmap(keys ...int) string {
	const size = 8 * int(unsafe.Sizeof(uintptr(0)))
	words := make([]uint64, 1024/size)
	for _, k := range keys {
		words[k/size] |= 1 << (k % size)
	}
	var list []string
	for i := len(words) - 1; i >= 0; i-- {
		if words[i] != 0 || len(list) > 0 {
			list = append(list, strconv.FormatUint(words[i], 16))
		}
	}
	return strings.Join(list, " ") + "\n"
}

func TestTheResetButtonIsFound(t *testing.T) {
	root := machine(t, map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B"}, nil)
	input := func(event, device, keys string) {
		dir := filepath.Join(root, "sys/devices", device)
		name := filepath.Join(root, "sys/class/input", event)
		if err := os.MkdirAll(filepath.Join(dir, "capabilities"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "capabilities/key"), []byte(keys), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(dir, filepath.Join(name, "device")); err != nil {
			t.Fatal(err)
		}
	}
	box := detect(root).(*box)
	if name, err := box.buttonDevice(); name != "" || err != nil {
		t.Errorf("without any: %q, %v", name, err)
	}
	input("event0", "platform/soc/usb1/input/input0", bitmap(keyRestart, 30)) // a keyboard
	input("event1", "platform/gpio-keys/input/input1", bitmap(116))           // a power button
	if name, err := box.buttonDevice(); name != "" || err != nil {
		t.Errorf("with a keyboard and a power button: %q, %v", name, err)
	}
	input("event2", "platform/gpio-keys-reset/input/input2", bitmap(keyRestart))
	if name, err := box.buttonDevice(); name != filepath.Join(root, "dev/input/event2") || err != nil {
		t.Errorf("found %q, %v", name, err)
	}
	sim, _ := Named("sim")
	if err := sim.ResetButton(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestTheResetButtonMustBeHeld(t *testing.T) {
	name := filepath.Join(t.TempDir(), "event")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	press, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer press.Close()
	key := func(code uint16, values ...int32) { // at once
		var b bytes.Buffer
		for _, value := range values {
			b.Write(make([]byte, eventSize-8))
			binary.Write(&b, binary.NativeEndian, uint16(1))
			binary.Write(&b, binary.NativeEndian, code)
			binary.Write(&b, binary.NativeEndian, value)
		}
		if _, err := press.Write(b.Bytes()); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const hold = 300 * time.Millisecond
	held, done := make(chan time.Time, 10), make(chan error, 1)
	go func() { done <- watchButton(ctx, f, hold, func() { held <- time.Now() }) }()
	key(keyRestart, 1, 0) // too short
	key(30, 1)            // another key
	time.Sleep(2 * hold)
	if len(held) > 0 {
		t.Fatal("a short press was enough")
	}
	pressed := time.Now()
	key(keyRestart, 1)
	key(keyRestart, 2) // the kernel repeats it
	if at := <-held; at.Sub(pressed) < hold {
		t.Errorf("after %v", at.Sub(pressed))
	}
	time.Sleep(hold)
	key(keyRestart, 0)
	cancel()
	if err := <-done; err != nil || len(held) > 0 {
		t.Errorf("%v, %d more", err, len(held))
	}
}
