package storage

// Metadata is what somebody says of a metric family.
type Metadata struct {
	Metric string // name of the family
	Type   string // counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown
	Help   string
	Unit   string
}

// MetadataWriter is the writing side of a storage of metadata. Safe for concurrent use.
type MetadataWriter interface {
	// AppendMetadata takes what a sender says; it keeps none of the strings. Metadata is no data: what there is no room for
	// is counted, and is no error.
	AppendMetadata(said []Metadata)
}

// MetadataReader is the reading side. Safe for concurrent use.
type MetadataReader interface {
	// Metadata returns what is said of the metric family, or of all if it is empty, in order of names; what several
	// senders say differently of one, in order in which it was last said, the newest first.
	Metadata(metric string) []Metadata
}
