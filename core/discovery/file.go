package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fsnotify/fsnotify"
	"go.yaml.in/yaml/v3"

	"github.com/hearth-project/hearth/core/config"
)

const (
	filepathLabel  = "__meta_filepath"     // as upstream calls it
	maxTargetFile  = 64 << 20              // bytes
	maxTargetLabel = 64 << 10              // bytes of an address, and of a label's name or value
	quiet          = 50 * time.Millisecond // from a change to the reading: most come in bursts
	defaultRefresh = 5 * time.Minute
)

// fileProvider reads target groups from JSON and YAML files. It reads them again when the disk reports a change, and
// at an interval, for disks that report none.
type fileProvider struct {
	globs   []string
	refresh time.Duration
	log     *slog.Logger
	failed  func() // counts a failure

	good   map[string][]Group // by file: as of its last good state
	faults map[string]string  // by file: what is wrong with it, told already
}

func newFileProvider(c *config.FileSD, log *slog.Logger, failed func()) *fileProvider {
	f := &fileProvider{globs: c.Files, refresh: c.RefreshInterval.Std(), log: log, failed: failed, faults: map[string]string{}}
	if f.refresh <= 0 {
		f.refresh = defaultRefresh
	}
	return f
}

// Run implements Provider.
func (f *fileProvider) Run(ctx context.Context, updates chan<- []Group) {
	var events chan fsnotify.Event
	var faults chan error
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.fault("", fmt.Errorf("files are not watched, only read every %s: %w", f.refresh, err))
	} else {
		defer w.Close()
		events, faults = w.Events, w.Errors
	}
	tick := time.NewTicker(f.refresh)
	defer tick.Stop()
	settle := time.NewTimer(0) // the first look is at once
	defer settle.Stop()
	pending := true // settle is running: a folder that never rests must not keep it from firing
	arm := func() {
		if !pending {
			settle.Reset(quiet)
			pending = true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if e.Op&^fsnotify.Chmod != 0 && f.concerns(e.Name) {
				arm()
			}
			continue
		case err := <-faults: // events may have been lost
			f.log.Warn("watching target files", "err", err)
			arm()
			continue
		case <-settle.C:
			pending = false
		case <-tick.C:
		}
		f.watch(w) // before reading, so that no change falls between
		select {
		case updates <- f.read():
		case <-ctx.Done():
			return
		}
	}
}

// watch follows the folders of all globs; one that is missing is tried again with the next refresh.
func (f *fileProvider) watch(w *fsnotify.Watcher) {
	if w == nil {
		return
	}
	for _, g := range f.globs {
		dir := filepath.Dir(g)
		if err := w.Add(dir); err != nil {
			f.fault(dir, fmt.Errorf("the folder of %s is not watched, only read every %s: %w", g, f.refresh, err))
		} else {
			f.fault(dir, nil)
		}
	}
}

// concerns tells whether a change of name may change a target file. Kubernetes swaps the link ..data of a mounted
// ConfigMap and leaves the links that match a glob alone.
func (f *fileProvider) concerns(name string) bool {
	if strings.HasPrefix(filepath.Base(name), "..") {
		return true
	}
	return slices.ContainsFunc(f.globs, func(g string) bool {
		ok, err := filepath.Match(filepath.Clean(g), filepath.Clean(name))
		return ok || err != nil
	})
}

// read reads all files and returns the groups that are there now, and empty ones for those that are gone.
func (f *fileProvider) read() []Group {
	now := map[string][]Group{}
	for _, glob := range f.globs {
		files, err := filepath.Glob(glob)
		if err != nil {
			f.fault(glob, err)
		}
		for _, name := range files {
			groups, err := readTargets(name)
			if errors.Is(err, os.ErrNotExist) {
				continue // gone since Glob
			}
			f.fault(name, err)
			if err != nil {
				groups = f.good[name]
			}
			now[name] = groups
		}
	}
	out := []Group{}
	for _, name := range slices.Sorted(maps.Keys(f.good)) {
		for _, g := range f.good[name][min(len(now[name]), len(f.good[name])):] {
			out = append(out, Group{Source: g.Source})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		out = append(out, now[name]...)
	}
	f.good = now
	return out
}

// fault tells what is wrong with a file, once until it changes.
func (f *fileProvider) fault(name string, err error) {
	if err == nil {
		if _, was := f.faults[name]; was {
			delete(f.faults, name)
			f.log.Info("target file is good again", "file", name)
		}
		return
	}
	f.failed()
	if text := err.Error(); f.faults[name] != text {
		f.faults[name] = text
		f.log.Error("target file: its last good targets stay", "file", name, "err", err)
	}
}

type fileGroup struct {
	Targets []string          `json:"targets" yaml:"targets"`
	Labels  map[string]string `json:"labels" yaml:"labels"`
}

// readTargets reads one file, by its extension.
func readTargets(name string) ([]Group, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxTargetFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxTargetFile {
		return nil, fmt.Errorf("larger than %d MiB", maxTargetFile>>20)
	}
	var list []*fileGroup
	if strings.EqualFold(filepath.Ext(name), ".json") {
		err = decodeJSON(b, &list)
	} else {
		d := yaml.NewDecoder(bytes.NewReader(b))
		d.KnownFields(true)
		if err = d.Decode(&list); errors.Is(err, io.EOF) {
			err = nil // an empty file is an empty list
		}
	}
	if err != nil {
		return nil, err
	}
	groups := make([]Group, len(list))
	for i, g := range list {
		if g == nil {
			return nil, fmt.Errorf("group %d is null: want targets and labels", i+1)
		}
		for label, value := range g.Labels {
			if label == "" || !utf8.ValidString(label) || !utf8.ValidString(value) {
				return nil, fmt.Errorf("group %d: label %q=%q is not valid UTF-8, or has no name", i+1, label, value)
			}
			if n := max(len(label), len(value)); n > maxTargetLabel {
				return nil, fmt.Errorf("group %d: name or value of label %.40q has %d bytes: at most %d", i+1, label, n, maxTargetLabel)
			}
		}
		if slices.Contains(g.Targets, "") {
			return nil, fmt.Errorf("group %d: a target is empty: want host:port", i+1)
		}
		if n := longest(g.Targets); n > maxTargetLabel {
			return nil, fmt.Errorf("group %d: a target has %d bytes: at most %d", i+1, n, maxTargetLabel)
		}
		shared := maps.Clone(g.Labels)
		if shared == nil {
			shared = map[string]string{}
		}
		shared[filepathLabel] = name
		groups[i] = makeGroup(name+":"+itoa(i), g.Targets, shared)
	}
	return groups, nil
}

// longest returns how many bytes the longest of texts has.
func longest(texts []string) int {
	n := 0
	for _, t := range texts {
		n = max(n, len(t))
	}
	return n
}

// decodeJSON reads strictly and says on which line a problem is.
func decodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the list")
		}
	}
	if err == nil {
		return nil
	}
	at := d.InputOffset()
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	case errors.Is(err, io.EOF):
		err = errors.New("the file is empty: want a list of target groups, [] if there are none")
	}
	return fmt.Errorf("line %d: %w", bytes.Count(b[:min(int(at), len(b))], []byte{'\n'})+1, err)
}

func itoa(i int) string { return strconv.Itoa(i) }
