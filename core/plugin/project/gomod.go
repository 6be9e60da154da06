package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Module is hearth's module, of which the SDK for Go is a part.
const Module = "github.com/hearth-project/hearth"

// goModule adds what a Go project needs of a checkout: its requirements and sums, so that `go build` finds everything that
// the checkout's build has brought to this machine, and has nothing to look up. `go mod tidy` leaves what is needed.
func (s *Spec) goModule(d *data, files map[string][]byte) error {
	d.GoVersion = strings.TrimPrefix(runtime.Version(), "go")
	if _, err := fmt.Sscanf(d.GoVersion, "%d.%d", new(int), new(int)); err != nil || strings.Contains(d.GoVersion, "-") {
		d.GoVersion = "1.26.0" // a version in development is none for go.mod
	}
	version := s.SDK.Version
	if s.SDK.Checkout == "" {
		d.Requires = fmt.Sprintf("require %s v%s\n", Module, version)
		return nil
	}
	mod, err := os.ReadFile(filepath.Join(s.SDK.Checkout, "go.mod"))
	if err != nil {
		return fmt.Errorf("--sdk: %w", err)
	}
	if !strings.HasPrefix(string(mod), "module "+Module+"\n") {
		return fmt.Errorf("--sdk: %s is not a checkout of %s", s.SDK.Checkout, Module)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "require %s v0.0.0\n\nreplace %s => %s\n\nrequire (\n", Module, Module, quoted(s.SDK.Checkout))
	inside := false
	for line := range strings.Lines(string(mod)) {
		switch text := strings.TrimSpace(line); {
		case text == "require (":
			inside = true
		case text == ")":
			inside = false
		case inside && text != "":
			module, _, _ := strings.Cut(text, "//")
			fmt.Fprintf(&b, "\t%s // indirect\n", strings.TrimSpace(module))
		case strings.HasPrefix(text, "go "):
			d.GoVersion = strings.TrimPrefix(text, "go ")
		}
	}
	b.WriteString(")\n")
	d.Requires = b.String()
	sum, err := os.ReadFile(filepath.Join(s.SDK.Checkout, "go.sum"))
	if err != nil {
		return fmt.Errorf("--sdk: %w", err)
	}
	files["go.sum"] = sum
	return nil
}

// quoted writes a path as go.mod has it.
func quoted(path string) string {
	if strings.ContainsAny(path, " \"'`\\()[]{},") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// FindCheckout looks for hearth's source in a folder and those above it; empty if there is none.
func FindCheckout(from string) string {
	for {
		mod, err := os.ReadFile(filepath.Join(from, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+Module+"\n") {
			return from
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		up := filepath.Dir(from)
		if up == from {
			return ""
		}
		from = up
	}
}
