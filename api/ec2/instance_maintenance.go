package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// setMaintenance sets whether an instance is to be moved from a host that fails, and
// from one that is repaired; nil leaves it.
func setMaintenance(v *resource.Instance, recovery, migration *string) {
	if recovery != nil {
		v.NoAutoRecovery = *recovery == model.InstanceAutoRecoveryStateDisabled
	}
	if migration != nil {
		v.NoRebootMigration = *migration == model.InstanceRebootMigrationStateDisabled
	}
}

func autoRecovery(v *resource.Instance) string {
	if v.NoAutoRecovery {
		return model.InstanceAutoRecoveryStateDisabled
	}
	return model.InstanceAutoRecoveryStateDefault
}

func rebootMigration(v *resource.Instance) string {
	if v.NoRebootMigration {
		return model.InstanceRebootMigrationStateDisabled
	}
	return model.InstanceRebootMigrationStateDefault
}

// ModifyInstanceMaintenanceOptions says whether an instance is to be moved from a host
// that fails or is repaired. It is kept: there is no other host.
func (s *Service) ModifyInstanceMaintenanceOptions(ctx context.Context, c server.Caller, in *model.ModifyInstanceMaintenanceOptionsInput) (*model.ModifyInstanceMaintenanceOptionsOutput, error) {
	var out model.ModifyInstanceMaintenanceOptionsOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := instances.get(w.reader, val(in.InstanceId))
		if err != nil {
			return err
		}
		if v.Wanted == resource.InstanceTerminated {
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is being terminated", v.ID)
		}
		setMaintenance(&v, in.AutoRecovery, in.RebootMigration)
		instances.put(w, v)
		out = model.ModifyInstanceMaintenanceOptionsOutput{AutoRecovery: new(autoRecovery(&v)), InstanceId: &v.ID, RebootMigration: new(rebootMigration(&v))}
		return nil
	})
	return &out, err
}
