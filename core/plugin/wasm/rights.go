package wasm

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/core/plugin/wasm/rofs"
	"github.com/hearth-project/hearth/core/plugin/wasm/sock"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Rights is what the instances of a pool may touch. Except for Net, which is checked for both at each connection, it
// holds what was asked for and granted.
type Rights struct {
	Asked   manifest.Capabilities // by the plugin's manifest
	Net     []string              // granted, as in manifest.MatchNet or ${target}
	Files   []string
	Statfs  []string // mount points; "*" is any
	Secrets map[string]func() (string, error)
	Env     map[string]string
}

func (r *Rights) mayStatfs(p string) bool {
	return slices.Contains(r.Statfs, "*") || slices.Contains(r.Statfs, p)
}

// rules returns where a call with this target may connect to.
func (r *Rights) rules(target string) sock.Rules {
	address := Address(target)
	return sock.Rules{Asked: withTarget(r.Asked.Net, address), Granted: withTarget(r.Net, address)}
}

// withTarget replaces ${target}; without an address it allows nothing.
func withTarget(entries []string, address string) []string {
	if !slices.Contains(entries, manifest.Target) {
		return entries
	}
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		if e != manifest.Target {
			out = append(out, e)
		} else if address != "" {
			out = append(out, address)
		}
	}
	return out
}

// Address returns the host and port of a target as the operator wrote it: host:port or a URL. It is empty for anything
// else.
func Address(target string) string {
	if strings.Contains(target, "://") {
		u, err := url.Parse(target)
		if err != nil || u.Hostname() == "" {
			return ""
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		target = net.JoinHostPort(u.Hostname(), port)
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || port == "" || strings.Contains(host, "*") || port == "*" {
		return ""
	}
	return target
}

// adviseFile says why a file was refused, and how it could be seen if it could.
func (r *Rights) adviseFile(p string, why rofs.Refusal) string {
	switch why {
	case rofs.Hidden:
		return fmt.Sprintf("%s can't be granted: it shows what processes or the kernel keep to themselves", p)
	case rofs.NotAFile:
		return fmt.Sprintf("%s can't be granted: it is a pipe, a device or a socket", p)
	case rofs.ReadOnly:
		return fmt.Sprintf("changing %s: plugins may read files, nothing else", p)
	}
	if name, ok := strings.CutPrefix(p, "/secrets/"); ok {
		if slices.Contains(r.Asked.Secrets, name) {
			return fmt.Sprintf("the secret %s is not granted: add it to secrets of the plugin's grant", name)
		}
		return fmt.Sprintf("the secret %s can't be granted: the plugin's manifest does not ask for it", name)
	}
	for _, asked := range r.Asked.Files {
		if asked == "/" || p == asked || strings.HasPrefix(p, asked+"/") {
			return fmt.Sprintf("%s is not granted: add %q to files of the plugin's grant", p, asked)
		}
	}
	return fmt.Sprintf("%s can't be granted: the plugin's manifest does not ask for it", path.Clean(p))
}

// probes are files that the libraries of languages look for by themselves: time zones, name servers, certificates, types
// of files. It says nothing about a plugin that it is refused them.
var probes = [...]string{
	"/etc/localtime", "/etc/zoneinfo", "/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ",
	"/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf",
	"/etc/pki", "/etc/ssl", "/system/etc/security/cacerts", "/usr/local/share/certs", "/var/lib/ca-certificates",
	"/etc/apache", "/etc/apache2", "/etc/httpd", "/etc/mime.types", "/usr/local/share/mime", "/usr/share/mime",
}

func probed(p string) bool {
	return slices.ContainsFunc(probes[:], func(known string) bool { return p == known || strings.HasPrefix(p, known+"/") })
}
