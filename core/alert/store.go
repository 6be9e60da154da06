package alert

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hearth-project/hearth/core/alert/journal"
)

const (
	syncEvery    = time.Second      // the longest time an entry stays unsynced
	retryEvery   = 30 * time.Second // after the disk refused
	rewriteEvery = 15 * time.Minute // when what has been overtaken is dropped
)

// source is what the library's notification log and silences have in common. Both tell of each change by SetBroadcast,
// meant for the other members of a cluster: an entry in exactly the form in which Snapshot writes all of them.
type source interface {
	SetBroadcast(func([]byte))
	Snapshot(io.Writer) (int64, error)
	GC() (int, error)
}

// store keeps a source on disk.
type store struct {
	name    string
	journal *journal.Journal
	source  source
	log     *slog.Logger
	metrics *metrics
	changed chan struct{} // holds one element while there is something to sync
	lacks   atomic.Bool   // an entry could not be appended: only rewriting mends that
}

// open returns the store of that name and what it held.
func (m *Manager) open(name string) (*store, io.Reader, error) {
	path := filepath.Join(m.opts.Dir, name)
	j, entries, damage, err := journal.Open(m.opts.FS, path)
	if err != nil {
		return nil, nil, err
	}
	if damage.Bytes > 0 {
		m.log.Error("a file was damaged: what could be read of it is in force", "file", path, "lost_bytes", damage.Bytes, "kept", damage.Kept)
		m.metrics.journalLost.WithLabelValues(name).Add(float64(damage.Bytes))
	}
	s := &store{name: name, journal: j, log: m.log, metrics: m.metrics, changed: make(chan struct{}, 1)}
	s.metrics.journalErrors.WithLabelValues(name)
	s.size()
	return s, bytes.NewReader(bytes.Join(entries, nil)), nil
}

// follow appends each change of src from now on. The library calls with its lock held, so an entry is written, not
// synced; and it takes no error, so a failure is logged and mended by the next rewriting.
func (s *store) follow(src source) {
	s.source = src
	src.SetBroadcast(func(entry []byte) {
		if err := s.journal.Append(entry); err != nil {
			s.lacks.Store(true)
			s.metrics.journalErrors.WithLabelValues(s.name).Inc()
			s.log.Error("a change is in force but not on disk: it would be forgotten by a crash", "journal", s.name, "err", err)
		}
		select {
		case s.changed <- struct{}{}:
		default:
		}
	})
}

// keep brings on disk what is not there yet. A journal that is broken is written anew.
func (s *store) keep() error {
	defer s.size()
	if !s.lacks.Load() && s.journal.Broken() == nil {
		if err := s.journal.Sync(); err == nil {
			return nil
		}
	}
	_, err := s.rewrite()
	return err
}

// rewrite drops what has expired or been overtaken. It returns the size of what is left, in bytes.
func (s *store) rewrite() (int64, error) {
	defer s.size()
	if _, err := s.source.GC(); err != nil {
		s.log.Warn("some entries could not be expired", "journal", s.name, "err", err)
	}
	lacked := s.lacks.Swap(false) // what fails from now on sets it again
	if s.journal.Size() == 0 && !lacked && s.journal.Broken() == nil {
		return 0, nil // nothing happened yet: no file
	}
	err := s.journal.Rewrite(func() ([][]byte, error) {
		var all bytes.Buffer
		if _, err := s.source.Snapshot(&all); err != nil {
			return nil, err
		}
		return split(all.Bytes())
	})
	if err != nil {
		s.lacks.Store(true)
		s.metrics.journalErrors.WithLabelValues(s.name).Inc()
	}
	return s.journal.Size(), err
}

func (s *store) size() {
	s.metrics.journalBytes.WithLabelValues(s.name).Set(float64(s.journal.Size()))
}

func (s *store) close() error { return s.journal.Close() }

// split cuts a snapshot into its entries, each of which begins with its length as a varint.
func split(snapshot []byte) ([][]byte, error) {
	var entries [][]byte
	for len(snapshot) > 0 {
		n, w := binary.Uvarint(snapshot)
		if w <= 0 || n > uint64(len(snapshot)-w) {
			return nil, fmt.Errorf("a snapshot of %d bytes does not end with an entry", len(snapshot))
		}
		end := w + int(n)
		entries, snapshot = append(entries, snapshot[:end]), snapshot[end:]
	}
	return entries, nil
}
