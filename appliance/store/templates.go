package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"viaduct/appliance/flash"
)

// Files of the provisioning of phones: templates of an administrator, and the addresses of phones.
const (
	templateFolder = "templates"
	addressesFile  = "phone-addresses"
)

// templateName keeps names within the folder.
var templateName = regexp.MustCompile(`^[a-z-]{1,32}$`)

// ProvisioningTemplate returns a template that was imported, nil when none was.
func (s *Store) ProvisioningTemplate(name string) ([]byte, error) {
	if !templateName.MatchString(name) {
		return nil, fmt.Errorf("%q is no template", name)
	}
	return s.optional(filepath.Join(templateFolder, name), "template "+name)
}

// SaveProvisioningTemplate keeps a template.
func (s *Store) SaveProvisioningTemplate(name string, text []byte) error {
	if !templateName.MatchString(name) {
		return fmt.Errorf("%q is no template", name)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, templateFolder, name), text, 0o644)
}

// EraseProvisioningTemplate forgets it. It is no error when there is none.
func (s *Store) EraseProvisioningTemplate(name string) error {
	if !templateName.MatchString(name) {
		return fmt.Errorf("%q is no template", name)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Remove(filepath.Join(s.dir, templateFolder, name))
}

// provisioningTemplates are all that were imported.
func (s *Store) provisioningTemplates() (map[string][]byte, error) {
	list, err := os.ReadDir(filepath.Join(s.dir, templateFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a read-only medium may lack the folder
		return nil, fmt.Errorf("read templates: %w", err)
	}
	all := map[string][]byte{}
	for _, f := range list {
		if !templateName.MatchString(f.Name()) {
			continue
		}
		text, err := s.ProvisioningTemplate(f.Name())
		if err != nil {
			return nil, err
		}
		all[f.Name()] = text
	}
	return all, nil
}

// LoadPhoneAddresses passes on what is kept of the addresses of phones. A file that parse refuses is put aside.
func (s *Store) LoadPhoneAddresses(parse func(text []byte) error) error {
	return s.load(addressesFile, parse)
}

// SavePhoneAddresses keeps them. A backup leaves them out: phones fix their addresses anew at another box.
func (s *Store) SavePhoneAddresses(text []byte) error { return s.save(addressesFile, text) }
