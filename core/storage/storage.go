// Package storage is the contract between what writes samples, what keeps them and what queries them.
//
// The unit is the group: series that are written together, as those of one scrape target are, share one
// timestamp column, and a scrape is one row. A writer asks for a group, asks it once for the slot of each
// series, and then appends rows. A reader selects series and gets them group by group, as columns: the
// timestamps once, the values series by series on demand. Series that share no timestamps with others are
// groups of one.
//
// core/tsdb implements both sides; core/scrape, core/rules and core/remote write; core/promql reads.
package storage

import (
	"context"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// What an append can be refused for. They are wrapped with the series and times concerned.
var (
	ErrOutOfOrder = errors.New("out of order sample")                           // older than what the storage still takes for this series
	ErrDuplicate  = errors.New("duplicate sample for timestamp")                // same series and time, another value
	ErrTooOld     = errors.New("sample older than the retention")               // nothing would keep it
	ErrTooNew     = errors.New("sample too far in the future")                  // a broken clock at the sender
	ErrClosed     = errors.New("storage closed")                                // after Close
	ErrNoSpace    = errors.New("storage refuses writes: disk is full or fails") // reads go on; it recovers by itself
	ErrLimit      = errors.New("new series refused by a limit")                 // those that are known go on
)

// AbsentBits is the bit pattern of Absent. A sample that arrives with these very bits is stored as an ordinary NaN.
const AbsentBits = 0x7ff0000000000bad

// Absent stands in a column of values where the series has no sample in that row. It is never visible to users.
var Absent = math.Float64frombits(AbsentBits)

// IsAbsent tells whether v, read from a column, means "no sample here".
func IsAbsent(v float64) bool { return math.Float64bits(v) == AbsentBits }

// MaxLabel is how many bytes a label may have when labels are made: labels.Labels panic on a name or value of more. What a
// storage takes is far less.
const MaxLabel = 16 << 20

// Slot names a series within its group, for one writer's Group handle; it stays valid as long as that handle.
type Slot uint32

// Writer is the writing side of a storage. Safe for concurrent use.
type Writer interface {
	// Group returns the group whose series share the labels common (a target's labels), making it if absent.
	Group(common labels.Labels) (Group, error)

	// Append stores samples of single series, for senders that do not come in rows (remote write, rules).
	// Samples of one series must be in order of T. What is refused is counted and described in the error
	// (errors.Is finds the reasons above; see AppendError); the rest is stored. When it returns, all that was
	// accepted is in the log as the sync setting promises.
	Append(ctx context.Context, batch []model.Series) error
}

// Group takes the rows of series that are written together. Methods may be called from one goroutine at a time.
type Group interface {
	// Slot returns the slot of the series with the full label set ls. Labels equal to the group's common ones
	// are stored once; a series may also override or lack a common label.
	Slot(ls labels.Labels) (Slot, error)

	// Append stores one row: values[i] for the series slots[i], all at time t (Unix milliseconds). Slots must be
	// distinct; series of the group that are not named have no sample in this row. The row is in the log as the
	// sync setting promises when it returns. On a refusal nothing of the row is stored.
	Append(t int64, slots []Slot, values []float64) error

	// Close gives the handle up. The data stays.
	Close()
}

// AppendError tells what part of a batch was refused, and the first reason.
type AppendError struct {
	Rejected int   // samples not stored
	Stored   int   // samples stored
	First    error // wraps one of the sentinels, names the series and the times
}

func (e *AppendError) Error() string { return e.First.Error() }

// Unwrap returns the first reason.
func (e *AppendError) Unwrap() error { return e.First }

// Queryable opens queriers: the reading side of a storage. Safe for concurrent use.
type Queryable interface {
	// Querier reads what is stored for mint..maxt (Unix milliseconds, inclusive) as it stands now; later
	// appends may or may not be seen. It must be closed.
	Querier(mint, maxt int64) (Querier, error)
}

// Querier is a view of a time range. Safe for concurrent use until closed.
type Querier interface {
	// Select returns the series that satisfy all matchers and have samples in mint..maxt, in order of labels
	// within a group; each label set occurs once. Columns stay readable until the querier is closed.
	Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]Columns, error)

	// LabelNames returns the sorted names of all labels on matching series; no matcher means all series.
	LabelNames(ctx context.Context, ms ...*labels.Matcher) ([]string, error)

	// LabelValues returns the sorted values of the label name on matching series.
	LabelValues(ctx context.Context, name string, ms ...*labels.Matcher) ([]string, error)

	Close() error
}

// Columns is a selection of series that share one timestamp column. Its methods are safe for concurrent use;
// returned slices that are shared must not be changed.
type Columns interface {
	// Common returns labels that most series of the group carry; Labels has them already.
	Common() labels.Labels

	// Len returns the number of series.
	Len() int

	// Labels returns the full label set of series i, resolved when asked for.
	Labels(i int) labels.Labels

	// Times returns the timestamps of the rows, strictly increasing, Unix milliseconds, within the selection.
	// Shared.
	Times() []int64

	// Rows returns the rows lo..hi-1 outside of which series i has no sample.
	Rows(i int) (lo, hi int)

	// Values decodes rows lo..hi-1 of series i into dst, which is grown if too small, and returns it with length
	// hi-lo: Absent where the series has no sample. An error means damage: it names the file.
	Values(i, lo, hi int, dst []float64) ([]float64, error)
}
