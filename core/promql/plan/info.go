package plan

import (
	"github.com/prometheus/prometheus/promql/parser"
)

// info makes a call of the function info. Info series are looked up where the selectors of its argument look, if these
// agree, and else at the time of the step.
func (b *builder) info(x expr, n *parser.Call) (part, error) {
	of, err := b.build(unparen(n.Args[0]))
	if err != nil {
		return part{}, err
	}
	out := &Info{expr: x, Of: of.node}
	if len(n.Args) > 1 {
		out.Matchers = unparen(n.Args[1]).(*parser.VectorSelector).LabelMatchers
	}
	var found references
	found.look(of.node, nil)
	uniform := found.any && !found.differ && !found.free
	if uniform {
		out.At = found.first
	}
	if of.invariant && uniform {
		return part{out, !b.plain, !b.plain}, nil
	}
	out.Of = of.wrapped()
	return part{node: out}, nil
}

// references is where the selectors of an expression look.
type references struct {
	first  Reference
	any    bool
	differ bool // two of them look at different times
	free   bool // a vector is made without any selector
}

// look adds the selectors of n, which is within the subqueries given, the innermost last. It tells whether there are any.
func (r *references) look(n Node, within []Reference) (found bool) {
	if t := n.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeMatrix {
		return false
	}
	switch n := n.(type) {
	case *Selector:
		r.add(n.Reference, within)
		return true
	case *Invariant:
		return r.look(n.Of, within)
	case *Info: // its second argument selects nothing by itself
		return r.look(n.Of, within)
	case *Range:
		if n.Of != nil {
			return r.look(n.Of, within)
		}
		found = r.look(n.Sub.Expr, append(within[:len(within):len(within)], n.Reference))
	case *Plus:
		found = r.look(n.Of, within)
	case *Negate:
		found = r.look(n.Of, within)
	case *Aggregate:
		found = r.look(n.Of, within)
	case *Binary:
		left, right := r.look(n.LHS, within), r.look(n.RHS, within)
		found = left || right
	case *Call:
		for _, arg := range n.Args {
			found = r.look(arg, within) || found
		}
	}
	r.free = r.free || !found
	return found
}

// add adds a selector. The offsets of subqueries around it add up, until an @ modifier fixes the time.
func (r *references) add(ref Reference, within []Reference) {
	ref.Slides = false
	for i := len(within) - 1; ref.At == nil && i >= 0; i-- {
		ref.Offset += within[i].Offset
		ref.At = within[i].At
	}
	if !r.any {
		r.first, r.any = ref, true
		return
	}
	r.differ = r.differ || !r.first.same(ref)
}

// same tells whether r and s are the same time, at every step.
func (r Reference) same(s Reference) bool {
	if r.At == nil || s.At == nil {
		return r.At == nil && s.At == nil && r.Offset == s.Offset
	}
	return *r.At-r.Offset == *s.At-s.Offset
}
