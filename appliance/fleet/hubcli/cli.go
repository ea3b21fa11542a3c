// Package hubcli is the command `hub`: it sets a hub up, runs it, and manages who belongs to it.
//
// It owns the commands, their help and what they print. It does not own what they do: packages hub (the registry, the engine), steward, view and tunnel
// do. Commands that change something leave a line in the node's audit trail. `run` starts one steward for each customer, and the page; it waits for all.
package hubcli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"

	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/printable"
)

// Streams are those of the process.
type Streams struct {
	In  io.Reader
	Out io.WriteCloser
	Err io.Writer
}

// command is one of `hub`.
type command struct {
	name string // one word or two
	args string // what follows the flags
	help string
	// make declares the flags and returns what runs.
	make func(flags *flag.FlagSet) func(*call) error
}

// call is a command that somebody has typed.
type call struct {
	Streams
	ctx  context.Context
	args []string
	dir  string
}

func commands() []command {
	return []command{
		{"init", "", "make the folder of a new hub, or one folder for each of its three nodes", initHub},
		{"run", "", "serve boxes and operators", run},
		{"show", "", "the hub's ID for issuers of licenses, its pin and its nodes, and the lines for a box", show},
		{"unit", "", "the service of systemd that runs the node", showUnit},
		{"customer add", "NAME", "take a customer: its boxes, operators and licenses are apart from those of others", addCustomer},
		{"customer list", "", "the customers", listCustomers},
		{"customer remove", "NAME", "end a customer and delete what the hub keeps of it", removeCustomer},
		{"box add", "[FILE]", "take a box, by the key file that `show fleet key` prints there; without FILE it is read from the standard input", addBox},
		{"box list", "", "the boxes, their keys and what they may have of the pools", listBoxes},
		{"box set", "NAME", "change what a box may have of the pools", setBox},
		{"box key", "[FILE]", "take the new key of a box; the old one ends", keyBox},
		{"box revoke", "NAME", "cut a box off for good", revokeBox},
		{"operator add", "NAME", "take an operator, and print the credentials for the operator's own machine, which are secret", addOperator},
		{"operator list", "", "the operators", listOperators},
		{"operator revoke", "NAME", "cut an operator off", revokeOperator},
		{"authority add", "NAME KEY", "believe an issuer of licenses besides those that are built in", addAuthority},
		{"authority list", "", "the issuers of licenses besides those that are built in", listAuthorities},
		{"license id", "", "what issuers bind license keys of the hub's pools to, as the serial number of a system", licenseID},
		{"license add", "[KEY]", "put a license key into the customer's pool; without KEY it is read from the standard input", addLicense},
		{"license show", "", "the pools and their keys", showLicenses},
		{"boxes", "", "how the boxes are: those first that need somebody", boxes},
		{"alarms", "[follow]", "what boxes have said of their alarms, and with follow what they say from now on", alarms},
		{"calls", "[follow]", "the records of the boxes' calls, and with follow those that come", calls},
		{"connect", "BOX [ssh|https]", "join standard input and output with a service of a box, as ProxyCommand of ssh", connect},
	}
}

// Main runs one command and returns the exit status of the process.
func Main(ctx context.Context, args []string, s Streams) int {
	c, rest := find(args)
	if c == nil {
		words := slices.DeleteFunc(slices.Clone(args), func(word string) bool { return slices.Contains([]string{"-h", "-help", "--help", "help"}, word) })
		if len(words) < len(args) {
			usage(s.Out, words)
			return 0
		}
		if len(args) > 0 {
			fmt.Fprintf(s.Err, "hub: there is no command %q; these there are:\n", printable.Text(strings.Join(args, " ")))
		}
		usage(s.Err, args)
		return 2
	}
	err := c.run(ctx, rest, s)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintf(s.Err, "hub: %v; `hub %s -h` tells how it is used\n", err, c.name)
		return 2
	}
	fmt.Fprintf(s.Err, "hub: %s\n", printable.Lines(err.Error()))
	return 1
}

// find takes the longest name that fits.
func find(args []string) (*command, []string) {
	for _, words := range []int{2, 1} {
		if len(args) < words {
			continue
		}
		name := strings.Join(args[:words], " ")
		for _, c := range commands() {
			if c.name == name {
				return &c, args[words:]
			}
		}
	}
	return nil, nil
}

func usage(w io.Writer, args []string) {
	about := ""
	if len(args) > 0 {
		about = args[0] + " "
	}
	all := commands()
	var some []command
	for _, c := range all {
		if strings.HasPrefix(c.name, about) {
			some = append(some, c)
		}
	}
	if len(some) == 0 {
		some = all
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range some {
		fmt.Fprintf(t, "  hub %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	}
	t.Flush()
	fmt.Fprintln(w, "`hub COMMAND -h` tells the flags of one.")
}

// usageError is a command that was typed wrongly.
type usageError string

func (e usageError) Error() string { return string(e) }

// run parses the flags, which may stand before, between and after the other words.
func (c *command) run(ctx context.Context, args []string, s Streams) error {
	flags := flag.NewFlagSet("hub "+c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("dir", cmp.Or(os.Getenv("HUB_DIR"), standard), "`folder` of the node; the environment variable HUB_DIR sets another default")
	do := c.make(flags)
	call := &call{Streams: s, ctx: ctx}
	for {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(s.Out, "hub %s: %s.\n\n  hub %s\n\n", c.name, c.help, strings.TrimSpace(c.name+" [flags] "+c.args))
			flags.SetOutput(s.Out)
			flags.PrintDefaults()
			return err
		} else if err != nil {
			return usageError(printable.Text(err.Error()))
		}
		if flags.NArg() == 0 {
			break
		}
		call.args, args = append(call.args, flags.Arg(0)), flags.Args()[1:]
	}
	least, most := 0, 0
	for word := range strings.FieldsSeq(c.args) {
		if most++; word[0] != '[' {
			least++
		}
	}
	switch {
	case len(call.args) < least:
		return usageError(c.args + " is missing")
	case len(call.args) > most:
		return usageError(fmt.Sprintf("%q is one word too many", printable.Text(call.args[most])))
	}
	call.dir = *dir
	return do(call)
}

// arg is a word, "" when it was left out.
func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// printf prints.
func (c *call) printf(format string, values ...any) { fmt.Fprintf(c.Out, format, values...) }

// table prints lines of columns.
func (c *call) table(head string, rows func(row func(columns ...any))) {
	t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(head, "|", "\t"))
	rows(func(columns ...any) {
		texts := make([]string, len(columns))
		for i, c := range columns {
			texts[i] = cmp.Or(printable.Line(fmt.Sprint(c)), "-")
		}
		fmt.Fprintln(t, strings.Join(texts, "\t"))
	})
	t.Flush()
}

// read is the standard input, or a file.
func (c *call) read(file string) (string, error) {
	const most = 64 << 10
	in := c.In
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	return string(text), err
}

// registry opens the node and its registry.
func (c *call) registry() (*hub.Node, *hub.Registry, error) {
	n, err := hub.Open(c.dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := n.Registry(c.ctx)
	return n, r, err
}

// change runs what changes the registry. The trail has a line of it, whether it succeeds or not.
func (c *call) change(what string, f func(*hub.Node, *hub.Registry) error) error {
	n, r, err := c.registry()
	if err != nil {
		return err
	}
	defer r.Close()
	err = f(n, r)
	said := what
	if err != nil {
		said += ": failed: " + err.Error()
	}
	return errors.Join(err, n.Audit(who(), said))
}

// who is the user who works here, also through sudo.
func who() string {
	name := os.Getenv("SUDO_USER")
	if name != "" && os.Geteuid() == 0 {
		return name + "(sudo)"
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid-%d", os.Getuid())
}

// customerFlag is of commands that work for one customer.
func customerFlag(flags *flag.FlagSet) *string {
	return flags.String("customer", hub.DefaultCustomer, "`name` of the customer")
}

// listing lists the registry.
func (c *call) listing() (*hub.Listing, error) {
	_, r, err := c.registry()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.List(c.ctx)
}

// customer lists the registry, and one customer of it.
func (c *call) customer(name string) (*hub.Customer, *hub.Listing, error) {
	l, err := c.listing()
	if err != nil {
		return nil, nil, err
	}
	if l.Customers[name] == nil {
		return nil, nil, fmt.Errorf("there is no customer %q: `hub customer list` names those that there are", name)
	}
	return l.Customers[name], l, nil
}
