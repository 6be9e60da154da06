package exec

import (
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// Trace is what one part of a query did, with the parts it is made of. Samples, bytes and time are those of the part
// and its children; the series of a range selector are selected before, and are not in them.
type Trace struct {
	Operator string   `json:"operator"`           // function, aggregation or operator; select is a selector
	Expr     string   `json:"expr"`               // its text in the query
	Steps    int      `json:"steps"`              // it was evaluated at
	Series   int      `json:"series"`             // of the result, those with a value
	Samples  int64    `json:"samples"`            // looked at, counted as for the whole query: for each step that does, a subquery's where they are used
	Bytes    int64    `json:"bytes"`              // allocated for columns, whether given back or not
	Seconds  float64  `json:"seconds"`            // of wall time
	Children []*Trace `json:"children,omitempty"` // in the order of the text
}

// traced measures an operator.
type traced struct {
	of operator
	t  *Trace
}

// tracedHolder is traced for an operator that is a holder.
type tracedHolder struct{ traced }

// trace returns op, measured as t.
func (t *Trace) trace(op operator) operator {
	if _, ok := op.(holder); ok {
		return &tracedHolder{traced{op, t}}
	}
	return &traced{op, t}
}

// mark is what has been spent at some moment, or between two.
type mark struct {
	at             time.Duration
	samples, bytes int64
}

func (q *query) mark() mark {
	return mark{time.Since(q.began), q.samples.Load(), q.charged.Load() * cellBytes}
}

func (m mark) minus(n mark) mark { return mark{m.at - n.at, m.samples - n.samples, m.bytes - n.bytes} }

func (t *Trace) add(m mark) {
	t.Seconds += m.at.Seconds()
	t.Samples += m.samples
	t.Bytes += m.bytes
}

func (o *traced) open(q *query) ([]series, error) {
	from := q.mark()
	ss, err := o.of.open(q)
	o.t.add(q.mark().minus(from))
	return ss, err
}

// run leaves out what happens to the columns after they are pushed.
func (o *traced) run(q *query, out sink) error {
	var above mark
	from := q.mark()
	err := o.of.run(q, func(i int, col column) error {
		pushed := q.mark()
		if !col.empty() {
			o.t.Series++
		}
		err := out(i, col)
		spent := q.mark().minus(pushed)
		above = mark{above.at + spent.at, above.samples + spent.samples, above.bytes + spent.bytes}
		return err
	})
	o.t.add(q.mark().minus(from).minus(above))
	return err
}

func (o *tracedHolder) matrix(q *query) (*matrix, error) {
	from := q.mark()
	m, err := o.of.(holder).matrix(q)
	o.t.add(q.mark().minus(from))
	if err == nil {
		o.t.Series += len(m.series)
	}
	return m, err
}

// traceOf begins the trace of n as a child of what is being built. Its own children are built by the builder returned.
func (b builder) traceOf(n plan.Node) (builder, *Trace) {
	t := &Trace{Operator: operatorName(n), Expr: textAt(b.q.text, n.Pos()), Steps: b.grid.N}
	b.trace.Children = append(b.trace.Children, t)
	b.trace = t
	return b, t
}

func operatorName(n plan.Node) string {
	switch n := n.(type) {
	case *plan.Selector:
		if n.Stamp {
			return "timestamp"
		}
		return "select"
	case *plan.Call:
		return n.Func
	case *plan.Aggregate:
		return n.Op.String()
	case *plan.Binary:
		return parser.ItemTypeStr[n.Op]
	case *plan.Negate:
		return "-"
	case *plan.Info:
		return "info"
	}
	return "once" // an Invariant
}

// textAt returns the part of a query at a place.
func textAt(query string, p posrange.PositionRange) string {
	if p.Start < 0 || p.End > posrange.Pos(len(query)) || p.Start > p.End {
		return ""
	}
	return query[p.Start:p.End]
}

// root returns the trace of the whole query of what was built below t.
func (t *Trace) root(query string, steps int) *Trace {
	if len(t.Children) == 1 {
		return t.Children[0]
	}
	t.Operator, t.Expr, t.Steps = "scalar", query, steps
	for _, c := range t.Children {
		t.add(mark{time.Duration(c.Seconds * float64(time.Second)), c.Samples, c.Bytes})
	}
	return t
}
