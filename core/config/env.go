package config

import (
	"os"
	"strings"
)

// expand replaces ${NAME} in the text of n by the environment variable; $${ stands for ${ itself. A variable that
// is not set is a problem.
func (d *decoder) expand(n *node, path string) string {
	var b strings.Builder
	for rest := n.text; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			return b.String()
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(escaped + "${")
			rest = after
			continue
		}
		b.WriteString(before)
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			d.problem(n.pos, "%s: ${ without }; write $${ for ${ itself", path)
			return b.String()
		}
		value, set := d.env(name)
		if !set {
			d.problem(n.pos, "%s: environment variable %s is not set", path, name)
		}
		b.WriteString(value)
		rest = after
	}
}

// expandAll replaces variables in every text of n. In YAML it follows Prometheus: $NAME and ${NAME}, $$ for $, and
// a variable that is not set is empty, which we warn of.
func (d *decoder) expandAll(n *node, path string) {
	switch {
	case n.kind == kindText && n.yaml:
		n.text = os.Expand(n.text, func(name string) string {
			if name == "$" {
				return "$"
			}
			value, set := d.env(name)
			if !set {
				d.warn(n.pos, "%s: environment variable %s is not set, taken as empty", path, name)
			}
			return value
		})
	case n.kind == kindText:
		n.text = d.expand(n, path)
	}
	for _, e := range n.keys {
		d.expandAll(e.val, path+"."+e.name)
	}
	for _, it := range n.items {
		d.expandAll(it, path)
	}
}
