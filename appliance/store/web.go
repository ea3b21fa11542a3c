package store

import (
	"path/filepath"

	"viaduct/appliance/flash"
)

// WebCertificate returns the certificate of the web page that the box has made, and its key, in PEM; nil: it has made none.
func (s *Store) WebCertificate() ([]byte, error) { return s.optional(webFile, "web certificate") }

// SaveWebCertificate keeps them. A backup leaves them out: another box makes its own.
func (s *Store) SaveWebCertificate(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, webFile), text, 0o600)
}
