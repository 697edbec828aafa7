package node

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"causeway.dev/instance"
	"causeway.dev/instance/cgroup"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

const (
	// instancesAtOnce bounds how many instances are started or ended side by
	// side: each takes a handful of processes and mounts.
	instancesAtOnce = 8

	// endingMax is how long instances that end keep their network and are waited
	// for. Those that take longer end while everything else goes on.
	endingMax = 300 * time.Millisecond
)

// endInstances ends the instances that are not in keep, and stops those that shall
// be kept stopped. It waits for them a moment: an instance that will not end must
// not keep the rest waiting.
func (n *Node) endInstances(ctx context.Context, keep []nodespec.Instance, present []instance.Status) error {
	wanted := map[string]nodespec.Instance{}
	for _, i := range keep {
		wanted[i.ID] = i
	}
	ended := make(chan error, len(present))
	begun := 0
	for _, s := range present {
		i, known := wanted[s.ID]
		n.mu.Lock()
		begin := (!known || i.Stopped && s.Running) && !n.ending[s.ID]
		if begin {
			n.ending[s.ID] = true
		}
		n.mu.Unlock()
		if begin {
			begun++
			n.group.Go("end instance", func(ctx context.Context) error {
				ended <- n.endInstance(ctx, s.ID)
				return nil
			})
		}
	}
	var errs []error
	timeout := time.After(endingMax)
	for range begun {
		select {
		case err := <-ended:
			errs = append(errs, err)
		case <-timeout:
			return errors.Join(errs...)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errors.Join(errs...)
}

// endInstance ends one instance as it is desired by then: for good, or to be
// started again one day. If that does not work the next look at everything tries
// again.
func (n *Node) endInstance(ctx context.Context, id string) error {
	n.endings <- struct{}{}
	var err error
	instances := n.newest().Instances
	switch at := slices.IndexFunc(instances, func(i nodespec.Instance) bool { return i.ID == id }); {
	case at < 0:
		err = n.cfg.Driver.Terminate(ctx, id)
	case instances[at].Stopped:
		err = n.cfg.Driver.Stop(ctx, id, instances[at].Force)
	}
	<-n.endings
	n.mu.Lock()
	delete(n.ending, id)
	n.mu.Unlock()
	poke(n.look)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("end instance %s: %w", id, err)
	if ctx.Err() == nil {
		n.log.Error("end what is not desired", "err", err)
	}
	return err
}

// beginInstances starts the instances that do not run, or not since the start that
// was asked for last. One that cannot be started keeps no other from it; one that
// was there a moment ago, as it was begun, is not touched, so that a change takes
// no longer the more of them there are.
func (n *Node) beginInstances(ctx context.Context, d nodespec.Desired, present []instance.Status) error {
	running := map[string]int64{} // the boot, by id
	for _, s := range present {
		if s.Running {
			running[s.ID] = s.Boot
		}
	}
	addresses := map[string][]string{} // that host names stand for
	for _, network := range d.Networks {
		for _, i := range network.Interfaces {
			if i.Instance != "" && i.Index == 0 {
				for _, primary := range i.Addresses()[:min(1, len(i.Addresses()))] {
					addresses[i.Instance] = append(addresses[i.Instance], primary.String())
				}
			}
		}
	}
	errs, ensured := make([]error, len(d.Instances)), map[string]instance.Config{}
	var lock sync.Mutex // guards ensured
	var group errgroup.Group
	group.SetLimit(instancesAtOnce)
	for at, i := range d.Instances {
		if i.Stopped {
			continue
		}
		config := instance.Config{
			ID: i.ID, Boot: i.Boot, Hostname: i.Hostname, UserData: i.UserData, Addresses: addresses[i.ID],
			Resolvers: i.Resolvers, Domain: i.Domain, AuthorizedKeys: i.AuthorizedKeys,
			Limits:           cgroup.Limits{CPUs: i.CPUs, MemoryBytes: i.MemoryBytes, Processes: i.Processes},
			NetworkNamespace: netfabric.NamespaceName(n.cfg.Prefix, i.ID),
		}
		boot, runs := running[i.ID]
		if before, ok := n.ensured[i.ID]; ok && runs && boot == i.Boot && reflect.DeepEqual(before, config) {
			lock.Lock()
			ensured[i.ID] = config
			lock.Unlock()
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			if err := n.cfg.Driver.Ensure(ctx, config); err != nil {
				errs[at] = fmt.Errorf("run instance %s: %w", i.ID, err)
				return nil
			}
			lock.Lock()
			ensured[i.ID] = config
			lock.Unlock()
			return nil
		})
	}
	group.Wait()
	n.ensured = ensured
	return errors.Join(errs...)
}
