package ec2

import (
	"causeway.dev/resource"
	"causeway.dev/store"
)

// interfaceAddressesMax bounds the private IPv4 addresses of an interface that is
// not attached to an instance: the most that any type has.
const interfaceAddressesMax = 50

// checkInstanceInterfaces refuses more network interfaces than an instance type has.
func checkInstanceInterfaces(instanceType string, count int) error {
	t, _ := resource.InstanceTypeOf(instanceType)
	if most := t.Interfaces; count > most {
		return resource.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s: %d", count, instanceType, most)
	}
	return nil
}

// checkInterfaceAddresses refuses more private addresses than an interface of an
// instance type has; "" is that of no instance.
func checkInterfaceAddresses(instanceType string, count int) error {
	most, of := interfaceAddressesMax, "an interface"
	if instanceType != "" {
		t, _ := resource.InstanceTypeOf(instanceType)
		most, of = t.Addresses, "an interface of "+instanceType
	}
	if count > most {
		return resource.Errorf(codePrivateAddressLimit, "Number of private addresses will exceed limit: %s can have %d", of, most)
	}
	return nil
}

// checkAddressLimit refuses more private addresses than an interface can have
// where it is.
func checkAddressLimit(r reader, v *resource.NetworkInterface, count int) error {
	instance, _ := instances.table.Get(r.Reader, store.InstanceScope(v), v.Instance)
	return checkInterfaceAddresses(instance.InstanceType, count)
}
