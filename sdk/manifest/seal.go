package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// ErrDigest is what Verify wraps when an artifact is not the file its manifest speaks of.
var ErrDigest = errors.New("digest does not match")

// Verify compares the artifacts in the plugin's folder with their digests. An artifact that is absent is skipped,
// so that a folder may hold only the builds its host can run; one without a digest is an error.
func (m *Manifest) Verify(dir string) error {
	var errs []error
	for _, a := range m.Artifacts {
		sum, err := digest(filepath.Join(dir, a.File))
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		case a.SHA256 == "":
			errs = append(errs, fmt.Errorf("%s has no sha256 in its manifest: seal the package", a.File))
		case sum != a.SHA256:
			errs = append(errs, fmt.Errorf("%s has sha256 %s, its manifest says %s: %w", a.File, sum, a.SHA256, ErrDigest))
		}
	}
	return errors.Join(errs...)
}

// Seal writes the digest of each artifact in dir into the manifest there, replacing earlier ones and leaving the
// rest of the text as it is. The new manifest replaces the old one in one step.
func Seal(dir string) error {
	path := filepath.Join(dir, FileName)
	m, err := Load(path)
	if err != nil {
		return err
	}
	for i := range m.Artifacts {
		if m.Artifacts[i].SHA256, err = digest(filepath.Join(dir, m.Artifacts[i].File)); err != nil {
			return fmt.Errorf("seal %s: %w", path, err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sealed := withDigests(string(text), m.Artifacts)
	if got, err := Parse([]byte(sealed)); err != nil || !reflect.DeepEqual(got, m) {
		return fmt.Errorf("seal %s: cannot find the [[artifact]] tables; write each as a table of its own with one key a line", path)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(sealed), 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

var (
	tableLine  = regexp.MustCompile(`^\s*\[`)
	arrayLine  = regexp.MustCompile(`^\s*\[\[\s*artifact\s*\]\]`)
	digestLine = regexp.MustCompile(`^\s*sha256\s*=`)
)

// withDigests edits the text line by line: each [[artifact]] loses its sha256 line and gets one after its header.
func withDigests(text string, as []Artifact) string {
	var b strings.Builder
	next, inside := 0, false
	for line := range strings.Lines(text) {
		if tableLine.MatchString(line) {
			inside = arrayLine.MatchString(line)
		} else if inside && digestLine.MatchString(line) {
			continue
		}
		b.WriteString(line)
		if inside && arrayLine.MatchString(line) && next < len(as) {
			if !strings.HasSuffix(line, "\n") {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "sha256 = %q\n", as[next].SHA256)
			next++
		}
	}
	return b.String()
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
