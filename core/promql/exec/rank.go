package exec

import (
	"cmp"
	"fmt"
	"math"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// ranked is topk, bottomk and limitk: of each group some series, at each step chosen anew, with their own labels. Only
// what is chosen is kept.
type ranked struct {
	*plan.Aggregate
	of    operator
	param scalar
	n     int

	k []float64 // the parameter at each step
}

func rank(a *plan.Aggregate, of operator, param scalar, n int) operator {
	op := &ranked{Aggregate: a, of: of, param: param, n: n}
	return &held{compute: op.matrix}
}

func (op *ranked) matrix(q *query) (*matrix, error) {
	var err error
	if op.k, err = op.param.eval(q); err != nil {
		return nil, err
	}
	ss, err := op.of.open(q)
	if err != nil {
		return nil, err
	}
	nothing, bad := op.check()
	g := newGrouping(ss, op.Aggregate, op.Grouping)
	byGroup := make([]*heaps, len(g.groups))
	var all []*heaps // by the first series of the group that has a value
	err = op.of.run(q, func(i int, col column) error {
		if nothing || bad != nil {
			return nil
		}
		h := byGroup[g.of[i]]
		if h == nil {
			if col.empty() {
				return nil
			}
			if h, err = op.newHeaps(q, g.size[g.of[i]]); err != nil {
				return err
			}
			byGroup[g.of[i]] = h
			all = append(all, h)
		}
		if h.add(i, col) {
			q.annotate(annotations.NewHistogramIgnoredInAggregationInfo(op.Op.String(), op.Pos()))
		}
		return nil
	})
	if err != nil || bad != nil {
		return nil, cmp.Or(err, bad)
	}
	if op.n == 1 {
		return op.inOrder(q, ss, all)
	}
	return op.bySeries(q, ss, all)
}

// check looks at the parameter. nothing tells that no series can be chosen at any step.
func (op *ranked) check() (nothing bool, err error) {
	b := boundsOf(op.k)
	switch {
	case b.max < 1:
		return true, nil
	case b.nan:
		return false, fn.Error("Parameter value is NaN")
	case b.min <= math.MinInt64:
		return false, fn.Error(fmt.Sprintf("Scalar value %v underflows int64", b.min))
	case b.max >= maxInt64:
		return false, fn.Error(fmt.Sprintf("Scalar value %v overflows int64", b.max))
	}
	return false, nil
}

// maxInt64 is the largest float64 that is an int64.
const maxInt64 = 9223372036854774784

// heaps keeps for each step of one group the series chosen so far, as a heap whose root is the first to go. The heaps
// are those of container/heap, so that among equals the same ones stay as upstream's.
type heaps struct {
	op    parser.ItemType
	limit []int // how many are chosen, at each step
	room  int   // for each step in items
	items []item
	size  []int32
}

type item struct {
	v float64                   // 0 for a histogram
	h *histogram.FloatHistogram // of limitk only: others ignore them
	i int32                     // series
}

const itemCells = 3

func (op *ranked) newHeaps(q *query, members int) (*heaps, error) {
	h := &heaps{op: op.Op, size: make([]int32, op.n), limit: make([]int, op.n)}
	for k, x := range op.k {
		h.limit[k] = max(0, int(min(int64(x), int64(members))))
		h.room = max(h.room, h.limit[k])
	}
	if err := q.charge(op.n * (h.room*itemCells + 2)); err != nil {
		return nil, err
	}
	h.items = make([]item, op.n*h.room)
	return h, nil
}

// before tells whether x goes before y.
func (h *heaps) before(x, y float64) bool {
	if h.op == parser.BOTTOMK {
		return x != x || x > y
	}
	return x != x || x < y
}

// add offers series i. ignored tells that it has a histogram that has no rank.
func (h *heaps) add(i int, col column) (ignored bool) {
	topk := h.op == parser.TOPK && col.h == nil
	for k, x := range col.v {
		if n := int(h.size[k]); topk && n > 0 && n == h.limit[k] && h.items[k*h.room].v >= x {
			continue // as most do
		}
		if !col.has(k) || h.limit[k] == 0 {
			continue
		}
		native := col.hist(k)
		if native != nil {
			if h.op != parser.LIMITK {
				ignored = true
				continue
			}
			x = 0
		}
		n := int(h.size[k])
		heap := h.items[k*h.room:]
		if n < h.limit[k] {
			h.push(k, item{x, native, int32(i)})
			continue
		}
		root := heap[0].v
		if h.op == parser.LIMITK || !h.before(root, x) || root != root && x != x {
			continue
		}
		heap[0] = item{v: x, i: int32(i)}
		h.down(heap[:n])
	}
	return ignored
}

func (h *heaps) push(k int, it item) {
	heap := h.items[k*h.room:]
	j := int(h.size[k])
	heap[j] = it
	h.size[k]++
	for j > 0 {
		up := (j - 1) / 2
		if !h.before(heap[j].v, heap[up].v) {
			break
		}
		heap[up], heap[j] = heap[j], heap[up]
		j = up
	}
}

func (h *heaps) down(heap []item) {
	for j := 0; ; {
		child := 2*j + 1
		if child >= len(heap) {
			return
		}
		if r := child + 1; r < len(heap) && h.before(heap[r].v, heap[child].v) {
			child = r
		}
		if !h.before(heap[child].v, heap[j].v) {
			return
		}
		heap[j], heap[child] = heap[child], heap[j]
		j = child
	}
}

// inOrder returns what was chosen at the only step, group by group, the first in rank first.
func (op *ranked) inOrder(q *query, ss []series, all []*heaps) (*matrix, error) {
	m := &matrix{}
	for _, h := range all {
		chosen := h.items[:h.size[0]]
		if op.Op != parser.LIMITK && len(chosen) > 1 {
			sort.Sort(sort.Reverse(byRank{h, chosen}))
		}
		for _, it := range chosen {
			col, err := q.absent(1)
			if err != nil {
				return nil, err
			}
			if err := it.put(q, 0, &col); err != nil {
				return nil, err
			}
			m.series = append(m.series, ss[it.i])
			m.cols = append(m.cols, col)
		}
	}
	return m, nil
}

// put puts what was chosen into col at step k.
func (it item) put(q *query, k int, col *column) error {
	if it.h == nil {
		col.v[k] = it.v
	}
	return col.putHist(q, k, it.h)
}

type byRank struct {
	h     *heaps
	items []item
}

func (b byRank) Len() int           { return len(b.items) }
func (b byRank) Swap(i, j int)      { b.items[i], b.items[j] = b.items[j], b.items[i] }
func (b byRank) Less(i, j int) bool { return b.h.before(b.items[i].v, b.items[j].v) }

// bySeries returns the chosen series in their order, each with a value where it was chosen.
func (op *ranked) bySeries(q *query, ss []series, all []*heaps) (*matrix, error) {
	cols := make([]column, len(ss))
	for _, h := range all {
		for k, n := range h.size {
			for _, it := range h.items[k*h.room:][:n] {
				if cols[it.i].v == nil {
					col, err := q.absent(op.n)
					if err != nil {
						return nil, err
					}
					cols[it.i] = col
				}
				if err := it.put(q, k, &cols[it.i]); err != nil {
					return nil, err
				}
			}
		}
		q.release(op.n * (h.room*itemCells + 2))
	}
	m := &matrix{}
	for i, col := range cols {
		if col.v != nil {
			m.series = append(m.series, ss[i])
			m.cols = append(m.cols, col)
		}
	}
	return m, nil
}
