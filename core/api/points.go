package api

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/hearth-project/hearth/core/internal/floattext"
	"github.com/hearth-project/hearth/core/model"
)

// column is a time of a result with its text. The series of a range query share their times, so each is printed once
// an answer and copied from then on.
type column struct {
	t    int64
	n    int32 // bytes of text
	text [28]byte
}

const (
	maxColumns   = maxPoints + 1 // as many as a range query has
	maxSample    = len(column{}.text) + floattext.Max + len(`"]`)
	samplesAHand = 64 // written between two looks at how full the buffer is
)

// points writes samples.
type points struct {
	columns []column // in order of t
	next    int      // where the time of the next sample is expected
}

// appendSamples writes samples, each after a comma. b must have room for as many times maxSample.
func (p *points) appendSamples(b []byte, samples []model.Sample) []byte {
	n, from, size := len(b), 0, 0
	b = b[:cap(b)]
	for i, v := range samples {
		c := p.column(v.T)
		*(*[len(c.text)]byte)(b[n:]) = c.text
		n += int(c.n)
		if i > 0 && math.Float64bits(v.V) == math.Float64bits(samples[i-1].V) { // values often stay
			*(*[floattext.Max]byte)(b[n:]) = *(*[floattext.Max]byte)(b[from:])
		} else {
			size = len(floattext.Append(b[:n], v.V)) - n
		}
		from = n
		n += size
		b[n], b[n+1] = '"', ']'
		n += 2
	}
	return b[:n]
}

// column returns the column of t, which stays until the next call.
func (p *points) column(t int64) *column {
	i := p.next
	if i >= len(p.columns) || p.columns[i].t != t {
		i = p.find(t)
	}
	p.next = i + 1
	return &p.columns[i]
}

// find looks for t, and prints it if it is not there. Where a new time is not the last one, the columns are of another
// series with other times, as those of different targets are in a range vector: they start anew.
func (p *points) find(t int64) int {
	i := len(p.columns)
	if i > 0 && p.columns[i-1].t >= t {
		at, found := slices.BinarySearchFunc(p.columns, t, func(c column, t int64) int { return cmp.Compare(c.t, t) })
		if found {
			return at
		}
		i = maxColumns
	}
	if i == maxColumns {
		p.columns, i = p.columns[:0], 0
	}
	p.columns = append(p.columns, column{t: t})
	c := &p.columns[i]
	c.n = int32(len(append(appendTime(append(c.text[:0], ',', '['), t), ',', '"')))
	return i
}

// appendTime writes Unix milliseconds as seconds with three decimals, or none.
func appendTime(b []byte, t int64) []byte {
	u := uint64(t)
	if t < 0 {
		b = append(b, '-')
		u = -u
	}
	b = strconv.AppendUint(b, u/1000, 10)
	if ms := u % 1000; ms != 0 {
		b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
	return b
}
