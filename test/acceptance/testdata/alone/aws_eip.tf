resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_network_interface" "several" {
  subnet_id   = aws_subnet.a.id
  private_ips = ["10.0.1.10", "10.0.1.11"]
}

resource "aws_eip" "plain" {}

resource "aws_eip" "primary" {
  domain                    = "vpc"
  network_interface         = aws_network_interface.several.id
  associate_with_private_ip = "10.0.1.10"
  depends_on                = [aws_internet_gateway.main]

  lifecycle { ignore_changes = [associate_with_private_ip] } # the provider does not read it
}

resource "aws_eip" "secondary" {
  domain                    = "vpc"
  network_interface         = aws_network_interface.several.id
  associate_with_private_ip = "10.0.1.11"
  depends_on                = [aws_internet_gateway.main]

  lifecycle { ignore_changes = [associate_with_private_ip] } # the provider does not read it
}
