package image

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var cuts = flag.Int("cuts", 2, "how often the power is cut in each of the tests of power cuts")

func TestPowerCutDuringTheFirstStart(t *testing.T) {
	for range *cuts {
		m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
		e := powerOn(t, m)
		after := 1500*time.Millisecond + rand.N(4*time.Second)
		time.Sleep(after)
		e.powerOff()
		e = powerOn(t, m)
		e.until(prompt)
		e.run("enable")
		e.run("copy running-config startup-config")
		e.powerOff()
		grown(t, m.Disk)
		if t.Failed() {
			t.Fatalf("power was cut after %v", after)
		}
	}
}

func TestPowerCutWhileSaving(t *testing.T) {
	m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
	saved := "" // the host name in the last configuration that was surely saved
	for i := range *cuts + 1 {
		e := powerOn(t, m)
		e.until(prompt)
		e.run("no terminal more")
		e.run("enable")
		if i > 0 {
			text := e.run("show startup-config")
			if before, during := fmt.Sprintf("hostname %s\r", saved), fmt.Sprintf("hostname cut%d\r", i-1); !strings.Contains(text, before) && !strings.Contains(text, during) {
				t.Fatalf("neither %q nor %q:\n%s", before, during, text)
			}
		}
		e.run("configure")
		saved = fmt.Sprintf("sure%d", i)
		e.run("system hostname " + saved)
		e.run("copy running-config startup-config")
		e.run(fmt.Sprintf("system hostname cut%d", i))
		io.WriteString(e.keys, "copy running-config startup-config\r")
		time.Sleep(rand.N(60 * time.Millisecond))
		e.powerOff()
	}
}
