resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = true
}

resource "aws_subnet" "only" {
  vpc_id          = aws_vpc.main.id
  ipv6_native     = true
  ipv6_cidr_block = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, 1)

  assign_ipv6_address_on_creation                = true
  enable_resource_name_dns_aaaa_record_on_launch = true
}

resource "aws_instance" "any" {
  ami           = var.image
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.only.id
}

resource "aws_instance" "listed" {
  ami                 = var.image
  instance_type       = "t3.micro"
  subnet_id           = aws_subnet.only.id
  ipv6_addresses      = [cidrhost(aws_subnet.only.ipv6_cidr_block, 16)]
  enable_primary_ipv6 = true
}
