package exec

import (
	"github.com/hearth-project/hearth/core/storage"
)

// merge joins series of its input that have come to have the same labels: dropping the name or setting a label can do
// that. Where two of them have a value at the same step, or if apart even anywhere, the query fails.
type merge struct {
	of    operator
	apart bool // same labels are an error although the series are never there at the same time

	m *matrix // if there was something to merge
}

func (op *merge) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	if err != nil || q.delayed && op.apart || distinct(ss) {
		return ss, err
	}
	m := &matrix{}
	if err := op.of.run(q, m.keep(q, ss)); err != nil {
		return nil, err
	}
	op.m, err = joined(q, m, op.apart)
	if err != nil {
		return nil, err
	}
	return op.m.series, nil
}

func (op *merge) run(q *query, out sink) error {
	if op.m != nil {
		return op.m.push(out)
	}
	return op.of.run(q, out)
}

// joined returns m with the columns of series that have the same labels made one. m is used up.
func joined(q *query, m *matrix, apart bool) (*matrix, error) {
	out := &matrix{}
	at := make(map[uint64]int, len(m.series))
	for i, s := range m.series {
		h := s.metric().Hash()
		to, dup := at[h]
		switch {
		case !dup:
			at[h] = len(out.series)
			out.series = append(out.series, s)
			out.cols = append(out.cols, m.cols[i])
		case apart || !overlay(out.cols[to], m.cols[i]):
			return nil, errSameLabels
		default:
			q.release(len(m.cols[i]))
		}
	}
	return out, nil
}

// overlay puts the values of src into the holes of dst. It is false if there is no hole for one of them.
func overlay(dst, src []float64) bool {
	for k, x := range src {
		if storage.IsAbsent(x) {
			continue
		}
		if !storage.IsAbsent(dst[k]) {
			return false
		}
		dst[k] = x
	}
	return true
}
