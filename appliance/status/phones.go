package status

// Phone is an identity as which phones may register, and those that have.
type Phone struct {
	Location    string    `json:"location"` // location service
	Identity    string    `json:"identity"`
	Aliases     []string  `json:"aliases,omitempty"`
	DisplayName string    `json:"display_name,omitempty"`
	CallerID    string    `json:"caller_id"` // the calling number of its phones
	Most        int       `json:"most"`      // phones that may be registered at once
	Bindings    []Binding `json:"bindings"`
}
