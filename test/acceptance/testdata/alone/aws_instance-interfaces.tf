resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_network_interface" "one" {
  subnet_id   = aws_subnet.a.id
  private_ips = ["10.0.1.100"]
}

resource "aws_network_interface" "two" {
  subnet_id   = aws_subnet.a.id
  private_ips = ["10.0.1.101"]
}

resource "aws_instance" "router" {
  ami              = var.image
  instance_type    = "t3.micro"
  user_data_base64 = base64encode("#!/bin/sh\necho ${var.stage}\n")

  network_interface {
    network_interface_id = aws_network_interface.one.id
    device_index         = 0
  }

  network_interface {
    network_interface_id  = aws_network_interface.two.id
    device_index          = 1
    delete_on_termination = false
  }
}
