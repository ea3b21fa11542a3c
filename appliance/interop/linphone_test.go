package interop

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"viaduct/appliance/lab"
)

// linphone is the phone of the Linphone project, without a sound card: it plays one file and records what it hears into another. It reads
// commands from its standard input.
type linphone struct {
	*setting
	*lab.Process
	input io.Writer
	dir   string
}

// linphone starts one. Lines are those of its configuration (linphonerc).
func (s *setting) linphone(where *lab.Namespace, hz int, lines string) *linphone {
	s.Helper()
	p := &linphone{setting: s, dir: filepath.Join(s.dir, where.Name)}
	for _, dir := range []string{p.dir, filepath.Join(p.dir, ".local/share/linphone")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			s.Fatal(err)
		}
	}
	s.file(where.Name+"/tone.wav", lab.WAV(hz, -10, limit))
	rc := s.file(where.Name+"/linphonerc", lines)
	cmd := s.command("linphonec", "-a", "-c", rc)
	cmd.Env = append(os.Environ(), "HOME="+p.dir)
	var err error
	if p.input, err = cmd.StdinPipe(); err != nil {
		s.Fatal(err)
	}
	p.Process = s.start(where, cmd)
	p.does("soundcard use files\nplay " + p.dir + "/tone.wav\nrecord " + p.dir + "/heard.wav")
	s.listens6(p.Process, "udp", 5060)
	return p
}

// listens6 waits until a process has a socket of IPv6 at a port, as those have that serve IPv4 as well.
func (s *setting) listens6(p *lab.Process, protocol string, port uint16) {
	s.Helper()
	entry := fmt.Sprintf("%032d:%04X ", 0, port)
	s.until(fmt.Sprintf("%s listens at %s %d", p.Cmd.Path, protocol, port), func() bool {
		select {
		case <-p.Done():
			s.Fatalf("%s ended: %v", p.Cmd.Path, p.Wait())
		default:
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s6", p.Cmd.Process.Pid, protocol))
		return err == nil && strings.Contains(string(text), entry)
	})
}

func (p *linphone) does(command string) {
	p.Helper()
	if _, err := io.WriteString(p.input, command+"\n"); err != nil {
		p.Fatalf("%s: %v", command, err)
	}
}

func (p *linphone) recorded() []byte {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "heard.wav"))
	if err != nil && !os.IsNotExist(err) {
		p.Fatal(err)
	}
	const header = 44
	return text[min(header, len(text)) : len(text)&^1]
}

func (p *linphone) hears(hz float64) {
	p.Helper()
	p.tone(p.recorded, hz)
}

// consults puts the present call on hold and calls somebody.
func (p *linphone) consults(whom string) {
	p.Helper()
	p.does("pause")
	p.says(p.setting.dir, "linphonec", "paused")
	p.does("call sip:" + whom + "@192.168.1.1")
}

// idle waits until the phone itself has no call.
func (p *linphone) idle() {
	p.Helper()
	p.until("linphone has no call", func() bool {
		said := p.said(p.setting.dir, "linphonec")
		return strings.Count(said, "assigned id") == strings.Count(said, " ended (")
	})
}
