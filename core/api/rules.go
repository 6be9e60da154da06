package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/rules"
)

type alertJSON struct {
	Labels          labels.Labels `json:"labels"`
	Annotations     labels.Labels `json:"annotations"`
	State           string        `json:"state"`
	ActiveAt        *time.Time    `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
	Value           string        `json:"value"`
}

type groupJSON struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`    // alertingJSON or recordingJSON
	Interval       float64   `json:"interval"` // seconds, as all that follow
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

type alertingJSON struct {
	State          string        `json:"state"`
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Duration       float64       `json:"duration"`
	KeepFiringFor  float64       `json:"keepFiringFor"`
	Labels         labels.Labels `json:"labels"`
	Annotations    labels.Labels `json:"annotations"`
	Alerts         []alertJSON   `json:"alerts"` // null when they are not asked for
	Health         rules.Health  `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

type recordingJSON struct {
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Labels         labels.Labels `json:"labels"`
	Health         rules.Health  `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

type rulesJSON struct {
	Groups    []groupJSON `json:"groups"`
	NextToken string      `json:"groupNextToken,omitempty"`
}

// rules serves GET /api/v1/rules: the groups with a rule that passes all filters, page by page if that is asked for.
func (h *handler) rules(c echo.Context) error {
	f, err := h.rulesFilter(c)
	if err != nil {
		return err
	}
	limit, token, err := rulesPage(c.QueryParams())
	if err != nil {
		return err
	}
	res := rulesJSON{Groups: []groupJSON{}}
	groups := h.Rules.Groups()
	if token != "" {
		at := slices.IndexFunc(groups, func(g rules.GroupStatus) bool { return pageToken(g) == token })
		if at < 0 {
			return badParam("group_next_token", fmt.Errorf("invalid group_next_token '%v'. were rule groups changed?", token))
		}
		groups = groups[at:]
	}
	for _, g := range groups {
		some := f.group(g)
		if len(some.Rules) == 0 {
			continue
		}
		if limit > 0 && len(res.Groups) == limit {
			res.NextToken = pageToken(g)
			break
		}
		res.Groups = append(res.Groups, some)
	}
	return respond(c, res)
}

// alerts serves GET /api/v1/alerts: all that are pending or firing.
func (h *handler) alerts(c echo.Context) error {
	return respond(c, map[string][]alertJSON{"alerts": alertList(h.Rules.Alerts())})
}

// rulesFilter says which rules are wanted; what is empty lets all pass.
type rulesFilter struct {
	names, groups, files []string
	matchers             [][]*labels.Matcher // on labels as the rule has them, one set of them at least
	kind                 string              // alert or record
	withoutAlerts        bool
}

func (h *handler) rulesFilter(c echo.Context) (f rulesFilter, err error) {
	form := c.Request().Form
	f = rulesFilter{names: form["rule_name[]"], groups: form["rule_group[]"], files: form["file[]"]}
	if f.matchers, err = matcherSets(c, h.Engine.Parser()); err != nil {
		return f, &apiError{errBadData, err}
	}
	switch f.kind = strings.ToLower(c.QueryParam("type")); f.kind {
	case "", "alert", "record":
	default:
		return f, badParam("type", fmt.Errorf("not supported value %q", f.kind))
	}
	if s := strings.ToLower(c.QueryParam("exclude_alerts")); s != "" {
		if f.withoutAlerts, err = strconv.ParseBool(s); err != nil {
			return f, badParam("exclude_alerts", fmt.Errorf("error converting exclude_alerts: %w", err))
		}
	}
	return f, nil
}

// rulesPage returns how many groups are wanted, 0 for all, and the token of the first, empty for the very first.
func rulesPage(q url.Values) (limit int, token string, err error) {
	text, token := q.Get("group_limit"), q.Get("group_next_token")
	if text == "" {
		if token != "" {
			return 0, "", badParam("group_next_token", errors.New("group_limit needs to be present in order to paginate over the groups"))
		}
		return 0, "", nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, "", badParam("group_limit", fmt.Errorf("group_limit needs to be a valid number: %w", err))
	}
	if n <= 0 {
		return 0, "", badParam("group_limit", errors.New("group_limit needs to be greater than 0"))
	}
	return int(n), token, nil
}

// pageToken names a group for the client that asks for the page that begins with it.
func pageToken(g rules.GroupStatus) string {
	sum := sha256.Sum256([]byte(g.File + ";" + g.Name))
	return hex.EncodeToString(sum[:])
}

// group returns a group with those of its rules that pass.
func (f *rulesFilter) group(g rules.GroupStatus) groupJSON {
	out := groupJSON{
		Name:           g.Name,
		File:           g.File,
		Rules:          []any{},
		Interval:       g.Interval.Seconds(),
		Limit:          g.Limit,
		EvaluationTime: g.LastDuration.Seconds(),
		LastEvaluation: g.LastEvaluation,
	}
	if !among(f.groups, g.Name) || !among(f.files, g.File) {
		return out
	}
	for _, r := range g.Rules {
		if among(f.names, r.Name) && f.matches(r.Labels) && (f.kind == "" || (f.kind == "alert") == r.Alerting) {
			out.Rules = append(out.Rules, f.rule(r))
		}
	}
	return out
}

func among(wanted []string, s string) bool { return len(wanted) == 0 || slices.Contains(wanted, s) }

func (f *rulesFilter) matches(ls labels.Labels) bool {
	return len(f.matchers) == 0 || slices.ContainsFunc(f.matchers, func(ms []*labels.Matcher) bool { return matchesAll(ls, ms) })
}

func (f *rulesFilter) rule(r rules.RuleStatus) any {
	if !r.Alerting {
		return recordingJSON{
			Name:           r.Name,
			Query:          r.Expr,
			Labels:         r.Labels,
			Health:         r.Health,
			LastError:      r.LastError,
			EvaluationTime: r.LastDuration.Seconds(),
			LastEvaluation: r.LastEvaluation,
			Type:           "recording",
		}
	}
	out := alertingJSON{
		State:          string(r.State),
		Name:           r.Name,
		Query:          r.Expr,
		Duration:       r.For.Seconds(),
		KeepFiringFor:  r.KeepFiringFor.Seconds(),
		Labels:         r.Labels,
		Annotations:    r.Annotations,
		Health:         r.Health,
		LastError:      r.LastError,
		EvaluationTime: r.LastDuration.Seconds(),
		LastEvaluation: r.LastEvaluation,
		Type:           "alerting",
	}
	if !f.withoutAlerts {
		out.Alerts = alertList(r.Alerts)
	}
	return out
}

func alertList(list []*model.Alert) []alertJSON {
	out := make([]alertJSON, len(list))
	for i, a := range list {
		out[i] = alertJSON{
			Labels:      a.Labels,
			Annotations: a.Annotations,
			State:       string(a.State),
			ActiveAt:    &a.ActiveAt,
			Value:       strconv.FormatFloat(a.Value, 'e', -1, 64),
		}
		if !a.KeepFiringSince.IsZero() {
			out[i].KeepFiringSince = &a.KeepFiringSince
		}
	}
	return out
}
