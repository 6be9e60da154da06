package sdk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const maxSecret = 1 << 20 // bytes; certificates and keys fit

// Secret returns the secret of that name, without a line end at its end. It is read at each call, so that a new
// value counts at once: don't keep it. A secret that the manifest does not ask for or the operator did not grant is
// an *Error with CodeDenied.
func Secret(name string) (string, error) {
	if name == "" || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
		return "", Errorf(CodeInvalidRequest, "secret: %q is not a name", name)
	}
	f, err := os.Open(secretsDir + "/" + name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", Errorf(CodeDenied, "secret %q is not granted: give it in the plugin's grant.secrets", name)
	}
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("secret %q is larger than %d bytes", name, maxSecret)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// HasSecret reports whether the secret of that name was granted. Asking is no attempt to read it, so nothing is logged if
// it was not.
func HasSecret(name string) bool {
	granted, err := os.ReadDir(secretsDir)
	return err == nil && slices.ContainsFunc(granted, func(e fs.DirEntry) bool { return e.Name() == name })
}
