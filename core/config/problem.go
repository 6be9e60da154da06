package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a configuration file. Line and Column start at 1, columns count bytes; 0 means not known.
type Pos struct {
	File   string
	Line   int
	Column int
}

func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong, and where.
type Problem struct {
	Pos
	Message string
}

func (p Problem) Error() string { return p.Pos.String() + ": " + p.Message }

// Problems is everything that is wrong with a configuration, in order of place. It is an error when not empty;
// its text has a line for each.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns ps by place, files in the order in which they were first met, without repetitions.
func (ps Problems) sorted(files []string) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return slices.Compact(ps)
}

// report collects problems and warnings while a configuration is read.
type report struct {
	problems Problems
	warnings Problems
}

func (r *report) problem(at Pos, format string, args ...any) {
	r.problems = append(r.problems, Problem{at, fmt.Sprintf(format, args...)})
}

func (r *report) warn(at Pos, format string, args ...any) {
	r.warnings = append(r.warnings, Problem{at, fmt.Sprintf(format, args...)})
}
