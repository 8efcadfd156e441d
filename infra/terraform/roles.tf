# A role of rented machines, a policy for the controller that rents them, a role of the workflow that plans changes of this folder.
data "aws_iam_policy_document" "ec2_assumes" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "agent" {
  name               = "${var.project}-agent"
  assume_role_policy = data.aws_iam_policy_document.ec2_assumes.json
}

data "aws_iam_policy_document" "agent" {
  statement {
    sid       = "Login"
    actions   = ["ssm:GetParameter"]
    resources = ["${local.parameters}/${trimprefix(var.auth_parameter, "/")}"]
  }
  statement {
    sid       = "Store"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.store.arn}/*"]
  }
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }
}

resource "aws_iam_role_policy" "agent" {
  name   = "agent"
  role   = aws_iam_role.agent.id
  policy = data.aws_iam_policy_document.agent.json
}

resource "aws_iam_instance_profile" "agent" {
  name = "${var.project}-agent"
  role = aws_iam_role.agent.name
}

# The controller may start machines of the listed types with the project's tag, and end those that have it.
data "aws_iam_policy_document" "controller" {
  statement {
    sid       = "Look"
    actions   = ["ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]
    resources = ["*"]
  }
  statement {
    sid       = "StartOnlyTagged"
    actions   = ["ec2:RunInstances"]
    resources = ["${local.ec2}:instance/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/cascada:project"
      values   = [var.project]
    }
    condition {
      test     = "StringEquals"
      variable = "ec2:InstanceType"
      values   = var.types
    }
    condition {
      test     = "StringEquals"
      variable = "ec2:MetadataHttpTokens"
      values   = ["required"]
    }
  }
  statement {
    sid     = "StartWith"
    actions = ["ec2:RunInstances"]
    resources = [
      "${local.arn}:ec2:${var.region}::image/*", "${local.ec2}:network-interface/*", "${local.ec2}:volume/*",
      "${local.ec2}:spot-instances-request/*", aws_subnet.agents.arn, aws_security_group.agents.arn,
    ]
  }
  statement {
    sid       = "TagAtBirth"
    actions   = ["ec2:CreateTags"]
    resources = ["${local.ec2}:*/*"]
    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["RunInstances"]
    }
  }
  statement {
    sid       = "OwnOnly"
    actions   = ["ec2:TerminateInstances", "ec2:CreateTags"]
    resources = ["${local.ec2}:instance/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/cascada:project"
      values   = [var.project]
    }
  }
  statement {
    sid       = "GiveItsRole"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.agent.arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "controller" {
  name   = "${var.project}-controller"
  policy = data.aws_iam_policy_document.controller.json
}

# GitHub has no key of this account: its token of one run is exchanged for a role, and only for pull requests of this repository.
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "github_assumes" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.repository}:pull_request"]
    }
  }
}

resource "aws_iam_role" "plan" {
  name               = "${var.project}-plan"
  assume_role_policy = data.aws_iam_policy_document.github_assumes.json
}

# A plan reads how things are set up, and its own state; nothing that is stored, no login.
data "aws_iam_policy_document" "plan" {
  statement {
    sid = "Look"
    actions = [
      "ec2:Describe*", "budgets:ViewBudget", "budgets:ListTagsForResource", "iam:GetInstanceProfile", "iam:GetOpenIDConnectProvider",
      "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole", "iam:ListPolicyVersions", "iam:ListRolePolicies",
    ]
    resources = ["*"]
  }
  statement {
    sid = "LookAtTheStore"
    actions = [
      "s3:GetAccelerateConfiguration", "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration", "s3:ListBucket",
    ]
    resources = [aws_s3_bucket.store.arn]
  }
  statement {
    sid       = "State"
    actions   = ["s3:ListBucket", "s3:GetObject"]
    resources = ["${local.arn}:s3:::${var.states}", "${local.arn}:s3:::${var.states}/cascada.tfstate"]
  }
}

resource "aws_iam_role_policy" "plan" {
  name   = "plan"
  role   = aws_iam_role.plan.id
  policy = data.aws_iam_policy_document.plan.json
}
