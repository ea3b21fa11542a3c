package update

// InstallPath is where PID 1 answers at the unix socket that gokrazy listens on, which only root opens:
//
//	GET  /viaduct/image            the slots: Images as JSON
//	PUT  /viaduct/image[?force=1]  a bundle; the answer is a stream of Progress, one JSON object a line
//
// After a good end, POST /reboot there starts the new firmware.
const InstallPath = "/viaduct/image"

// Files of a root, in which it says what it is and whose updates it takes.
const (
	ReleaseFile = "etc/viaduct-release" // lines of a word and a value: board, version, commit, built
	KeysFile    = "etc/viaduct-update-keys"
)

// Images says what is in the slots.
type Images struct {
	Board   string `json:"board"`
	Running string `json:"running"` // "a" or "b"
	State   State  `json:"state"`
}

// Progress is a line of the answer to an installation.
type Progress struct {
	Text  string `json:"text,omitempty"`
	Done  bool   `json:"done,omitempty"`  // the last line
	Error string `json:"error,omitempty"` // in the last line
}
