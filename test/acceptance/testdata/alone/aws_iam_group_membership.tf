resource "aws_iam_group" "main" {
  name = "alone-members"
}

resource "aws_iam_user" "main" {
  name = "alone-member"
}

resource "aws_iam_user" "other" {
  name = "alone-member-other"
}

resource "aws_iam_group_membership" "main" {
  name  = "alone-members"
  group = aws_iam_group.main.name
  users = var.stage == "first" ? [aws_iam_user.main.name] : [aws_iam_user.other.name]
}
