package host

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestAReloadChangesLimitsAndRetention changes them and looks whether the database follows.
func TestAReloadChangesLimitsAndRetention(t *testing.T) {
	dir, text := t.TempDir(), ""
	load := func() (*config.Config, error) {
		cfg, err := config.Parse([]byte(fmt.Sprintf("[server]\nlisten = \"127.0.0.1:0\"\n[storage]\npath = %q\n%s", dir, text)), "config.toml")
		return cfg, err
	}
	h, err := New(t.Context(), Options{Load: load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	reload := func(s string) {
		t.Helper()
		text = s
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	add := func() error {
		n++
		ls := labels.FromStrings("__name__", "m", "job", "a", "n", fmt.Sprint(n))
		return h.db.Append(t.Context(), []model.Series{{Labels: ls, Samples: []model.Sample{{T: time.Now().UnixMilli(), V: 1}}}})
	}
	for range 3 {
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	reload("[[scrape_configs]]\njob_name = \"a\"\nmax_series = 3\n")
	if err := add(); !errors.Is(err, storage.ErrLimit) || !strings.Contains(err.Error(), "max_series of the job") {
		t.Errorf("a fourth series of three: %v", err)
	}
	reload("[limits]\nmax_series = 3\n")
	if err := add(); !errors.Is(err, storage.ErrLimit) || !strings.Contains(err.Error(), "[limits] max_series") {
		t.Errorf("a fourth series of three in all: %v", err)
	}
	reload("")
	if err := add(); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	old := func() error {
		ls := labels.FromStrings("__name__", "old", "n", fmt.Sprint(n))
		return h.db.Append(t.Context(), []model.Series{{Labels: ls, Samples: []model.Sample{{T: time.Now().Add(-2 * time.Hour).UnixMilli(), V: 1}}}})
	}
	if err := old(); err != nil {
		t.Errorf("a sample of two hours ago, and 15 days are kept: %v", err)
	}
	reload("retention = { time = \"1h\" }\n")
	if err := old(); !errors.Is(err, storage.ErrTooOld) {
		t.Errorf("a sample of two hours ago, and one hour is kept: %v", err)
	}
	text = "retention = { time = \"1h\", series = [{ match = \"m\", time = \"2h\" }] }\n"
	if err := h.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "longer than the 1h") {
		t.Errorf("a retention that cannot be: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, tsdb.BallastName)); err == nil {
		t.Error("there is a ballast before the server runs")
	}
}

func TestExpositionsFitIntoTheBudget(t *testing.T) {
	for _, tt := range []struct {
		name            string
		own, budget, to config.Size
	}{
		{"a small budget bounds them", 0, 160 << 20, 20 << 20},
		{"a large one does not", 0, 1 << 30, 0},
		{"what the job says counts", 100 << 20, 160 << 20, 100 << 20},
		{"no budget is no bound", 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := &config.Config{ScrapeConfigs: []*config.Scrape{{BodySizeLimit: tt.own}}}
			boundBodies(cfg, int64(tt.budget))
			if got := cfg.ScrapeConfigs[0].BodySizeLimit; got != tt.to {
				t.Errorf("body_size_limit is %s, want %s", got, tt.to)
			}
		})
	}
}
