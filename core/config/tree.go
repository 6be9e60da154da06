package config

import (
	"slices"
	"strings"
	"time"
)

// kind is what a node of a document is.
type kind uint8

const (
	kindTable kind = iota
	kindList
	kindText
	kindInteger
	kindFloat
	kindBool
	kindTime
	kindNull // YAML only
)

// String names the kind as messages do.
func (k kind) String() string {
	return [...]string{"a table", "a list", "text", "an integer", "a number", "a boolean", "a date", "nothing"}[k]
}

// node is a document, or a part of one, with places: what both TOML and YAML are read into. The rest of the
// package sees no other form of a file.
type node struct {
	kind  kind
	pos   Pos
	yaml  bool    // YAML's habits apply: any scalar is also text, $ is ordinary in secrets
	text  string  // scalars, as written; text without its quotes
	when  any     // kindTime: time.Time or go-toml's local types
	keys  []entry // tables, in order of the file
	items []*node // lists
}

// entry is a key of a table with its value.
type entry struct {
	name string
	pos  Pos
	val  *node
}

// get returns the value of a key, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.keys {
		if e.name == name {
			return e.val
		}
	}
	return nil
}

func (n *node) set(name string, at Pos, val *node) {
	n.keys = append(n.keys, entry{name, at, val})
}

func (n *node) drop(name string) {
	n.keys = slices.DeleteFunc(n.keys, func(e entry) bool { return e.name == name })
}

// value returns n as plain Go values, as a decoder into any would.
func (n *node) value() any {
	switch n.kind {
	case kindTable:
		m := make(map[string]any, len(n.keys))
		for _, e := range n.keys {
			m[e.name] = e.val.value()
		}
		return m
	case kindList:
		l := make([]any, len(n.items))
		for i, it := range n.items {
			l[i] = it.value()
		}
		return l
	case kindInteger:
		i, err := parseInt(n.text)
		if err != nil {
			return n.text
		}
		return i
	case kindFloat:
		f, err := parseFloat(n.text)
		if err != nil {
			return n.text
		}
		return f
	case kindBool:
		return isTrue(n.text)
	case kindTime:
		if t, ok := n.when.(time.Time); ok {
			return t
		}
		return n.when
	case kindNull:
		return nil
	}
	return n.text
}

// merge adds the keys of src to n: tables key by key, lists item by item. What both set otherwise is a problem.
func (n *node) merge(src *node, r *report, path string) {
	for _, e := range src.keys {
		own := n.get(e.name)
		switch {
		case own == nil:
			n.set(e.name, e.pos, e.val)
		case own.kind == kindTable && e.val.kind == kindTable:
			own.merge(e.val, r, path+e.name+".")
		case own.kind == kindList && e.val.kind == kindList:
			own.items = append(own.items, e.val.items...)
		default:
			r.problem(e.pos, "%s is already set at %s; a value may stand in one file only", path+e.name, own.pos)
		}
	}
}

// isTrue reads a boolean; which words are one the readers decide.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true
	}
	return false
}
