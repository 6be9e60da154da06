// Package web carries the built user interface inside the binary. The sources are in ui (React, TypeScript, Vite);
// `make build` builds them into dist/ui, which is embedded here and served by core/api.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// UI returns the built interface: index.html and assets. ok is false in a binary built without `make build`.
func UI() (ui fs.FS, ok bool) {
	sub, err := fs.Sub(dist, "dist/ui")
	if err != nil {
		return nil, false
	}
	if _, err := fs.Stat(sub, "index.html"); err != nil {
		return nil, false
	}
	return sub, true
}
