package ec2

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) subnetReservationActions() actions {
	return actions{
		"CreateSubnetCidrReservation": server.Operation(s.CreateSubnetCidrReservation),
		"DeleteSubnetCidrReservation": server.Operation(s.DeleteSubnetCidrReservation),
		"GetSubnetCidrReservations":   server.Operation(s.GetSubnetCidrReservations),
	}
}

const (
	reservationPrefix = "scr"
	reservationKind   = "subnet-cidr-reservation"

	// reservationsMax bounds the reservations of a subnet.
	reservationsMax = 100

	// reservationDescriptionMax is in bytes.
	reservationDescriptionMax = 255
)

// A cidrReservation is a reservation with its subnet.
type cidrReservation struct {
	resource.SubnetCIDRReservation
	subnet *resource.Subnet
}

func (v *cidrReservation) tags() []resource.Tag { return v.Tags }

// CreateSubnetCidrReservation keeps a range of a subnet for those who ask for
// addresses of it.
func (s *Service) CreateSubnetCidrReservation(ctx context.Context, c server.Caller, in *model.CreateSubnetCidrReservationInput) (*model.CreateSubnetCidrReservationOutput, error) {
	v := resource.SubnetCIDRReservation{Type: val(in.ReservationType), Description: val(in.Description)}
	switch {
	case in.Cidr == nil:
		return nil, resource.Missing("Cidr")
	case v.Type == "":
		return nil, resource.Missing("ReservationType")
	case v.Type != model.SubnetCidrReservationTypePrefix && v.Type != model.SubnetCidrReservationTypeExplicit:
		return nil, resource.InvalidValue("ReservationType", v.Type, "Give prefix or explicit.")
	case len(v.Description) > reservationDescriptionMax:
		return nil, resource.InvalidValue("Description", v.Description, "A description has at most "+strconv.Itoa(reservationDescriptionMax)+" bytes.")
	}
	cidr, err := netip.ParsePrefix(*in.Cidr)
	if err != nil {
		return nil, resource.InvalidValue("Cidr", *in.Cidr, "This is not a valid CIDR block.")
	}
	v.CIDR = cidr.Masked()
	tags, err := tagsFor(in.TagSpecifications, reservationKind)
	if err != nil {
		return nil, err
	}
	v.ID, v.Tags = s.newID(reservationPrefix), tags[reservationKind]
	var out model.CreateSubnetCidrReservationOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		subnet, err := subnets.get(w.reader, val(in.SubnetId))
		if err != nil {
			return err
		}
		if len(subnet.Reservations) >= reservationsMax {
			return resource.Errorf("ResourceLimitExceeded", "The maximum number of CIDR reservations of a subnet has been reached: %d", reservationsMax)
		}
		if err := subnet.Reserve(v); err != nil {
			return err
		}
		subnets.put(w, subnet)
		out.SubnetCidrReservation = cidrReservationAnswer(&cidrReservation{v, &subnet})
		return nil
	})
	return &out, err
}

// DeleteSubnetCidrReservation gives a range back to all interfaces.
func (s *Service) DeleteSubnetCidrReservation(ctx context.Context, c server.Caller, in *model.DeleteSubnetCidrReservationInput) (*model.DeleteSubnetCidrReservationOutput, error) {
	var out model.DeleteSubnetCidrReservationOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		subnet, at, err := findReservation(w.reader, val(in.SubnetCidrReservationId))
		if err != nil {
			return err
		}
		out.DeletedSubnetCidrReservation = cidrReservationAnswer(&cidrReservation{subnet.Reservations[at], &subnet})
		subnet.Reservations = slices.Delete(slices.Clone(subnet.Reservations), at, at+1)
		subnets.put(w, subnet)
		return nil
	})
	return &out, err
}

// findReservation returns the subnet that has a reservation, and where.
func findReservation(r reader, id string) (subnet resource.Subnet, at int, err error) {
	if !wellFormed(reservationPrefix, id) {
		return subnet, 0, resource.Errorf("InvalidSubnetCidrReservationId.Malformed", "Invalid id: %q (expecting \"%s-...\")", resource.Clip(id), reservationPrefix)
	}
	for v := range subnets.table.Scan(r.Reader, r.scope) {
		if at := slices.IndexFunc(v.Reservations, func(o resource.SubnetCIDRReservation) bool { return o.ID == id }); at >= 0 {
			return *v, at, nil
		}
	}
	return subnet, 0, resource.Errorf("InvalidSubnetCidrReservationID.NotFound", "The subnet CIDR reservation ID '%s' does not exist", id)
}

var cidrReservationFields = fields[cidrReservation]{
	"reservationType": func(_ reader, v *cidrReservation) []string { return one(v.Type) },
	"subnet-id":       func(_ reader, v *cidrReservation) []string { return one(v.subnet.ID) },
}

// GetSubnetCidrReservations lists the reservations of a subnet, those of IPv4 and
// those of IPv6.
func (s *Service) GetSubnetCidrReservations(_ context.Context, c server.Caller, in *model.GetSubnetCidrReservationsInput) (*model.GetSubnetCidrReservationsOutput, error) {
	r := s.read(c)
	q := query{"GetSubnetCidrReservations", in.DryRun, nil, in.Filters, in.MaxResults, in.NextToken}
	key := func(v *cidrReservation) string { return v.ID }
	shown, next, err := list(r, cidrReservationFields, q, key, func() ([]cidrReservation, error) {
		subnet, err := subnets.get(r, val(in.SubnetId))
		return mapped(subnet.Reservations, func(v *resource.SubnetCIDRReservation) cidrReservation { return cidrReservation{*v, &subnet} }), err
	})
	if err != nil {
		return nil, err
	}
	out := &model.GetSubnetCidrReservationsOutput{NextToken: next}
	for i := range shown {
		list := &out.SubnetIpv4CidrReservations
		if shown[i].CIDR.Addr().Is6() {
			list = &out.SubnetIpv6CidrReservations
		}
		*list = append(*list, *cidrReservationAnswer(&shown[i]))
	}
	return out, nil
}

func cidrReservationAnswer(v *cidrReservation) *model.SubnetCidrReservation {
	return &model.SubnetCidrReservation{
		Cidr: new(v.CIDR.String()), Description: str(v.Description), OwnerId: &v.subnet.Account, ReservationType: &v.Type,
		SubnetCidrReservationId: &v.ID, SubnetId: &v.subnet.ID, Tags: tagSet(v.Tags),
	}
}

// cidrReservations are the reservations as far as tags and policies are concerned:
// they are within their subnets.
type cidrReservations struct{}

func (cidrReservations) owns(id string) bool  { return wellFormed(reservationPrefix, id) }
func (cidrReservations) resourceType() string { return reservationKind }

func (cidrReservations) allTags(r reader) iter.Seq2[string, []resource.Tag] {
	return func(yield func(string, []resource.Tag) bool) {
		for subnet := range subnets.list(r) {
			for _, v := range subnet.Reservations {
				if !yield(v.ID, v.Tags) {
					return
				}
			}
		}
	}
}

func (cidrReservations) retag(w writer, id string, change func([]resource.Tag) ([]resource.Tag, error)) error {
	subnet, at, err := findReservation(w.reader, id)
	if err != nil {
		return err
	}
	subnet.Reservations = slices.Clone(subnet.Reservations)
	v := &subnet.Reservations[at]
	if v.Tags, err = change(v.Tags); err != nil {
		return err
	}
	store.Subnets.Put(w.tx, subnet)
	return nil
}

func (cidrReservations) propertiesOf(r reader, id string) properties {
	subnet, at, err := findReservation(r, id)
	if err != nil {
		return properties{}
	}
	return properties{tags: subnet.Reservations[at].Tags, vpc: subnet.VPC, subnet: subnet.ID}
}
