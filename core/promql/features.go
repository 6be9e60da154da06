package promql

import (
	"fmt"
	"slices"
	"strings"
)

// features is what of the language is off unless asked for, by the names upstream's --enable-feature has.
func features() map[string]func(*Options) {
	return map[string]func(*Options){
		"promql-experimental-functions":   func(o *Options) { o.Syntax.EnableExperimentalFunctions = true },
		"promql-extended-range-selectors": func(o *Options) { o.Syntax.EnableExtendedRangeSelectors = true },
		"promql-binop-fill-modifiers":     func(o *Options) { o.Syntax.EnableBinopFillModifiers = true },
		"promql-delayed-name-removal":     func(o *Options) { o.DelayedNames = true },
		"use-start-timestamps":            func(o *Options) { o.StartTimestamps = true },
		"promql-duration-expr":            func(*Options) {}, // on for everybody, as upstream has it now
		"promql-per-step-stats":           func(*Options) {}, // on for who asks with stats=all: it costs the others nothing
	}
}

// Features returns the names that Enable knows, sorted.
func Features() []string {
	var names []string
	for name := range features() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Enable switches features on. The error names one that is not known, and those that are.
func (o *Options) Enable(names ...string) error {
	known := features()
	for _, name := range names {
		on, ok := known[name]
		if !ok {
			return fmt.Errorf("there is no feature %q of queries: want some of %s", name, strings.Join(Features(), ", "))
		}
		on(o)
	}
	return nil
}
