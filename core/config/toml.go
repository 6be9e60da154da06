package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML reads a TOML document. What is wrong with it as TOML is one problem: after that the rest of a document
// means nothing certain.
func readTOML(data []byte, file string, r *report) (*node, bool) {
	var all map[string]any // go-toml's own reading finds what the syntax tree does not show, as keys set twice
	if err := toml.Unmarshal(data, &all); err != nil {
		at := Pos{File: file}
		var de *toml.DecodeError
		if errors.As(err, &de) {
			at.Line, at.Column = de.Position()
		}
		r.problem(at, "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return nil, false
	}
	t := &tomlReader{file: file}
	for i, c := range data {
		if c == '\n' {
			t.lines = append(t.lines, i)
		}
	}
	t.p.Reset(data)
	root := &node{kind: kindTable, pos: Pos{File: file, Line: 1, Column: 1}}
	table := root
	for t.p.NextExpression() {
		switch e := t.p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = t.header(root, e)
		case unstable.KeyValue:
			t.keyValue(table, e)
		}
	}
	if err := t.p.Error(); err != nil {
		r.problem(Pos{File: file}, "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return nil, false
	}
	return root, true
}

// tomlReader turns go-toml's syntax tree, which follows the text, into nodes, which follow the meaning.
type tomlReader struct {
	p     unstable.Parser
	file  string
	lines []int // offsets of line ends
}

func (t *tomlReader) at(r unstable.Range) Pos {
	off := int(r.Offset)
	line, _ := slices.BinarySearch(t.lines, off)
	start := 0
	if line > 0 {
		start = t.lines[line-1] + 1
	}
	return Pos{t.file, line + 1, off - start + 1}
}

// header finds, or makes, the table that a [header] or [[header]] opens.
func (t *tomlReader) header(root *node, e *unstable.Node) *node {
	at := root
	for it := e.Key(); it.Next(); {
		k := it.Node()
		name, pos := string(k.Data), t.at(k.Raw)
		isList := e.Kind == unstable.ArrayTable && it.IsLast()
		next := at.get(name)
		if next == nil {
			next = &node{kind: kindTable, pos: pos}
			if isList {
				next.kind = kindList
			}
			at.set(name, pos, next)
		}
		if isList {
			next.items = append(next.items, &node{kind: kindTable, pos: pos})
		}
		if next.kind == kindList {
			next = next.items[len(next.items)-1]
		}
		at = next
	}
	return at
}

// keyValue puts a key = value into a table; a dotted key makes the tables between.
func (t *tomlReader) keyValue(table *node, e *unstable.Node) {
	for it := e.Key(); it.Next(); {
		k := it.Node()
		name, pos := string(k.Data), t.at(k.Raw)
		if it.IsLast() {
			table.set(name, pos, t.value(e.Value(), pos))
			return
		}
		next := table.get(name)
		if next == nil {
			next = &node{kind: kindTable, pos: pos}
			table.set(name, pos, next)
		}
		table = next
	}
}

// value turns a value into a node; around is the place to name when the value itself has none.
func (t *tomlReader) value(v *unstable.Node, around Pos) *node {
	n := &node{pos: around, text: string(v.Data)}
	if v.Raw.Length > 0 {
		n.pos = t.at(v.Raw)
	}
	switch v.Kind {
	case unstable.Array:
		n.kind = kindList
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				n.items = append(n.items, t.value(it.Node(), n.pos))
			}
		}
	case unstable.InlineTable:
		n.kind = kindTable
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				t.keyValue(n, it.Node())
			}
		}
	case unstable.String:
		n.kind = kindText
	case unstable.Integer:
		n.kind = kindInteger
	case unstable.Float:
		n.kind = kindFloat
	case unstable.Bool:
		n.kind = kindBool
	default:
		n.kind = kindTime
		var one struct{ V any }
		if err := toml.Unmarshal([]byte("V = "+n.text), &one); err == nil {
			n.when = one.V
		}
	}
	return n
}

// parseInt reads an integer as TOML and YAML write it: 1_000, 0xff, 0o17.
func parseInt(s string) (int64, error) {
	s = strings.ReplaceAll(s, "_", "")
	base := 10
	if len(s) > 2 && s[0] == '0' && strings.ContainsRune("xob", rune(s[1])) {
		base = 0
	}
	i, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		return 0, fmt.Errorf("not an integer of 64 bits: %s", s)
	}
	return i, nil
}

// parseFloat reads a number as TOML and YAML write it.
func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.Replace(strings.ReplaceAll(s, "_", ""), ".inf", "inf", 1), 64)
	if err != nil {
		return 0, fmt.Errorf("not a number: %s", s)
	}
	return f, nil
}
