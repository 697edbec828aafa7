resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_security_group" "one" {
  name   = "one"
  vpc_id = aws_vpc.main.id
}

resource "aws_security_group" "two" {
  name   = "two"
  vpc_id = aws_vpc.main.id
}

resource "aws_iam_role" "host" {
  name = "alone-host"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_instance_profile" "host" {
  name = "alone-host"
  role = aws_iam_role.host.name
}

resource "aws_instance" "host" {
  ami                    = var.image
  instance_type          = var.stage == "first" ? "t3.micro" : "t3.small"
  subnet_id              = aws_subnet.a.id
  private_ip             = "10.0.1.12"
  secondary_private_ips  = var.stage == "first" ? ["10.0.1.13"] : ["10.0.1.14"]
  vpc_security_group_ids = var.stage == "first" ? [aws_security_group.one.id] : [aws_security_group.one.id, aws_security_group.two.id]
  iam_instance_profile   = var.stage == "first" ? null : aws_iam_instance_profile.host.name
  user_data              = "#!/bin/sh\necho ${var.stage}\n"
  source_dest_check      = var.stage == "first"

  monitoring                           = var.stage != "first"
  disable_api_stop                     = var.stage != "first"
  disable_api_termination              = var.stage != "first"
  instance_initiated_shutdown_behavior = var.stage == "first" ? "stop" : "terminate"

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = var.stage == "first" ? "optional" : "required"
    http_put_response_hop_limit = var.stage == "first" ? 1 : 2
    instance_metadata_tags      = var.stage == "first" ? "disabled" : "enabled"
  }

  maintenance_options {
    auto_recovery = "default"
  }

  private_dns_name_options {
    hostname_type                     = "resource-name"
    enable_resource_name_dns_a_record = var.stage != "first"
  }

  credit_specification {
    cpu_credits = var.stage == "first" ? "standard" : "unlimited"
  }
}
