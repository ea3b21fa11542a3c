package wire

import "time"

// Paths of the configuration.
//
//	GET  /v1/config?of=NAME&user=ACCOUNT&tty=NAME → text; the running configuration has an ETag
//	PUT  /v1/config?dry-run&merge&leave-out&keep=SECONDS&user=ACCOUNT&tty=NAME, If-Match: ETAG → ConfigReply
//	GET  /v1/config/history?user=ACCOUNT  → a list of status.SavedConfig
//	POST /v1/config/compare CompareRequest → CompareReply
//	POST /v1/config/help    ConfigHelpRequest → HelpReply
const (
	PathConfig        = "/v1/config"
	PathConfigHistory = "/v1/config/history"
	PathConfigCompare = "/v1/config/compare"
	PathConfigHelp    = "/v1/config/help"
)

// Limits of a configuration as text, and of what is said of one. Counts are of all.
const (
	MaxConfig   = MaxRequest - 64<<10 // octets
	MaxProblems = 1000
	MaxChanges  = 5000
)

// ConfigReply is what a text does to the running configuration, or would do. It also comes with a refusal.
type ConfigReply struct {
	Error    string          `json:"error,omitempty"` // why nothing was changed
	Applied  bool            `json:"applied"`         // it runs now
	Problems []ConfigProblem `json:"problems"`
	Changes  []ConfigChange  `json:"changes"` // against the running configuration
	// Reordered: there are no such changes, but lines stand in another order.
	Reordered bool         `json:"reordered,omitempty"`
	LocksOut  bool         `json:"locks_out,omitempty"` // nobody could log in over the network any more
	Counts    ConfigCounts `json:"counts"`
	// ETag is that of the running configuration at the end; Changed is who changed it last, and when.
	ETag    string      `json:"etag"`
	Changed ConfigEvent `json:"changed"`
}

// ConfigCounts are numbers of lines.
type ConfigCounts struct {
	Taken    int `json:"taken"`
	Refused  int `json:"refused"`   // not understood: they would be lost
	NoEffect int `json:"no_effect"` // understood, and nothing is kept of them: they would be lost as well
	Errors   int `json:"errors"`    // refused lines among them
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
	Come     int `json:"come"`
	Gone     int `json:"gone"`
}

// ConfigEvent is a change of the running configuration.
type ConfigEvent struct {
	Account string    `json:"account,omitempty"`
	From    string    `json:"from,omitempty"`
	Time    time.Time `json:"time,omitzero"` // zero: not since the start
}

// ConfigProblem is a problem of one line, or of several that have the same.
type ConfigProblem struct {
	Line     int    `json:"line"` // of the text, from 1; 0: it is about a line of the running configuration
	Also     []int  `json:"also,omitempty"`
	Severity string `json:"severity"` // error, warning or note
	Text     string `json:"text"`
	Source   string `json:"source,omitempty"` // the line
	Lost     bool   `json:"lost,omitempty"`   // it would not be in the running configuration
	// Fix are lines that put it right: In place of the line, below it, or at the end of the text, with the headers of their block.
	Fix   []string `json:"fix,omitempty"`
	Place string   `json:"place,omitempty"` // instead, below, end
}

// Places of a fix.
const (
	Instead = "instead"
	Below   = "below"
	AtEnd   = "end"
)

// ConfigChange is a line that only one of two configurations has. Secrets are hidden.
type ConfigChange struct {
	Block string `json:"block,omitempty"` // the lines that lead to it
	Text  string `json:"text"`
	Come  bool   `json:"come,omitempty"` // only the second one has it
}

// CompareRequest names two configurations, each by its name or as text.
type CompareRequest struct {
	User string    `json:"user,omitempty"`
	TTY  string    `json:"tty,omitempty"`
	From ConfigRef `json:"from"`
	To   ConfigRef `json:"to"`
}

// ConfigRef is running-config, startup-config, startup-config.N, factory-config, or a text.
type ConfigRef struct {
	Of   string `json:"of,omitempty"`
	Text string `json:"text,omitempty"`
}

// CompareReply is the difference.
type CompareReply struct {
	Changes []ConfigChange `json:"changes"`
	Come    int            `json:"come"`
	Gone    int            `json:"gone"`
}

// ConfigHelpRequest asks what can stand at the cursor in a line of a text.
type ConfigHelpRequest struct {
	User   string `json:"user,omitempty"`
	TTY    string `json:"tty,omitempty"`
	Text   string `json:"text"`
	Row    int    `json:"row"` // of the line, from 0
	Line   string `json:"line"`
	Cursor int    `json:"cursor"` // in bytes, 0..len(Line)
}
