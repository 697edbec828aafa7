package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// monitoringState is AWS's name for whether detailed monitoring was asked for. What
// instances use, nobody measures here.
func monitoringState(v *resource.Instance) string {
	if v.Monitoring {
		return model.MonitoringStateEnabled
	}
	return model.MonitoringStateDisabled
}

// MonitorInstances notes that detailed monitoring of instances is asked for.
func (s *Service) MonitorInstances(ctx context.Context, c server.Caller, in *model.MonitorInstancesInput) (*model.MonitorInstancesOutput, error) {
	changed, err := s.setMonitoring(ctx, c, in.DryRun, in.InstanceIds, true)
	return &model.MonitorInstancesOutput{InstanceMonitorings: changed}, err
}

// UnmonitorInstances notes that it is not asked for any more.
func (s *Service) UnmonitorInstances(ctx context.Context, c server.Caller, in *model.UnmonitorInstancesInput) (*model.UnmonitorInstancesOutput, error) {
	changed, err := s.setMonitoring(ctx, c, in.DryRun, in.InstanceIds, false)
	return &model.UnmonitorInstancesOutput{InstanceMonitorings: changed}, err
}

func (s *Service) setMonitoring(ctx context.Context, c server.Caller, dryRun *bool, ids []string, on bool) ([]model.InstanceMonitoring, error) {
	var changed []model.InstanceMonitoring
	_, err := s.changeStates(ctx, c, dryRun, ids, func(w writer, v *resource.Instance, _ string) error {
		v.Monitoring = on
		instances.put(w, *v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		changed = append(changed, model.InstanceMonitoring{InstanceId: &id, Monitoring: &model.Monitoring{State: new(monitoringState(&resource.Instance{Monitoring: on}))}})
	}
	return changed, nil
}
