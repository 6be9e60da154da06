// Package index answers which series satisfy a set of matchers. Mem is the index of the head: one writer adds
// series while many readers select. Index is the one of a part: built once by a Builder, then read where it
// lies, mapped into memory.
//
// Both are dictionaries: label name, then value, then postings, which is the set of the series with that pair
// (a roaring bitmap). Matchers are resolved against that dictionary with upstream's meaning: a series that
// lacks a label has it with the empty value.
//
// A series is named by a number. The labels of a series are kept in two pieces, those common to its group and
// its own: Own and Full convert.
package index

import (
	"errors"

	"github.com/prometheus/prometheus/model/labels"
)

// ErrCorrupt marks bytes of an index that cannot be right.
var ErrCorrupt = errors.New("corrupt index")

// Own returns what of full is not in common. For a common label that full lacks, the result has its name with
// an empty value.
func Own(common, full labels.Labels) labels.Labels {
	var b labels.ScratchBuilder
	c := pairs(common)
	full.Range(func(l labels.Label) {
		for len(c) > 0 && c[0].Name < l.Name {
			b.Add(c[0].Name, "")
			c = c[1:]
		}
		if len(c) > 0 && c[0].Name == l.Name {
			if c[0].Value != l.Value {
				b.Add(l.Name, l.Value)
			}
			c = c[1:]
			return
		}
		b.Add(l.Name, l.Value)
	})
	for _, l := range c {
		b.Add(l.Name, "")
	}
	return b.Labels()
}

// Full is the inverse of Own.
func Full(common, own labels.Labels) labels.Labels {
	if own.IsEmpty() {
		return common
	}
	if common.IsEmpty() {
		return own
	}
	var b labels.ScratchBuilder
	var cs, os [24]labels.Label
	c, o := appendPairs(cs[:0], common), appendPairs(os[:0], own)
	for len(c) > 0 || len(o) > 0 {
		switch {
		case len(o) == 0 || len(c) > 0 && c[0].Name < o[0].Name:
			b.Add(c[0].Name, c[0].Value)
			c = c[1:]
			continue
		case len(c) > 0 && c[0].Name == o[0].Name:
			c = c[1:]
		}
		if o[0].Value != "" {
			b.Add(o[0].Name, o[0].Value)
		}
		o = o[1:]
	}
	return b.Labels()
}

// Same tells whether full is what Full makes of the other two.
func Same(common, own, full labels.Labels) bool {
	var cs, os [24]labels.Label
	c, o, same := appendPairs(cs[:0], common), appendPairs(os[:0], own), true
	lacks := func() bool { // the first of c is one that own says is not there
		if len(o) == 0 || o[0] != (labels.Label{Name: c[0].Name}) {
			return false
		}
		c, o = c[1:], o[1:]
		return true
	}
	full.Range(func(l labels.Label) {
		for same && len(c) > 0 && c[0].Name < l.Name {
			same = lacks()
		}
		switch {
		case !same:
		case len(o) > 0 && o[0].Name == l.Name:
			same = o[0].Value == l.Value
			o = o[1:]
			if len(c) > 0 && c[0].Name == l.Name {
				c = c[1:]
			}
		case len(c) > 0 && c[0] == l:
			c = c[1:]
		default:
			same = false
		}
	})
	for same && len(c) > 0 {
		same = lacks()
	}
	return same && len(o) == 0
}

func pairs(ls labels.Labels) []labels.Label {
	return appendPairs(make([]labels.Label, 0, ls.Len()), ls)
}

func appendPairs(dst []labels.Label, ls labels.Labels) []labels.Label {
	ls.Range(func(l labels.Label) { dst = append(dst, l) })
	return dst
}
