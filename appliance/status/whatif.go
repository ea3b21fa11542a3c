package status

import "time"

// WhatIf is how recorded calls would go under another configuration.
type WhatIf struct {
	Since    time.Time     `json:"since"`
	Calls    int           `json:"calls"`     // that were replayed
	Same     int           `json:"same"`      // they would go as they go now
	TooOld   int           `json:"too_old"`   // records of a version that does not say enough
	NotAsked int           `json:"not_asked"` // the time was up before them
	Groups   []WhatIfGroup `json:"groups"`    // the largest first
}

// WhatIfGroup are calls that would go in another way, all in the same one.
type WhatIfGroup struct {
	Change    WhatIfChange `json:"change"`
	Text      string       `json:"text"`
	Calls     int          `json:"calls"`
	Emergency int          `json:"emergency,omitempty"` // among them
	Example   struct {
		ID      string    `json:"id"`
		Started time.Time `json:"started"`
		Calling string    `json:"calling"`
		Called  string    `json:"called"`
		Now     string    `json:"now"`
		Then    string    `json:"then"`
	} `json:"example"`
}

// WhatIfChange is what would be different.
type WhatIfChange string

const (
	WouldBeRefused   WhatIfChange = "refused"
	WouldBeAccepted  WhatIfChange = "accepted"  // it is refused now
	WouldGoElsewhere WhatIfChange = "elsewhere" // to other interfaces, or to them in another order
	WouldCallAnother WhatIfChange = "number"    // it would be another number that is called
	WouldShowAnother WhatIfChange = "caller"    // or another caller that is shown
)
