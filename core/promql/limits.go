package promql

import (
	"fmt"
	resyntax "regexp/syntax"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// What the text of a query is held against before it is parsed: the parser's time grows with the square of operators
// in a row, its checks recurse as deep as the text nests, and it compiles the regular expressions of selectors.
const (
	operatorsPerNesting = 5       // as many operators are allowed for each level of MaxNesting
	maxRegexGroups      = 250     // of one in label_replace: each step at each character copies where groups begin and end
	maxRegexSteps       = 100_000 // of a compiled regular expression: {1000} makes a thousand of one character
)

// checkText refuses a query whose text asks for too much.
func (e *Engine) checkText(query string) error {
	o := &e.opts
	if len(query) > o.MaxQueryLength {
		return fmt.Errorf("the query is %d bytes long: at most %d are allowed ([query] max_query_length)", len(query), o.MaxQueryLength)
	}
	if len(query) < min(o.MaxNesting, o.MaxRegexLength) {
		return nil // it can't be worse
	}
	var item, last parser.Item
	depth, prefixes, operators := 0, 0, 0
	for lex := parser.Lex(query); ; last = item {
		lex.NextItem(&item)
		switch {
		case item.Typ == parser.EOF || item.Typ == parser.ERROR: // the parser says it better
			return nil
		case item.Typ == parser.LEFT_PAREN || item.Typ == parser.LEFT_BRACKET || item.Typ == parser.LEFT_BRACE:
			depth++
		case item.Typ == parser.RIGHT_PAREN || item.Typ == parser.RIGHT_BRACKET || item.Typ == parser.RIGHT_BRACE:
			depth--
		case item.Typ.IsOperator():
			operators++
			if prefixes++; !last.Typ.IsOperator() {
				prefixes = 0
			}
		case item.Typ == parser.STRING && (last.Typ == parser.EQL_REGEX || last.Typ == parser.NEQ_REGEX):
			if err := e.checkRegex(item.Val); err != nil {
				return fmt.Errorf("%d: %w", item.Pos+1, err)
			}
		}
		if depth+prefixes > o.MaxNesting {
			return fmt.Errorf("%d: the query nests more than %d levels deep ([query] max_nesting)", item.Pos+1, o.MaxNesting)
		}
		if operators > operatorsPerNesting*o.MaxNesting {
			return fmt.Errorf("%d: the query has more than %d operators: at most %d are allowed for each level of [query] max_nesting",
				item.Pos+1, operatorsPerNesting*o.MaxNesting, operatorsPerNesting)
		}
	}
}

// checkRegex refuses a regular expression that is long or becomes so. The text may be in quotes.
func (e *Engine) checkRegex(text string) error {
	if len(text) > e.opts.MaxRegexLength {
		return fmt.Errorf("a regular expression is %d bytes long: at most %d are allowed ([query] max_regex_length)", len(text), e.opts.MaxRegexLength)
	}
	if !strings.Contains(text, "{") {
		return nil
	}
	re, err := resyntax.Parse(text, resyntax.Perl)
	if err != nil {
		return nil // the parser says it better
	}
	if n := steps(re); n > maxRegexSteps {
		return fmt.Errorf("a regular expression repeats itself into %d steps: at most %d are allowed", n, maxRegexSteps)
	}
	return nil
}

// checkGroups refuses a regular expression that has very many groups.
func checkGroups(text string) error {
	if strings.Count(text, "(") <= maxRegexGroups {
		return nil
	}
	re, err := resyntax.Parse(text, resyntax.Perl)
	if err != nil {
		return nil // who compiles it says it better
	}
	if n := re.MaxCap(); n > maxRegexGroups {
		return fmt.Errorf("a regular expression has %d groups: at most %d are allowed", n, maxRegexGroups)
	}
	return nil
}

// steps returns about how many instructions re compiles to.
func steps(re *resyntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == resyntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// checkCalls refuses calls of functions whose arguments are regular expressions that ask for too much.
func (e *Engine) checkCalls(expr parser.Expr) (err error) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if call, ok := n.(*parser.Call); ok && call.Func.Name == "label_replace" {
			if s, ok := call.Args[4].(*parser.StringLiteral); ok && err == nil {
				if err = e.checkRegex(s.Val); err == nil {
					err = checkGroups(s.Val)
				}
			}
		}
		return err
	})
	return err
}
