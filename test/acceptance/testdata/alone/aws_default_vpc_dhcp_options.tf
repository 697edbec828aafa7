resource "aws_default_vpc_dhcp_options" "main" {
  lifecycle { ignore_changes = [tags, tags_all] }
}
