package alert

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/hearth-project/hearth/core/config"
)

// receiver is one of [[receivers]] with its notifiers open.
type receiver struct {
	cfg       *config.Receiver
	used      bool      // a route names it; the notifiers of others stay closed
	notifiers []*opened // as in cfg
}

// openReceivers opens what the receivers in use need. A notifier of before whose settings are the same is taken over,
// with the pause that its receiver asked for. On an error everything is as it was.
func (m *Manager) openReceivers(cfg *config.Config, used map[string]bool, before []*opened) ([]*receiver, error) {
	var list []*receiver
	var fresh []*opened
	for _, rc := range cfg.Receivers {
		r := &receiver{cfg: rc, used: used[rc.Name]}
		list = append(list, r)
		if !r.used {
			continue
		}
		for i, n := range rc.Notifiers {
			same := slices.IndexFunc(before, func(o *opened) bool { return reflect.DeepEqual(o.use, n.PluginUse) })
			if same >= 0 {
				r.notifiers = append(r.notifiers, before[same])
				before = slices.Delete(slices.Clone(before), same, same+1)
				continue
			}
			client, err := m.opts.Notifiers(context.Background(), n.PluginUse)
			if err != nil {
				err = fmt.Errorf("receiver %q, notifiers[%d], plugin %s: %w", rc.Name, i, n.Plugin, err)
				return nil, errors.Join(err, closeAll(fresh))
			}
			o := &opened{Notifier: client, use: n.PluginUse}
			fresh = append(fresh, o)
			r.notifiers = append(r.notifiers, o)
		}
	}
	return list, nil
}

// closeAll closes each of list.
func closeAll(list []*opened) error {
	var errs []error
	for _, o := range list {
		if err := o.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close notifier %s: %w", o.use.Plugin, err))
		}
	}
	return errors.Join(errs...)
}
