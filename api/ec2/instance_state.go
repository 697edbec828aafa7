package ec2

import (
	"context"
	"slices"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// instanceStateCodes are what answers have beside the names of states.
var instanceStateCodes = map[string]int32{
	resource.InstancePending:      0,
	resource.InstanceRunning:      16,
	resource.InstanceShuttingDown: 32,
	resource.InstanceTerminated:   48,
	resource.InstanceStopping:     64,
	resource.InstanceStopped:      80,
}

const codeIncorrectInstanceState resource.Code = "IncorrectInstanceState"

// instanceState returns the state of an instance, and why it is not running:
// what was asked of it decides which way it goes, what was seen how far it is.
// It is terminated when it has given back what it had, so that who waits for
// that can delete its subnet and its groups.
func instanceState(r reader, v *resource.Instance) (state string, reason resource.StateReason) {
	status, _ := store.InstanceStatuses.Get(r.Reader, r.scope, v.ID)
	wanted := *v
	if v.PoweredOff(&status) {
		wanted.ShutDown() // which is about to be written
	}
	switch {
	case wanted.Wanted == resource.InstanceRunning && status.State == resource.InstanceRunning:
		return resource.InstanceRunning, resource.StateReason{}
	case wanted.Wanted == resource.InstanceRunning && status.Reason != "":
		return resource.InstancePending, resource.StateReason{Code: resource.ReasonInternalError, Message: status.Reason}
	case wanted.Wanted == resource.InstanceRunning:
		return resource.InstancePending, resource.ReasonPending
	case v.Wanted == resource.InstanceStopped && status.State == resource.InstanceStopped:
		return resource.InstanceStopped, v.StateReason
	case wanted.Wanted == resource.InstanceStopped:
		return resource.InstanceStopping, wanted.StateReason
	case v.Deleted != nil:
		return resource.InstanceTerminated, v.StateReason
	default:
		return resource.InstanceShuttingDown, wanted.StateReason
	}
}

func stateAnswer(name string) *model.InstanceState {
	return &model.InstanceState{Code: new(instanceStateCodes[name]), Name: &name}
}

// changeStates lets change act on the instances with the ids, each once: on all, or
// on none. It returns how the state of each changed.
func (s *Service) changeStates(ctx context.Context, c server.Caller, dryRun *bool, ids []string, change func(w writer, v *resource.Instance, state string) error) ([]model.InstanceStateChange, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var changes []model.InstanceStateChange
	err := s.update(ctx, c, dryRun, func(w writer) error {
		changes = nil
		for _, id := range ids {
			v, err := instances.get(w.reader, id)
			if err != nil {
				return err
			}
			before, _ := instanceState(w.reader, &v)
			if err := change(w, &v, before); err != nil {
				return err
			}
			after, _ := instanceState(w.reader, &v)
			changes = append(changes, model.InstanceStateChange{InstanceId: &v.ID, PreviousState: stateAnswer(before), CurrentState: stateAnswer(after)})
		}
		return nil
	})
	return changes, err
}

// endByUser writes that a user wants an instance stopped or terminated.
func endByUser(w writer, v *resource.Instance, wanted string, now time.Time) {
	v.Wanted, v.StateReason = wanted, resource.ReasonUserShutdown
	v.TransitionReason = "User initiated (" + now.UTC().Format("2006-01-02 15:04:05") + " GMT)"
	instances.put(w, *v)
}

// TerminateInstances ends instances: all that are named, or none. Those that
// have ended stay visible for a while, and may be named again.
func (s *Service) TerminateInstances(ctx context.Context, c server.Caller, in *model.TerminateInstancesInput) (*model.TerminateInstancesOutput, error) {
	changes, err := s.changeStates(ctx, c, in.DryRun, in.InstanceIds, func(w writer, v *resource.Instance, _ string) error {
		if v.Wanted == resource.InstanceTerminated {
			return nil
		}
		if v.DisableAPITermination {
			return resource.Errorf(resource.CodeOperationNotPermitted, "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", v.ID)
		}
		endByUser(w, v, resource.InstanceTerminated, c.Now)
		return nil
	})
	return &model.TerminateInstancesOutput{TerminatingInstances: changes}, err
}

// StopInstances ends the processes of instances, which keep their disks, private
// addresses and elastic addresses. Other outside addresses are given back.
func (s *Service) StopInstances(ctx context.Context, c server.Caller, in *model.StopInstancesInput) (*model.StopInstancesOutput, error) {
	if err := refuseUnbuilt(member{"Hibernate", val(in.Hibernate)}); err != nil {
		return nil, err
	}
	changes, err := s.changeStates(ctx, c, in.DryRun, in.InstanceIds, func(w writer, v *resource.Instance, state string) error {
		_, reason := instanceState(w.reader, v)
		switch {
		case state == resource.InstanceStopped:
			return nil
		case v.Wanted == resource.InstanceTerminated, state == resource.InstancePending && reason == resource.ReasonPending:
			return resource.Errorf(codeIncorrectInstanceState, "This instance '%s' is not in a state from which it can be stopped: it is %s.", v.ID, state)
		case v.DisableAPIStop:
			return resource.Errorf(resource.CodeOperationNotPermitted, "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", v.ID)
		}
		v.ForceStop = val(in.Force) || val(in.SkipOsShutdown)
		for _, nic := range v.Interfaces {
			freeAutoAddress(w, nic)
		}
		endByUser(w, v, resource.InstanceStopped, c.Now)
		return nil
	})
	return &model.StopInstancesOutput{StoppingInstances: changes}, err
}

// StartInstances starts instances that are stopped. Interfaces that come with an
// outside address get another one.
func (s *Service) StartInstances(ctx context.Context, c server.Caller, in *model.StartInstancesInput) (*model.StartInstancesOutput, error) {
	if err := refuseUnbuilt(member{"AdditionalInfo", in.AdditionalInfo != nil}); err != nil {
		return nil, err
	}
	changes, err := s.changeStates(ctx, c, in.DryRun, in.InstanceIds, func(w writer, v *resource.Instance, state string) error {
		switch state {
		case resource.InstanceRunning, resource.InstancePending:
			return nil
		case resource.InstanceStopped:
		default:
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is not in a state from which it can be started: it is %s.", v.ID, state)
		}
		if instances.table.Count(w.Reader, w.scope, store.ByWanted, resource.InstanceRunning) >= w.limits.Instances {
			return resource.Errorf(codeInstanceLimitExceeded, "The maximum number of instances is %d, and all run", w.limits.Instances)
		}
		for _, id := range v.Interfaces {
			if err := s.restoreAutoAddress(w, id); err != nil {
				return err
			}
		}
		v.Wanted, v.Launched, v.ForceStop = resource.InstanceRunning, c.Now.UTC(), false
		v.StateReason, v.TransitionReason = resource.StateReason{}, ""
		v.Boot++
		instances.put(w, *v)
		return nil
	})
	return &model.StartInstancesOutput{StartingInstances: changes}, err
}

// RebootInstances ends the processes of instances and starts them anew. They keep
// all that they have.
func (s *Service) RebootInstances(ctx context.Context, c server.Caller, in *model.RebootInstancesInput) (*model.RebootInstancesOutput, error) {
	_, err := s.changeStates(ctx, c, in.DryRun, in.InstanceIds, func(w writer, v *resource.Instance, state string) error {
		if state != resource.InstanceRunning {
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is not in a state from which it can be rebooted: it is %s.", v.ID, state)
		}
		v.Boot++
		instances.put(w, *v)
		return nil
	})
	return nil, err
}
