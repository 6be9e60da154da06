package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// secrets are those of a pool: files of each child, written anew when they have changed.
type secrets struct {
	reveal map[string]func() (string, error)
	logger *slog.Logger
	failed map[string]string // what was said of those that can't be read
}

// read returns the secrets as they are now. One that can't be read is told once and left out.
func (s *secrets) read() map[string][]byte {
	values := make(map[string][]byte, len(s.reveal))
	for name, reveal := range s.reveal {
		value, err := reveal()
		if err == nil {
			values[name] = []byte(value)
			delete(s.failed, name)
			continue
		}
		if s.failed[name] != err.Error() {
			s.logger.Error("a secret can't be read", "secret", name, "err", err)
			if s.failed == nil {
				s.failed = map[string]string{}
			}
			s.failed[name] = err.Error()
		}
	}
	return values
}

// writeSecrets brings the files of a child in line with values, each in one step.
func writeSecrets(dir string, values map[string][]byte) error {
	dir = filepath.Join(dir, secretsName)
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range there {
		if _, ok := values[entry.Name()]; !ok {
			errs = append(errs, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	for name, value := range values {
		path := filepath.Join(dir, name)
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, value) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		// A manifest has no secret whose name begins with a dot.
		if err := os.WriteFile(filepath.Join(dir, ".new"), value, 0o600); err != nil {
			errs = append(errs, fmt.Errorf("secret %s: %w", name, err))
			continue
		}
		errs = append(errs, os.Rename(filepath.Join(dir, ".new"), path))
	}
	return errors.Join(errs...)
}
