package promql

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// crashed returns what a process says that starts on the file system of one that died.
func crashed(t *testing.T, disk *vfs.Mem) string {
	t.Helper()
	var said bytes.Buffer
	e := New(Options{FS: disk.Kill(), ActiveLog: "queries.active", Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	return said.String()
}

func TestQueriesThatRanAtACrashAreNamed(t *testing.T) {
	disk, data := vfs.NewMem(), newSlow()
	e := New(Options{FS: disk, ActiveLog: "queries.active"})
	if _, err := e.Instant(t.Context(), steadyData(2), "sum(up)", now, QueryOptions{}); err != nil {
		t.Fatal(err)
	}
	if said := crashed(t, disk); said != "" {
		t.Errorf("nothing ran, but: %s", said)
	}
	done := make(chan error)
	go func() {
		_, err := e.Instant(t.Context(), data, "up", now, QueryOptions{Caller: Caller{UserAgent: "a browser"}})
		done <- err
	}()
	<-data.started
	said := crashed(t, disk)
	if !strings.Contains(said, "query was running when the process ended") || !strings.Contains(said, "query=up") || !strings.Contains(said, "a browser") || strings.Contains(said, "sum") {
		t.Errorf("it says %q", said)
	}
	close(data.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := disk.Stat("queries.active"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a good end the file is there: %v", err)
	}
}

func TestTheFileOfRunningQueriesStaysSmall(t *testing.T) {
	disk := vfs.NewMem()
	l := openActiveLog(disk, "active", slog.New(slog.DiscardHandler))
	l.begin(Running{ID: 1, Query: "the one that stays", Since: now})
	for id := range uint64(2000) {
		l.begin(Running{ID: id + 2, Query: strings.Repeat("x", 2*maxActiveText)})
		l.end(id + 2)
	}
	info, err := disk.Stat("active")
	if err != nil || info.Size() > maxActiveLog {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if said := l.left(); len(said) != 1 || said[0].Query != "the one that stays" || !said[0].Since.Equal(now) {
		t.Errorf("%+v", said)
	}
}

func TestADiskThatFailsStopsNoQuery(t *testing.T) {
	disk := vfs.NewMem()
	var said bytes.Buffer
	e := New(Options{FS: disk, ActiveLog: "queries.active", Logger: slog.New(slog.NewTextHandler(&said, nil))})
	disk.Hook(func(op vfs.Op) error { return fmt.Errorf("no space at %s", op.Kind) })
	for range 3 {
		if _, err := e.Instant(t.Context(), steadyData(2), "up", now, QueryOptions{}); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Count(said.String(), "no longer written down"); got != 1 {
		t.Errorf("said %d times: %s", got, said.String())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestATornLineIsNoQuery(t *testing.T) {
	disk := vfs.NewMem()
	f, err := disk.Create("active")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte(`{"id":1,"query":"up","since":"` + time.Unix(0, 0).UTC().Format(time.RFC3339) + `"}` + "\n" + `{"id":2,"quer`))
	l := &activeLog{fs: disk, name: "active", log: slog.New(slog.DiscardHandler)}
	if said := l.left(); len(said) != 1 || said[0].ID != 1 {
		t.Errorf("%+v", said)
	}
}
