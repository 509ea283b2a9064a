output "security_group_id" {
  description = "Id of the steps' security group."
  value       = local.group
}
