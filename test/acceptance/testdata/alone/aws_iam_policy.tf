resource "aws_iam_policy" "main" {
  name        = "alone-policy"
  path        = "/team/"
  description = "may look"

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.stage == "first" ? "ec2:DescribeVpcs" : "ec2:DescribeSubnets", Resource = "*" }]
  })
}
