package natswire

import (
	"bytes"
	"testing"
)

// FuzzReader reads what a server may say: it neither panics nor keeps more than the bound.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"INFO {}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'x'\r\n", "MSG a.b 2 _INBOX_x.1 3\r\nabc\r\n", "HMSG a 1 16 18\r\nNATS/1.0 503\r\n\r\nhi\r\n", "MSG a 1 900000000000000000\r\nx"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		r := NewReader(bytes.NewReader(said), 1000)
		total := 0
		for {
			o, err := r.Next()
			if err != nil {
				break
			}
			total += len(o.Data) + len(o.Subject)
		}
		if total > len(said) || cap(r.body) > 1000+headerMax+2 {
			t.Errorf("%d octets of %d, and room for %d", total, len(said), cap(r.body))
		}
	})
}
