package ec2

import (
	"causeway.dev/resource"
)

// A networkCapacity is how much of the network an instance of a type can have.
type networkCapacity struct {
	interfaces int // the primary one included
	addresses  int // private IPv4 ones of each interface, the primary one included
}

// networkCapacities are those of the instance types ("Maximum IP addresses per
// network interface" in the EC2 user guide).
var networkCapacities = map[string]networkCapacity{
	"c5.large": {3, 10}, "c5.xlarge": {4, 15}, "c6i.large": {3, 10}, "c6i.xlarge": {4, 15},
	"m1.small": {2, 4}, "m5.large": {3, 10}, "m5.xlarge": {4, 15}, "m6i.large": {3, 10}, "m6i.xlarge": {4, 15},
	"r5.large": {3, 10}, "r6i.large": {3, 10},
	"t2.medium": {3, 6}, "t2.micro": {2, 2}, "t2.nano": {2, 2}, "t2.small": {3, 4},
	"t3.large": {3, 12}, "t3.medium": {3, 6}, "t3.micro": {2, 2}, "t3.nano": {2, 2}, "t3.small": {3, 4},
	"t4g.micro": {2, 2}, "t4g.small": {3, 4},
}

// interfaceAddressesMax bounds the private IPv4 addresses of an interface that is
// not attached to an instance: the most that any type has.
const interfaceAddressesMax = 50

// checkInstanceInterfaces refuses more network interfaces than an instance type has.
func checkInstanceInterfaces(instanceType string, count int) error {
	if most := networkCapacities[instanceType].interfaces; count > most {
		return resource.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s: %d", count, instanceType, most)
	}
	return nil
}

// checkInterfaceAddresses refuses more private addresses than an interface of an
// instance type has; "" is that of no instance.
func checkInterfaceAddresses(instanceType string, count int) error {
	most, of := interfaceAddressesMax, "an interface"
	if instanceType != "" {
		most, of = networkCapacities[instanceType].addresses, "an interface of "+instanceType
	}
	if count > most {
		return resource.Errorf(codePrivateAddressLimit, "Number of private addresses will exceed limit: %s can have %d", of, most)
	}
	return nil
}

// checkAddressLimit refuses more private addresses than an interface can have
// where it is.
func checkAddressLimit(r reader, v *resource.NetworkInterface, count int) error {
	instance, _ := instances.table.Get(r.Reader, r.scope, v.Instance)
	return checkInterfaceAddresses(instance.InstanceType, count)
}
