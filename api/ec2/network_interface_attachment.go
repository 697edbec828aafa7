package ec2

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const (
	// attachmentPrefix begins the ids of what ties a network interface to what it
	// is attached to.
	attachmentPrefix = "eni-attach"

	codeInterfaceInUse resource.Code = "InvalidNetworkInterface.InUse"

	// deviceIndexMax is the highest index of a network interface in an instance.
	deviceIndexMax = 31

	// placeOwner is whose attachments to places of a host are in answers.
	placeOwner = "causeway-attach"
)

// attachmentStatus says how far an attachment is: what was asked decides which
// way it goes, what was seen how far it is.
func attachmentStatus(r reader, v *resource.NetworkInterface) string {
	seen, _ := store.NetworkInterfaceStatuses.Get(r.Reader, r.of(v).scope, v.ID)
	attached := seen.Attached && seen.Attachment == v.AttachmentID
	switch {
	case v.Detaching:
		return model.AttachmentStatusDetaching
	case v.NATGateway != "" || attached:
		return model.AttachmentStatusAttached
	case v.Place != nil:
		return model.AttachmentStatusAttaching
	}
	r = r.at(store.InstanceScope(v))
	instance, _ := instances.table.Get(r.Reader, r.scope, v.Instance)
	switch state, _ := instanceState(r, &instance); {
	case state == resource.InstancePending, state == resource.InstanceRunning && v.DeviceIndex != 0:
		return model.AttachmentStatusAttaching
	default:
		return model.AttachmentStatusAttached
	}
}

// attachmentAnswer is what an interface is attached to; nil for nothing.
func attachmentAnswer(r reader, v *resource.NetworkInterface) *model.NetworkInterfaceAttachment {
	if v.AttachmentID == "" {
		return nil
	}
	at := v.AttachedAt
	if at.IsZero() { // it came with what it is attached to
		at = v.Created
	}
	a := &model.NetworkInterfaceAttachment{
		AttachTime: timestamp(at), AttachmentId: &v.AttachmentID, DeleteOnTermination: &v.DeleteOnTermination, DeviceIndex: &v.DeviceIndex,
		InstanceId: str(v.Instance), InstanceOwnerId: new(v.InstanceAccount()), NetworkCardIndex: new(int32(0)), Status: new(attachmentStatus(r, v)),
	}
	switch {
	case v.NATGateway != "":
		a.DeviceIndex, a.InstanceOwnerId = new(int32(1)), new("amazon-aws")
	case v.Place != nil:
		a.DeviceIndex, a.InstanceOwnerId = new(int32(1)), new(placeOwner)
	}
	return a
}

// endedAttachment is what an interface was attached to a moment ago; nil for nothing.
func endedAttachment(r reader, v *resource.NetworkInterface) *model.NetworkInterfaceAttachment {
	was := v.WasAttached(r.now)
	if was == nil {
		return nil
	}
	return &model.NetworkInterfaceAttachment{
		AttachTime: timestamp(was.AttachedAt), AttachmentId: &was.ID, DeviceIndex: &was.DeviceIndex, InstanceId: str(was.Instance), InstanceOwnerId: new(cmp.Or(was.InstanceOwner, v.Account)),
		Status: new(model.AttachmentStatusDetached),
	}
}

// AttachNetworkInterface plugs a network interface into an instance: one of the
// caller's, or one that another account lets it attach.
func (s *Service) AttachNetworkInterface(ctx context.Context, c server.Caller, in *model.AttachNetworkInterfaceInput) (*model.AttachNetworkInterfaceOutput, error) {
	if err := refuseUnbuilt(
		member{"EnaQueueCount", in.EnaQueueCount != nil},
		member{"EnaSrdSpecification", in.EnaSrdSpecification != nil},
		member{"NetworkCardIndex", val(in.NetworkCardIndex) != 0},
	); err != nil {
		return nil, err
	}
	if in.DeviceIndex == nil {
		return nil, resource.Missing("DeviceIndex")
	}
	if err := checkDeviceIndex(*in.DeviceIndex); err != nil {
		return nil, err
	}
	out := model.AttachNetworkInterfaceOutput{NetworkCardIndex: new(int32(0))}
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		instance, err := instances.get(w.reader, val(in.InstanceId))
		if err != nil {
			return err
		}
		v, err := w.usable(val(in.NetworkInterfaceId), resource.PermitAttach)
		if err != nil {
			return err
		}
		if err := checkManaged(w.reader, v.ID); err != nil {
			return err
		}
		if v.AttachmentID != "" {
			return interfaceInUse(&v)
		}
		if instance.Wanted == resource.InstanceTerminated {
			return resource.Errorf("IncorrectState", "The instance '%s' is not in a state in which interfaces can be attached: it is being terminated", instance.ID)
		}
		if v.Zone != instance.Zone {
			return resource.Errorf(resource.CodeInvalidParameterCombination,
				"You may not attach a network interface to an instance if they are not in the same availability zone: %s is in %s, %s in %s", v.ID, v.Zone, instance.ID, instance.Zone)
		}
		if err := checkInstanceInterfaces(instance.InstanceType, len(instance.Interfaces)+1); err != nil {
			return err
		}
		if err := checkAddressLimit(w.reader, &resource.NetworkInterface{Meta: instance.Meta, Instance: instance.ID}, 1+len(v.Secondary)); err != nil {
			return err
		}
		v.Attach(s.newID(attachmentPrefix), w.now)
		v.Instance, v.DeviceIndex = instance.ID, *in.DeviceIndex
		if v.Account != instance.Account {
			v.InstanceOwner = instance.Account
			instance.Lend(v.ID, v.Account)
		}
		if instance.Interfaces, err = insertInterface(w.reader, &instance, &v); err != nil {
			return err
		}
		networkInterfaces.put(w, v)
		instances.put(w, instance)
		out.AttachmentId = &v.AttachmentID
		return nil
	})
	return &out, err
}

func checkDeviceIndex(index int32) error {
	if index < 0 || index > deviceIndexMax {
		return resource.InvalidValue("deviceIndex", strconv.Itoa(int(index)), "It is from 0 to "+strconv.Itoa(deviceIndexMax)+".")
	}
	return nil
}

func interfaceInUse(v *resource.NetworkInterface) error {
	return resource.Errorf(codeInterfaceInUse, "Interface: [%s] in use.", v.ID)
}

// insertInterface returns the instance's interfaces with another one, in order of
// their device indexes.
func insertInterface(r reader, instance *resource.Instance, nic *resource.NetworkInterface) ([]string, error) {
	indexes := map[string]int32{nic.ID: nic.DeviceIndex}
	for _, id := range instance.Interfaces {
		other, _ := networkInterfaces.table.Get(r.Reader, store.InterfaceScope(instance, id), id)
		if other.DeviceIndex == nic.DeviceIndex {
			return nil, resource.InvalidValue("deviceIndex", strconv.Itoa(int(nic.DeviceIndex)), "Instance '"+instance.ID+"' already has an interface attached at this device index.")
		}
		indexes[id] = other.DeviceIndex
	}
	all := append(slices.Clone(instance.Interfaces), nic.ID)
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(indexes[a], indexes[b]) })
	return all, nil
}

// attachedInterface finds the interface of an attachment: one of the account's own, or
// one that is attached to an instance of it.
func attachedInterface(r reader, id string) (resource.NetworkInterface, error) {
	if !wellFormed(attachmentPrefix, id) {
		return resource.NetworkInterface{}, resource.Errorf("InvalidNetworkInterfaceAttachmentId.Malformed", "Invalid id: %q (expecting \"%s-...\")", resource.Clip(id), attachmentPrefix)
	}
	for v := range networkInterfaces.table.Find(r.Reader, r.scope, store.ByAttachment, id) {
		if v.AttachmentID == id {
			return *v, nil
		}
	}
	for v := range r.foreignInterfaces() {
		if v.AttachmentID == id && v.InstanceOwner == r.scope.Account {
			return *v, nil
		}
	}
	return resource.NetworkInterface{}, resource.Errorf("InvalidAttachmentID.NotFound", "The attachment '%s' does not exist", id)
}

// DetachNetworkInterface takes a network interface from its instance, or from its
// place on a host. It is available when nobody has it any more; with Force it is at
// once, whatever those see who have it.
func (s *Service) DetachNetworkInterface(ctx context.Context, c server.Caller, in *model.DetachNetworkInterfaceInput) (*model.DetachNetworkInterfaceOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := attachedInterface(w.reader, val(in.AttachmentId))
		if err != nil {
			return err
		}
		if err := checkManaged(w.reader, v.ID); err != nil {
			return err
		}
		if v.Instance != "" && v.DeviceIndex == 0 {
			return resource.Errorf(resource.CodeOperationNotPermitted, "The network interface at device index 0 cannot be detached.")
		}
		s.detach(w, v, val(in.Force))
		return nil
	})
}

// detach begins to take an interface from what it is attached to, or does it.
func (s *Service) detach(w writer, v resource.NetworkInterface, force bool) {
	v.Detaching = true
	if force {
		if instance, ok := instances.table.Get(w.Reader, store.InstanceScope(&v), v.Instance); ok {
			instance.Unplug(v.ID)
			instances.put(w, instance)
		}
		v.Detach(w.now)
		store.NetworkInterfaceStatuses.Delete(w.tx, w.of(&v).scope, v.ID)
	}
	networkInterfaces.put(w, v)
}
