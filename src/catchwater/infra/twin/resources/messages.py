"""Queues, topics and alarms in the emulator, from planned values."""

from typing import Any

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

_QUEUE = {
    "DelaySeconds": "delay_seconds", "MessageRetentionPeriod": "message_retention_seconds",
    "VisibilityTimeout": "visibility_timeout_seconds", "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    "RedrivePolicy": "redrive_policy", "SqsManagedSseEnabled": "sqs_managed_sse_enabled", "Policy": "policy",
    "KmsMasterKeyId": "kms_master_key_id",
}  # fmt: skip
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _queue(to: Account, given: Given, prior: Values | None) -> Values:
    sqs = to.client("sqs")
    wanted = {name: _text(value) for name, value in given.named(**_QUEUE).items()}
    if prior is None:
        url = sqs.create_queue(QueueName=given["name"], Attributes=wanted)["QueueUrl"]
    else:
        url = prior["url"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
    arn = f"arn:aws:sqs:{to.region}:{to.account}:{given['name']}"
    return {"id": url, "url": url, "arn": arn, "name_prefix": ""}


def _queue_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("sqs").get_queue_attributes, *NO_QUEUE, QueueUrl=state["url"], AttributeNames=["All"])
    if answer is None:
        return None
    held = answer["Attributes"]
    numbers = {name: int(held[api]) for api, name in _QUEUE.items() if name.endswith("_seconds") and api in held}
    return {"arn": held["QueueArn"], **{name: value for name, value in numbers.items() if state.get(name) is not None}}


def _queue_policy(to: Account, given: Given, _: Values | None) -> Values:
    to.client("sqs").set_queue_attributes(QueueUrl=given["queue_url"], Attributes={"Policy": given["policy"]})
    return {"id": given["queue_url"]}


def _queue_policy_now(to: Account, state: Values) -> Values | None:
    get = to.client("sqs").get_queue_attributes
    answer = found(get, *NO_QUEUE, QueueUrl=state["queue_url"], AttributeNames=["Policy"])
    held = (answer or {}).get("Attributes", {}).get("Policy")
    return {"policy": held} if held else None


def _topic(to: Account, given: Given, prior: Values | None) -> Values:
    wanted = given.named(DisplayName="display_name", KmsMasterKeyId="kms_master_key_id", Policy="policy")
    if prior is not None:
        return {}
    arn = to.client("sns").create_topic(Name=given["name"], Attributes=wanted)["TopicArn"]
    return {"id": arn, "arn": arn, "owner": to.account, "name_prefix": ""}


def _topic_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("sns").get_topic_attributes, "NotFound", TopicArn=state["arn"])
    return answer and {"arn": answer["Attributes"]["TopicArn"]}


def _topic_policy(to: Account, given: Given, _: Values | None) -> Values:
    to.client("sns").set_topic_attributes(TopicArn=given["arn"], AttributeName="Policy", AttributeValue=given["policy"])
    return {"id": given["arn"], "owner": to.account}


def _topic_policy_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("sns").get_topic_attributes, "NotFound", TopicArn=state["arn"])
    return answer and {"policy": answer["Attributes"].get("Policy")}


def _subscription(to: Account, given: Given, prior: Values | None) -> Values:
    if prior is not None:
        return {}
    answer = to.client("sns").subscribe(
        TopicArn=given["topic_arn"], Protocol=given["protocol"], Endpoint=given["endpoint"], ReturnSubscriptionArn=True
    )
    arn = answer["SubscriptionArn"]
    return {"id": arn, "arn": arn, "owner_id": to.account, "pending_confirmation": given["protocol"] == "email"}


def _subscription_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("sns").get_subscription_attributes, "NotFound", SubscriptionArn=state["arn"])
    return answer and {"endpoint": answer["Attributes"]["Endpoint"]}


_ALARM = {
    "AlarmDescription": "alarm_description", "Namespace": "namespace", "MetricName": "metric_name",
    "Statistic": "statistic", "ExtendedStatistic": "extended_statistic", "Period": "period",
    "EvaluationPeriods": "evaluation_periods", "DatapointsToAlarm": "datapoints_to_alarm", "Threshold": "threshold",
    "ComparisonOperator": "comparison_operator", "AlarmActions": "alarm_actions", "OKActions": "ok_actions",
    "InsufficientDataActions": "insufficient_data_actions", "TreatMissingData": "treat_missing_data",
}  # fmt: skip


def _alarm(to: Account, given: Given, _: Values | None) -> Values:
    dimensions = [{"Name": name, "Value": value} for name, value in sorted((given["dimensions"] or {}).items())]
    to.client("cloudwatch").put_metric_alarm(
        AlarmName=given["alarm_name"], Dimensions=dimensions, **given.named(**_ALARM)
    )
    arn = f"arn:aws:cloudwatch:{to.region}:{to.account}:alarm:{given['alarm_name']}"
    return {"id": given["alarm_name"], "arn": arn, "evaluate_low_sample_count_percentiles": ""}


def _alarm_now(to: Account, state: Values) -> Values | None:
    answer = to.client("cloudwatch").describe_alarms(AlarmNames=[state["alarm_name"]])["MetricAlarms"]
    if not answer:
        return None
    names = ("Namespace", "MetricName", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator")
    return {_ALARM[api]: answer[0][api] for api in names}


KINDS = {
    "aws_sqs_queue": Kind(
        _queue, _queue_now, lambda to, state: to.client("sqs").delete_queue(QueueUrl=state["url"])
    ),
    "aws_sqs_queue_policy": Kind(_queue_policy, _queue_policy_now, lambda *_: None),
    "aws_sns_topic": Kind(
        _topic, _topic_now, lambda to, state: to.client("sns").delete_topic(TopicArn=state["arn"])
    ),
    "aws_sns_topic_policy": Kind(_topic_policy, _topic_policy_now, lambda *_: None),
    "aws_sns_topic_subscription": Kind(
        _subscription, _subscription_now,
        lambda to, state: to.client("sns").unsubscribe(SubscriptionArn=state["arn"]),
    ),
    "aws_cloudwatch_metric_alarm": Kind(
        _alarm, _alarm_now,
        lambda to, state: to.client("cloudwatch").delete_alarms(AlarmNames=[state["alarm_name"]]),
    ),
}  # fmt: skip
