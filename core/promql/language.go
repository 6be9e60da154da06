package promql

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/promql/parser"
	upstream "github.com/prometheus/prometheus/util/features"

	"github.com/hearth-project/hearth/core/promql/callout"
)

// language is upstream's parser, for expressions that may call functions of a table besides PromQL's own. The table can
// be replaced while the parser is used.
type language struct {
	parser.Parser
	table     atomic.Pointer[functions]
	elsewhere func(name string) string // may be nil
}

// functions is what can be called: by the parser, and by the engine beyond what it has itself.
type functions struct {
	all  map[string]*parser.Function
	outs callout.Table
}

// own is PromQL's functions.
var own = &functions{all: parser.Functions}

// known guards parser.Functions. Upstream v0.315.0 looks names up there and takes no other table; v0.316.0 has a field
// for it in parser.Options, with which all this becomes one line. Parsers of the same table don't wait for each other.
var known = struct {
	sync.RWMutex
	now *functions
}{now: own}

func newLanguage(o parser.Options, elsewhere func(name string) string) *language {
	s := &language{Parser: parser.NewParser(o), elsewhere: elsewhere}
	s.table.Store(own)
	return s
}

// set makes fs the functions that can be called besides PromQL's own. On an error nothing changes.
func (s *language) set(fs []callout.Function) error {
	outs, err := callout.NewTable(fs, own.all)
	if err != nil {
		return err
	}
	f := own
	if len(outs) > 0 {
		f = &functions{all: maps.Clone(own.all), outs: outs}
		for name, out := range outs {
			f.all[name] = &parser.Function{
				Name: name, ArgTypes: out.Required(), Variadic: out.Variadic, ReturnType: parser.ValueTypeVector,
			}
		}
	}
	s.table.Store(f)
	return nil
}

// with calls f while upstream's parser knows the functions of t.
func (t *functions) with(f func()) {
	known.RLock()
	if known.now == t {
		defer known.RUnlock()
		f()
		return
	}
	known.RUnlock()
	known.Lock()
	defer known.Unlock()
	known.now, parser.Functions = t, t.all
	f()
}

// ParseExpr implements parser.Parser.
func (s *language) ParseExpr(text string) (parser.Expr, error) {
	expr, _, err := s.parse(text)
	return expr, err
}

// parse returns the expression and the functions it may call.
func (s *language) parse(text string) (expr parser.Expr, outs callout.Table, err error) {
	t := s.table.Load()
	t.with(func() { expr, err = s.Parser.ParseExpr(text) })
	return expr, t.outs, s.advise(err)
}

// advise adds to an error about a function that is not known where it is, if that is known.
func (s *language) advise(err error) error {
	var errs parser.ParseErrors
	if s.elsewhere == nil || !errors.As(err, &errs) {
		return err
	}
	for i := range errs {
		at := errs[i].PositionRange
		if !strings.HasPrefix(errs[i].Err.Error(), "unknown function with name ") || int(at.End) > len(errs[i].Query) {
			continue
		}
		if advice := s.elsewhere(errs[i].Query[at.Start:at.End]); advice != "" {
			errs[i].Err = fmt.Errorf("%w: %s", errs[i].Err, advice)
		}
	}
	return err
}

// RegisterFeatures implements parser.Parser.
func (s *language) RegisterFeatures(r upstream.Collector) {
	s.table.Load().with(func() { s.Parser.RegisterFeatures(r) })
}
