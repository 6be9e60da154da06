package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/silence"
	pb "github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	ErrNoSilence  = errors.New("no such silence")
	ErrBadSilence = errors.New("bad silence") // wrapped with what is wrong with it
)

// Silence keeps alerts from being told of while it is active: those that all its matchers match.
type Silence struct {
	ID        string // given by SetSilence
	Matchers  []*labels.Matcher
	StartsAt  time.Time // zero means now
	EndsAt    time.Time
	UpdatedAt time.Time
	CreatedBy string
	Comment   string

	Annotations map[string]string // for programs, as the number of a ticket; may be nil

	State SilenceState // when it was read
}

// SilenceState is where a silence stands between its start and its end.
type SilenceState string

// The states of a silence.
const (
	SilencePending SilenceState = "pending"
	SilenceActive  SilenceState = "active"
	SilenceExpired SilenceState = "expired" // shown for five days
)

// Silences returns all silences: active ones first, the one that ends first before others; then pending ones by their
// start, then expired ones, latest first.
func (m *Manager) Silences(ctx context.Context) ([]Silence, error) {
	found, _, err := m.silences.Query(ctx)
	if err != nil {
		return nil, fmt.Errorf("list silences: %w", err)
	}
	now := time.Now()
	list := make([]Silence, 0, len(found))
	for _, p := range found {
		s, err := fromProto(p, now)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Silence) int {
		if a.State != b.State {
			return a.State.order() - b.State.order()
		}
		switch a.State {
		case SilencePending:
			return a.StartsAt.Compare(b.StartsAt)
		case SilenceExpired:
			return b.EndsAt.Compare(a.EndsAt)
		}
		return a.EndsAt.Compare(b.EndsAt)
	})
	return list, nil
}

func (s SilenceState) order() int {
	return slices.Index([]SilenceState{SilenceActive, SilencePending, SilenceExpired}, s)
}

// Silence returns the silence of that id, or ErrNoSilence.
func (m *Manager) Silence(ctx context.Context, id string) (Silence, error) {
	p, err := m.silences.QueryOne(ctx, silence.QIDs(id))
	if err != nil {
		return Silence{}, silenceError(id, err)
	}
	return fromProto(p, time.Now())
}

// SetSilence makes a silence if s.ID is empty, else changes the one of that id; where the change would alter history,
// as other matchers do, that one ends and a new one begins. It returns the id of the silence that is now in force, which is
// on disk then; with an error other than ErrBadSilence and ErrNoSilence, and an id, it is in force but not safe from a
// crash.
func (m *Manager) SetSilence(ctx context.Context, s Silence) (string, error) {
	p, err := toProto(s)
	if err != nil {
		return "", err
	}
	if now := time.Now(); !p.EndsAt.AsTime().After(now) {
		return "", fmt.Errorf("%w: it ends in the past, at %s", ErrBadSilence, s.EndsAt.Format(time.RFC3339))
	}
	if err := m.silences.Set(ctx, p); err != nil {
		if errors.Is(err, silence.ErrNotFound) {
			return "", silenceError(s.ID, err)
		}
		return "", fmt.Errorf("%w: %w", ErrBadSilence, err)
	}
	return p.Id, m.keepSilences()
}

// ExpireSilence ends the silence of that id now. One that has ended already stays as it is.
func (m *Manager) ExpireSilence(ctx context.Context, id string) error {
	if err := m.silences.Expire(ctx, id); err != nil {
		return silenceError(id, err)
	}
	return m.keepSilences()
}

func (m *Manager) keepSilences() error {
	if err := m.silentStore.keep(); err != nil {
		return fmt.Errorf("the change of the silence is in force, but not on disk: %w", err)
	}
	return nil
}

func silenceError(id string, err error) error {
	if errors.Is(err, silence.ErrNotFound) {
		return fmt.Errorf("silence %q: %w", id, ErrNoSilence)
	}
	return fmt.Errorf("silence %q: %w", id, err)
}

var matchTypes = map[labels.MatchType]pb.Matcher_Type{
	labels.MatchEqual:     pb.Matcher_EQUAL,
	labels.MatchNotEqual:  pb.Matcher_NOT_EQUAL,
	labels.MatchRegexp:    pb.Matcher_REGEXP,
	labels.MatchNotRegexp: pb.Matcher_NOT_REGEXP,
}

func toProto(s Silence) (*pb.Silence, error) {
	p := &pb.Silence{Id: s.ID, CreatedBy: s.CreatedBy, Comment: s.Comment, Annotations: s.Annotations, EndsAt: timestamppb.New(s.EndsAt)}
	if !s.StartsAt.IsZero() {
		p.StartsAt = timestamppb.New(s.StartsAt)
	}
	set := &pb.MatcherSet{}
	for _, ms := range s.Matchers {
		t, ok := matchTypes[ms.Type]
		if !ok {
			return nil, fmt.Errorf("%w: a matcher of unknown type %d", ErrBadSilence, ms.Type)
		}
		set.Matchers = append(set.Matchers, &pb.Matcher{Type: t, Name: ms.Name, Pattern: ms.Value})
	}
	p.MatcherSets = []*pb.MatcherSet{set}
	return p, nil
}

func fromProto(p *pb.Silence, now time.Time) (Silence, error) {
	s := Silence{
		ID:          p.Id,
		StartsAt:    p.StartsAt.AsTime(),
		EndsAt:      p.EndsAt.AsTime(),
		UpdatedAt:   p.UpdatedAt.AsTime(),
		CreatedBy:   p.CreatedBy,
		Comment:     p.Comment,
		Annotations: p.Annotations,
		State:       SilenceActive,
	}
	switch {
	case now.Before(s.StartsAt):
		s.State = SilencePending
	case !now.Before(s.EndsAt):
		s.State = SilenceExpired
	}
	for _, set := range p.MatcherSets {
		for _, pm := range set.Matchers {
			for t, pt := range matchTypes {
				if pt != pm.Type {
					continue
				}
				ms, err := labels.NewMatcher(t, pm.Name, pm.Pattern)
				if err != nil {
					return s, fmt.Errorf("silence %s: matcher of %s: %w", p.Id, pm.Name, err)
				}
				s.Matchers = append(s.Matchers, ms)
			}
		}
	}
	return s, nil
}
