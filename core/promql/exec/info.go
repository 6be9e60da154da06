package exec

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grafana/regexp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// identifying is the labels by which a series and an info series belong together.
var identifying = [...]string{"instance", "job"}

// info is info(v, selector): at each step the series of v get the labels of the info series with the same identifying
// labels. What is selected depends on the series of v, so it is selected as the query runs.
type info struct {
	*plan.Info
	of       operator
	ref      plan.Times // where info series are looked up
	lookback int64
	count    *tally
	n        int

	names []*labels.Matcher // of the metrics that are info series
	data  []*labels.Matcher // of the labels that are taken; none takes all

	base *matrix
	own  []bool // of the series of base: it is an info series itself and left as it is
	more *matrix
	sigs map[string][]int // series of more, by their name and identifying labels
	kind []string         // names of the metrics in more, sorted
}

func newInfo(b builder, n *plan.Info, of operator) operator {
	op := &info{Info: n, of: of, ref: n.At.Times(b.grid), lookback: b.lookback, count: b.count, n: b.grid.N}
	first, last := op.ref.Bounds()
	b.q.reach(first-b.lookback+1, last)
	for _, m := range n.Matchers {
		if m.Name == plan.NameLabel {
			op.names = append(op.names, m)
		} else {
			op.data = append(op.data, m)
		}
	}
	op.names = infoNames(op.names)
	return &held{compute: op.matrix}
}

// infoNames completes the matchers of the metric name. Without one that names something, all of *_info are meant;
// without any, target_info.
func infoNames(ms []*labels.Matcher) []*labels.Matcher {
	names := func(m *labels.Matcher) bool { return m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp }
	switch {
	case len(ms) == 0:
		return []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, plan.NameLabel, "target_info")}
	case !slices.ContainsFunc(ms, names):
		return append([]*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, plan.NameLabel, ".+_info")}, ms...)
	}
	return ms
}

func (op *info) matrix(q *query) (_ *matrix, err error) {
	if op.base, err = collect(q, op.of); err != nil {
		return nil, err
	}
	op.own = make([]bool, len(op.base.series))
	for i := range op.base.series {
		name := op.base.series[i].name()
		op.own[i] = !slices.ContainsFunc(op.names, func(m *labels.Matcher) bool { return !m.Matches(name) })
	}
	if err := op.fetch(q); err != nil {
		return nil, err
	}
	out, err := op.combine(q)
	if err != nil {
		return nil, err
	}
	op.base.release(q)
	op.more.release(q)
	return out, nil
}

// fetch selects the info series. Their columns are the times of their samples, in seconds.
func (op *info) fetch(q *query) error {
	op.more, op.sigs = &matrix{}, map[string][]int{}
	first, last := op.ref.Bounds()
	for _, ids := range op.identities() {
		sel := &selection{mint: first - op.lookback + 1, maxt: last, matchers: slices.Concat(ids, op.data, op.names)}
		if err := q.resolve(sel); err != nil {
			return err
		}
		scan := &instantScan{sel: sel, ref: op.ref, lookback: op.lookback, stamp: true, info: true, count: op.count}
		if err := scan.run(q, op.more.keep(q, sel.src.series)); err != nil {
			return err
		}
	}
	for i := range op.more.series {
		name := op.more.series[i].name()
		sig := signature(name, op.more.series[i].metric())
		op.sigs[sig] = append(op.sigs[sig], i)
		if at, ok := slices.BinarySearch(op.kind, name); !ok {
			op.kind = slices.Insert(op.kind, at, name)
		}
	}
	return nil
}

func signature(name string, ls labels.Labels) string {
	sig := name
	for _, id := range identifying {
		sig += "\xff" + ls.Get(id)
	}
	return sig
}

// identities returns matchers for the identifying labels that series of base have: a set for each combination of
// labels that are there, so that one that is missing is demanded to be missing.
func (op *info) identities() (sets [][]*labels.Matcher) {
	type values [len(identifying)]map[string]bool
	var seen [1 << len(identifying)]values
	for i := range op.base.series {
		if op.own[i] {
			continue
		}
		ls := op.base.series[i].metric()
		there := 0
		for j, id := range identifying {
			if ls.Get(id) != "" {
				there |= 1 << (len(identifying) - 1 - j)
			}
		}
		for j, id := range identifying {
			if v := ls.Get(id); v != "" {
				if seen[there][j] == nil {
					seen[there][j] = map[string]bool{}
				}
				seen[there][j][regexp.QuoteMeta(v)] = true
			}
		}
	}
	for _, vs := range seen[1:] {
		var ms []*labels.Matcher
		some := false
		for j, id := range identifying {
			if vs[j] == nil {
				ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, id, ""))
				continue
			}
			some = true
			alternatives := make([]string, 0, len(vs[j]))
			for v := range vs[j] {
				alternatives = append(alternatives, v)
			}
			slices.Sort(alternatives)
			ms = append(ms, labels.MustNewMatcher(labels.MatchRegexp, id, strings.Join(alternatives, "|")))
		}
		if some {
			sets = append(sets, ms)
		}
	}
	return sets
}

// combine makes the result, step by step within each series of base.
func (op *info) combine(q *query) (*matrix, error) {
	some := make([]bool, op.n) // a series of base has a value
	for _, col := range op.base.cols {
		for k := range col.v {
			some[k] = some[k] || col.has(k)
		}
	}
	newest := map[string][]int32{} // series of more at each step, -1 for none, by signature
	for sig, series := range op.sigs {
		col, err := op.newest(q, series, some)
		if err != nil {
			return nil, err
		}
		newest[sig] = col
		defer q.release((op.n + 1) / 2)
	}
	out := &matrix{}
	at := map[uint64]int{} // series of out by the hash of their labels
	for i := range op.base.series {
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		if err := op.enrich(q, i, newest, out, at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// newest returns which of the series of more, which have the same signature, has the newest sample at each step.
func (op *info) newest(q *query, series []int, some []bool) ([]int32, error) {
	if err := q.charge((op.n + 1) / 2); err != nil {
		return nil, err
	}
	out := make([]int32, op.n)
	for k := range out {
		out[k] = -1
		for _, j := range series {
			t := op.more.cols[j].v[k]
			if storage.IsAbsent(t) || !some[k] {
				continue
			}
			if out[k] >= 0 {
				first := op.more.cols[out[k]].v[k]
				if first == t {
					ms := int64(math.Round(t * 1000))
					return nil, fmt.Errorf("found duplicate series for info metric: existing %s @ %d, new %s @ %d",
						op.more.series[out[k]].metric(), ms, op.more.series[j].metric(), ms)
				}
				if first > t {
					continue
				}
			}
			out[k] = int32(j)
		}
	}
	return out, nil
}

// enrich adds the results of series i of base to out.
func (op *info) enrich(q *query, i int, newest map[string][]int32, out *matrix, at map[uint64]int) error {
	s := op.base.series[i]
	var choices [][]int32 // a column for each info metric there is
	if !op.own[i] {
		for _, name := range op.kind {
			if col := newest[signature(name, s.metric())]; col != nil {
				choices = append(choices, col)
			}
		}
	}
	made := map[string]int{} // series of out by what is chosen; -1 for none
	var key []byte
	for k := range op.base.cols[i].v {
		if !op.base.cols[i].has(k) {
			continue
		}
		key = key[:0]
		for _, col := range choices {
			key = append(key, byte(col[k]), byte(col[k]>>8), byte(col[k]>>16), byte(col[k]>>24))
		}
		to, ok := made[string(key)]
		if !ok {
			ls, keep, err := op.labelled(i, k, choices)
			if err != nil {
				return err
			}
			to = -1
			if keep {
				h := ls.Hash()
				if to, ok = at[h]; !ok {
					col, err := q.holes(op.n)
					if err != nil {
						return err
					}
					to = len(out.series)
					at[h] = to
					out.series = append(out.series, series{labels: ls, drop: s.drop})
					out.cols = append(out.cols, column{v: col})
				}
			}
			made[string(key)] = to
		}
		if to < 0 {
			continue
		}
		if out.cols[to].has(k) {
			return errSameLabels
		}
		if err := out.cols[to].put(q, k, op.base.cols[i]); err != nil {
			return err
		}
	}
	return nil
}

// labelled returns the labels of series i of base with those of the info series chosen at step k. keep is false if
// there are none but the selector demands some.
func (op *info) labelled(i, k int, choices [][]int32) (ls labels.Labels, keep bool, err error) {
	ls = op.base.series[i].metric()
	if op.own[i] {
		return ls, true, nil
	}
	lb := labels.NewBuilder(labels.EmptyLabels())
	matched := false
	for _, col := range choices {
		if col[k] < 0 {
			continue
		}
		matched = true
		err := op.more.series[col[k]].metric().Validate(func(l labels.Label) error {
			wanted := len(op.data) == 0 || slices.ContainsFunc(op.data, func(m *labels.Matcher) bool { return m.Name == l.Name })
			if l.Name == plan.NameLabel || !wanted {
				return nil
			}
			if v := lb.Get(l.Name); v != "" && v != l.Value {
				return fmt.Errorf("conflicting label: %s", l.Name)
			}
			if !ls.Has(l.Name) {
				lb.Set(l.Name, l.Value)
			}
			return nil
		})
		if err != nil {
			return ls, false, err
		}
	}
	if !matched && slices.ContainsFunc(op.data, func(m *labels.Matcher) bool { return !m.Matches("") }) {
		return ls, false, nil
	}
	added := lb.Labels()
	lb.Reset(ls)
	added.Range(func(l labels.Label) { lb.Set(l.Name, l.Value) })
	return lb.Labels(), true, nil
}
