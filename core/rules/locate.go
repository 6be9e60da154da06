package rules

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/regexp"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"

	"github.com/hearth-project/hearth/core/config"
)

// The library puts places into its messages, in front or, for YAML itself, after "line"; and of some problems it
// tells the rule only. Here each becomes a file, a line, and what is wrong there.

var (
	inFront  = regexp.MustCompile(`^(?s:(\d+):(\d+): (?:\d+:\d+: )?(.*))$`)
	yamlLine = regexp.MustCompile(`^(?s:(?:yaml: )?(?:.*: )?line (\d+): (.*))$`)
	ofLabel  = regexp.MustCompile(`^(?s:invalid label (?:name|value): (.*))$`)
	repeated = regexp.MustCompile(`^(?s:groupname: "(.*)" is repeated in the same file)$`)
)

// locate returns the problems of a rule file, in order of place.
func locate(file string, content []byte, errs []error) config.Problems {
	var (
		root     yaml.Node
		problems config.Problems
		told     = map[string]int{} // how often a message without a place has been met
	)
	if yaml.Unmarshal(content, &root) != nil {
		root = yaml.Node{}
	}
	add := func(line, column int, message string) {
		p := config.Problem{Pos: config.Pos{File: file, Line: line, Column: column}, Message: message}
		if !slices.Contains(problems, p) { // the library decodes twice, and reports twice
			problems = append(problems, p)
		}
	}
	for _, err := range errs {
		var (
			types  *yaml.TypeError
			ofRule *rulefmt.Error
		)
		line, column, message := split(err.Error())
		switch {
		case errors.As(err, &types):
			for _, m := range types.Errors {
				line, _, message := split(m)
				add(line, 0, message)
			}
			continue
		case line == 0 && errors.As(err, &ofRule):
			if n := ruleNode(&root, ofRule.Group, ofRule.Rule); n != nil {
				line, column = n.Line, n.Column
			}
		case line == 0:
			if places := ofGroup(&root, message); told[message] < len(places) {
				line, column = places[told[message]].Line, places[told[message]].Column
			}
			told[message]++
		}
		add(line, column, message)
	}
	slices.SortStableFunc(problems, func(a, b config.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return problems
}

// split takes the place out of a message; line 0 means that it has none.
func split(s string) (line, column int, message string) {
	if m := inFront.FindStringSubmatch(s); m != nil {
		line, _ = strconv.Atoi(m[1])
		column, _ = strconv.Atoi(m[2])
		return line, column, m[3]
	}
	if m := yamlLine.FindStringSubmatch(s); m != nil {
		line, _ = strconv.Atoi(m[1])
		return line, 0, m[2]
	}
	return 0, 0, strings.TrimPrefix(s, "yaml: ")
}

// child returns the value of a key of a mapping, nil if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func groupNodes(root *yaml.Node) []*yaml.Node {
	if groups := child(root, "groups"); groups != nil {
		return groups.Content
	}
	return nil
}

// ruleNode returns the rule with the number, from 1, of a group.
func ruleNode(root *yaml.Node, group string, number int) *yaml.Node {
	for _, g := range groupNodes(root) {
		if name, rules := child(g, "name"), child(g, "rules"); name != nil && name.Value == group && rules != nil && number <= len(rules.Content) {
			return rules.Content[number-1]
		}
	}
	return nil
}

// ofGroup returns where a problem of a group can be, in order, if the message is one.
func ofGroup(root *yaml.Node, message string) (places []*yaml.Node) {
	label, again := ofLabel.FindStringSubmatch(message), repeated.FindStringSubmatch(message)
	for _, g := range groupNodes(root) {
		name, ls := child(g, "name"), child(g, "labels")
		switch {
		case label != nil && ls != nil:
			for _, n := range ls.Content {
				if n.Value == label[1] {
					places = append(places, n)
				}
			}
		case again != nil && name != nil && name.Value == again[1],
			message == "Groupname must not be empty" && (name == nil || name.Value == ""):
			places = append(places, g)
		}
	}
	if again != nil && len(places) > 0 {
		return places[1:]
	}
	return places
}
