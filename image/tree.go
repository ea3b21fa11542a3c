package image

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// tree is the files of a file system before it is written: the root, or the boot partition.
type tree struct {
	root *entry
}

// entry is a file, a folder or a symbolic link, by mode.
type entry struct {
	name     string
	mode     fs.FileMode
	data     []byte   // of a file
	target   string   // of a symbolic link
	children []*entry // of a folder, sorted by name: both writers and two builds agree on the order
}

func newTree() *tree { return &tree{&entry{mode: fs.ModeDir | 0o755}} }

// file adds a file; the folders on its way come to be.
func (t *tree) file(name string, mode fs.FileMode, data []byte) {
	t.add(name, &entry{mode: mode.Perm(), data: data})
}

// dir adds an empty folder.
func (t *tree) dir(name string) { t.add(name, &entry{mode: fs.ModeDir | 0o755}) }

// link adds a symbolic link; its target need not exist anywhere.
func (t *tree) link(name, target string) {
	t.add(name, &entry{mode: fs.ModeSymlink | 0o777, target: target})
}

func (t *tree) add(name string, e *entry) {
	dir, base := path.Split(name)
	at := t.root
	for word := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if word != "" {
			at = at.child(word, &entry{mode: fs.ModeDir | 0o755})
		}
	}
	e.name = base
	if at.child(base, e) != e {
		panic(fmt.Sprintf("image: %s is there twice", name)) // the callers are tables of this package
	}
}

// child returns the entry of a name; when there is none, it becomes fresh.
func (e *entry) child(name string, fresh *entry) *entry {
	i, found := slices.BinarySearchFunc(e.children, name, func(c *entry, name string) int { return strings.Compare(c.name, name) })
	if !found {
		fresh.name = name
		e.children = slices.Insert(e.children, i, fresh)
	}
	return e.children[i]
}
