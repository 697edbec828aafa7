resource "aws_ec2_managed_prefix_list" "sites" {
  name           = "sites"
  address_family = "IPv4"
  max_entries    = 5
}

resource "aws_ec2_managed_prefix_list_entry" "one" {
  prefix_list_id = aws_ec2_managed_prefix_list.sites.id
  cidr           = "10.1.0.0/16"
  description    = "the first"
}

resource "aws_ec2_managed_prefix_list_entry" "two" {
  prefix_list_id = aws_ec2_managed_prefix_list.sites.id
  cidr           = "10.2.0.0/16"
}
