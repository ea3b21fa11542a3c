package main

import (
	"bytes"
	"os"
	"sync"
)

// journalMax is the most that /run/init.log holds, in bytes: it lies in memory, and a box runs for years.
const journalMax = 256 << 10

// journal is where log lines go: memory until there is a file system to write to, then a file, which begins anew when it is
// full.
type journal struct {
	mu      sync.Mutex
	waiting bytes.Buffer
	file    *os.File
	size    int
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return j.waiting.Write(p)
	}
	if j.size+len(p) > journalMax {
		if err := j.file.Truncate(0); err != nil {
			return 0, err
		}
		j.size = 0
	}
	n, err := j.file.Write(p)
	j.size += n
	return n, err
}

// to writes what is waiting, and all that follows, to a file.
func (j *journal) to(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	j.size, err = f.Write(j.waiting.Bytes())
	j.waiting.Reset()
	j.file = f
	return err
}

// text is what has not reached a file.
func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting.String()
}
