package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/appliance/timeline"
)

const smaps = `00400000-01319000 r-xp 00000000 fe:00 10593343                           /usr/bin/sbcd
Size:              15460 kB
Anonymous:             0 kB
01319000-021fa000 r--p 00f19000 fe:00 10593343                           /usr/bin/sbcd
Anonymous:             0 kB
021fa000-02291000 rw-p 01dfa000 fe:00 10593343                           /usr/bin/sbcd
Anonymous:             0 kB
02291000-02300000 r--p 01dfa000 fe:00 10593343                           /usr/bin/sbcd
Anonymous:             8 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 10593344                   /usr/bin/other
Anonymous:             0 kB
7f0000001000-7f0000002000 r--p 00000000 00:00 0
Anonymous:             0 kB
7ffc00000000-7ffc00021000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
VmFlags: rd ex mr mw me de sd
`

func TestOnlyWhatIsAsInTheFileIsGivenBack(t *testing.T) {
	got, err := unchanged(strings.NewReader(smaps), "/usr/bin/sbcd")
	if want := []part{{0x400000, 0x1319000}, {0x1319000, 0x21fa000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
	if got, err := unchanged(strings.NewReader("x-y r-xp 0 fe:00 1 /usr/bin/sbcd\n"), "/usr/bin/sbcd"); err == nil {
		t.Errorf("nonsense is %x", got)
	}
}

func TestTheProgramGoesOnAfterItsPagesAreGivenBack(t *testing.T) {
	before := fill(t)
	if err := trim(); err != nil {
		t.Fatal(err)
	}
	if after := resident(t); after >= before {
		t.Errorf("%d pages of files, %d before", after, before)
	}
}

// fill has all pages that can be given back in memory, whatever the kernel has taken for others, and returns how many there are.
func fill(t *testing.T) (pages int) {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := unchanged(bytes.NewReader(text), program)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, p.from, p.to-p.from, unix.MADV_POPULATE_READ); errno != 0 {
			t.Fatal(errno)
		}
	}
	return resident(t)
}

// resident is how many pages of files the process has.
func resident(t *testing.T) (pages int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(text))
	for _, c := range words[2] { // size, resident, shared: those of files
		pages = 10*pages + int(c-'0')
	}
	return pages
}

func TestPagesAreGivenBackWhenTheBoxIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := &timeline.Timeline{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		before := fill(t)
		go func() { done <- trimAfter(start)(ctx) }()
		time.Sleep(trimTime / 2)
		start.Done("up")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if after := resident(t); after >= before {
			t.Errorf("%d pages of files, %d before", after, before)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
