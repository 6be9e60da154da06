package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

const (
	hidden        = "<secret>" // what is shown instead of a secret
	filePrefix    = "file:"
	maxSecretFile = 1 << 20 // bytes
)

// Secret is text that must not be seen. In the configuration it stands as it is, with ${NAME} for environment
// variables, or as "file:PATH": that file is read anew each time the secret is needed, so that rotation needs no
// restart. Printing, logging and marshalling show <secret>. The zero Secret is empty.
type Secret struct {
	v *secretValue
}

// secretValue keeps the text behind two pointers: where fmt cannot call String, in fields that are not exported, it
// follows one of them.
type secretValue struct {
	text *string // nil when it stands in file
	file string
}

// NewSecret returns a secret with the given text, taken as it is.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&secretValue{text: &text}}
}

// NewSecretFile returns a secret that stands in the file path.
func NewSecretFile(path string) Secret { return Secret{&secretValue{file: path}} }

// Reveal returns the secret itself. One that stands in a file is read now, without the space around it; the error
// then names the file. Neither the result nor anything made of it may be logged.
func (s Secret) Reveal() (string, error) {
	if s.v == nil {
		return "", nil
	}
	if s.v.text != nil {
		return *s.v.text, nil
	}
	f, err := os.Open(s.v.file)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	if len(b) > maxSecretFile {
		return "", fmt.Errorf("secret: %s is larger than 1 MiB", s.v.file)
	}
	return strings.TrimSpace(string(b)), nil
}

// Empty tells whether nothing was given.
func (s Secret) Empty() bool { return s.v == nil }

// UnmarshalText reads a secret; go-toml calls it. ${NAME} is not replaced yet: Load does that, with the position
// of what is missing.
func (s *Secret) UnmarshalText(b []byte) error {
	text := string(b)
	path, isFile := strings.CutPrefix(text, filePrefix)
	switch {
	case !isFile:
		*s = NewSecret(text)
	case path == "":
		return errors.New(`"file:" needs a path after it, as file:/etc/hearth/password`)
	default:
		*s = NewSecretFile(path)
	}
	return nil
}

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String hides the secret.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
