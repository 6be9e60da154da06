package exec

// merge joins series of its input that have come to have the same labels: dropping the name or setting a label can do
// that. Where two of them have a value at the same step, or if apart even anywhere, the query fails.
type merge struct {
	of    operator
	apart bool // same labels are an error although the series are never there at the same time
	final bool // join also what delayed removal of names leaves to the end of the query

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
	op.m = m
	if op.final || !m.leave(q) {
		op.m, err = joined(q, m, op.apart)
	}
	if err != nil {
		return nil, err
	}
	return op.m.series, nil
}

// leave tells whether same labels are left to the end of the query: with delayed removal of names, at one step.
func (m *matrix) leave(q *query) bool { return q.delayed && len(m.cols) > 0 && len(m.cols[0].v) == 1 }

// together joins the series of m that have the same labels, unless that is left to the end.
func together(q *query, m *matrix) (*matrix, error) {
	if m.leave(q) {
		return m, nil
	}
	return joined(q, m, false)
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
		default:
			if m.cols[i].begin() < out.cols[to].begin() {
				out.series[to].drop = s.drop
			}
			if apart || !out.cols[to].overlay(m.cols[i]) {
				return nil, errSameLabels
			}
			q.release(len(m.cols[i].v))
		}
	}
	return out, nil
}
