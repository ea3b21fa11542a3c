package logs

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

// fileMax is the largest size of the file, in octets: it lies in memory.
const fileMax = 256 << 10

// File tells a console why sbcd does not answer. It outlives the process, begins anew when it is full, and gets the stacks of all
// goroutines when the process crashes. Safe for concurrent use.
type File struct {
	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenFile opens or creates the file, readable by user uid.
func OpenFile(name string, uid int) (*File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	fi, err := f.Stat()
	if err == nil && uid != 0 {
		err = f.Chown(uid, -1)
	}
	if err == nil {
		err = debug.SetCrashOutput(f, debug.CrashOptions{})
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return &File{file: f, size: fi.Size()}, nil
}

func (l *File) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > fileMax {
		if err := l.file.Truncate(0); err != nil {
			return 0, err
		}
		l.size = 0
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}
