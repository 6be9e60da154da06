package scrape

import (
	"hash/maphash"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/exposition"
)

// example is the exemplars of a series in a scrape.
type example struct {
	series uint64 // hash
	hash   uint64 // of the exemplars
	labels labels.Labels
	list   []exemplar.Exemplar // in order of time
}

// exemplify takes the exemplars of the current sample, which is for the time t, Unix milliseconds. A target shows the
// same ones until it has others: only those are taken that the scrape before did not have.
func (w *walk) exemplify(ref uint32, t int64) error {
	if !w.wantExemplars || !w.parser.HasExemplars() {
		return nil
	}
	w.readExemplars = w.parser.Exemplars(w.readExemplars[:0])
	if len(w.readExemplars) == 0 {
		return nil
	}
	p := w.page
	e := example{series: p.series[ref].hash, hash: p.env.hashExemplars(w.readExemplars)}
	if p.examples[e.series] == e.hash {
		return nil
	}
	var err error
	if e.labels, err = w.learn(ref); err != nil {
		return err
	}
	for _, x := range w.readExemplars {
		if !x.HasT {
			x.T = t
		}
		e.list = append(e.list, exemplar.Exemplar{Labels: x.Labels, Value: x.Value, Ts: x.T, HasTs: x.HasT})
	}
	slices.SortFunc(e.list, exemplar.Compare)
	w.examples = append(w.examples, e)
	return nil
}

// hashExemplars returns a hash of exemplars that is never 0.
func (e *env) hashExemplars(list []exposition.Exemplar) uint64 {
	var h maphash.Hash
	h.SetSeed(e.seed)
	for _, x := range list {
		maphash.WriteComparable(&h, e.hash(x.Labels))
		maphash.WriteComparable(&h, math.Float64bits(x.Value))
		if x.HasT {
			maphash.WriteComparable(&h, x.T)
		}
	}
	return h.Sum64() | 1
}

// writeExemplars writes the exemplars of w. Those that the storage refuses are counted.
func (p *page) writeExemplars(w *walk) {
	if len(w.examples) == 0 {
		return
	}
	if p.examples == nil || len(p.examples) > 2*len(p.series) { // most are of series that are gone
		p.examples = map[uint64]uint64{}
	}
	for _, e := range w.examples {
		p.examples[e.series] = e.hash
		if err := p.env.exemplars.AppendExemplars(e.labels, e.list); err != nil {
			p.env.metrics.drop(dropExemplar, 1)
		}
	}
}
