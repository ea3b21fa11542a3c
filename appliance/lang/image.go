package lang

import (
	"errors"
	"fmt"
	"strings"

	"viaduct/appliance/release"
	"viaduct/appliance/status"
)

// Images of the firmware: `copy URL flash:`, `install-image`, `show system images`.

// imageByHand says how an image gets into the box, to whoever tries to paste one.
const imageByHand = "An image is a file. Send it from where it is: ssh NAME@BOX install-image < FILE\n" +
	"or let the box fetch it: copy https://HOST/PATH flash:"

func (c *call) fetchImage(from string, force bool) error {
	if !isURL(from) {
		return errors.New("only an image from http://HOST/PATH or https://HOST/PATH is copied to flash:; see install-image for one from ssh")
	}
	c.live()
	return c.installed(c.box.FetchImage(c.ctx, from, force, c.report))
}

type forced struct{ Force bool }

func installImage(c *call, a *forced) error {
	if c.session.File == nil {
		c.result.Collect = &Collect{Prompt: imageByHand, Kind: "file"}
		return nil
	}
	c.live()
	return c.installed(c.box.InstallImage(c.ctx, c.session.File, a.Force, c.report))
}

func (c *call) report(line string) { c.printf("%s\n", line) }

// installed says what has become of an installation, and what comes next.
func (c *call) installed(err error) error {
	if err != nil {
		return fmt.Errorf("image not installed: %w", err)
	}
	c.printf("The image is installed. `reload` restarts the box with it and ends calls, `reload graceful` waits for them.\n" +
		"It is on trial then: when it does not come up well, the box goes back to the present one by itself.\n")
	return nil
}

func showImages(c *call, _ *none) error {
	images, err := c.box.Images(c.ctx)
	if err != nil {
		return err
	}
	c.printf("Board: %s\n\n", images.Board)
	rows := [][]string{{"Slot", "Version", "Commit", "Built (UTC)", "State"}}
	for _, i := range images.Slots {
		built := "-"
		if !i.Built.IsZero() {
			built = strings.TrimSuffix(release.Time(i.Built), " UTC") // as wide as the screen allows
		}
		rows = append(rows, []string{i.Slot, dash(i.Version), dash(shortCommit(i.Commit)), built, stateOf(i)})
	}
	c.page().Columns(rows)
	return nil
}

// stateOf says in words how a slot does.
func stateOf(i status.Image) string {
	switch {
	case i.Running && i.Trial:
		return fmt.Sprintf("running, on trial: start %d of %d", i.Tries, i.MaxTries)
	case i.Running && i.Next:
		return "running, confirmed; starts next"
	case i.Running:
		return "running, confirmed"
	case i.Version == "":
		return "empty"
	case i.Failed:
		return fmt.Sprintf("failed: did not come up well in %d starts", i.MaxTries)
	case i.Next && i.Trial:
		return fmt.Sprintf("starts next, on trial: %d tries", i.MaxTries)
	case i.Next:
		return "starts next"
	}
	return "kept"
}

// shortCommit is as much of a commit's hash as tells it from others.
func shortCommit(commit string) string { return commit[:min(len(commit), 12)] }
