package hub

import (
	"fmt"
	"os"
	"time"

	"viaduct/appliance/printable"
)

// Audit adds a line to the node's trail: when, who, what. Nothing of it is ever changed here.
func (n *Node) Audit(who, what string) error {
	f, err := os.OpenFile(n.path(fileAudit), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit trail: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s %s %s\n", time.Now().UTC().Format(time.RFC3339), printable.Line(who), printable.Line(what))
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("write the audit trail: %w", err)
	}
	return nil
}
