package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

func (s Suite) exporter(t *testing.T) {
	i := s.configured(t, s.Settings)
	first := s.collect(t, i)
	t.Run("every metric has a type and a help text", func(t *testing.T) { first.described(t) })
	t.Run("a second call and a second instance see the same series", func(t *testing.T) {
		for what, e := range map[string]*Exposition{"second call": s.collect(t, i), "second instance": s.collect(t, s.configured(t, s.Settings))} {
			for _, diff := range first.missingIn(e, s.Volatile) {
				t.Errorf("%s: %s is gone", what, diff)
			}
			for _, diff := range e.missingIn(first, s.Volatile) {
				t.Errorf("%s: %s is new", what, diff)
			}
		}
	})
	t.Run("it ends in time", func(t *testing.T) {
		endsInTime(t, func(ctx context.Context) error {
			_, err := s.configured(t, s.Settings).Call(ctx, abi.OpCollect, s.request(t))
			return err
		})
	})
	t.Run("a request that is none is refused", func(t *testing.T) {
		if _, err := s.configured(t, s.Settings).Call(t.Context(), abi.OpCollect, []byte("{")); sdk.AsError(err) == nil || sdk.AsError(err).Code != sdk.CodeInvalidRequest {
			t.Errorf("got %v", err)
		}
	})
}

func (s Suite) request(t *testing.T) []byte {
	t.Helper()
	req, err := json.Marshal(abi.CollectRequest{Address: s.Target, DeadlineMS: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func (s Suite) collect(t *testing.T, i Instance) *Exposition {
	t.Helper()
	out, err := i.Call(t.Context(), abi.OpCollect, s.request(t))
	if err != nil {
		t.Fatalf("collect: %v", err)
	}
	e, err := ParseExposition(out)
	if err != nil {
		t.Fatalf("collect: %v in\n%s", err, out)
	}
	if len(e.Series) == 0 {
		t.Fatal("collect: no samples")
	}
	return e
}

// Exposition is what upstream's parser reads in the text format.
type Exposition struct {
	Types  map[string]string  // by family
	Help   map[string]string  // by family
	Series map[string]float64 // by label set, as {__name__="up", a="b"}
	Names  map[string]string  // metric name by label set
}

// ParseExposition reads an exposition in the text format and refuses one that says a series, a type or a help text
// twice.
func ParseExposition(body []byte) (*Exposition, error) {
	e := &Exposition{map[string]string{}, map[string]string{}, map[string]float64{}, map[string]string{}}
	p := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		if err != nil {
			return nil, err
		}
		switch entry {
		case textparse.EntryType:
			name, typ := p.Type()
			if _, twice := e.Types[string(name)]; twice {
				return nil, errors.New("two types of " + string(name))
			}
			e.Types[string(name)] = string(typ)
		case textparse.EntryHelp:
			name, help := p.Help()
			if _, twice := e.Help[string(name)]; twice {
				return nil, errors.New("two help texts of " + string(name))
			}
			e.Help[string(name)] = string(help)
		case textparse.EntrySeries:
			var ls labels.Labels
			_, _, v := p.Series()
			p.Labels(&ls)
			ls = ls.WithoutEmpty() // as when scraped
			key := ls.String()
			if _, twice := e.Series[key]; twice {
				return nil, errors.New("twice: " + key)
			}
			e.Series[key] = v
			e.Names[key] = ls.Get(model.MetricNameLabel)
		}
	}
}

// described checks that each family has its type and help.
func (e *Exposition) described(t *testing.T) {
	for _, name := range slices.Compact(slices.Sorted(maps.Values(e.Names))) {
		family := e.family(name)
		if e.Types[family] == "" {
			t.Errorf("%s has no type", name)
		}
		if e.Help[family] == "" {
			t.Errorf("%s has no help text", name)
		}
	}
}

// family returns the family of a metric: for parts of a histogram or summary the name without the ending.
func (e *Exposition) family(name string) string {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		if n := len(name) - len(suffix); n > 0 && name[n:] == suffix && e.Types[name[:n]] != "" {
			return name[:n]
		}
	}
	return name
}

func (e *Exposition) missingIn(other *Exposition, volatile []string) []string {
	var missing []string
	for key, name := range e.Names {
		if _, ok := other.Series[key]; !ok && !slices.Contains(volatile, e.family(name)) {
			missing = append(missing, key)
		}
	}
	slices.Sort(missing)
	return missing
}
