package model

// Notification is what a notifier is told of a group of alerts.
type Notification struct {
	Message []byte            // Alertmanager's webhook message: JSON, version 4
	Texts   map[string]string // the notifier's templates, filled in, by name
	State   string            // what it left with its last message about the group; it may leave something else
}

// Template is a setting of a notifier in Alertmanager's template language.
type Template struct {
	Name string // of the setting, as headers.Subject
	Text string
	HTML bool // the result is HTML: what is filled in is escaped as its place asks for
}
