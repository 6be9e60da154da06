package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearth-project/hearth/sdk"
)

// customQuery is SQL of the operator's, and what becomes of the columns of its answer.
type customQuery struct {
	SQL          string                  `json:"sql"`
	Columns      map[string]customColumn `json:"columns"`
	EachDatabase bool                    `json:"each_database"` // of those discovered; adds the label datname
	Timeout      sdk.Duration            `json:"timeout"`       // 0: half of what the scrape has left
	MaxRows      int                     `json:"max_rows"`      // 0: 1000
	Since        int                     `json:"since"`         // first major version of the server it is for
	Before       int                     `json:"before"`        // first it is not for any more; 0: none
}

// customColumn says what a column is. One that is not named is ignored.
type customColumn struct {
	Usage   string             `json:"usage"`
	Help    string             `json:"help"`
	Mapping map[string]float64 `json:"mapping"` // of usage MAPPED: numbers by text
}

// usages are the words for usage; case does not matter.
var usages = map[string]usage{"LABEL": label, "COUNTER": counter, "GAUGE": gauge, "UNTYPED": untyped, "HISTOGRAM": histogram, "MAPPED": mapped, "DISCARD": ignored}

var metricPart, labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`), regexp.MustCompile(`^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*$`)

const defaultRows, maxRows = 1000, 100_000

// own is a query of the operator's, ready to run.
type own struct {
	query  query
	sql    string
	before int
	limit  time.Duration
	each   bool
}

// customCollectors makes a collector of each of the operator's queries.
func (s *settings) customCollectors() ([]*collector, error) {
	var cs []*collector
	for _, name := range slices.Sorted(maps.Keys(s.Queries)) {
		c, err := s.Queries[name].collector(name, s.ServerLabel)
		if err != nil {
			return nil, fmt.Errorf("queries.%s: %w", name, err)
		}
		cs = append(cs, c)
	}
	return cs, nil
}

func (q customQuery) collector(name string, serverLabel bool) (*collector, error) {
	o := &own{sql: strings.TrimRight(strings.TrimSpace(q.SQL), "; \n\t"), before: q.Before, limit: q.Timeout.Std(), each: q.EachDatabase}
	o.query = query{prefix: name, most: q.MaxRows}
	switch {
	case !metricPart.MatchString(name):
		return nil, fmt.Errorf("its name begins the names of metrics, so it may have letters, digits and underscores only")
	case o.sql == "" || strings.ContainsRune(o.sql, 0):
		return nil, fmt.Errorf("sql is missing, or has a zero byte")
	case q.MaxRows < 0 || q.MaxRows > maxRows:
		return nil, fmt.Errorf("max_rows is %d, must be at most %d", q.MaxRows, maxRows)
	case q.Timeout < 0:
		return nil, fmt.Errorf("timeout is %v, must not be negative", q.Timeout.Std())
	case q.MaxRows == 0:
		o.query.most = defaultRows
	}
	metrics := 0
	for _, n := range slices.Sorted(maps.Keys(q.Columns)) {
		c, err := q.Columns[n].column(n)
		if err != nil {
			return nil, fmt.Errorf("columns.%s: %w", n, err)
		}
		if c.use == label && (n == "server" && serverLabel || n == "datname" && q.EachDatabase) {
			return nil, fmt.Errorf("columns.%s: the exporter adds a label of that name", n)
		}
		if c.use != label && c.use != ignored {
			metrics++
		}
		o.query.columns = append(o.query.columns, c)
	}
	if metrics == 0 {
		return nil, fmt.Errorf("columns has no COUNTER, GAUGE, UNTYPED, HISTOGRAM or MAPPED, so nothing would come of it")
	}
	return &collector{name: name, each: q.EachDatabase, since: q.Since, own: o}, nil
}

func (c customColumn) column(name string) (column, error) {
	use, known := usages[strings.ToUpper(c.Usage)]
	switch {
	case !known:
		return column{}, fmt.Errorf("usage is %q, must be one of %s", c.Usage, strings.Join(slices.Sorted(maps.Keys(usages)), ", "))
	case use == label && (!labelName.MatchString(name) || name == "le"):
		return column{}, fmt.Errorf("this cannot be the name of a label; name the column otherwise, with AS")
	case use != label && use != ignored && !metricPart.MatchString(name):
		return column{}, fmt.Errorf("this cannot be part of the name of a metric; name the column otherwise, with AS")
	case (use == mapped) != (len(c.Mapping) > 0):
		return column{}, fmt.Errorf("mapping belongs to usage MAPPED, and to no other")
	case c.Help == "" && use != label && use != ignored:
		return column{}, fmt.Errorf("help is missing: one sentence on what the metric says")
	}
	return column{name: name, use: use, help: c.Help, mapping: c.Mapping}, nil
}

// run asks the query through a cursor in a transaction that may only read, so that the server computes no more rows than
// are taken, and does not write whatever the text says.
func (q *own) run(ctx context.Context, e *session, collector string, o *output) (more bool, err error) {
	if q.before > 0 && e.major >= q.before {
		return false, nil
	}
	whole := ctx
	if q.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.limit)
		defer cancel()
	}
	if err := e.bounded(ctx, "BEGIN READ ONLY", nil); err != nil {
		return false, err
	}
	defer func() {
		if end := e.each(whole, "ROLLBACK", nil); err == nil {
			err = end
		}
	}()
	// The extended protocol takes one statement only, so nothing in the text ends the transaction.
	if _, err := e.conn.ExecParams(ctx, "DECLARE hearth NO SCROLL CURSOR FOR "+q.sql, nil, nil, nil, nil).Close(); err != nil {
		return false, queryError(ctx, err)
	}
	var k *sink
	err = e.each(ctx, "FETCH "+strconv.Itoa(q.query.most+1)+" FROM hearth", func(fields []pgconn.FieldDescription, row [][]byte) error {
		if k == nil {
			p, err := q.plan(fields)
			if err != nil {
				return err
			}
			if k, err = o.sink(collector, p, false); err != nil {
				return err
			}
			if q.each {
				k.values[len(p.order)] = e.database
			}
		}
		return k.row(fields, row)
	})
	return k != nil && k.more, err
}

// plan finds the columns in the answer.
func (q *own) plan(fields []pgconn.FieldDescription) (*plan, error) {
	find := func(name string) (int, error) {
		i := slices.IndexFunc(fields, func(f pgconn.FieldDescription) bool { return f.Name == name })
		if i < 0 {
			return 0, fmt.Errorf("the answer has no column %q", name)
		}
		return i, nil
	}
	p := &plan{most: q.query.most}
	for i := range q.query.columns {
		c := &q.query.columns[i]
		if c.use == ignored {
			continue
		}
		at, err := find(c.name)
		if err != nil {
			return nil, err
		}
		p.add(q.query.prefix, c, at)
	}
	if q.each {
		p.labels = append(p.labels, "datname")
	}
	return p, p.distributions(find)
}
