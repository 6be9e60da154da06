package promql

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// activeLog is a file that has the queries that run, so that after a crash the next process can tell which ones did: one
// of them may have been the reason. A line is a JSON object: a query that begins, or the number of one that has ended.
// Nothing is synced, since what the operating system has of a dead process is enough. A nil activeLog does nothing.
type activeLog struct {
	fs   vfs.FS
	name string
	log  *slog.Logger
	mu   struct {
		sync.Mutex
		file    vfs.File // nil when it can't be written
		size    int
		running map[uint64][]byte // lines
	}
}

// activeLine is a line of the file: with a query, or with Ended.
type activeLine struct {
	ID     uint64    `json:"id,omitempty"`
	Query  string    `json:"query,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Caller Caller    `json:"caller,omitzero"`
	Rule   bool      `json:"rule,omitempty"`
	Ended  uint64    `json:"ended,omitempty"`
}

const (
	maxActiveLog  = 1 << 20 // bytes, before it is written anew
	maxActiveText = 4 << 10 // of a query; what is longer is cut
)

// openActiveLog logs what the file has of an earlier process and begins it anew.
func openActiveLog(fs vfs.FS, name string, log *slog.Logger) *activeLog {
	l := &activeLog{fs: fs, name: name, log: log}
	l.mu.running = map[uint64][]byte{}
	for _, q := range l.left() {
		log.Warn("query was running when the process ended", "query", q.Query, "since", q.Since, "rule", q.Rule,
			"userAgent", q.Caller.UserAgent, "remoteAddr", q.Caller.RemoteAddr)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rewrite()
	return l
}

// left returns the queries in the file that have no end, in the order they began in. A torn last line is no query.
func (l *activeLog) left() []activeLine {
	f, err := l.fs.Open(l.name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.log.Warn("cannot tell which queries ran before", "err", err)
		}
		return nil
	}
	defer f.Close()
	var out []activeLine
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 8*maxActiveText)
	for lines.Scan() {
		var q activeLine
		if json.Unmarshal(lines.Bytes(), &q) != nil {
			break
		}
		if q.Ended == 0 {
			out = append(out, q)
			continue
		}
		out = slices.DeleteFunc(out, func(o activeLine) bool { return o.ID == q.Ended })
	}
	return out
}

// begin writes that a query runs.
func (l *activeLog) begin(r Running) {
	if l == nil {
		return
	}
	text := r.Query[:min(len(r.Query), maxActiveText)]
	line, err := json.Marshal(activeLine{ID: r.ID, Query: text, Since: r.Since, Caller: r.Caller, Rule: r.Rule})
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.running[r.ID] = append(line, '\n')
	l.write(l.mu.running[r.ID])
}

// end writes that a query has ended.
func (l *activeLog) end(id uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.running, id)
	l.write(fmt.Appendf(nil, "{\"ended\":%d}\n", id))
}

func (l *activeLog) write(line []byte) {
	if l.mu.file == nil {
		return
	}
	if l.mu.size+len(line) > maxActiveLog {
		l.rewrite()
		return
	}
	l.mu.size += len(line)
	if _, err := l.mu.file.Write(line); err != nil {
		l.giveUp(err)
	}
}

// rewrite replaces the file by one that has what runs now and nothing else.
func (l *activeLog) rewrite() {
	if l.mu.file != nil {
		l.mu.file.Close()
		l.mu.file = nil
	}
	next := l.name + ".new"
	f, err := l.fs.Create(next)
	if err != nil {
		l.giveUp(err)
		return
	}
	var all bytes.Buffer
	for _, line := range l.mu.running {
		all.Write(line)
	}
	l.mu.file, l.mu.size = f, all.Len()
	if _, err = f.Write(all.Bytes()); err == nil {
		err = l.fs.Rename(next, l.name)
	}
	if err != nil {
		l.giveUp(err)
	}
}

// giveUp ends the log: queries are not worth less for it.
func (l *activeLog) giveUp(err error) {
	l.log.Warn("running queries are no longer written down: after a crash they will not be known", "err", err)
	if l.mu.file != nil {
		l.mu.file.Close()
		l.mu.file = nil
	}
}

// close removes the file: a process that ends well leaves no running queries.
func (l *activeLog) close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.file == nil {
		return nil
	}
	err := l.mu.file.Close()
	l.mu.file = nil
	return errors.Join(err, l.fs.Remove(l.name))
}
