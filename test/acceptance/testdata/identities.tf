# Identities of all kinds, with what they have.

data "aws_caller_identity" "root" {}

data "aws_iam_policy_document" "look" {
  statement {
    actions   = [var.stage == "first" ? "ec2:DescribeVpcs" : "ec2:DescribeSubnets"]
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
  permissions_boundary = var.stage == "first" ? aws_iam_policy.boundary.arn : null
  tags                 = { team = "red", empty = "" }
  force_destroy        = true
}

resource "aws_iam_access_key" "alice" {
  user   = aws_iam_user.alice.name
  status = var.stage == "first" ? "Active" : "Inactive"
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
  groups = var.stage == "first" ? [aws_iam_group.team.name] : [aws_iam_group.team.name, aws_iam_group.third.name]
}

resource "aws_iam_role" "looker" {
  name                 = "looker"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  description          = "looks, ${var.stage}"
  max_session_duration = var.stage == "first" ? 7200 : 3600
  permissions_boundary = var.stage == "first" ? null : aws_iam_policy.boundary.arn
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

# The same, told of from their other end, and as the only ones.

resource "aws_iam_account_alias" "main" {
  account_alias = "causeway-test"
}

resource "aws_iam_user" "bob" {
  name          = "bob"
  path          = var.stage == "first" ? "/" : "/team/"
  force_destroy = true
}

resource "aws_iam_group" "third" {
  name = "third"
}

resource "aws_iam_group" "readers" {
  name = "readers"
  path = var.stage == "first" ? "/" : "/all/"
}

resource "aws_iam_group_membership" "readers" {
  name  = "readers"
  group = aws_iam_group.readers.name
  users = var.stage == "first" ? [aws_iam_user.alice.name] : [aws_iam_user.alice.name, aws_iam_user.carol.name]
}

resource "aws_iam_user" "carol" {
  name = "carol"
}

# Its policy is nobody's boundary: those count as attached to the provider.
resource "aws_iam_policy_attachment" "all" {
  name       = "all"
  policy_arn = aws_iam_policy.all.arn
  users      = [aws_iam_user.carol.name]
  groups     = var.stage == "first" ? [] : [aws_iam_group.readers.name]
}

resource "aws_iam_policy" "all" {
  name   = "all"
  policy = aws_iam_policy.boundary.policy
}

resource "aws_iam_user_policies_exclusive" "alice" {
  user_name    = aws_iam_user.alice.name
  policy_names = [aws_iam_user_policy.look.name]
}

resource "aws_iam_user_policy_attachments_exclusive" "alice" {
  user_name   = aws_iam_user.alice.name
  policy_arns = [aws_iam_user_policy_attachment.look.policy_arn]
}

resource "aws_iam_group_policies_exclusive" "team" {
  group_name   = aws_iam_group.team.name
  policy_names = [aws_iam_group_policy.look.name]
}

resource "aws_iam_group_policy_attachments_exclusive" "team" {
  group_name  = aws_iam_group.team.name
  policy_arns = [aws_iam_group_policy_attachment.look.policy_arn]
}

resource "aws_iam_role_policies_exclusive" "looker" {
  role_name    = aws_iam_role.looker.name
  policy_names = [aws_iam_role_policy.look.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "looker" {
  role_name   = aws_iam_role.looker.name
  policy_arns = [aws_iam_role_policy_attachment.look.policy_arn]
}

resource "aws_iam_saml_provider" "idp" {
  name                   = "idp"
  saml_metadata_document = <<-EOT
    <?xml version="1.0"?>
    <md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/saml" validUntil="${var.stage == "first" ? 2090 : 2091}-01-02T03:04:05Z">
      <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
        <md:KeyDescriptor use="signing">
          <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
            <ds:X509Data>
              <ds:X509Certificate>
                MIIBijCCATGgAwIBAgIUGcMssngwS8BspnVPhfTeGwhBOPAwCgYIKoZIzj0EAwIw
                GjEYMBYGA1UEAwwPaWRwLmV4YW1wbGUuY29tMCAXDTI2MTEyMzAxNDk1N1oYDzIx
                MjYxMDMwMDE0OTU3WjAaMRgwFgYDVQQDDA9pZHAuZXhhbXBsZS5jb20wWTATBgcq
                hkjOPQIBBggqhkjOPQMBBwNCAASEDk0V6eYIGH7JH75+BCGCB8iSG0JsECAIUfQO
                VjaozdcmRMCYlSQKE4jfl7lQ3n6LV9HFagh9Co4lBqj2NOdyo1MwUTAdBgNVHQ4E
                FgQUbhbZf26zO/oGtasm1gGb8473y5swHwYDVR0jBBgwFoAUbhbZf26zO/oGtasm
                1gGb8473y5swDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBpt0HV
                Ng7f105D0CBEk+RjOgYmMZG68BO5+DhZTbuzlQIgOJLxd2kkUDLv407ec13MB5mf
                mLvi9pgch6OnauzvfwQ=
              </ds:X509Certificate>
            </ds:X509Data>
          </ds:KeyInfo>
        </md:KeyDescriptor>
        <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
      </md:IDPSSODescriptor>
    </md:EntityDescriptor>
  EOT
}

data "aws_iam_saml_provider" "idp" {
  arn = aws_iam_saml_provider.idp.arn
}

data "aws_iam_account_alias" "main" {
  depends_on = [aws_iam_account_alias.main]
}

data "aws_iam_users" "all" {
  depends_on = [aws_iam_user.alice, aws_iam_user.bob, aws_iam_user.carol]
}

data "aws_iam_roles" "all" {
  depends_on = [aws_iam_role.looker]
}

data "aws_iam_access_keys" "alice" {
  user = aws_iam_access_key.alice.user
}

data "aws_iam_session_context" "root" {
  arn = data.aws_caller_identity.root.arn
}

locals {
  identities = {
    provider = data.aws_iam_saml_provider.idp.arn == aws_iam_saml_provider.idp.arn
    alias    = data.aws_iam_account_alias.main.account_alias
    users    = length(data.aws_iam_users.all.names)
    roles    = contains(data.aws_iam_roles.all.names, aws_iam_role.looker.name)
    keys     = [for key in data.aws_iam_access_keys.alice.access_keys : key.access_key_id] == [aws_iam_access_key.alice.id]
    root     = data.aws_iam_session_context.root.issuer_arn == data.aws_caller_identity.root.arn
  }
}

# Each of these is true, or something that was found.
output "identities" {
  value = local.identities

  precondition {
    condition     = !can(regex(":(false|0|null|\"\")[,}]", jsonencode(local.identities)))
    error_message = jsonencode(local.identities)
  }
}

data "aws_iam_principal_policy_simulation" "alice" {
  policy_source_arn = aws_iam_user.alice.arn
  action_names      = ["ec2:DescribeVpcs", "ec2:DeleteVpc"]
  depends_on        = [aws_iam_user_policy.look, aws_iam_user_policy_attachment.look]
}
