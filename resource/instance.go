package resource

// States of an instance, and of what is wanted of it.
const (
	InstancePending      = "pending"
	InstanceRunning      = "running"
	InstanceShuttingDown = "shutting-down"
	InstanceTerminated   = "terminated"
)

// UserDataLengthMax is the number of bytes of user data, before base64.
const UserDataLengthMax = 16 * 1024

// An Instance is a host in a subnet.
type Instance struct {
	Meta
	Reservation  string   `json:"reservation"` // "r-…"
	Image        string   `json:"image"`
	InstanceType string   `json:"instanceType"`
	KeyName      string   `json:"keyName,omitempty"`
	UserData     []byte   `json:"userData,omitempty"`
	VPC          string   `json:"vpc"`
	Subnet       string   `json:"subnet"`
	Zone         string   `json:"zone"`
	Interfaces   []string `json:"interfaces"` // "eni-…", by device index
	LaunchIndex  int32    `json:"launchIndex"`

	DisableAPITermination bool   `json:"disableApiTermination,omitempty"`
	DisableAPIStop        bool   `json:"disableApiStop,omitempty"`
	ShutdownBehavior      string `json:"shutdownBehavior,omitempty"` // "stop" or "terminate"

	// Wanted is what was asked: "running" or "terminated". Whether it runs is InstanceStatus's to say.
	Wanted string `json:"wanted"`
}

// An InstanceStatus is what a node has seen of an instance. Its ID is the instance's.
type InstanceStatus struct {
	Meta
	State  string `json:"state"`            // one of the Instance states above
	Reason string `json:"reason,omitempty"` // why it does not run
}
