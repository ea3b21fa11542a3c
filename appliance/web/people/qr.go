package people

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// code is a QR code as an image: a square of Size units, in which Path is dark.
type code struct {
	Size int
	Path string // of SVG
}

// quiet is the empty edge of a QR code, in modules (ISO/IEC 18004).
const quiet = 4

// drawn draws a text as a QR code; nil: it is too long for one.
func drawn(text string) *code {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil
	}
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			n := 0
			for x+n < c.Size && c.Black(x+n, y) {
				n++
			}
			if n > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, n, n)
				x += n
			}
		}
	}
	return &code{Size: c.Size + 2*quiet, Path: b.String()}
}
