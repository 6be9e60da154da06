package alert

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxStates bounds the states of all groups together, in bytes.
const maxStates = 64 << 20

// stateKey is whose state of which group: one notifier of one receiver, told apart as in the notification log.
type stateKey struct {
	Receiver string `json:"receiver"`
	Plugin   string `json:"plugin"`
	Index    int    `json:"index"` // among the receiver's uses of the plugin
	Group    string `json:"group"` // the group's key
}

// stateEntry is one change, as the journal keeps it: JSON, with its length as a varint before it.
type stateEntry struct {
	stateKey
	State   string    `json:"state,omitempty"` // empty: it is gone
	Expires time.Time `json:"expires"`
}

// states is what notifiers left for the next message about a group, as the number of a message in a chat. It is kept as
// long as the notification log remembers the group, and on disk as that is.
type states struct {
	mu struct {
		sync.Mutex
		byKey map[stateKey]stateEntry
		bytes int
		tell  func([]byte) // of each change
	}
}

// newStates reads the entries of a journal in order; later ones count.
func newStates(entries io.Reader) (*states, error) {
	s := &states{}
	s.mu.byKey = map[stateKey]stateEntry{}
	data, err := io.ReadAll(entries)
	if err != nil {
		return nil, err
	}
	list, err := split(data)
	if err != nil {
		return nil, err
	}
	for _, text := range list {
		var e stateEntry
		if _, w := binary.Uvarint(text); w > 0 {
			text = text[w:]
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("an entry is not JSON: %w", err)
		}
		s.set(e)
	}
	return s, nil
}

// set puts an entry in force. The caller holds the lock, or is alone.
func (s *states) set(e stateEntry) {
	if old, ok := s.mu.byKey[e.stateKey]; ok {
		s.mu.bytes -= old.size()
		delete(s.mu.byKey, e.stateKey)
	}
	if e.State != "" {
		s.mu.bytes += e.size()
		s.mu.byKey[e.stateKey] = e
	}
}

func (e stateEntry) size() int { return len(e.State) + len(e.Receiver) + len(e.Plugin) + len(e.Group) }

// get returns the state of a group, empty if there is none.
func (s *states) get(key stateKey) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.byKey[key]
	if time.Now().After(e.Expires) {
		return ""
	}
	return e.State
}

// put keeps the state of a group until expires; an empty one is none. One that there is no room for is an error, and
// the group then has none.
func (s *states) put(key stateKey, state string, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, had := s.mu.byKey[key]
	if state == "" && !had {
		return nil
	}
	e := stateEntry{stateKey: key, State: state, Expires: expires.UTC()}
	var err error
	if room := maxStates - s.mu.bytes + old.size(); e.size() > room && state != "" {
		err = fmt.Errorf("states of groups take %d bytes, that of %s does not fit into the %d there are", s.mu.bytes, key.Group, maxStates)
		e.State = ""
	}
	s.set(e)
	s.mu.tell(e.encode())
	return err
}

func (e stateEntry) encode() []byte {
	text, err := json.Marshal(e)
	if err != nil { // strings, a number and a time of this era always encode
		panic(err)
	}
	return append(binary.AppendUvarint(nil, uint64(len(text))), text...)
}

// SetBroadcast implements source.
func (s *states) SetBroadcast(tell func([]byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tell = tell
}

// Snapshot implements source.
func (s *states) Snapshot(w io.Writer) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all bytes.Buffer
	for _, e := range s.mu.byKey {
		all.Write(e.encode())
	}
	return all.WriteTo(w)
}

// GC implements source: it forgets what has expired.
func (s *states) GC() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := 0, time.Now()
	for key, e := range s.mu.byKey {
		if now.After(e.Expires) {
			s.mu.bytes -= e.size()
			delete(s.mu.byKey, key)
			n++
		}
	}
	return n, nil
}
