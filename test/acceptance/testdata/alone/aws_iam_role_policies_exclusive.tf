resource "aws_iam_role" "main" {
  name = "alone-role-policies"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "main" {
  name   = "look"
  role   = aws_iam_role.main.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_role_policies_exclusive" "main" {
  role_name    = aws_iam_role.main.name
  policy_names = [aws_iam_role_policy.main.name]
}
