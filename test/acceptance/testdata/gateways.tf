# A public and a private subnet with all that leads them outside, and the default VPC.

# Where the provider waits ten seconds by itself, the waits are side by side: for a
# range of the VPC, an instance, a NAT gateway's end, an attribute of a subnet.
resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = true
  enable_dns_hostnames             = true

  enable_network_address_usage_metrics = var.stage == "second"
}

resource "aws_vpc_dhcp_options" "main" {
  domain_name         = "example.internal"
  domain_name_servers = ["AmazonProvidedDNS"]
  ntp_servers         = ["169.254.169.123"]
}

resource "aws_vpc_dhcp_options_association" "main" {
  vpc_id          = aws_vpc.main.id
  dhcp_options_id = aws_vpc_dhcp_options.main.id
}

resource "aws_ec2_managed_prefix_list" "offices" {
  name           = var.stage == "first" ? "offices" : "all-offices"
  address_family = "IPv4"
  max_entries    = 3

  entry {
    cidr        = "192.168.1.0/24"
    description = "first"
  }

  entry {
    cidr = var.stage == "first" ? "192.168.2.0/24" : "192.168.3.0/24"
  }
}

resource "aws_security_group" "web" {
  name        = "web"
  description = "HTTPS from the offices"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "offices" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = aws_ec2_managed_prefix_list.offices.id
  description       = var.stage
}

resource "aws_vpc_security_group_egress_rule" "ipv6" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "-1"
  cidr_ipv6         = "::/0"
}

resource "aws_vpc_ipv4_cidr_block_association" "second" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.7.0.0/16"
}

resource "aws_internet_gateway" "edge" {
  vpc_id = aws_vpc.main.id
}

resource "aws_egress_only_internet_gateway" "edge" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "public" {
  vpc_id                          = aws_vpc.main.id
  cidr_block                      = "10.0.1.0/24"
  ipv6_cidr_block                 = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, 1)
  assign_ipv6_address_on_creation = true
  enable_dns64                    = var.stage == "second"
}

resource "aws_subnet" "private" {
  vpc_id     = aws_vpc_ipv4_cidr_block_association.second.vpc_id
  cidr_block = "10.7.1.0/24"

  map_public_ip_on_launch                     = var.stage == "second"
  enable_resource_name_dns_a_record_on_launch = var.stage == "second"
}

resource "aws_eip" "nat" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.edge]
}

resource "aws_eip" "nat_second" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.edge]
}

# What it is called: the resolver of the VPC tells so.
resource "aws_eip_domain_name" "nat" {
  allocation_id = aws_eip.nat.allocation_id
  domain_name   = var.stage == "first" ? "nat.example.com" : "out.example.com"
}

# The second stage takes an address from the one, and exchanges one of the other.
resource "aws_nat_gateway" "public" {
  subnet_id                = aws_subnet.public.id
  allocation_id            = aws_eip.nat.id
  secondary_allocation_ids = var.stage == "first" ? [aws_eip.nat_second.id] : []
}

resource "aws_nat_gateway" "private" {
  subnet_id                      = aws_subnet.public.id
  connectivity_type              = "private"
  secondary_private_ip_addresses = ["10.0.1.70", var.stage == "first" ? "10.0.1.71" : "10.0.1.72"]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.edge.id
  }

  route {
    ipv6_cidr_block = "::/0"
    gateway_id      = aws_internet_gateway.edge.id
  }

  route {
    cidr_block           = "198.51.100.0/24"
    network_interface_id = var.stage == "first" ? aws_network_interface.side.id : aws_network_interface.second.id
  }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.public.id
}

resource "aws_route" "moved" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "203.0.113.0/25"
  nat_gateway_id         = var.stage == "first" ? aws_nat_gateway.public.id : null
  network_interface_id   = var.stage == "first" ? null : aws_network_interface.side.id
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "203.0.113.128/25"
  gateway_id             = aws_internet_gateway.edge.id
}

resource "aws_route" "vpn" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "172.16.0.0/12"
  gateway_id             = aws_vpn_gateway.main.id
}

resource "aws_route" "out_ipv6" {
  route_table_id              = aws_route_table.private.id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.edge.id
}

resource "aws_route" "out_nat64" {
  route_table_id              = aws_route_table.private.id
  destination_ipv6_cidr_block = "64:ff9b::/96"
  nat_gateway_id              = var.stage == "first" ? aws_nat_gateway.public.id : aws_nat_gateway.private.id
}

resource "aws_route" "offices" {
  route_table_id             = aws_route_table.private.id
  destination_prefix_list_id = aws_ec2_managed_prefix_list.offices.id
  nat_gateway_id             = aws_nat_gateway.private.id
}

resource "aws_route_table_association" "public" {
  subnet_id      = aws_subnet.public.id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  subnet_id      = aws_subnet.private.id
  route_table_id = aws_route_table.private.id
}

resource "aws_route_table" "edge" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table" "other_edge" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table" "propagating" {
  vpc_id           = aws_vpc.main.id
  propagating_vgws = var.stage == "first" ? [aws_vpn_gateway.main.id] : []
}

resource "aws_vpn_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table_association" "edge" {
  gateway_id     = aws_internet_gateway.edge.id
  route_table_id = var.stage == "first" ? aws_route_table.edge.id : aws_route_table.other_edge.id
}

resource "aws_ec2_instance_metadata_defaults" "all" {
  http_tokens                 = "required"
  http_put_response_hop_limit = var.stage == "first" ? 2 : 3
}

resource "aws_instance" "web" {
  ami           = data.aws_ami.linux.id
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.public.id

  ipv6_address_count     = 1
  secondary_private_ips  = var.stage == "first" ? ["10.0.1.50"] : ["10.0.1.51"]
  vpc_security_group_ids = var.stage == "first" ? [aws_security_group.web.id] : [aws_security_group.web.id, aws_vpc.main.default_security_group_id]

  maintenance_options {
    auto_recovery = var.stage == "first" ? "default" : "disabled"
  }

  source_dest_check                    = var.stage == "first"
  monitoring                           = var.stage == "second"
  disable_api_termination              = var.stage == "second"
  disable_api_stop                     = var.stage == "second"
  instance_initiated_shutdown_behavior = var.stage == "first" ? "stop" : "terminate"

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = var.stage == "first" ? 1 : 2
    instance_metadata_tags      = "enabled"
  }

  private_dns_name_options {
    enable_resource_name_dns_a_record = var.stage == "second"
  }

  credit_specification {
    cpu_credits = var.stage == "first" ? "unlimited" : "standard"
  }
}

resource "aws_network_interface" "side" {
  subnet_id         = aws_subnet.public.id
  description       = "beside the first, ${var.stage}"
  private_ips       = var.stage == "first" ? ["10.0.1.60", "10.0.1.61"] : ["10.0.1.60", "10.0.1.61", "10.0.1.62"]
  source_dest_check = var.stage == "second"
}

resource "aws_eip" "side" {
  domain = "vpc"
}

resource "aws_eip_association" "side" {
  allocation_id        = aws_eip.side.id
  network_interface_id = aws_network_interface.side.id
  private_ip_address   = "10.0.1.61"
  depends_on           = [aws_internet_gateway.edge]
}

resource "aws_eip" "web" {
  domain = "vpc"
}

resource "aws_eip_association" "web" {
  allocation_id = aws_eip.web.id
  instance_id   = aws_instance.web.id
}

# An address that finds its place itself, and moves.
resource "aws_eip" "moved" {
  domain            = "vpc"
  network_interface = var.stage == "first" ? aws_network_interface.side.id : aws_network_interface_attachment.second.network_interface_id
  depends_on        = [aws_internet_gateway.edge]
}

resource "aws_default_vpc" "default" {
  enable_network_address_usage_metrics = var.stage == "second"
}

# The provider adopts these without their tags, and would add them the next time.
resource "aws_default_vpc_dhcp_options" "default" {
  depends_on = [aws_default_vpc.default]
  lifecycle { ignore_changes = [tags, tags_all] }
}

resource "aws_default_subnet" "a" {
  availability_zone       = "${var.region}a"
  map_public_ip_on_launch = var.stage == "second"
}

resource "aws_iam_role" "flows" {
  name = "flows"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "vpc-flow-logs.amazonaws.com" } }]
  })
}

resource "aws_flow_log" "group" {
  subnet_id       = aws_subnet.public.id
  traffic_type    = "ALL"
  log_destination = "arn:aws:logs:${var.region}:${split(":", aws_iam_role.flows.arn)[4]}:log-group:/flows"
  iam_role_arn    = aws_iam_role.flows.arn
}

resource "aws_flow_log" "files" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "REJECT"
  log_destination_type     = "s3"
  log_destination          = "arn:aws:s3:::flows/folder/"
  log_format               = "$${version} $${pkt-srcaddr} $${action}"
  max_aggregation_interval = 60

  destination_options {
    file_format                = "plain-text"
    hive_compatible_partitions = true
    per_hour_partition         = true
  }
}

# What has a resource of its own beside the thing that it is about.

resource "aws_network_interface" "second" {
  subnet_id       = aws_subnet.public.id
  private_ips     = ["10.0.1.80"]
  security_groups = var.stage == "first" ? [aws_vpc.main.default_security_group_id] : [aws_security_group.web.id]
}

resource "aws_network_interface_attachment" "second" {
  instance_id          = aws_instance.web.id
  network_interface_id = aws_network_interface.second.id
  device_index         = 1
}

resource "aws_network_interface_sg_attachment" "side" {
  security_group_id    = aws_security_group.web.id
  network_interface_id = aws_network_interface.side.id
}

resource "aws_ec2_managed_prefix_list" "sites" {
  name           = "sites"
  address_family = "IPv6"
  max_entries    = 2
}

resource "aws_ec2_managed_prefix_list_entry" "site" {
  prefix_list_id = aws_ec2_managed_prefix_list.sites.id
  cidr           = "2001:db8:1::/48"
  description    = "the first"
}

resource "aws_ec2_subnet_cidr_reservation" "printers" {
  subnet_id        = aws_subnet.private.id
  cidr_block       = "10.7.1.64/28"
  reservation_type = "explicit"
  description      = "printers"
}

resource "aws_default_route_table" "main" {
  default_route_table_id = aws_vpc.main.default_route_table_id

  route {
    cidr_block = var.stage == "first" ? "198.51.100.0/24" : "198.51.100.0/25"
    gateway_id = aws_internet_gateway.edge.id
  }
}

resource "aws_default_security_group" "main" {
  vpc_id = aws_vpc.main.id

  ingress {
    protocol  = "tcp"
    from_port = 443
    to_port   = var.stage == "first" ? 443 : 444
    self      = true
  }
}

resource "aws_network_acl" "private" {
  vpc_id = aws_vpc.main.id
}

resource "aws_network_acl_association" "private" {
  network_acl_id = aws_network_acl.private.id
  subnet_id      = aws_subnet.private.id
}

resource "aws_ec2_tag" "acl" {
  resource_id = aws_vpc.main.default_network_acl_id
  key         = "Name"
  value       = "default, ${var.stage}"
}

resource "aws_vpc" "other" {
  cidr_block = "10.8.0.0/16"
}

# Its own end detaches it from its VPC once more, which has to be there still.
resource "aws_internet_gateway" "other" {
  depends_on = [aws_vpc.other]
}

resource "aws_internet_gateway_attachment" "other" {
  vpc_id              = aws_vpc.other.id
  internet_gateway_id = aws_internet_gateway.other.id
}

resource "aws_vpc_ipv6_cidr_block_association" "third" {
  vpc_id                           = aws_vpc.third.id
  assign_generated_ipv6_cidr_block = true
}

# Gateways that leave their VPC, and find another.
resource "aws_vpc" "third" {
  cidr_block                       = "10.9.0.0/16"
  assign_generated_ipv6_cidr_block = true
}

resource "aws_vpc" "fourth" {
  cidr_block = "10.10.0.0/16"
}

resource "aws_vpc_security_group_vpc_association" "fourth" {
  security_group_id = aws_security_group.web.id
  vpc_id            = aws_vpc.fourth.id
}

resource "aws_internet_gateway" "moved" {
  vpc_id = var.stage == "first" ? aws_vpc.third.id : aws_vpc.fourth.id
}

resource "aws_vpn_gateway" "moved" {
  vpc_id = var.stage == "first" ? aws_vpc.third.id : aws_vpc.other.id
}

resource "aws_cloudwatch_log_group" "tunnels" {
  name              = "/tunnels"
  retention_in_days = var.stage == "first" ? 7 : 14
}

resource "aws_cloudwatch_log_stream" "notes" {
  log_group_name = aws_cloudwatch_log_group.tunnels.name
  name           = "notes"
}

# The same things, looked up as configurations do that others made them for. What
# is counted refers to all of it, so that it is counted when it is whole.

data "aws_vpc" "main" { id = aws_vpc.main.id }

data "aws_vpcs" "main" {
  filter {
    name   = "cidr-block-association.cidr-block"
    values = [aws_vpc_ipv4_cidr_block_association.second.cidr_block]
  }
}

data "aws_subnet" "private" { id = aws_subnet.private.id }

data "aws_subnets" "main" {
  filter {
    name   = "vpc-id"
    values = distinct([aws_subnet.public.vpc_id, aws_subnet.private.vpc_id])
  }
}

data "aws_security_group" "web" { id = aws_security_group.web.id }

data "aws_route_table" "private" { subnet_id = aws_route_table_association.private.subnet_id }

data "aws_route" "out" {
  route_table_id         = aws_route.out.route_table_id
  destination_cidr_block = "0.0.0.0/0"
}

data "aws_internet_gateway" "edge" {
  internet_gateway_id = aws_internet_gateway.edge.id
}

data "aws_nat_gateway" "public" { id = aws_nat_gateway.public.id }

data "aws_eip" "nat" { id = aws_eip.nat.id }

data "aws_network_interface" "side" { id = aws_eip_association.side.network_interface_id }

data "aws_network_acls" "private" {
  vpc_id = aws_network_acl_association.private.network_acl_id == "" ? "" : aws_vpc.main.id
}

data "aws_instance" "web" { instance_id = aws_network_interface_attachment.second.instance_id }

data "aws_ec2_instance_type" "web" { instance_type = aws_instance.web.instance_type }

data "aws_vpc_dhcp_options" "main" { dhcp_options_id = aws_vpc_dhcp_options.main.id }

data "aws_ec2_managed_prefix_list" "offices" { id = aws_ec2_managed_prefix_list.offices.id }

data "aws_vpc_security_group_rules" "web" {
  filter {
    name   = "group-id"
    values = distinct([aws_vpc_security_group_ingress_rule.offices.security_group_id, aws_vpc_security_group_egress_rule.ipv6.security_group_id])
  }
}

data "aws_availability_zones" "all" { state = "available" }

data "aws_region" "here" {}

data "aws_ec2_public_ipv4_pools" "none" {}

data "aws_ami" "host" {
  owners      = ["self", "amazon"]
  most_recent = true
  filter {
    name   = "image-id"
    values = [var.image]
  }
}

# As many configurations look for it; the installation's setting names it so.
data "aws_ami" "linux" {
  owners      = ["amazon"]
  most_recent = true

  filter {
    name   = "name"
    values = ["al2023-ami-2023.*-x86_64"]
  }

  filter {
    name   = "architecture"
    values = ["x86_64"]
  }

  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }

  filter {
    name   = "root-device-type"
    values = ["ebs"]
  }
}

data "aws_ami_ids" "all" { owners = ["self", "amazon"] }

data "aws_availability_zone" "a" { name = "${var.region}a" }

data "aws_cloudwatch_log_group" "tunnels" { name = aws_cloudwatch_log_group.tunnels.name }

data "aws_cloudwatch_log_groups" "tunnels" { log_group_name_prefix = aws_cloudwatch_log_group.tunnels.name }

data "aws_default_tags" "all" {}

data "aws_ec2_instance_type_offering" "small" { preferred_instance_types = ["m1.none", aws_instance.web.instance_type] }

data "aws_ec2_instance_type_offerings" "all" {}

data "aws_ec2_instance_types" "small" {
  filter {
    name   = "instance-type"
    values = [aws_instance.web.instance_type]
  }
}

data "aws_ec2_managed_prefix_lists" "sites" {
  filter {
    name   = "prefix-list-name"
    values = [aws_ec2_managed_prefix_list.sites.name]
  }
}

data "aws_eips" "nat" {
  filter {
    name   = "allocation-id"
    values = [aws_eip.nat.id]
  }
}

data "aws_instances" "web" {
  filter {
    name   = "instance-id"
    values = [aws_instance.web.id]
  }
}

data "aws_nat_gateways" "all" {
  vpc_id = length([aws_nat_gateway.public.id, aws_nat_gateway.private.id]) == 2 ? aws_vpc.main.id : ""
}

data "aws_network_interfaces" "side" {
  filter {
    name   = "network-interface-id"
    values = [aws_network_interface.side.id]
  }
}

data "aws_regions" "all" {}

data "aws_route_tables" "third" { vpc_id = aws_vpc.third.id }

data "aws_security_groups" "third" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.third.id]
  }
}

data "aws_vpc_security_group_rule" "offices" { security_group_rule_id = aws_vpc_security_group_ingress_rule.offices.id }

locals {
  looked_up = {
    vpc       = data.aws_vpc.main.main_route_table_id == aws_default_route_table.main.id
    vpcs      = length(data.aws_vpcs.main.ids)
    subnets   = length(data.aws_subnets.main.ids)
    zone      = data.aws_subnet.private.availability_zone
    route     = data.aws_route.out.nat_gateway_id == aws_nat_gateway.public.id
    table     = data.aws_route_table.private.id == aws_route_table.private.id
    address   = data.aws_nat_gateway.public.public_ip == data.aws_eip.nat.public_ip
    groups    = length(data.aws_network_interface.side.security_groups) > 0
    rules     = length(data.aws_vpc_security_group_rules.web.ids)
    acls      = length(data.aws_network_acls.private.ids)
    entries   = length(data.aws_ec2_managed_prefix_list.offices.entries)
    servers   = data.aws_vpc_dhcp_options.main.domain_name_servers[0]
    processor = data.aws_ec2_instance_type.web.default_vcpus > 0
    zones     = length(data.aws_availability_zones.all.names)
    image     = data.aws_ami.host.id == var.image
    linux     = data.aws_ami.linux.owner_id == "137112412989" && data.aws_ami.linux.image_owner_alias == "amazon"
    pools     = length(data.aws_ec2_public_ipv4_pools.none.pool_ids) == 0
    images    = contains(data.aws_ami_ids.all.ids, var.image)
    retention = data.aws_cloudwatch_log_group.tunnels.retention_in_days
    logs      = length(data.aws_cloudwatch_log_groups.tunnels.log_group_names)
    tags      = data.aws_default_tags.all.tags["stage"] == var.stage
    offered   = data.aws_ec2_instance_type_offering.small.instance_type
    types     = contains(data.aws_ec2_instance_type_offerings.all.instance_types, data.aws_ec2_instance_types.small.instance_types[0])
    lists     = length(data.aws_ec2_managed_prefix_lists.sites.ids)
    eips      = one(data.aws_eips.nat.public_ips) == aws_eip.nat.public_ip
    instances = one(data.aws_instances.web.ids) == aws_instance.web.id
    nat       = length(data.aws_nat_gateways.all.ids)
    side      = one(data.aws_network_interfaces.side.ids) == aws_network_interface.side.id
    regions   = contains(data.aws_regions.all.names, data.aws_region.here.name)
    group     = data.aws_availability_zone.a.group_name
    tables    = length(data.aws_route_tables.third.ids)
    defaults  = one(data.aws_security_groups.third.ids) == aws_vpc.third.default_security_group_id
    rule      = data.aws_vpc_security_group_rule.offices.to_port
  }
}

# Each of these is true, or something that was found.
output "looked_up" {
  value = local.looked_up

  precondition {
    condition     = !can(regex(":(false|0|null|\"\")[,}]", jsonencode(local.looked_up)))
    error_message = jsonencode(local.looked_up)
  }
}
