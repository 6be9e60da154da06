package config

import "fmt"

// convertPrometheus turns the tree of a prometheus.yml into the tree of a config.toml that means the same. What
// hearth cannot do yet is a warning with its place; a key that Prometheus refuses is a problem here too.
func convertPrometheus(root *node, r *report) *node {
	out := &node{kind: kindTable, yaml: true, pos: root.pos}
	t := &translator{report: r}
	t.table(root, out, out, "", prometheusKeys)
	return out
}

// rule says what becomes of one key of Prometheus's. The zero rule keeps it as it is.
type rule struct {
	lost   string          // why it is lost; empty when it is not
	unless string          // the value at which nothing is lost, as hearth does so anyway
	as     []string        // the path of the same thing in hearth: from the top, or from the job's table
	in     map[string]rule // rules for the keys of a table, or of each table of a list
}

type translator struct {
	*report
	job string // of the job that is translated, as messages name it
}

// table translates the keys of from into to. Top is where the paths of rules start.
func (t *translator) table(from, to, top *node, path string, rules map[string]rule) {
	for _, e := range from.keys {
		ru, known := rules[e.name]
		switch {
		case !known:
			t.unknown(e, path, rules)
		case e.val.kind == kindNull:
		case ru.lost != "":
			t.lose(e, path, ru)
		case ru.as != nil:
			put(top, ru.as, e)
		case ru.in != nil && e.val.kind == kindTable:
			sub := &node{kind: kindTable, yaml: true, pos: e.val.pos}
			t.table(e.val, sub, top, path+e.name+".", ru.in)
			if own := to.get(e.name); own != nil {
				own.merge(sub, t.report, path+e.name+".")
			} else if len(sub.keys) > 0 || len(e.val.keys) == 0 {
				to.set(e.name, e.pos, sub)
			}
		case ru.in != nil && e.val.kind == kindList:
			to.set(e.name, e.pos, t.list(e.val, path+e.name, ru.in))
		default: // a wrong kind is for the decoder to tell
			to.set(e.name, e.pos, e.val)
		}
	}
}

// list translates the tables of a list: the jobs.
func (t *translator) list(from *node, path string, rules map[string]rule) *node {
	list := &node{kind: kindList, yaml: true, pos: from.pos}
	for i, it := range from.items {
		if it.kind != kindTable {
			list.items = append(list.items, it)
			continue
		}
		t.job = fmt.Sprintf("job number %d", i+1)
		if name := it.get("job_name"); name != nil {
			t.job = fmt.Sprintf("job %q", name.text)
		}
		sub := &node{kind: kindTable, yaml: true, pos: it.pos}
		t.table(it, sub, sub, fmt.Sprintf("%s[%d].", path, i), rules)
		list.items = append(list.items, sub)
	}
	t.job = ""
	return list
}

func (t *translator) lose(e entry, path string, ru rule) {
	switch {
	case ru.unless != "" && e.val.text == ru.unless:
	case t.job != "":
		t.warn(e.pos, "%s: %s: %s", t.job, e.name, ru.lost)
	default:
		t.warn(e.pos, "%s: %s", path+e.name, ru.lost)
	}
}

func (t *translator) unknown(e entry, path string, rules map[string]rule) {
	if near := nearest(e.name, sortedKeys(rules)); near != "" {
		t.problem(e.pos, "unknown key %q; did you mean %q?", path+e.name, near)
		return
	}
	t.problem(e.pos, "unknown key %q", path+e.name)
}

// put sets the value of e at a path below top, making the tables between.
func put(top *node, path []string, e entry) {
	last := len(path) - 1
	for _, name := range path[:last] {
		next := top.get(name)
		if next == nil {
			next = &node{kind: kindTable, yaml: true, pos: e.pos}
			top.set(name, e.pos, next)
		}
		top = next
	}
	top.set(path[last], e.pos, e.val)
}
