resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_network_interface" "main" {
  subnet_id = aws_subnet.a.id
}

resource "aws_cloudwatch_log_group" "flows" {
  name = "/alone/flows"
}

resource "aws_iam_role" "flows" {
  name = "alone-flows"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "vpc-flow-logs.amazonaws.com" } }]
  })
}

resource "aws_flow_log" "vpc" {
  iam_role_arn    = aws_iam_role.flows.arn
  log_destination = aws_cloudwatch_log_group.flows.arn
  traffic_type    = "ALL"
  vpc_id          = aws_vpc.main.id
}

resource "aws_flow_log" "subnet" {
  iam_role_arn             = aws_iam_role.flows.arn
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flows.arn
  traffic_type             = "ACCEPT"
  subnet_id                = aws_subnet.a.id
  max_aggregation_interval = 60
  log_format               = "$${version} $${vpc-id} $${srcaddr}"
}

resource "aws_flow_log" "interface" {
  log_destination      = "arn:aws:s3:::flows"
  log_destination_type = "s3"
  traffic_type         = "REJECT"
  eni_id               = aws_network_interface.main.id
}
