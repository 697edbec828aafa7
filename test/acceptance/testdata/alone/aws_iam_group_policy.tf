resource "aws_iam_group" "main" {
  name = "alone-group-policy"
}

resource "aws_iam_group_policy" "main" {
  name  = "look"
  group = aws_iam_group.main.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.stage == "first" ? "ec2:DescribeVpcs" : "ec2:DescribeSubnets", Resource = "*" }]
  })
}
