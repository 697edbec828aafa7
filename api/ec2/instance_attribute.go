package ec2

import (
	"context"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// DescribeInstanceAttribute tells one attribute of an instance.
func (s *Service) DescribeInstanceAttribute(_ context.Context, c server.Caller, in *model.DescribeInstanceAttributeInput) (*model.DescribeInstanceAttributeOutput, error) {
	view := s.newInstanceView(s.read(c))
	v, err := instances.get(view.reader, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeInstanceAttributeOutput{InstanceId: &v.ID}
	nic := val(view.nic(&v))
	flag := func(b bool) *model.AttributeBooleanValue { return &model.AttributeBooleanValue{Value: &b} }
	text := func(t string) *model.AttributeValue { return &model.AttributeValue{Value: str(t)} }
	switch attribute := val(in.Attribute); attribute {
	case model.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = flag(v.DisableAPIStop)
	case model.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = flag(v.DisableAPITermination)
	case model.InstanceAttributeNameEbsOptimized:
		out.EbsOptimized = flag(false)
	case model.InstanceAttributeNameGroupSet:
		out.Groups = groupIdentifiers(view.reader, nic.Groups)
	case model.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = text(v.ShutdownBehavior)
	case model.InstanceAttributeNameInstanceType:
		out.InstanceType = text(v.InstanceType)
	case model.InstanceAttributeNameSourceDestCheck:
		out.SourceDestCheck = flag(nic.SourceDestCheck)
	case model.InstanceAttributeNameUserData:
		out.UserData = text(base64Text(v.UserData))
	case model.InstanceAttributeNameBlockDeviceMapping, model.InstanceAttributeNameProductCodes:
		// Instances have none: the answer's lists are empty.
	default:
		return nil, resource.Unsupported("The instance attribute " + attribute)
	}
	return out, nil
}

// ModifyInstanceAttribute sets one attribute of an instance, or of its primary
// network interface.
func (s *Service) ModifyInstanceAttribute(ctx context.Context, c server.Caller, in *model.ModifyInstanceAttributeInput) (*model.ModifyInstanceAttributeOutput, error) {
	if err := normalizeAttribute(in); err != nil {
		return nil, err
	}
	if err := refuseUnbuilt(
		member{"BlockDeviceMapping", in.BlockDeviceMappings != nil},
		member{"EbsOptimized", val(val(in.EbsOptimized).Value)},
		member{"EnaSupport", in.EnaSupport != nil},
		member{"Kernel", in.Kernel != nil},
		member{"Ramdisk", in.Ramdisk != nil},
		member{"SriovNetSupport", in.SriovNetSupport != nil},
	); err != nil {
		return nil, err
	}
	if err := oneAttribute(in.DisableApiTermination != nil, in.DisableApiStop != nil, in.InstanceInitiatedShutdownBehavior != nil,
		in.SourceDestCheck != nil, in.Groups != nil, in.EbsOptimized != nil, in.InstanceType != nil, in.UserData != nil); err != nil {
		return nil, err
	}
	behavior := val(val(in.InstanceInitiatedShutdownBehavior).Value)
	if !slices.Contains([]string{"", model.ShutdownBehaviorStop, model.ShutdownBehaviorTerminate}, behavior) {
		return nil, resource.InvalidValue("instanceInitiatedShutdownBehavior", behavior, "It is stop or terminate.")
	}
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := instances.get(w.reader, val(in.InstanceId))
		if err != nil {
			return err
		}
		if v.Wanted == resource.InstanceTerminated {
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is being terminated", v.ID)
		}
		if in.InstanceType != nil || in.UserData != nil {
			if err := modifyStopped(w.reader, &v, in); err != nil {
				return err
			}
		}
		assign(&v.DisableAPITermination, in.DisableApiTermination)
		assign(&v.DisableAPIStop, in.DisableApiStop)
		if behavior != "" {
			v.ShutdownBehavior = behavior
		}
		instances.put(w, v)
		if in.SourceDestCheck == nil && in.Groups == nil {
			return nil
		}
		return s.modifyInterface(w, v.Interfaces[0], in.SourceDestCheck, in.Groups, nil, nil)
	})
}

// modifyStopped sets what an instance is given at its start.
func modifyStopped(r reader, v *resource.Instance, in *model.ModifyInstanceAttributeInput) error {
	if err := checkStopped(r, v); err != nil {
		return err
	}
	if in.UserData != nil {
		v.UserData = in.UserData.Value
		return checkUserData(v.UserData)
	}
	return retype(r, v, val(in.InstanceType.Value))
}

// checkStopped refuses what can be changed only while the instance does not run.
func checkStopped(r reader, v *resource.Instance) error {
	if state, _ := instanceState(r, v); state != resource.InstanceStopped {
		return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is not in the 'stopped' state.", v.ID)
	}
	return nil
}

// retype gives an instance another type, which has to take its network interfaces.
func retype(r reader, v *resource.Instance, name string) error {
	if err := checkInstanceType(name); err != nil {
		return err
	}
	v.InstanceType, v.CPU = name, resource.CPUOptions{}
	if err := checkInstanceInterfaces(name, len(v.Interfaces)); err != nil {
		return err
	}
	for _, id := range v.Interfaces {
		nic, _ := networkInterfaces.table.Get(r.Reader, store.InterfaceScope(v, id), id)
		if err := checkInterfaceAddresses(name, 1+len(nic.Secondary)); err != nil {
			return err
		}
	}
	return nil
}

// normalizeAttribute moves an attribute that is given as Attribute and Value to
// the member of its own.
func normalizeAttribute(in *model.ModifyInstanceAttributeInput) error {
	if in.Attribute == nil {
		return nil
	}
	flag := func() (*model.AttributeBooleanValue, error) {
		b, err := strconv.ParseBool(val(in.Value))
		if err != nil {
			return nil, resource.InvalidValue("value", val(in.Value), "It is true or false.")
		}
		return &model.AttributeBooleanValue{Value: &b}, nil
	}
	var err error
	switch *in.Attribute {
	case model.InstanceAttributeNameDisableApiStop:
		in.DisableApiStop, err = flag()
	case model.InstanceAttributeNameDisableApiTermination:
		in.DisableApiTermination, err = flag()
	case model.InstanceAttributeNameSourceDestCheck:
		in.SourceDestCheck, err = flag()
	case model.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		in.InstanceInitiatedShutdownBehavior = &model.AttributeValue{Value: in.Value}
	case model.InstanceAttributeNameInstanceType:
		in.InstanceType = &model.AttributeValue{Value: in.Value}
	case model.InstanceAttributeNameUserData:
		var text []byte
		text, err = readUserData(in.Value)
		in.UserData = &model.BlobAttributeValue{Value: text}
	default:
		return resource.Unsupported("To modify the instance attribute " + *in.Attribute)
	}
	return err
}
