package flash

import (
	"bytes"
	"fmt"
	"os"
	"slices"
)

// Last returns the last n lines, oldest first, without their newlines; fewer when there are fewer. A file that cannot be read is
// left out when another can.
func (l *Log) Last(n int) ([][]byte, error) {
	files, err := l.Files()
	if err != nil {
		return nil, err
	}
	var lines [][]byte // newest first
	var unread error
	read := 0
	for _, name := range slices.Backward(files) {
		text, err := os.ReadFile(name)
		if err != nil {
			unread = fmt.Errorf("read log: %w", err)
			continue
		}
		read++
		for len(text) > 0 && len(lines) < n {
			text = bytes.TrimSuffix(text, []byte("\n"))
			start := bytes.LastIndexByte(text, '\n') + 1
			lines = append(lines, text[start:])
			text = text[:start]
		}
		if len(lines) == n {
			break
		}
	}
	if read == 0 && unread != nil {
		return nil, unread
	}
	slices.Reverse(lines)
	return lines, nil
}
