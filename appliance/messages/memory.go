package messages

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// none is the index of nothing.
const none int32 = -1

// places are the indexes of an array that nothing uses. Those from fresh on were never used: their memory is not touched before.
type places struct {
	head  int32 // the first that was given back; each names the next
	fresh int32
	left  int
}

func newPlaces(n int) places { return places{head: none, left: n} }

// memory is allocated outside the heap: the collector lets the heap grow by a multiple of what lies there.
type memory struct{ rest []byte }

// newMemory allocates memory for as long as the store lives.
func newMemory(s *Store, octets int) memory {
	m, err := unix.Mmap(-1, 0, octets, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return memory{make([]byte, octets)}
	}
	runtime.AddCleanup(s, func(m []byte) { unix.Munmap(m) }, m)
	return memory{m}
}

const alignment = 8

// sizeOf is how much an array takes.
func sizeOf[T any](n int) int {
	var t T
	return (n*int(unsafe.Sizeof(t)) + alignment - 1) &^ (alignment - 1)
}

// array takes one off the memory. T has no pointers: the collector does not look there.
func array[T any](m *memory, n int) []T {
	size := sizeOf[T](n)
	p := unsafe.Pointer(unsafe.SliceData(m.rest[:size]))
	m.rest = m.rest[size:]
	return unsafe.Slice((*T)(p), n)
}
