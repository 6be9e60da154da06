package tsdb

import (
	"sync"
	"time"

	"github.com/hearth-project/hearth/core/storage"
)

// Counting goes through all values of all labels, and whoever asks may ask often. So an answer is given again until a
// hundred times what it took is over: counting takes a hundredth of a core at most, however many ask.
const (
	countingShare  = 100
	longestCounted = 30 * time.Second // as upstream, whose answers are always that old
)

// counted is the last answer to a question for the cardinality.
type counted struct {
	sync.Mutex
	limit int
	until time.Time
	last  storage.Cardinality
}

// Cardinality says what the series in memory are made of, now or a moment ago; its lists have at most limit entries and
// must not be changed.
func (db *DB) Cardinality(limit int) storage.Cardinality {
	return db.counted.get(limit, db.opts.Clock, db.head.Cardinality)
}

func (c *counted) get(limit int, clock func() time.Time, count func(limit int) storage.Cardinality) storage.Cardinality {
	c.Lock()
	defer c.Unlock()
	began := clock()
	if limit > c.limit || !began.Before(c.until) || c.until.Sub(began) > longestCounted {
		c.last, c.limit = count(limit), limit
		now := clock()
		c.until = now.Add(min(countingShare*now.Sub(began), longestCounted))
	}
	out := c.last
	for _, list := range []*[]storage.Count{&out.SeriesByMetric, &out.SeriesByPair, &out.ValuesByLabel, &out.BytesByLabel} {
		*list = (*list)[:min(limit, len(*list))]
	}
	return out
}
