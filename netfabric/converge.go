package netfabric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/nft"
	"causeway.dev/netfabric/plan"
	"causeway.dev/netfabric/rtnl"
)

// converge makes the kernel equal a state. The order keeps every moment of it
// safe, because it may be cut off anywhere: filters come before the devices
// that they filter, but those that count on others' routes go on as they are until
// these are there; devices that are in the wrong place go before their names are taken
// again. It goes on past what does not work, but not in the
// namespace where it did not.
func (f *Fabric) converge(ctx context.Context, s plan.State) error {
	var errs []error
	look, broken := f.differing(s), map[string]bool{}
	before := f.Changes()
	each := func(step func(context.Context, plan.Namespace) error) {
		for _, ns := range s.Namespaces {
			if !look[ns.Name] || broken[ns.Name] || ctx.Err() != nil {
				continue
			}
			if err := step(ctx, ns); err != nil {
				errs = append(errs, fmt.Errorf("namespace %s: %w", ns.Name, err))
				broken[ns.Name] = true
			}
		}
	}
	unwanted, err := f.unwanted(s)
	errs = append(errs, err)
	// While the devices are there that tell whose flows they were: they go with
	// an instance's namespace.
	for _, name := range unwanted {
		errs = append(errs, f.countFlows(ctx, plan.Namespace{Name: name, Router: true}))
	}
	each(f.countFlows)
	for _, name := range unwanted {
		errs = append(errs, f.removeNamespace(ctx, name))
	}
	each(f.createNamespace)
	each(f.clear)
	each(func(ctx context.Context, ns plan.Namespace) error {
		peers, err := f.create(ctx, ns)
		for _, peer := range peers {
			look[peer] = true // what stood there went with the device
			delete(f.stands, peer)
		}
		return err
	})
	each(f.settle)
	errs = append(errs, f.settleJoint(ctx, s.Joint))
	each(f.exchangeFilter)
	each(func(_ context.Context, ns plan.Namespace) error {
		if !ns.Router || f.Changes() == before {
			return nil
		}
		return inside(ns.Name, (*rtnl.Handle).Await)
	})
	each(func(_ context.Context, ns plan.Namespace) error {
		f.stands[ns.Name] = ns
		return nil
	})
	return errors.Join(append(errs, context.Cause(ctx))...)
}

// differing returns the namespaces that a look is needed at, by name, and forgets
// how they and those that shall go stood.
func (f *Fabric) differing(s plan.State) map[string]bool {
	look, wanted := map[string]bool{}, map[string]bool{}
	for i := range s.Namespaces {
		ns := &s.Namespaces[i]
		wanted[ns.Name] = true
		if stood, ok := f.stands[ns.Name]; !ok || !stood.Equal(ns) {
			look[ns.Name] = true
		}
	}
	maps.DeleteFunc(f.stands, func(name string, _ plan.Namespace) bool { return look[name] || !wanted[name] })
	return look
}

// change does one change.
func (f *Fabric) change(ctx context.Context, namespace, text string, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.beforeChange != nil {
		if err := f.beforeChange(namespace + ": " + text); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	f.changes.Add(1)
	f.log.Debug("network changed", "namespace", namespace, "change", text)
	return nil
}

func (f *Fabric) changeAll(ctx context.Context, namespace string, changes []rtnl.Change) error {
	for _, c := range changes {
		if err := f.change(ctx, namespace, c.Text, c.Do); err != nil {
			return err
		}
	}
	return nil
}

// unwanted are the namespaces that carry our prefix and shall go.
func (f *Fabric) unwanted(s plan.State) ([]string, error) {
	names, err := netns.List(plan.NamespaceName(s.Prefix, ""))
	return slices.DeleteFunc(names, func(name string) bool {
		_, wanted := slices.BinarySearchFunc(s.Namespaces, name, func(ns plan.Namespace, name string) int { return cmp.Compare(ns.Name, name) })
		return wanted || slices.Contains(s.Untouched, name)
	}), err
}

// removeNamespace removes a namespace. Its devices go first: a process or a socket
// may keep the namespace itself for a while.
func (f *Fabric) removeNamespace(ctx context.Context, name string) error {
	if netns.Exists(name) {
		err := inside(name, func(h *rtnl.Handle) error { return f.changeAll(ctx, name, h.RemoveAllDevices()) })
		if err != nil {
			return fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	return f.change(ctx, name, "remove namespace", func() error { return netns.Delete(name) })
}

func (f *Fabric) createNamespace(ctx context.Context, ns plan.Namespace) error {
	if ns.Foreign || netns.Exists(ns.Name) {
		return nil
	}
	err := f.change(ctx, ns.Name, "create namespace", func() error { return netns.Create(ns.Name) })
	if err != nil || len(ns.Filter.Counted) == 0 {
		return err
	}
	return f.countFlows(ctx, ns)
}

// clear loads the filter and removes devices. What is new is filtered before it
// is there, and what goes is cut off before.
func (f *Fabric) clear(ctx context.Context, ns plan.Namespace) error {
	if !ns.Router {
		return nil
	}
	return inside(ns.Name, func(h *rtnl.Handle) error {
		if err := f.loadFilter(ctx, ns, ns.Filter.Last); err != nil {
			return err
		}
		return f.changeAll(ctx, ns.Name, h.RemoveDevices(ns))
	})
}

// loadFilter loads a filter in the calling thread's namespace where it is not, unless
// another that stands there may stay for now.
func (f *Fabric) loadFilter(ctx context.Context, ns plan.Namespace, mayStay bool) error {
	loaded, err := nft.Loaded(ns.Filter)
	if !loaded && mayStay && err == nil {
		loaded, err = nft.Stands()
	}
	if loaded || err != nil {
		return err
	}
	return f.change(ctx, ns.Name, "load filter", func() error { return nft.Load(ctx, ns.Filter) })
}

// exchangeFilter loads the filters that are last.
func (f *Fabric) exchangeFilter(ctx context.Context, ns plan.Namespace) error {
	if !ns.Filter.Last {
		return nil
	}
	return netns.Do(ns.Name, func() error { return f.loadFilter(ctx, ns, false) })
}

// create makes devices that are missing, and returns the namespaces of their other
// ends. What new devices shall have from the start is set before.
func (f *Fabric) create(ctx context.Context, ns plan.Namespace) (peers []string, err error) {
	if !ns.Router {
		return nil, nil
	}
	err = inside(ns.Name, func(h *rtnl.Handle) error {
		sysctls, err := rtnl.Sysctls(ns)
		if err != nil {
			return err
		}
		missing := h.Missing(ns)
		for _, d := range missing {
			peers = append(peers, d.Peer.Namespace)
		}
		return f.changeAll(ctx, ns.Name, append(sysctls, h.CreateDevices(missing)...))
	})
	return peers, err
}

// settle does the rest, which counts on the devices.
func (f *Fabric) settle(ctx context.Context, ns plan.Namespace) error {
	return inside(ns.Name, func(h *rtnl.Handle) error {
		sysctls, err := rtnl.Sysctls(ns)
		if err != nil {
			return err
		}
		changes, err := h.Settle(ns)
		if err != nil {
			return err
		}
		return f.changeAll(ctx, ns.Name, append(sysctls, changes...))
	})
}

// settleNetwork settles one network of the Config applied last.
func (f *Fabric) settleNetwork(ctx context.Context, network string) error {
	state, err := plan.Compile(f.config.Around(network), f.up)
	name := NamespaceName(f.config.Prefix, network)
	i := slices.IndexFunc(state.Namespaces, func(ns plan.Namespace) bool { return ns.Name == name })
	if i < 0 {
		return fmt.Errorf("plan network %s: %w", network, err)
	}
	_, stood := f.stands[name]
	delete(f.stands, name)
	if err := f.settle(ctx, state.Namespaces[i]); err != nil {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	if stood {
		f.stands[name] = state.Namespaces[i]
	}
	return nil
}

// inside calls step in a namespace with a handle for it.
func inside(namespace string, step func(*rtnl.Handle) error) error {
	return netns.Do(namespace, func() error {
		h, err := rtnl.Open()
		if err != nil {
			return err
		}
		defer h.Close()
		return step(h)
	})
}
