package host

import (
	"slices"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/promql"
)

func TestConfigurationKnowsTheFeaturesOfTheEngine(t *testing.T) {
	c := config.Default()
	c.EnableFeatures(strings.Join(promql.Features(), ","))
	if !slices.Equal(c.Query.EnableFeatures, promql.Features()) || len(c.Warnings) > 0 {
		t.Errorf("%q are taken of %q: %q", c.Query.EnableFeatures, promql.Features(), c.Warnings)
	}
	if c.EnableFeatures("agent,old-ui"); len(c.Warnings) != 2 {
		t.Errorf("warnings %q", c.Warnings)
	}
}
