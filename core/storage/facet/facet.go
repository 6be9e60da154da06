// Package facet keeps samples that are more than a number as several numbers. A native histogram is a row of
// counts, and so its series is stored as columns beside each other: one a bucket, one for the sum, and so on. Such a
// column is a facet of the series: a series of the database like any other, with the labels of the visible one and
// one more, Name, whose value says which facet it is. All that the database does with columns (rows, log, tiles,
// parts, merges, deletion, retention) it does with facets; only what comes in from senders and what goes out to
// readers knows of them.
//
//	k       schema + 128, + 256 × counter reset hint, + 1024 if the counts are floats, + 2048 × the number of other
//	        cells of the histogram; a row has a histogram if and only if it has this, and as many cells. With custom
//	        buckets their upper bounds follow the k: k0.1,0.5,1
//	s       sum of the observations; absent for 0
//	c       number of observations, where it is not the sum of all buckets, added up in the order in which
//	        storage.Histograms has them, the zero bucket first
//	z, t    count and threshold of the zero bucket; absent for 0
//	+N, -N  count of the positive, the negative bucket of index N, not the difference to the bucket before; absent
//	        for a bucket that the histogram does not have
//	0       start timestamp, Unix milliseconds; beside a histogram or a float
//
// The end of a series is a staleness marker in the visible series itself, histogram or not. If a row has both a
// number and a histogram, the histogram counts. Series writes facets, Gather reads them.
package facet

import (
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Name is the name of the label that tells the facets of a series apart. It is no valid UTF-8, so that no label of a
// user's has it and no selector can ask for it, and sorts after all names that are.
const Name = "\xff"

// The facets that are not of a bucket, by the value of the label.
const (
	kind          = "k"
	sum           = "s"
	count         = "c"
	zeroCount     = "z"
	zeroThreshold = "t"
	start         = "0"
)

// Visible returns names without Name; names are sorted.
func Visible(names []string) []string {
	if n := len(names); n > 0 && names[n-1] == Name {
		return names[:n-1]
	}
	return names
}

// Split returns the labels of the visible series that a series of the database is or is a facet of, and whether its cells
// are samples of that, one each: numbers, or those that say that a row has a histogram.
func Split(ls labels.Labels) (visible labels.Labels, samples bool) {
	name := ls.Get(Name)
	if name == "" {
		return ls, true
	}
	_, samples = boundsOf(name)
	return labels.NewBuilder(ls).Del(Name).Labels(), samples
}

// kindOf returns the number that tells what kind of histogram a row has.
func kindOf(schema int32, hint histogram.CounterResetHint, floats bool, cells int) float64 {
	k := int(schema) + 128 + 256*int(hint) + 2048*cells
	if floats {
		k += 1024
	}
	return float64(k)
}

// kinds is kindOf backwards; ok is false for what is no kind.
func kinds(v float64) (schema int32, hint histogram.CounterResetHint, floats bool, cells int, ok bool) {
	if v < 0 || v >= 2048*(MaxBuckets+5) || v != math.Trunc(v) {
		return 0, 0, false, 0, false
	}
	k := int(v)
	return int32(k%256) - 128, histogram.CounterResetHint(k / 256 % 4), k/1024%2 == 1, k / 2048, true
}

// boundsName returns the name of the facet for the kind of histograms with these custom bounds.
func boundsName(bounds []float64) string {
	b := []byte(kind)
	for i, v := range bounds {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return string(b)
}

// boundsOf is boundsName backwards; ok is false for the name of another facet.
func boundsOf(name string) (bounds []float64, ok bool) {
	list, ok := strings.CutPrefix(name, kind)
	if !ok || list == "" {
		return nil, ok
	}
	for s := range strings.SplitSeq(list, ",") {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, false
		}
		bounds = append(bounds, v)
	}
	return bounds, true
}

func bucketName(index int32, negative bool) string {
	sign := byte('+')
	if negative {
		sign = '-'
	}
	return string(strconv.AppendInt([]byte{sign}, int64(index), 10))
}

// bucketOf is bucketName backwards; ok is false for the name of another facet.
func bucketOf(name string) (index int32, negative, ok bool) {
	if name == "" || name[0] != '+' && name[0] != '-' {
		return 0, false, false
	}
	i, err := strconv.ParseInt(name[1:], 10, 32)
	return int32(i), name[0] == '-', err == nil
}

// labelsOf returns the labels of a facet of the series ls.
func labelsOf(ls labels.Labels, name string) labels.Labels {
	return labels.NewBuilder(ls).Set(Name, name).Labels()
}
