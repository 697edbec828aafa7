package resource

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

	// Wanted is what was asked: "running" or "terminated". Whether it runs is InstanceStatus's to say.
	Wanted string `json:"wanted"`
}

// An InstanceStatus is what a node has seen of an instance. Its ID is the instance's.
type InstanceStatus struct {
	Meta
	State  string `json:"state"`            // pending, running, shutting-down, terminated
	Reason string `json:"reason,omitempty"` // why it does not run
}
