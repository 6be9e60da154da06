package remote

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/storage"
)

// maxStatements is how many different statements about metrics a request may make; more are counted and skipped.
const maxStatements = 50_000

// metricTypes are the types of metrics, by the number that both versions have for them.
var metricTypes = [...]model.MetricType{
	model.MetricTypeUnknown, model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeGaugeHistogram,
	model.MetricTypeSummary, model.MetricTypeInfo, model.MetricTypeStateset,
}

func metricType(n uint32) model.MetricType {
	if n >= uint32(len(metricTypes)) {
		return model.MetricTypeUnknown
	}
	return metricTypes[n]
}

// statements gathers what a request says of metrics. The texts are of the message.
type statements struct {
	said    []storage.Metadata
	skipped int
}

func (s *statements) metadata() *statements { return s }

func (s *statements) add(m storage.Metadata) {
	if len(s.said) == maxStatements {
		s.skipped++
		return
	}
	s.said = append(s.said, m)
}

// decodeMetadata decodes a MetricMetadata message of version 1.0.
func decodeMetadata(b []byte) (m storage.Metadata, err error) {
	kind := uint64(0)
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return m, err
		}
		text := func(to *string) {
			var part []byte
			if wire != wireBytes {
				err = fmt.Errorf("%w: field %d of metadata", errMalformed, field)
				return
			}
			part, i, err = chunk(b, at)
			*to = view(part)
		}
		switch field {
		case 1:
			i, err = varintField(b, at, field, wire, &kind)
		case 2:
			text(&m.Metric)
		case 4:
			text(&m.Help)
		case 5:
			text(&m.Unit)
		default:
			i, err = skip(b, at, wire)
		}
		if err != nil {
			return m, err
		}
	}
	m.Type = string(metricType(uint32(kind)))
	return m, nil
}

// symbolic is what a series of version 2.0 says of its metric, in numbers of symbols. Most series of a request say what
// the one before says.
type symbolic struct{ metric, kind, help, unit uint32 }

// says decodes the Metadata message of a series with these labels. A series has the name of its metric, which for the
// parts of classic histograms and summaries is not that of the family.
func (w *walker2) says(b []byte, refs []uint32) error {
	var v struct{ kind, help, unit uint64 }
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return err
		}
		switch field {
		case 1:
			i, err = varintField(b, at, field, wire, &v.kind)
		case 3:
			i, err = varintField(b, at, field, wire, &v.help)
		case 4:
			i, err = varintField(b, at, field, wire, &v.unit)
		default:
			i, err = skip(b, at, wire)
		}
		if err != nil {
			return err
		}
	}
	one := symbolic{kind: uint32(v.kind), help: uint32(v.help), unit: uint32(v.unit)}
	if one == (symbolic{}) {
		return nil
	}
	help, err := w.symbol(one.help)
	if err != nil {
		return err
	}
	unit, err := w.symbol(one.unit)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(refs); i += 2 {
		name, err := w.symbol(refs[i])
		if err != nil {
			return err
		}
		if string(name) == model.MetricNameLabel {
			one.metric = refs[i+1]
			break
		}
	}
	if one == w.last {
		return nil
	}
	w.last = one
	if _, known := w.known[one]; known {
		return nil
	}
	metric, err := w.symbol(one.metric)
	if err != nil || len(metric) == 0 { // a series without a name is refused in its turn
		return err
	}
	kind := metricType(one.kind)
	if w.known == nil {
		w.known = map[symbolic]struct{}{}
	}
	if len(w.known) < maxStatements {
		w.known[one] = struct{}{}
	}
	w.add(storage.Metadata{Metric: view(family(metric, kind)), Type: string(kind), Help: view(help), Unit: view(unit)})
	return nil
}

// family returns the name of the family that a series with this name is of.
func family(name []byte, kind model.MetricType) []byte {
	var suffixes string
	switch kind {
	case model.MetricTypeHistogram:
		suffixes = "_bucket _count _sum"
	case model.MetricTypeGaugeHistogram:
		suffixes = "_bucket _gcount _gsum"
	case model.MetricTypeSummary:
		suffixes = "_count _sum"
	}
	for suffix := range strings.FieldsSeq(suffixes) {
		if short, ok := bytes.CutSuffix(name, []byte(suffix)); ok && len(short) > 0 {
			return short
		}
	}
	return name
}
