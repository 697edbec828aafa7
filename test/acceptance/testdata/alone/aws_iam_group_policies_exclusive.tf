resource "aws_iam_group" "main" {
  name = "alone-group-policies"
}

resource "aws_iam_group_policy" "main" {
  name   = "look"
  group  = aws_iam_group.main.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_group_policies_exclusive" "main" {
  group_name   = aws_iam_group.main.name
  policy_names = [aws_iam_group_policy.main.name]
}
