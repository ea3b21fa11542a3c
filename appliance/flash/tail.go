package flash

import (
	"bytes"
	"fmt"
	"os"
	"slices"
)

// Last returns the last n lines, oldest first, without their newlines; fewer when there are fewer.
func (l *Log) Last(n int) ([][]byte, error) {
	files, err := l.Files()
	if err != nil {
		return nil, err
	}
	var lines [][]byte // newest first
	for _, name := range slices.Backward(files) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
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
	slices.Reverse(lines)
	return lines, nil
}
