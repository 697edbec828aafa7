resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_vpc_dhcp_options" "main" {
  domain_name = "one.internal"
}

resource "aws_vpc_dhcp_options" "other" {
  domain_name_servers = ["AmazonProvidedDNS"]
}

resource "aws_vpc_dhcp_options_association" "main" {
  vpc_id          = aws_vpc.main.id
  dhcp_options_id = var.stage == "first" ? aws_vpc_dhcp_options.main.id : aws_vpc_dhcp_options.other.id
}
