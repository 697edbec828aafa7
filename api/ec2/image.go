package ec2

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// HostImage is the image that is always there: the root file system of the host, of
// which each instance has a copy of its own that ends with it.
const HostImage = "ami-00000000000000001"

const (
	hostImageName        = "causeway-host-root"
	hostImageDescription = "The root file system of the host. What an instance changes in it is the instance's alone, and goes with it."

	// What AWS calls instances of Linux, whose only operation of use is this one.
	platformLinux  = "Linux/UNIX"
	operationLinux = "RunInstances"
)

// An Image is another id of the host's root file system, with a name and an owner of its
// own, for configurations that look for an image of somebody's or know its id.
type Image struct {
	ID         string `yaml:"id"`          // "ami-…"
	Name       string `yaml:"name"`        // 3 to 128 characters: "al2023-ami-2023.6.20250203.1-kernel-6.1-x86_64"
	Owner      string `yaml:"owner"`       // an account's 12 digits; empty: whoever asks
	OwnerAlias string `yaml:"owner_alias"` // "amazon"; empty for none

	// RootDeviceType is what is said of it: "instance-store", the default, or "ebs", for
	// who looks for such ones only. Instances have no volumes either way.
	RootDeviceType string `yaml:"root_device_type"`
}

// Bounds of an image's name, by AWS's page on RegisterImage.
const imageNameLengthMin, imageNameLengthMax = 3, 128

var imageOwnerForm = regexp.MustCompile(`^([0-9]{12})?$`)

// Check says what is wrong with the image.
func (i *Image) Check() error {
	length := utf8.RuneCountInString(i.Name)
	switch {
	case !wellFormed("ami", i.ID):
		return fmt.Errorf("id %q: want ami- and 17 or 8 digits of base 16, in lower case", i.ID)
	case i.ID == HostImage:
		return fmt.Errorf("id %s is that of the image that is always there", i.ID)
	case length < imageNameLengthMin || length > imageNameLengthMax:
		return fmt.Errorf("%s: name %q: want %d to %d characters", i.ID, i.Name, imageNameLengthMin, imageNameLengthMax)
	case !imageOwnerForm.MatchString(i.Owner):
		return fmt.Errorf("%s: owner %q is not 12 digits", i.ID, i.Owner)
	case i.RootDeviceType != "" && i.RootDeviceType != model.RootDeviceTypeInstanceStore && i.RootDeviceType != model.RootDeviceTypeEbs:
		return fmt.Errorf("%s: root_device_type %q is neither instance-store nor ebs", i.ID, i.RootDeviceType)
	}
	return nil
}

func (*Image) tags() []resource.Tag { return nil }

// images are all images as an account sees them.
func (s *Service) images(account string) []Image {
	all := append([]Image{{ID: HostImage, Name: hostImageName}}, s.config.Host.Images...)
	for i := range all {
		all[i].Owner = cmp.Or(all[i].Owner, account)
		all[i].RootDeviceType = cmp.Or(all[i].RootDeviceType, model.RootDeviceTypeInstanceStore)
	}
	return all
}

// image returns the image of an id, and refuses ids that no image has.
func (s *Service) image(account, id string) (Image, error) {
	if !wellFormed("ami", id) {
		return Image{}, resource.Errorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", resource.Clip(id))
	}
	all := s.images(account)
	if at := slices.IndexFunc(all, func(i Image) bool { return i.ID == id }); at >= 0 {
		return all[at], nil
	}
	return Image{}, resource.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist. The image that is always there is %s", id, HostImage)
}

// ownedBy reports whether one of the owners that a caller asks for has the image.
func (i *Image) ownedBy(owners []string, caller string) bool {
	return len(owners) == 0 || slices.ContainsFunc(owners, func(owner string) bool {
		return owner == i.Owner || owner == "self" && i.Owner == caller || owner == i.OwnerAlias && owner != ""
	})
}

// imageFields are the filters. All images are public, and run as AWS's hardware virtual
// machines do: with a kernel that the image does not bring.
func (s *Service) imageFields() fields[Image] {
	always := func(value string) func(reader, *Image) []string {
		return func(reader, *Image) []string { return one(value) }
	}
	return fields[Image]{
		"architecture":        always(s.config.Host.Architecture),
		"description":         always(hostImageDescription),
		"ena-support":         always("true"),
		"image-id":            func(_ reader, i *Image) []string { return one(i.ID) },
		"image-type":          always(model.ImageTypeValuesMachine),
		"is-public":           always("true"),
		"name":                func(_ reader, i *Image) []string { return one(i.Name) },
		"owner-alias":         func(_ reader, i *Image) []string { return one(i.OwnerAlias) },
		"owner-id":            func(_ reader, i *Image) []string { return one(i.Owner) },
		"root-device-type":    func(_ reader, i *Image) []string { return one(i.RootDeviceType) },
		"state":               always(model.ImageStateAvailable),
		"virtualization-type": always(model.VirtualizationTypeHvm),
	}
}

// DescribeImages lists the images. All are public.
func (s *Service) DescribeImages(_ context.Context, c server.Caller, in *model.DescribeImagesInput) (*model.DescribeImagesOutput, error) {
	runnable := len(in.ExecutableUsers) == 0 || slices.ContainsFunc(in.ExecutableUsers, func(user string) bool { return user == "all" || user == "self" || user == c.Account })
	asked := query{"DescribeImages", in.DryRun, in.ImageIds, in.Filters, in.MaxResults, in.NextToken}
	shown, next, err := list(s.read(c), s.imageFields(), asked, func(i *Image) string { return i.ID }, func() ([]Image, error) {
		for _, id := range in.ImageIds {
			if _, err := s.image(c.Account, id); err != nil {
				return nil, err
			}
		}
		return slices.DeleteFunc(s.images(c.Account), func(i Image) bool {
			return !runnable || !i.ownedBy(in.Owners, c.Account) || len(in.ImageIds) > 0 && !slices.Contains(in.ImageIds, i.ID)
		}), nil
	})
	if err != nil {
		return nil, err
	}
	return &model.DescribeImagesOutput{Images: answers(shown, s.imageAnswer), NextToken: next}, nil
}

func (s *Service) imageAnswer(i *Image) *model.Image {
	return &model.Image{
		Architecture:       str(s.config.Host.Architecture),
		Description:        new(hostImageDescription),
		EnaSupport:         new(true),
		ImageId:            &i.ID,
		ImageLocation:      new(cmp.Or(i.OwnerAlias, i.Owner) + "/" + i.Name),
		ImageOwnerAlias:    str(i.OwnerAlias),
		ImageType:          new(model.ImageTypeValuesMachine),
		ImdsSupport:        new(model.ImdsSupportValuesV20),
		Name:               &i.Name,
		OwnerId:            &i.Owner,
		PlatformDetails:    new(platformLinux),
		Public:             new(true),
		RootDeviceType:     &i.RootDeviceType,
		State:              new(model.ImageStateAvailable),
		UsageOperation:     new(operationLinux),
		VirtualizationType: new(model.VirtualizationTypeHvm),
	}
}

// DescribeImageAttribute tells one attribute of an image, which all may launch.
func (s *Service) DescribeImageAttribute(_ context.Context, c server.Caller, in *model.DescribeImageAttributeInput) (*model.DescribeImageAttributeOutput, error) {
	if _, err := s.image(c.Account, val(in.ImageId)); err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeImageAttributeOutput{ImageId: in.ImageId}
	switch attribute := val(in.Attribute); attribute {
	case model.ImageAttributeNameDescription:
		out.Description = &model.AttributeValue{Value: new(hostImageDescription)}
	case model.ImageAttributeNameImdsSupport:
		out.ImdsSupport = &model.AttributeValue{Value: new(model.ImdsSupportValuesV20)}
	case model.ImageAttributeNameLaunchPermission:
		out.LaunchPermissions = []model.LaunchPermission{{Group: new(model.PermissionGroupAll)}}
	case model.ImageAttributeNameBlockDeviceMapping, model.ImageAttributeNameProductCodes:
		// It has none: the answer's lists are empty.
	default:
		return nil, resource.Unsupported("The image attribute " + attribute)
	}
	return out, nil
}
