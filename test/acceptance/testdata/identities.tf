# Identities of all kinds, with what they have.

variable "action" {
  type    = string
  default = "ec2:DescribeVpcs"
}

data "aws_caller_identity" "root" {}

data "aws_iam_policy_document" "look" {
  statement {
    actions   = [var.action]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.alice.arn]
    }
  }
}

resource "aws_iam_user" "alice" {
  name                 = "alice"
  path                 = "/team/"
  permissions_boundary = aws_iam_policy.boundary.arn
  tags                 = { team = "red", empty = "" }
  force_destroy        = true
}

resource "aws_iam_access_key" "alice" {
  user = aws_iam_user.alice.name
}

resource "aws_iam_user_policy" "look" {
  name   = "look"
  user   = aws_iam_user.alice.name
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_policy" "look" {
  name        = "look"
  description = "may look"
  policy      = data.aws_iam_policy_document.look.json
  tags        = { team = "red" }
}

resource "aws_iam_policy" "boundary" {
  name   = "boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })
}

resource "aws_iam_user_policy_attachment" "look" {
  user       = aws_iam_user.alice.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_group" "team" {
  name = "team"
}

resource "aws_iam_group_policy" "look" {
  name   = "look"
  group  = aws_iam_group.team.name
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_group_policy_attachment" "look" {
  group      = aws_iam_group.team.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
}

resource "aws_iam_user_group_membership" "alice" {
  user   = aws_iam_user.alice.name
  groups = [aws_iam_group.team.name]
}

resource "aws_iam_role" "looker" {
  name                 = "looker"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  description          = "looks"
  max_session_duration = 7200
  tags                 = { team = "red" }
}

resource "aws_iam_role_policy" "look" {
  name   = "look"
  role   = aws_iam_role.looker.id
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_role_policy_attachment" "look" {
  role       = aws_iam_role.looker.name
  policy_arn = aws_iam_policy.look.arn
}

data "aws_iam_user" "alice" {
  user_name = aws_iam_user.alice.name
}

data "aws_iam_role" "looker" {
  name = aws_iam_role.looker.name
}

data "aws_iam_policy" "look" {
  arn = aws_iam_policy.look.arn
}

data "aws_iam_group" "team" {
  group_name = aws_iam_group.team.name
}
