package exposition

import (
	"fmt"
	"mime"
	"strings"
)

const protobufMedia = "application/vnd.google.protobuf"

// protocols maps upstream's names of formats to what is asked for in an Accept header.
var protocols = map[string]struct {
	format Format
	accept string
}{
	"OpenMetricsText1.0.0": {OpenMetrics, "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"},
	"OpenMetricsText0.0.1": {OpenMetrics, "application/openmetrics-text;version=0.0.1"},
	"OpenMetricsText2.0.0": {OpenMetrics2, "application/openmetrics-text;version=2.0.0"},
	"PrometheusProto":      {Protobuf, protobufMedia + ";proto=io.prometheus.client.MetricFamily;encoding=delimited"},
	"PrometheusText1.0.0":  {Text, "text/plain;version=1.0.0;escaping=allow-utf-8"},
	"PrometheusText0.0.4":  {Text, "text/plain;version=0.0.4"},
}

// Accept returns the Accept header that asks for protocols (upstream's names, best first), and for anything if the
// target has none of them. Names this package does not read are left out, and OpenMetrics 2.0 unless it is wanted.
func Accept(names []string, openMetrics2 bool) string {
	var b strings.Builder
	q := 7 // as upstream counts
	for _, n := range names {
		if p, ok := protocols[n]; ok && q > 1 && (openMetrics2 || p.format != OpenMetrics2) {
			fmt.Fprintf(&b, "%s;q=0.%d,", p.accept, q)
			q--
		}
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", q)
	return b.String()
}

// FormatOf returns the format that a Content-Type header names. If it names none that is known, fallback counts, the
// name of a protocol; without one the error says what came and how to read it nevertheless. OpenMetrics 2.0 is known if
// openMetrics2.
func FormatOf(contentType, fallback string, openMetrics2 bool) (Format, error) {
	f, why := formatOf(contentType)
	if f == OpenMetrics2 && !openMetrics2 {
		f, why = 0, "the target sent OpenMetrics 2.0, which is read with the feature openmetrics2 only"
	}
	if f != 0 {
		return f, nil
	}
	if p, ok := protocols[fallback]; ok && (openMetrics2 || p.format != OpenMetrics2) {
		return p.format, nil
	}
	return 0, fmt.Errorf(`%s; if it is an exposition all the same, name its format with fallback_scrape_protocol, for example "PrometheusText0.0.4"`, why)
}

func formatOf(contentType string) (Format, string) {
	if contentType == "" {
		return 0, "the target sent no Content-Type"
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, fmt.Sprintf("the target sent a Content-Type that cannot be read, %.100q", contentType)
	}
	switch {
	case media == "text/plain":
		return Text, ""
	case media == "application/openmetrics-text" && params["version"] == "2.0.0":
		return OpenMetrics2, ""
	case media == "application/openmetrics-text":
		return OpenMetrics, ""
	case media == protobufMedia:
		return Protobuf, ""
	}
	return 0, fmt.Sprintf("the target sent Content-Type %.100q, which is no exposition format hearth reads", contentType)
}
