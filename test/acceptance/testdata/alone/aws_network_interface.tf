resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_security_group" "web" {
  name        = "web"
  description = "web servers"
  vpc_id      = aws_vpc.main.id
}

resource "aws_instance" "host" {
  ami           = var.image
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.a.id
}

resource "aws_network_interface" "listed" {
  subnet_id         = aws_subnet.a.id
  private_ips       = var.stage == "first" ? ["10.0.1.50"] : ["10.0.1.50", "10.0.1.51"]
  security_groups   = var.stage == "first" ? [aws_security_group.web.id] : [aws_vpc.main.default_security_group_id]
  source_dest_check = var.stage == "first"
  description       = "the ${var.stage}"

  attachment {
    instance     = aws_instance.host.id
    device_index = 1
  }
}

resource "aws_network_interface" "counted" {
  subnet_id         = aws_subnet.a.id
  private_ips_count = var.stage == "first" ? 1 : 3
}
