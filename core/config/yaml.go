package config

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxYAMLNodes bounds what aliases may blow a YAML document up to.
const maxYAMLNodes = 1 << 20

// readYAML reads the first document of a YAML file.
func readYAML(data []byte, file string, r *report) (*node, bool) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		line, msg := yamlError(err)
		r.problem(Pos{File: file, Line: line}, "%s", msg)
		return nil, false
	}
	y := &yamlReader{file: file, report: r}
	root := &node{kind: kindTable, yaml: true, pos: Pos{File: file, Line: 1, Column: 1}}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) > 0 {
		root = y.node(doc.Content[0], 0)
	}
	if root.kind == kindNull {
		root.kind = kindTable
	}
	if root.kind != kindTable {
		r.problem(root.pos, "want a table of settings, got %s", root.kind)
		return nil, false
	}
	return root, !y.overflow
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError takes the line out of the text of an error of the library, which gives it in no other way.
func yamlError(err error) (int, string) {
	msg := err.Error()
	m := yamlLine.FindStringSubmatch(msg)
	if m == nil {
		return 0, msg
	}
	line, _ := strconv.Atoi(m[1])
	return line, strings.TrimPrefix(msg, m[0])
}

type yamlReader struct {
	file     string
	report   *report
	nodes    int
	overflow bool
}

// node turns a YAML node into ours; depth guards against aliases that contain themselves.
func (y *yamlReader) node(v *yaml.Node, depth int) *node {
	n := &node{yaml: true, pos: Pos{y.file, v.Line, v.Column}, text: v.Value}
	y.nodes++
	if y.nodes > maxYAMLNodes || depth > 100 {
		if !y.overflow {
			y.report.problem(n.pos, "the document is too large, or nested too deep")
		}
		y.overflow = true
		n.kind = kindNull
		return n
	}
	switch v.Kind {
	case yaml.AliasNode:
		return y.node(v.Alias, depth+1)
	case yaml.MappingNode:
		n.kind = kindTable
		y.mapping(n, v, depth)
	case yaml.SequenceNode:
		n.kind = kindList
		for _, c := range v.Content {
			n.items = append(n.items, y.node(c, depth+1))
		}
	default:
		y.scalar(n, v)
	}
	return n
}

func (y *yamlReader) mapping(n *node, v *yaml.Node, depth int) {
	var merged []*node
	for i := 0; i+1 < len(v.Content); i += 2 {
		k, val := v.Content[i], v.Content[i+1]
		at := Pos{y.file, k.Line, k.Column}
		if k.ShortTag() == "!!merge" {
			m := y.node(val, depth+1)
			if m.kind == kindList {
				merged = append(merged, m.items...)
			} else {
				merged = append(merged, m)
			}
			continue
		}
		if k.Kind != yaml.ScalarNode {
			y.report.problem(at, "a key must be text")
			continue
		}
		if n.get(k.Value) != nil {
			y.report.problem(at, "key %q is already set in this table", k.Value)
			continue
		}
		n.set(k.Value, at, y.node(val, depth+1))
	}
	for _, m := range merged {
		for _, e := range m.keys {
			if n.get(e.name) == nil {
				n.set(e.name, e.pos, e.val)
			}
		}
	}
}

func (y *yamlReader) scalar(n *node, v *yaml.Node) {
	switch v.ShortTag() {
	case "!!null":
		n.kind = kindNull
	case "!!int":
		n.kind = kindInteger
	case "!!float":
		n.kind = kindFloat
	case "!!bool":
		n.kind = kindBool
	case "!!timestamp":
		n.kind = kindTime
		n.when = v.Value
	default:
		n.kind = kindText
		if v.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			return
		}
		switch strings.ToLower(v.Value) { // YAML 1.1, which Prometheus reads
		case "yes", "on", "no", "off":
			n.kind = kindBool
		}
	}
}
