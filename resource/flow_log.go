package resource

import (
	"regexp"
	"strings"
	"sync"
)

// Types of what a flow log is of, in AWS's words.
const (
	FlowLogVPC              = "VPC"
	FlowLogSubnet           = "Subnet"
	FlowLogNetworkInterface = "NetworkInterface"
)

// What a flow log records, in AWS's words.
const (
	TrafficAccept = "ACCEPT"
	TrafficReject = "REJECT"
	TrafficAll    = "ALL"
)

// Where a flow log goes, in AWS's words.
const (
	DestinationCloudWatchLogs = "cloud-watch-logs"
	DestinationS3             = "s3"
)

// Aggregation intervals of flow logs, in seconds, as AWS offers them.
const (
	AggregationMinute     = 60
	AggregationTenMinutes = 600 // the default
)

// A FlowLog records the flows through network interfaces: through one, or through
// all of a subnet or a VPC.
type FlowLog struct {
	Meta
	ResourceType string `json:"resourceType"`
	Resource     string `json:"resource"` // its id
	Traffic      string `json:"traffic"`

	DestinationType string `json:"destinationType"`
	Destination     string `json:"destination"`    // ARN of a log group, or of a bucket with a folder
	Role            string `json:"role,omitempty"` // ARN of the role that may write to a log group

	Format             string `json:"format"`
	AggregationSeconds int32  `json:"aggregationSeconds"` // at most

	// Of files.
	HivePartitions bool `json:"hivePartitions,omitempty"`
	HourPartitions bool `json:"hourPartitions,omitempty"`
	FileOptions    bool `json:"fileOptions,omitempty"` // some were given
}

// LogGroup takes the ARN of a log group apart; ok is false if the flow log goes
// elsewhere.
func (f *FlowLog) LogGroup() (region, account, name string, ok bool) {
	if f.DestinationType != DestinationCloudWatchLogs {
		return "", "", "", false
	}
	return ParseLogGroupARN(f.Destination)
}

// LogStream names the log stream for the flows of an interface, as AWS does.
func (f *FlowLog) LogStream(networkInterface string) string {
	return networkInterface + "-" + strings.ToLower(f.Traffic)
}

// Same reports whether two flow logs would record the same to the same place.
func (f *FlowLog) Same(other *FlowLog) bool {
	return f.Resource == other.Resource && f.Traffic == other.Traffic && f.Destination == other.Destination && f.Format == other.Format
}

// LogGroupARN names a log group to all of AWS.
func LogGroupARN(region, account, name string) string {
	return "arn:aws:logs:" + region + ":" + account + ":log-group:" + name
}

// logGroupForm is that of log groups' names, as AWS's model states it, but for
// their length.
var logGroupForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`) })

const logGroupNameMax = 512 // characters

// IsLogGroupName reports whether a log group can have a name.
func IsLogGroupName(name string) bool {
	return len(name) <= logGroupNameMax && logGroupForm().MatchString(name)
}

// ParseLogGroupARN takes "arn:aws:logs:REGION:ACCOUNT:log-group:NAME" apart, with or
// without ":*" at its end; ok is false if it has another form.
func ParseLogGroupARN(arn string) (region, account, name string, ok bool) {
	parts := strings.SplitN(strings.TrimSuffix(arn, ":*"), ":", 7)
	if len(parts) != 7 || strings.Join(parts[:3], ":") != "arn:aws:logs" || parts[5] != "log-group" || parts[3] == "" || parts[4] == "" || parts[6] == "" {
		return "", "", "", false
	}
	return parts[3], parts[4], parts[6], true
}

// A FlowLogStatus says why what a flow log records does not arrive. Its ID is the
// flow log's. Where there is none it arrives.
type FlowLogStatus struct {
	Meta
	Error string `json:"error"`
}

// Why records don't arrive, in AWS's words.
const (
	FlowLogAccessError  = "Access error"
	FlowLogUnknownError = "Unknown error"
)
