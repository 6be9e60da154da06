package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// duration returns the value of a duration expression such as (1h / 2), or plain if there is none.
func (b *builder) duration(e *parser.DurationExpr, plain time.Duration, mayBeNegative bool) (time.Duration, error) {
	if e == nil {
		return plain, nil
	}
	sec, err := b.seconds(e)
	if err != nil {
		return 0, err
	}
	pos := e.PositionRange()
	switch {
	case math.IsNaN(sec) || math.IsInf(sec, 0):
		return 0, fmt.Errorf("%d:%d: duration is NaN or infinite", pos.Start, pos.End)
	case sec <= 0 && !mayBeNegative:
		return 0, fmt.Errorf("%d:%d: duration must be greater than 0", pos.Start, pos.End)
	case math.Abs(sec) > 1<<63/1e9:
		return 0, fmt.Errorf("%d:%d: duration is out of range", pos.Start, pos.End)
	}
	return time.Duration(sec*1000) * time.Millisecond, nil
}

// seconds evaluates a duration expression.
func (b *builder) seconds(e parser.Expr) (float64, error) {
	switch n := e.(type) {
	case *parser.NumberLiteral:
		return n.Val, nil
	case *parser.DurationExpr:
		var l, r float64
		var err error
		if n.LHS != nil {
			if l, err = b.seconds(n.LHS); err != nil {
				return 0, err
			}
		}
		if n.RHS != nil {
			if r, err = b.seconds(n.RHS); err != nil {
				return 0, err
			}
		}
		return b.combine(n, l, r)
	}
	return 0, fmt.Errorf("unexpected duration expression type %T", e)
}

func (b *builder) combine(n *parser.DurationExpr, l, r float64) (float64, error) {
	pos := n.PositionRange()
	switch n.Op {
	case parser.STEP:
		return b.step.Seconds(), nil
	case parser.RANGE:
		return b.end.Sub(b.start).Seconds(), nil
	case parser.MIN_OF:
		return math.Min(l, r), nil
	case parser.MAX_OF:
		return math.Max(l, r), nil
	case parser.ADD:
		return l + r, nil // without a left side it is 0
	case parser.SUB:
		return l - r, nil
	case parser.MUL:
		return l * r, nil
	case parser.DIV:
		if r == 0 {
			return 0, fmt.Errorf("%d:%d: division by zero", pos.Start, pos.End)
		}
		return l / r, nil
	case parser.MOD:
		if r == 0 {
			return 0, fmt.Errorf("%d:%d: modulo by zero", pos.Start, pos.End)
		}
		return math.Mod(l, r), nil
	case parser.POW:
		return math.Pow(l, r), nil
	}
	return 0, fmt.Errorf("unexpected duration expression operator %q", n.Op)
}
