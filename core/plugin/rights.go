package plugin

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Grant is what the operator lets a plugin do; it has of it what its manifest asks for.
type Grant struct {
	Net     []string // addresses, host:port, as in manifest.MatchNet; ${target} is the address of the call
	Files   []string // folders or files it may read, absolute
	Statfs  []string // mount points whose size it may ask for; "*" is every one
	Secrets map[string]func() (string, error)
	Env     map[string]string
}

// decide returns what is asked for and granted, and a sentence for each thing that is asked for and not granted. What is
// granted and not asked for, or can't be understood, is an error that names all of it.
func decide(asked manifest.Capabilities, g Grant) (_ wasm.Rights, missing []string, err error) {
	r := wasm.Rights{Asked: asked, Secrets: map[string]func() (string, error){}, Env: map[string]string{}}
	var errs []error
	lists := func(key string, asked, granted []string, both func(asked, granted string) (string, bool)) (out []string) {
		used := map[string]bool{}
		for _, entry := range granted {
			fits := false
			for _, want := range asked {
				if common, ok := both(want, entry); ok {
					fits, used[want] = true, true
					out = append(out, common)
				}
			}
			if !fits {
				errs = append(errs, superfluous(key, entry, asked))
			}
		}
		for _, want := range asked {
			if !used[want] {
				missing = append(missing, fmt.Sprintf("%s = [%q]", key, want))
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	r.Net = lists("net", asked.Net, g.Net, commonNet)
	r.Files = lists("files", asked.Files, g.Files, commonPath)
	r.Statfs = lists("statfs", asked.Statfs, g.Statfs, commonMount)

	names := func(key string, asked []string, granted []string, take func(string)) {
		for _, name := range granted {
			if !slices.Contains(asked, name) {
				errs = append(errs, superfluous(key, name, asked))
				continue
			}
			take(name)
		}
		for _, name := range asked {
			if !slices.Contains(granted, name) {
				missing = append(missing, fmt.Sprintf("%s.%s", key, name))
			}
		}
	}
	names("secrets", asked.Secrets, slices.Sorted(maps.Keys(g.Secrets)), func(n string) { r.Secrets[n] = g.Secrets[n] })
	names("env", asked.Env, slices.Sorted(maps.Keys(g.Env)), func(n string) { r.Env[n] = g.Env[n] })
	for name, value := range r.Env {
		if strings.ContainsRune(value, 0) {
			errs = append(errs, fmt.Errorf("grant.env.%s contains a zero byte", name))
		}
	}
	return r, missing, errors.Join(errs...)
}

func superfluous(key, entry string, asked []string) error {
	if len(asked) == 0 {
		return fmt.Errorf("grant.%s has %q, the plugin asks for nothing of that kind: take it out", key, entry)
	}
	return fmt.Errorf("grant.%s has %q, which the plugin does not ask for: take it out; it asks for %s", key, entry, strings.Join(asked, ", "))
}

// commonNet returns the entry granted, if one address at least may fit both. Which ones do is decided when they are
// dialled.
func commonNet(asked, granted string) (string, bool) {
	if asked == "*" || granted == "*" || asked == manifest.Target || asked == granted {
		return granted, true
	}
	if granted == manifest.Target { // the plugin asks for an address that the target may have
		return granted, true
	}
	ah, ap, err1 := net.SplitHostPort(asked)
	gh, gp, err2 := net.SplitHostPort(granted)
	if err1 != nil || err2 != nil || (ap != "*" && gp != "*" && ap != gp) {
		return "", false
	}
	ah, gh = strings.ToLower(ah), strings.ToLower(gh)
	return granted, ah == "*" || gh == "*" || covers(ah, gh) || covers(gh, ah)
}

// covers tells whether the host pattern a covers b, a name or a pattern.
func covers(a, b string) bool {
	suffix, ok := strings.CutPrefix(a, "*")
	return a == b || (ok && strings.HasSuffix(b, suffix))
}

// commonPath returns the smaller of two folders or files, if one holds the other.
func commonPath(asked, granted string) (string, bool) {
	if !path.IsAbs(granted) {
		return "", false
	}
	granted = path.Clean(granted)
	switch {
	case inside(granted, asked):
		return granted, true
	case inside(asked, granted):
		return asked, true
	}
	return "", false
}

func inside(p, dir string) bool {
	return dir == "/" || p == dir || strings.HasPrefix(p, dir+"/")
}

func commonMount(asked, granted string) (string, bool) {
	switch {
	case asked == "*":
		return granted, true
	case granted == "*" || asked == granted:
		return asked, true
	}
	return "", false
}
