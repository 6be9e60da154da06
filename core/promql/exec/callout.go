package exec

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/callout"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// callout makes the operator of a function that is not the engine's own.
func (b builder) callout(n *plan.Call) (operator, error) {
	c := &calls{f: n.Out, batch: callout.Batch{Start: b.grid.Start, Step: b.grid.Step, Steps: b.grid.N}}
	var of operator
	for _, arg := range n.Args {
		var err error
		switch arg := arg.(type) {
		case *plan.Range:
			of, err = b.samplesFor(c, arg)
		case *plan.Text:
			c.args = append(c.args, argument{text: arg.Val})
		default:
			if arg.Type() == parser.ValueTypeVector {
				of, err = b.valuesFor(c, arg)
				break
			}
			a := argument{}
			a.scalar, err = b.scalar(arg)
			c.args = append(c.args, a)
		}
		if err != nil {
			return nil, err
		}
	}
	return &merge{of: of}, nil
}

// calls gathers series until they are worth a call, and pushes what the function makes of them.
type calls struct {
	f     *callout.Function
	args  []argument
	batch callout.Batch
	ids   []int // of the series in the batch
	cells int   // charged for the batch
}

// argument is one that is not the data.
type argument struct {
	scalar scalar // nil if it is text
	text   string
}

// begin evaluates the arguments.
func (c *calls) begin(q *query) error {
	for _, a := range c.args {
		if a.scalar == nil {
			c.batch.Args = append(c.batch.Args, callout.Arg{Text: a.text})
			continue
		}
		col, err := a.scalar.eval(q)
		if err != nil {
			return err
		}
		c.batch.Args = append(c.batch.Args, callout.Arg{Values: col})
	}
	return nil
}

// room makes room for a series that is given as so many cells, and calls the function first if the batch is full.
func (c *calls) room(q *query, i, cells int, out sink) error {
	if c.cells > 0 && c.cells+cells > callout.MaxCells {
		if err := c.call(q, out); err != nil {
			return err
		}
	}
	c.ids = append(c.ids, i)
	c.cells += cells
	return q.charge(cells)
}

// call calls the function with what has been gathered.
func (c *calls) call(q *query, out sink) error {
	if len(c.ids) == 0 {
		return nil
	}
	c.batch.Series = len(c.ids)
	cells := c.batch.Series * c.batch.Steps
	result, err := q.holes(cells)
	if err != nil {
		return err
	}
	if err := c.f.Eval(q.ctx, &c.batch, result); err != nil {
		return err
	}
	q.release(c.cells)
	for j, i := range c.ids {
		if err := out(i, column{v: result[j*c.batch.Steps : (j+1)*c.batch.Steps]}); err != nil {
			return err
		}
	}
	q.release(cells)
	c.ids, c.cells = c.ids[:0], 0
	c.batch.Values, c.batch.Samples = c.batch.Values[:0], c.batch.Samples[:0]
	return nil
}

// ignored remarks that the function was not given native histograms, which do not fit into a batch.
func (c *calls) ignored(q *query) {
	q.annotate(fmt.Errorf("%w: function %s of %s ignored native histograms", annotations.PromQLInfo, c.f.Name, c.f.Owner))
}

// calloutOfValues is a function of vectors.
type calloutOfValues struct {
	of operator
	*calls
}

func (b builder) valuesFor(c *calls, n plan.Node) (operator, error) {
	of, err := b.vector(n)
	return &calloutOfValues{of, c}, err
}

func (op *calloutOfValues) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	return unnamed(q, ss), err
}

func (op *calloutOfValues) run(q *query, out sink) error {
	if err := op.begin(q); err != nil {
		return err
	}
	err := op.of.run(q, func(i int, col column) error {
		if col.native() {
			op.ignored(q)
		}
		if empty(col.v) {
			return nil
		}
		if err := op.room(q, i, len(col.v), out); err != nil {
			return err
		}
		op.batch.Values = append(op.batch.Values, col.v...)
		return nil
	})
	if err != nil {
		return err
	}
	return op.call(q, out)
}
