package promql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// queryLog is a file that has a line of JSON for each query that was evaluated: what was asked, by whom, what it cost
// and how it ended, in the words of upstream's query log. Texts that do not parse are not in it. The zero value has no
// file and writes nothing.
type queryLog struct {
	mu struct {
		sync.RWMutex
		file  *os.File
		lines slog.Handler
	}
	lost sync.Once // a line could not be written, which is said once
}

// SetQueryLog makes the file name what has a line for each query from now on; empty is none. Lines are added to what a
// file has. It is opened anew also if it is the same, so that it can be moved away before.
func (e *Engine) SetQueryLog(name string) error {
	var file *os.File
	if name != "" {
		var err error
		if file, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err != nil {
			return fmt.Errorf("query log: %w", err)
		}
	}
	l := &e.queryLog.mu
	l.Lock()
	defer l.Unlock()
	old := l.file
	if l.file, l.lines = file, nil; file != nil {
		l.lines = slog.NewJSONHandler(file, nil)
	}
	if old == nil {
		return nil
	}
	return old.Close()
}

// logQuery writes the line of a query. s may be nil.
func (e *Engine) logQuery(r request, s *Stats, failure error) {
	l := &e.queryLog.mu
	l.RLock()
	defer l.RUnlock()
	if l.lines == nil || errors.Is(failure, ErrParse) {
		return
	}
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "promql query logged", 0)
	line.AddAttrs(slog.Any("params", map[string]any{
		"query": r.expr, "start": logTime(r.start), "end": logTime(r.end), "step": int64(r.step / time.Second),
	}))
	if failure != nil {
		line.AddAttrs(slog.String("error", failure.Error()))
	}
	if s != nil {
		cost := *s
		cost.Explain = nil
		line.AddAttrs(slog.Any("stats", &cost))
	}
	switch c := r.caller; {
	case c.RuleGroup != "":
		line.AddAttrs(slog.Any("ruleGroup", map[string]string{"file": c.RuleFile, "name": c.RuleGroup}))
	case c.Path != "":
		line.AddAttrs(slog.Any("httpRequest", map[string]string{"clientIP": c.ip(), "method": c.Method, "path": c.Path}))
	}
	if err := l.lines.Handle(context.Background(), line); err != nil {
		e.queryLog.lost.Do(func() { e.log.Warn("the query log lacks queries", "err", err) })
	}
}

func logTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
