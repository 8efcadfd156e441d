output "fleet" {
  description = "The lines of infra/agents/cloud.yaml that this folder decides."
  value = yamlencode({
    project          = var.project
    region           = var.region
    types            = var.types
    subnet           = aws_subnet.agents.id
    security_groups  = [aws_security_group.agents.id]
    instance_profile = aws_iam_instance_profile.agent.name
    auth_parameter   = var.auth_parameter
    budget_per_month = var.budget_per_month
  })
}

output "store" {
  description = "Bucket for DVC: cascada data remote add store s3://…"
  value       = aws_s3_bucket.store.bucket
}

output "controller_policy" {
  description = "Attach it to whom `cascada agent controller` runs as."
  value       = aws_iam_policy.controller.arn
}

output "plan_role" {
  description = "The variable AWS_PLAN_ROLE of the repository."
  value       = aws_iam_role.plan.arn
}
