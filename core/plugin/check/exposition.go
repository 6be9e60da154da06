package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// exposition is what Prometheus's parser reads.
type exposition struct {
	series int
	names  map[string]bool // of metrics
	types  map[string]bool // families that have one
	help   map[string]bool
}

// parse reads an exposition of either text format. A series, type or help text that comes twice is an error.
func parse(body []byte) (*exposition, error) {
	e := &exposition{names: map[string]bool{}, types: map[string]bool{}, help: map[string]bool{}}
	kind := "text/plain"
	if bytes.HasSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("# EOF")) {
		kind = "application/openmetrics-text"
	}
	p, err := textparse.New(body, kind, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	once := func(of map[string]bool, what, name string) error {
		if of[name] {
			return fmt.Errorf("%s %s comes twice", what, name)
		}
		of[name] = true
		return nil
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		if err != nil {
			return nil, fmt.Errorf("after %d series: %w", e.series, err)
		}
		switch entry {
		case textparse.EntryType:
			name, _ := p.Type()
			err = once(e.types, "the type of", string(name))
		case textparse.EntryHelp:
			name, _ := p.Help()
			err = once(e.help, "the help text of", string(name))
		case textparse.EntrySeries:
			var ls labels.Labels
			p.Labels(&ls)
			ls = ls.WithoutEmpty() // as when scraped
			e.series++
			e.names[ls.Get(model.MetricNameLabel)] = true
			err = once(seen, "the series", ls.String())
		}
		if err != nil {
			return nil, err
		}
	}
}

// undescribed names the metrics without a type or a help text; "" if there are none.
func (e *exposition) undescribed() string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(e.names)) {
		for what, of := range map[string]map[string]bool{"type": e.types, "help text": e.help} {
			if !e.has(of, name) {
				problems = append(problems, fmt.Sprintf("%s has no %s", name, what))
			}
		}
	}
	slices.Sort(problems)
	const most = 5
	if n := len(problems) - most; n > 0 {
		problems = append(problems[:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(problems, "; ")
}

// has looks for a metric's family: its name, or that without an ending that families leave out.
func (e *exposition) has(of map[string]bool, name string) bool {
	for _, ending := range []string{"", "_total", "_bucket", "_sum", "_count", "_created", "_info"} {
		if family, ok := strings.CutSuffix(name, ending); ok && of[family] {
			return true
		}
	}
	return false
}
