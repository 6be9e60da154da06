package tsdb

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// Options tunes a database; Dir must be set.
type Options struct {
	Dir            string
	FS             vfs.FS        // vfs.OS{} if nil
	Retention      time.Duration // parts older than the newest sample by this are deleted; 0 keeps them
	RetentionBytes int64         // the oldest parts are deleted while all files are larger; 0 means no limit

	// RetentionPercentage is the same as a share of the file system, in percent; 0 means no limit.
	RetentionPercentage float64

	// SelectorRetention keeps samples of some series for less than Retention. Of several, the first whose matchers
	// a series satisfies counts. It is applied to whole parts and when parts are merged, so samples stay for up to the
	// span of a part longer.
	SelectorRetention []SelectorRetention

	// Sync says when samples are on stable storage: "always" before they are acknowledged, "off" when the
	// operating system sees fit, a duration like "200ms" at most that much later. Whatever it says, the end of
	// the process loses nothing that was acknowledged. "" means "200ms".
	Sync string

	// OutOfOrderWindow is how much older than the newest sample one may be that is out of order for its series
	// and older than the rows in memory still open. 0 refuses those.
	OutOfOrderWindow time.Duration

	CheckpointBytes int64 // of log, before compression, after which a checkpoint is taken; 0 means 32 MiB
	SegmentSize     int64 // of the log; 0 means 64 MiB

	// Ballast is the size of a file that takes space until the disk is full: then it is given back, so that checkpoints,
	// merges and deletions have room, and nothing is stored until there is room for it again. It is at most a fiftieth
	// of the file system. 0 means none.
	Ballast int64

	Gate  Gate        // decides which series may be new, and whose samples are taken; all if nil
	Space func(Space) // hears about once a second how the disk is; may be nil

	Logger     *slog.Logger          // nothing is logged if nil
	Registerer prometheus.Registerer // no metrics if nil
	Clock      func() time.Time      // time.Now if nil
}

// withDefaults fills what is not set, and returns the interval of Sync: 0 for none.
func (o Options) withDefaults() (Options, time.Duration, error) {
	if o.Dir == "" {
		return o, 0, errors.New("the database needs a directory")
	}
	if err := o.retention().check(); err != nil {
		return o, 0, err
	}
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sync == "" {
		o.Sync = "200ms"
	}
	if o.CheckpointBytes <= 0 {
		o.CheckpointBytes = 32 << 20
	}
	if o.Sync == "always" || o.Sync == "off" {
		return o, 0, nil
	}
	d, err := time.ParseDuration(o.Sync)
	if err != nil || d <= 0 {
		return o, 0, fmt.Errorf(`sync = %q is neither "always", "off" nor a duration like "200ms"`, o.Sync)
	}
	return o, d, nil
}

// Gate is what the head asks.
type Gate = head.Gate

// registrar registers collectors and takes them back, so that a database can be opened again beside the same
// registry.
type registrar struct {
	reg prometheus.Registerer
	cs  []prometheus.Collector
}

// Register implements prometheus.Registerer.
func (r *registrar) Register(c prometheus.Collector) error {
	if r.reg == nil {
		return nil
	}
	if err := r.reg.Register(c); err != nil {
		return err
	}
	r.cs = append(r.cs, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *registrar) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err) // two databases beside one registry: a mistake of the program
		}
	}
}

// Unregister implements prometheus.Registerer.
func (r *registrar) Unregister(c prometheus.Collector) bool {
	return r.reg != nil && r.reg.Unregister(c)
}

func (r *registrar) close() {
	for _, c := range r.cs {
		r.reg.Unregister(c)
	}
	r.cs = nil
}
