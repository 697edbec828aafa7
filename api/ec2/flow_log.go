package ec2

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/flowlog"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) flowLogActions() actions {
	return actions{
		"CreateFlowLogs":   server.Operation(s.CreateFlowLogs),
		"DeleteFlowLogs":   server.Operation(s.DeleteFlowLogs),
		"DescribeFlowLogs": server.Operation(s.DescribeFlowLogs),
	}
}

// codeInvalidParameter is what EC2 refuses most of a CreateFlowLogs with.
const codeInvalidParameter resource.Code = "InvalidParameter"

// flowLogService is who acts in the name of a flow log's role.
const flowLogService = "vpc-flow-logs.amazonaws.com"

// flowLogResourcesMax is how many resources one CreateFlowLogs can name.
const flowLogResourcesMax = 1000

// CreateFlowLogs begins to record the flows of several VPCs, subnets or network
// interfaces. Those for which that does not work are told beside the others.
func (s *Service) CreateFlowLogs(ctx context.Context, c server.Caller, in *model.CreateFlowLogsInput) (*model.CreateFlowLogsOutput, error) {
	wanted, err := readFlowLog(c, in)
	if err != nil {
		return nil, err
	}
	parameters := *in
	parameters.ClientToken, parameters.DryRun = nil, nil
	var out model.CreateFlowLogsOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateFlowLogs", in.ClientToken, parameters)
		if err != nil {
			return err
		}
		out = model.CreateFlowLogsOutput{ClientToken: in.ClientToken}
		for i, id := range in.ResourceIds {
			v := wanted
			v.Resource, v.Meta = id, w.newMeta(created.newID(flowLogs.prefix, i), wanted.Tags)
			if before, repeated := flowLogs.table.Get(w.Reader, w.scope, v.ID); repeated {
				if err := created.check(&before.Meta); err != nil {
					return err
				}
				out.FlowLogIds = append(out.FlowLogIds, v.ID)
				continue
			}
			created.mark(&v.Meta)
			switch err := s.checkFlowLog(w.reader, &v); {
			case errors.As(err, new(*resource.Error)):
				out.Unsuccessful = append(out.Unsuccessful, unsuccessful(id, err))
			case err != nil:
				return err
			default:
				flowLogs.put(w, v)
				out.FlowLogIds = append(out.FlowLogIds, v.ID)
			}
		}
		return nil
	})
	return &out, err
}

// readFlowLog checks what can be checked without the store. It returns what all the
// flow logs have in common.
func readFlowLog(c server.Caller, in *model.CreateFlowLogsInput) (resource.FlowLog, error) {
	v := resource.FlowLog{
		ResourceType: *in.ResourceType, Traffic: val(in.TrafficType), DestinationType: val(in.LogDestinationType),
		Role: val(in.DeliverLogsPermissionArn), AggregationSeconds: resource.AggregationTenMinutes,
	}
	if v.DestinationType == "" {
		v.DestinationType = resource.DestinationCloudWatchLogs
	}
	supported := []string{resource.FlowLogVPC, resource.FlowLogSubnet, resource.FlowLogNetworkInterface}
	if err := refuseUnbuilt(
		member{"ResourceType " + v.ResourceType, !slices.Contains(supported, v.ResourceType)},
		member{"LogDestinationType " + v.DestinationType, v.DestinationType != resource.DestinationCloudWatchLogs && v.DestinationType != resource.DestinationS3},
		member{"DeliverCrossAccountRole", in.DeliverCrossAccountRole != nil},
	); err != nil {
		return v, err
	}
	switch {
	case v.Traffic == "":
		return v, resource.Missing("TrafficType")
	case len(in.ResourceIds) > flowLogResourcesMax:
		return v, resource.Errorf(codeInvalidParameter, "At most %d resources can be given", flowLogResourcesMax)
	}
	if i := in.MaxAggregationInterval; i != nil {
		if *i != resource.AggregationMinute && *i != resource.AggregationTenMinutes {
			return v, resource.Errorf(codeInvalidParameter, "Invalid Flow Log Max Aggregation Interval: %s", strconv.Itoa(int(*i)))
		}
		v.AggregationSeconds = *i
	}
	format, err := flowlog.ParseFormat(val(in.LogFormat))
	if err != nil {
		return v, resource.Errorf(codeInvalidParameter, "LogFormat is invalid: %v", err)
	}
	v.Format = format.String()
	if v.DestinationType == resource.DestinationS3 {
		err = readFlowLogFiles(&v, in)
	} else {
		err = readFlowLogGroup(c, &v, in)
	}
	if err != nil {
		return v, err
	}
	tags, err := tagsFor(in.TagSpecifications, flowLogs.kind)
	v.Tags = tags[flowLogs.kind]
	return v, err
}

// readFlowLogGroup reads the destination of a flow log that goes to a log group.
func readFlowLogGroup(c server.Caller, v *resource.FlowLog, in *model.CreateFlowLogsInput) error {
	name, arn := val(in.LogGroupName), val(in.LogDestination)
	switch {
	case v.Role == "":
		return resource.Errorf(codeInvalidParameter, "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
	case in.DestinationOptions != nil:
		return resource.Errorf(codeInvalidParameter, "DestinationOptions are not applicable for cloud-watch-logs delivery")
	case name != "" && arn != "":
		return resource.Errorf(codeInvalidParameter, "Please only provide LogGroupName or only provide LogDestination.")
	case name == "" && arn == "":
		return resource.Errorf(codeInvalidParameter, "LogGroupName can't be empty if LogDestinationType is cloud-watch-logs.")
	case arn != "":
		region, account, group, ok := resource.ParseLogGroupARN(arn)
		if !ok || region != c.Region || account != c.Account {
			return resource.Errorf(codeInvalidParameter, "LogDestination: %s is not a log group of this account and region", resource.Clip(arn))
		}
		name = group
	}
	if !resource.IsLogGroupName(name) {
		return resource.Errorf(codeInvalidParameter, "LogGroupName: %s is not a name of a log group", resource.Clip(name))
	}
	v.Destination = resource.LogGroupARN(c.Region, c.Account, name)
	return nil
}

// readFlowLogFiles reads the destination of a flow log that goes to files.
func readFlowLogFiles(v *resource.FlowLog, in *model.CreateFlowLogsInput) error {
	switch {
	case v.Role != "":
		return resource.Errorf(codeInvalidParameter, "DeliverLogsPermissionArn is not applicable for s3 delivery")
	case in.LogGroupName != nil:
		return resource.Errorf(codeInvalidParameter, "LogGroupName is not applicable for s3 delivery")
	case val(in.LogDestination) == "":
		return resource.Errorf(codeInvalidParameter, "LogDestination can't be empty if LogGroupName is not provided.")
	}
	if _, err := flowlog.ParseDestination(*in.LogDestination); err != nil {
		return resource.Errorf(codeInvalidParameter, "LogDestination: %s is invalid: %v", resource.Clip(*in.LogDestination), err)
	}
	v.Destination = *in.LogDestination
	if o := in.DestinationOptions; o != nil {
		if err := refuseUnbuilt(member{"DestinationOptions.FileFormat parquet", val(o.FileFormat) == model.DestinationFileFormatParquet}); err != nil {
			return err
		}
		v.FileOptions, v.HivePartitions, v.HourPartitions = true, val(o.HiveCompatiblePartitions), val(o.PerHourPartition)
	}
	return nil
}

// checkFlowLog says why a flow log of one resource can't be made.
func (s *Service) checkFlowLog(r reader, v *resource.FlowLog) error {
	var err error
	switch v.ResourceType {
	case resource.FlowLogVPC:
		_, err = vpcs.get(r, v.Resource)
	case resource.FlowLogSubnet:
		_, err = subnets.get(r, v.Resource)
	case resource.FlowLogNetworkInterface:
		_, err = networkInterfaces.get(r, v.Resource)
	}
	if err != nil {
		return err
	}
	of := 0
	for other := range store.FlowLogs.Find(r.Reader, r.scope, store.ByResource, v.Resource) {
		of++
		if other.Same(v) {
			return resource.Errorf("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
		}
	}
	if of >= r.limits.FlowLogsPerResource {
		return resource.Errorf("FlowLogsLimitExceeded", "The maximum number of flow logs of %s has been reached: %d", v.Resource, r.limits.FlowLogsPerResource)
	}
	if v.Role != "" && s.config.ServiceMayAssume != nil && !s.config.ServiceMayAssume(v.Role, flowLogService, r.scope.Account, *r.arn(flowLogs.kind, v.ID)) {
		return resource.Errorf(codeInvalidParameter, "Unable to assume given IAM role")
	}
	return nil
}

// unsuccessful tells what did not work for one of several.
func unsuccessful(id string, err error) model.UnsuccessfulItem {
	var refused *resource.Error
	errors.As(err, &refused)
	return model.UnsuccessfulItem{ResourceId: &id, Error: &model.UnsuccessfulItemError{Code: new(string(refused.Code)), Message: &refused.Message}}
}

// DeleteFlowLogs ends flow logs, or none if one of them is not there. What has been
// recorded stays.
func (s *Service) DeleteFlowLogs(ctx context.Context, c server.Caller, in *model.DeleteFlowLogsInput) (*model.DeleteFlowLogsOutput, error) {
	return new(model.DeleteFlowLogsOutput), s.update(ctx, c, in.DryRun, func(w writer) error {
		var unknown []string
		for _, id := range in.FlowLogIds {
			if err := flowLogs.checkID(id); err != nil {
				return err
			}
			if _, ok := flowLogs.table.Get(w.Reader, w.scope, id); !ok {
				unknown = append(unknown, id)
			}
		}
		if len(unknown) > 0 {
			return resource.Errorf(flowLogs.notFound, "These flow log ids in the input list are not found: [TotalCount: %d] %s", len(unknown), resource.Clip(strings.Join(unknown, ", ")))
		}
		for _, id := range in.FlowLogIds {
			flowLogs.delete(w, id)
			store.FlowLogStatuses.Delete(w.tx, w.scope, id)
		}
		return nil
	})
}

// Statuses of flow logs, in AWS's words.
const (
	flowLogActive   = "ACTIVE"
	deliverySuccess = "SUCCESS"
	deliveryFailed  = "FAILED"
)

func deliveryOf(r reader, v *resource.FlowLog) (status, message string) {
	if seen, ok := store.FlowLogStatuses.Get(r.Reader, r.scope, v.ID); ok {
		return deliveryFailed, seen.Error
	}
	return deliverySuccess, ""
}

var flowLogFields = fields[resource.FlowLog]{
	"deliver-log-status": func(r reader, v *resource.FlowLog) []string {
		status, _ := deliveryOf(r, v)
		return one(status)
	},
	"log-destination-type": func(_ reader, v *resource.FlowLog) []string { return one(v.DestinationType) },
	"flow-log-id":          func(_ reader, v *resource.FlowLog) []string { return one(v.ID) },
	"log-group-name": func(_ reader, v *resource.FlowLog) []string {
		_, _, name, _ := v.LogGroup()
		return one(name)
	},
	"resource-id":  func(_ reader, v *resource.FlowLog) []string { return one(v.Resource) },
	"traffic-type": func(_ reader, v *resource.FlowLog) []string { return one(v.Traffic) },
}

// DescribeFlowLogs lists flow logs.
func (s *Service) DescribeFlowLogs(_ context.Context, c server.Caller, in *model.DescribeFlowLogsInput) (*model.DescribeFlowLogsOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, flowLogs, flowLogFields, query{"DescribeFlowLogs", in.DryRun, in.FlowLogIds, in.Filter, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeFlowLogsOutput{FlowLogs: answers(found, func(v *resource.FlowLog) *model.FlowLog { return flowLogAnswer(r, v) }), NextToken: next}, nil
}

func flowLogAnswer(r reader, v *resource.FlowLog) *model.FlowLog {
	status, message := deliveryOf(r, v)
	_, _, group, _ := v.LogGroup()
	answer := &model.FlowLog{
		CreationTime: timestamp(v.Created), DeliverLogsErrorMessage: str(message), DeliverLogsPermissionArn: str(v.Role), DeliverLogsStatus: &status,
		FlowLogId: &v.ID, FlowLogStatus: new(flowLogActive), LogDestination: &v.Destination, LogDestinationType: &v.DestinationType,
		LogFormat: &v.Format, LogGroupName: str(group), MaxAggregationInterval: &v.AggregationSeconds, ResourceId: &v.Resource,
		Tags: tagSet(v.Tags), TrafficType: &v.Traffic,
	}
	if v.FileOptions {
		answer.DestinationOptions = &model.DestinationOptionsResponse{
			FileFormat: new(model.DestinationFileFormatPlainText), HiveCompatiblePartitions: &v.HivePartitions, PerHourPartition: &v.HourPartitions,
		}
	}
	return answer
}
