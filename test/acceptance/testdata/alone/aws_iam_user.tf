resource "aws_iam_policy" "main" {
  name   = "alone-boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_user" "main" {
  name                 = "alone"
  path                 = var.stage == "first" ? "/" : "/system/"
  permissions_boundary = var.stage == "first" ? null : aws_iam_policy.main.arn
}
