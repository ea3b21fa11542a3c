// Command bare stands in for programs of the box in images of BenchmarkStart. It says on the serial line when it runs, and nothing else. As
// sbcd it also tells the steps of PID 1, and where there is a program /user/real, how long that takes to say its version: three times, as the
// emulator has to translate it for the first only.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"

	"viaduct/appliance/timeline"
)

func main() {
	var start timeline.Timeline
	start.Done("main")
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	steps := flags.String("steps", "", "")
	for _, name := range []string{"state", "socket", "console-uid", "alarm"} {
		flags.String(name, "", "")
	}
	line := os.Stdout
	if os.Getpid() != 1 {
		if flags.Parse(os.Args[1:]) != nil {
			select {} // in place of consoled
		}
		var err error
		if line, err = os.OpenFile("/dev/ttyAMA0", os.O_WRONLY, 0); err != nil {
			os.Exit(1)
		}
		if err := start.Read(*steps); err != nil {
			fmt.Fprintf(line, "%v\r\n", err)
		}
	}
	if said, err := timeline.KernelLog(); err == nil {
		start.Kernel(said)
	}
	fmt.Fprintf(line, "bare: %v.\r\n", start.Steps())
	if _, err := os.Stat("/user/real"); err == nil {
		time.Sleep(5 * time.Second) // PID 1 has work of its own at first
		for _, name := range []string{"cold", "warm", "again"} {
			began := time.Now()
			err := exec.Command("/user/real", "-version").Run()
			fmt.Fprintf(line, "real: %s %.2f %v.\r\n", name, time.Since(began).Seconds(), err)
		}
	}
	select {}
}
