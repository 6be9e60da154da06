package sdk

import "log/slog"

// Log returns the plugin's logger. Its lines end in the host's log, with the plugin's name.
func Log() *slog.Logger { return logger }
