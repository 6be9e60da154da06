package remote

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// errLabels is wrapped by what is wrong with the labels of a series.
var errLabels = errors.New("invalid labels")

// makeLabels makes the labels of a TimeSeries message and checks them as upstream does: a metric name, valid UTF-8,
// no name twice. Senders ought to sort; those that do not are forgiven.
func makeLabels(message []byte) (labels.Labels, error) {
	text := bytes.Clone(message) // labels are parts of this one copy until the builder is done
	var b labels.ScratchBuilder
	var last []byte
	sorted := true
	longest := 0
	err := eachLabel(text, func(name, value []byte) {
		sorted = sorted && bytes.Compare(last, name) < 0
		last = name
		longest = max(longest, len(name), len(value))
		b.Add(view(name), view(value))
	})
	switch {
	case err != nil:
		return labels.EmptyLabels(), err
	case longest > storage.MaxLabel:
		return labels.EmptyLabels(), fmt.Errorf("%w: the name or value of a label has %d bytes, more than %d", errLabels, longest, storage.MaxLabel)
	}
	if !sorted {
		b.Sort()
	}
	ls := b.Labels()
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return labels.EmptyLabels(), fmt.Errorf("%w: %.300s has the label %.100q twice", errLabels, ls, name)
	}
	ls = ls.WithoutEmpty()
	switch {
	case ls.Get(model.MetricNameLabel) == "":
		return labels.EmptyLabels(), fmt.Errorf("%w: %.300s has no metric name", errLabels, ls)
	case !ls.IsValid(model.UTF8Validation):
		return labels.EmptyLabels(), fmt.Errorf("%w: %.300s: names and values must be valid UTF-8, names not empty", errLabels, ls)
	}
	return ls, nil
}

// view returns b as a string without copying; b must not change as long as the string is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
