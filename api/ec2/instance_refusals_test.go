package ec2

import (
	"strings"
	"testing"
)

// instanceRefusals are refused calls about instances' lives and keys.
var instanceRefusals = []struct{ code, call string }{
	{"IncorrectInstanceState", "ModifyInstanceAttribute&InstanceId={instance}&InstanceType.Value=t3.large"},
	{"IncorrectInstanceState", "ModifyInstanceAttribute&InstanceId={instance}&UserData.Value=IyEvYmluL3NoCg=="},
	{"InvalidParameterValue", "ModifyInstanceAttribute&InstanceId={instance}&Attribute=userData&Value=*"},
	{"UnsupportedOperation", "ModifyInstanceAttribute&InstanceId={instance}&Attribute=kernel&Value=aki-1"},
	{"MissingParameter", "StartInstances"},
	{"InvalidInstanceID.Malformed", "StartInstances&InstanceId.1=web"},
	{"IncorrectInstanceState", "StartInstances&InstanceId.1={ended}"},
	{"MissingParameter", "StopInstances"},
	{"IncorrectInstanceState", "StopInstances&InstanceId.1={instance}"},
	{"IncorrectInstanceState", "StopInstances&InstanceId.1={ended}"},
	{"UnsupportedOperation", "StopInstances&InstanceId.1={instance}&Hibernate=true"},
	{"MissingParameter", "RebootInstances"},
	{"InvalidInstanceID.NotFound", "RebootInstances&InstanceId.1=i-00000000000000000"},
	{"IncorrectInstanceState", "RebootInstances&InstanceId.1={instance}"},

	{"MissingParameter", "ModifyInstanceMetadataOptions"},
	{"InvalidParameterValue", "ModifyInstanceMetadataOptions&InstanceId={instance}&HttpPutResponseHopLimit=65"},
	{"InvalidParameterValue", "ModifyInstanceMetadataOptions&InstanceId={instance}&HttpTokens=perhaps"},
	{"InvalidParameterValue", "ModifyInstanceMetadataOptions&InstanceId={instance}&HttpProtocolIpv6=perhaps"},
	{"IncorrectInstanceState", "ModifyInstanceMetadataOptions&InstanceId={ended}&HttpTokens=optional"},
	{"MissingParameter", "ModifyPrivateDnsNameOptions&EnableResourceNameDnsARecord=true"},
	{"MissingParameter", "ModifyPrivateDnsNameOptions&InstanceId={instance}"},
	{"InvalidInstanceID.NotFound", "ModifyPrivateDnsNameOptions&InstanceId=i-00000000000000000&EnableResourceNameDnsARecord=true"},
	{"InvalidParameterValue", "ModifyPrivateDnsNameOptions&InstanceId={instance}&PrivateDnsHostnameType=any"},
	{"InvalidParameterValue", "ModifyPrivateDnsNameOptions&InstanceId={instance}&EnableResourceNameDnsAAAARecord=true"},
	{"IncorrectInstanceState", "ModifyPrivateDnsNameOptions&InstanceId={instance}&PrivateDnsHostnameType=resource-name"},
	{"IncorrectInstanceState", "ModifyPrivateDnsNameOptions&InstanceId={ended}&EnableResourceNameDnsARecord=true"},
	{"InvalidInstanceID.NotFound", "DescribeInstanceCreditSpecifications&InstanceId.1=i-00000000000000000"},
	{"InstanceCreditSpecification.NotSupported", "DescribeInstanceCreditSpecifications&InstanceId.1={instance}"},
	{"MissingParameter", "ModifyInstanceCreditSpecification"},
	{"InvalidParameterValue", "GetInstanceMetadataDefaults&DryRun=perhaps"},
	{"InvalidParameterValue", "ModifyInstanceMetadataDefaults&HttpTokens=never"},
	{"InvalidParameterValue", "ModifyInstanceMetadataDefaults&HttpPutResponseHopLimit=0"},
	{"InvalidParameterValue", "ModifyInstanceMetadataDefaults&HttpPutResponseHopLimit=65"},
	{"MissingParameter", "ModifyInstanceMaintenanceOptions&AutoRecovery=default"},
	{"InvalidParameterValue", "ModifyInstanceMaintenanceOptions&InstanceId={instance}&AutoRecovery=never"},
	{"InvalidInstanceID.NotFound", "ModifyInstanceMaintenanceOptions&InstanceId=i-00000000000000000&AutoRecovery=default"},
	{"IncorrectInstanceState", "ModifyInstanceMaintenanceOptions&InstanceId={ended}&AutoRecovery=default"},
	{"InvalidInstanceID.NotFound", "MonitorInstances&InstanceId.1=i-00000000000000000"},
	{"InvalidInstanceID.Malformed", "UnmonitorInstances&InstanceId.1=i-x"},
	{"InvalidInstanceID.NotFound", "GetPasswordData&InstanceId=i-00000000000000000"},
	{"InvalidAMIID.NotFound", "DescribeImageAttribute&ImageId=ami-00000000000000000&Attribute=description"},
	{"InvalidAMIID.Malformed", "DescribeImageAttribute&ImageId=x&Attribute=description"},
	{"UnsupportedOperation", "DescribeImageAttribute&ImageId=" + HostImage + "&Attribute=kernel"},
	{"InvalidLaunchTemplateId.NotFound", "DescribeLaunchTemplates&LaunchTemplateId.1=lt-00000000000000000"},
	{"InvalidLaunchTemplateName.NotFoundException", "DescribeLaunchTemplates&LaunchTemplateName.1=web"},
	{"InvalidLaunchTemplateId.NotFound", "DescribeLaunchTemplateVersions&LaunchTemplateId=lt-00000000000000000"},
	{"InvalidLaunchTemplateName.NotFoundException", "DescribeLaunchTemplateVersions&LaunchTemplateName=web"},
	{"InvalidInstanceEventWindowID.NotFound", "DescribeInstanceEventWindows&InstanceEventWindowId.1=iew-00000000000000000"},
	{"InvalidAssociationID.NotFound", "DescribeIamInstanceProfileAssociations&AssociationId.1=iip-assoc-00000000000000000"},

	{"MissingParameter", "CreateKeyPair"},
	{"InvalidParameterValue", "CreateKeyPair&KeyName={long}{long}"},
	{"InvalidParameterValue", "CreateKeyPair&KeyName=k%0A"},
	{"InvalidParameterValue", "CreateKeyPair&KeyName=k&KeyType=dsa"},
	{"InvalidParameterValue", "CreateKeyPair&KeyName=k&KeyFormat=der"},
	{"MissingParameter", "ImportKeyPair&KeyName=k"},
	{"InvalidKey.Format", "ImportKeyPair&KeyName=k&PublicKeyMaterial=c3NoLXJzYSBBQUFB"},
	{"MissingParameter", "DeleteKeyPair"},
	{"InvalidKeyPair.NotFound", "DescribeKeyPairs&KeyName.1=nobody"},
	{"InvalidKeyPair.NotFound", "DescribeKeyPairs&KeyPairId.1=key-00000000000000000"},
}

func TestInstanceRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	ended := c.instance(subnet)
	c.call("TerminateInstances", "InstanceId.1", ended)
	c.refuseAll(instanceRefusals, "{instance}", c.instance(subnet), "{ended}", ended, "{long}", strings.Repeat("a", 200))
}
