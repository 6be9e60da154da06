package main

import (
	"fmt"
	"strings"
)

// globs is a list of patterns; a name fits if one of them covers all of it. In a pattern * stands for any text, also
// with slashes, ? for one byte and [a-z0-9] for one byte of a set. Not regular expressions: those would make the
// module an eighth larger and each scrape slower.
type globs []string

func (g globs) match(name string) bool {
	for _, p := range g {
		if glob(p, name) {
			return true
		}
	}
	return false
}

// check refuses a set that does not end.
func (g globs) check() error {
	for _, p := range g {
		for rest := p; ; {
			_, set, ok := strings.Cut(rest, "[")
			if !ok {
				break
			}
			end := strings.IndexByte(set, ']')
			if end < 1 {
				return fmt.Errorf("pattern %q: [ needs characters and a ]", p)
			}
			rest = set[end+1:]
		}
	}
	return nil
}

// glob tells whether the pattern covers all of s. On a mismatch it goes back to the last * only and lets that take
// one more byte, which is enough: the time is at most len(p) * len(s).
func glob(p, s string) bool {
	starP, starS := -1, 0
	i, j := 0, 0
	for j < len(s) {
		if i < len(p) && p[i] == '*' {
			starP, starS = i, j
			i++
			continue
		}
		if i < len(p) && p[i] == s[j] && p[i] != '[' { // most often; one would say the same
			i, j = i+1, j+1
			continue
		}
		if n := one(p[i:], s[j]); n > 0 {
			i, j = i+n, j+1
			continue
		}
		if starP < 0 {
			return false
		}
		starS++
		i, j = starP+1, starS
	}
	return strings.Trim(p[i:], "*") == ""
}

// one returns the length of the pattern's first element if that covers c, else 0.
func one(p string, c byte) int {
	switch {
	case p == "":
		return 0
	case p[0] == '?':
		return 1
	case p[0] != '[':
		if p[0] == c {
			return 1
		}
		return 0
	}
	end := strings.IndexByte(p, ']')
	if end < 0 {
		return 0
	}
	set := p[1:end]
	for k := 0; k < len(set); k++ {
		if k+2 < len(set) && set[k+1] == '-' {
			if set[k] <= c && c <= set[k+2] {
				return end + 1
			}
			k += 2
		} else if set[k] == c {
			return end + 1
		}
	}
	return 0
}
