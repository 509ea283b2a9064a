"""Runs inside the emulator's own environment, so it imports nothing of ours: ministack, with a line for each decision
of its own IAM evaluator, schedules that fire when told to, and an end when its owner ends."""

import contextlib
import hashlib
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import types
import zipfile
from typing import Any

evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
scheduler: Any = importlib.import_module("ministack.services.scheduler")
eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
cloudwatch: Any = importlib.import_module("ministack.services.cloudwatch")
objects: Any = importlib.import_module("ministack.services.s3")
router: Any = importlib.import_module("ministack.core.router")
runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
networks: Any = importlib.import_module("ministack.services.ec2")
queues: Any = importlib.import_module("ministack.services.sqs")
functions: Any = importlib.import_module("ministack.services.lambda_svc")

ROOT = "root"
VAGUE = "any of "  # before a resource that the emulator did not name
TICK = 0.2  # seconds between looks at the schedules
here = threading.local()
lock = threading.Lock()
since: dict[str, float] = {}  # alarm → when it was first looked at


def note(who: str, action: str, resource: str, allowed: bool, prefix: Any = "") -> None:
    """One decision as one line; what the twin does as the account's root isn't part of the story."""
    if who == ROOT or who.endswith(":root"):
        return
    line = json.dumps({"who": who, "action": action, "on": resource, "allowed": allowed, "prefix": prefix or ""})
    with lock, open(os.environ["CATCHWATER_TWIN_DECISIONS"], "a", encoding="utf-8") as log:  # noqa: PTH123
        log.write(line + "\n")


def watch_evaluator() -> None:
    """`enforce` is ministack's one door: who asked is seen where it evaluates that caller's policies."""
    evaluate, enforce = evaluator.evaluate, evaluator.enforce

    def seen(context: Any, *rest: Any, **more: Any) -> Any:
        here.who = context.principal_arn
        context.secure_transport = True  # loopback stands for TLS, which a bucket's policy may demand
        return evaluate(context, *rest, **more)

    def decided(key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any) -> Any:
        here.who = ROOT
        resource_arn = resource_arn.replace(":rule/default/", ":rule/")  # AWS names no bus but one of your own
        answer, on = enforce(key, action, service, region, resource_arn=resource_arn, **more), resource_arn
        for one in named(here.who, action) if answer is not None and resource_arn == "*" else ():
            answer, on = enforce(key, action, service, region, resource_arn=one, **more), f"{VAGUE}{one}"
            if answer is None:
                break
        note(here.who, action, on, answer is None, (more.get("service_context") or {}).get("s3:prefix"))
        return answer

    evaluator.evaluate, evaluator.enforce = seen, decided


def named(who: str, action: str) -> list[str]:
    """What a role's statements on an action name: where ministack doesn't tell which resource a call is about and
    asks about all of them, the question is whether there is any that the role may."""
    if ":assumed-role/" not in who:
        return []
    policies = evaluator._gather_role_policies(who.split(":assumed-role/")[1].split("/")[0], who.split(":")[4])
    return [
        resource
        for statement in (one for policy in policies for one in policy)
        if any(evaluator.fnmatch_iam(action, pattern) for pattern in statement.actions)
        for resource in statement.resources
    ]


def context_of(who: str, action: str, resource: str) -> Any:
    _, _, _, region, account, *_ = resource.split(":")
    return evaluator.EvalContext(
        principal_arn=who, principal_type="AssumedRole", principal_account=account, action=action,
        resource_arn=resource, region=region,
    )  # fmt: skip


def role_may(role: str, action: str, resource: str) -> bool:
    """Whether a role's policies let it do what a service does in its name; ministack does that without asking, the
    answer is its own evaluator's."""
    account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
    context = context_of(f"arn:aws:sts::{account}:assumed-role/{name}/service", action, resource)
    allowed = evaluator.evaluate(context, evaluator._gather_role_policies(name, account)).decision == "Allow"
    note(context.principal_arn, action, resource, allowed)
    return bool(allowed)


def rule_may(rule: dict[str, Any], function: str) -> bool:
    """Whether a function's own policy lets a rule call it."""
    source = rule.get("Arn", "")
    context = context_of(f"{source} (events.amazonaws.com)", "lambda:InvokeFunction", function)
    context.service_context = {"aws:sourcearn": source, "aws:sourceaccount": context.principal_account}
    held = (functions._functions.get(function.split(":function:")[1].split(":")[0]) or {}).get("policy") or {}
    answer = evaluator.evaluate_resource_policy(held, context, "events.amazonaws.com")
    note(context.principal_arn, context.action, function, answer.decision == "Allow")
    return bool(answer.decision == "Allow")


def may_invoke(target: dict[str, Any], rule: dict[str, Any]) -> bool:
    arn, role = target["Arn"], target.get("RoleArn", "")
    return role_may(role, "lambda:InvokeFunction", arn) if role else rule_may(rule, arn)


def ask_before_invoking() -> None:
    invoke = eventbridge._invoke_target

    def asked(target: dict[str, Any], event: Any, rule: dict[str, Any], *rest: Any) -> None:
        if ":function:" not in target.get("Arn", "") or may_invoke(target, rule):
            invoke(target, event, rule, *rest)

    eventbridge._invoke_target = asked


def ask_before_missing() -> None:
    """S3 says that an object is missing only to who may list; others hear 403. ministack tells everybody."""
    handle = objects.handle_request

    async def handled(method: str, path: str, headers: Any, body: Any, query: Any, *rest: Any, **more: Any) -> Any:
        answer = await handle(method, path, headers, body, query, *rest, **more)
        bucket, _, key = path.lstrip("/").partition("/")
        if answer[0] == 404 and key and method in ("GET", "HEAD") and not may_list(headers, query, bucket, key):
            return 403, {"Content-Type": "application/xml"}, DENIED if method == "GET" else b""
        return answer

    objects.handle_request = handled


DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def may_list(headers: Any, query: Any, bucket: str, key: str) -> bool:
    access = router.extract_access_key_id(headers, query)
    arn, context = f"arn:aws:s3:::{bucket}", {"s3:prefix": key}
    return evaluator.enforce(access, "s3:ListBucket", "s3", "", resource_arn=arn, service_context=context) is None


def ask_before_keeping_failures() -> None:
    """An event that failed goes to its queue in the name of the function's role."""
    route = functions._route_async_failure

    def routed(target: str, name: str, *rest: Any) -> None:
        role = (functions._functions.get(name) or {}).get("config", {}).get("Role", "")
        if role_may(role, "sqs:SendMessage" if ":sqs:" in target else "sns:Publish", target):
            route(target, name, *rest)

    functions._route_async_failure = routed


def ask_before_logging(function: Any, logged: Any, *rest: Any, **more: Any) -> Any:
    """Log lines are written in the name of the function's role; without the right there are none."""
    config = function.get("config") or function
    _, _, _, region, account, *_ = config["FunctionArn"].split(":")
    group = f"/aws/lambda/{config['FunctionName']}"
    stream = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{config['FunctionName']}"
    asked = [role_may(config["Role"], f"logs:{action}", stream) for action in ("CreateLogStream", "PutLogEvents")]
    return (logged(function, *rest, **more) or True) if all(asked) else False


class Unpacked(zipfile.ZipFile):
    """An archive that is unpacked once: every start of a function sees the same files, as it may not write them."""

    def extractall(self, path: Any = None, *_: Any, **__: Any) -> None:
        with open(str(self.filename), "rb") as held:  # noqa: PTH123
            kept = os.path.join(tempfile.gettempdir(), hashlib.file_digest(held, "sha256").hexdigest())  # noqa: PTH118
        with lock:
            if not os.path.isdir(kept):  # noqa: PTH112
                super().extractall(kept + ".part")
                os.rename(kept + ".part", kept)  # noqa: PTH104
        os.rmdir(path)  # noqa: PTH106
        os.symlink(kept, path)  # noqa: PTH211


def unpack_once() -> None:
    runtime.zipfile = types.SimpleNamespace(ZipFile=Unpacked, BadZipFile=zipfile.BadZipFile,
                                            LargeFileError=getattr(zipfile, "LargeZipFile", None))  # fmt: skip


def start_cold(_: Any) -> None:
    """No function remembers anything of its earlier calls."""
    runtime.reset()


def look_as_alarms_do() -> None:
    """ministack's alarms look at a metric whatever its dimensions, and never at silence; each sees its own here, and
    silence as its treat_missing_data says."""
    evaluate = cloudwatch._evaluate_alarm

    def of_its_own(alarm: dict[str, Any]) -> None:
        wanted = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
        held = {key: points for key, points in list(cloudwatch._metrics.items()) if key[2] == wanted}
        key = (alarm.get("Namespace"), alarm.get("MetricName"), wanted)
        if silent(alarm, held.get(key, ())):
            less = str(alarm.get("ComparisonOperator")).startswith("Less")
            held = {key: [{"Timestamp": time.time(), "Value": 0.0 if less else alarm["Threshold"] + 1.0}]}
        types.FunctionType(evaluate.__code__, {**evaluate.__globals__, "_metrics": held})(alarm)

    cloudwatch._evaluate_alarm = of_its_own


def silent(alarm: dict[str, Any], points: Any) -> bool:
    """Whether nothing was measured for as long as the alarm looks back, and that is an alarm to it."""
    now, window = time.time(), alarm.get("Period", 60) * alarm.get("EvaluationPeriods", 1)
    known = since.setdefault(alarm["AlarmName"], now)
    breaching = alarm.get("TreatMissingData") == "breaching" and now - known >= window
    return breaching and not any(point["Timestamp"] >= now - window for point in points)


def look() -> None:
    """Every alarm looks, and finds the queues as long as they are now."""
    for queue in list(queues._queues.values()):
        named = {"QueueName": queue["name"]}
        cloudwatch.record_metric(
            "AWS/SQS", "ApproximateNumberOfMessagesVisible", len(queue["messages"]), "Count", named
        )
    cloudwatch._evaluate_all_alarms()


def exists(network: dict[str, Any]) -> None:
    """A VPC and subnets that the account has already, as ministack's own default ones are."""
    vpc, subnet = next(iter(networks._vpcs.values())), next(iter(networks._subnets.values()))
    networks._vpcs[network["vpc"]] = {**vpc, "VpcId": network["vpc"], "IsDefault": False}
    for number, name in enumerate(network["subnets"]):
        zone = f"{subnet['AvailabilityZone'][:-1]}{'abc'[number % 3]}"
        networks._subnets[name] = {
            **subnet, "SubnetId": name, "VpcId": network["vpc"], "AvailabilityZone": zone, "DefaultForAz": False,
        }  # fmt: skip


def later(seconds: float) -> None:
    """For the alarms this much time has gone by."""
    for points in list(cloudwatch._metrics.values()):
        for point in points:
            point["Timestamp"] -= seconds
    for name in since:
        since[name] -= seconds
    look()


def invoke_as_events_do() -> None:
    """A rule and a schedule invoke asynchronously: retries, then the failure's destination. ministack has both, but
    calls once and forgets."""

    def dispatched(arn: str, payload: str) -> None:
        held, config, _ = functions._get_func_record_for_ref(arn)
        if held and config:
            functions.invoke_async_with_retry(functions._execution_record_for_config(held, config), json.loads(payload))

    eventbridge._dispatch_to_lambda = dispatched


def measure_functions() -> None:
    """Each invocation counts in AWS/Lambda, and metrics in its log lines (EMF) are stored, as CloudWatch does it."""
    execute, logged, emit = functions._execute_function, functions._emit_lambda_logs, functions._emit_lambda_metrics
    functions._emit_lambda_metrics = lambda *_, **__: None

    def executed(function: dict[str, Any], event: Any) -> Any:
        began = time.time()
        answer = execute(function, event)
        name = (function.get("config") or function).get("FunctionName", "")
        emit(name, (time.time() - began) * 1000, bool(answer.get("error")), bool(answer.get("throttle")))
        look()
        return answer

    def read(function: Any, request: str, text: str, *rest: Any, **more: Any) -> Any:
        kept = ask_before_logging(function, logged, request, text, *rest, **more)
        for line in (text or "").splitlines() if kept is not False else ():
            store_embedded(line)
        look()
        return kept

    functions._execute_function, functions._emit_lambda_logs = executed, read


def store_embedded(line: str) -> None:
    """The metrics of one line in CloudWatch's embedded metric format; other lines hold none."""
    if '"CloudWatchMetrics"' not in line:
        return
    try:
        held = json.loads(line[line.index("{") :])
    except ValueError:
        return
    with contextlib.suppress(KeyError, TypeError):  # CloudWatch keeps what it can't read as a plain line
        store(held)


def store(held: dict[str, Any]) -> None:
    for directive in held["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: str(held[name]) for name in names}
            for metric in directive["Metrics"]:
                cloudwatch._store_datum(
                    directive["Namespace"], metric["Name"], dimensions, time.time(), metric.get("Unit", "None"),
                    held[metric["Name"]], None, None, None,
                )  # fmt: skip


def fire(name: str) -> None:
    """The schedule is due: its last time is long ago."""
    for key in list(scheduler._schedules._data):
        if key[2].rsplit("/", 1)[-1] == name:
            scheduler._schedule_last_fired[key] = 0.0


ORDERS: dict[str, Any] = {"fire": fire, "later": later, "cold": start_cold, "exists": exists}


def obey() -> None:
    """Lines of JSON on standard input; its end is the owner's end, and then everything started here ends too."""
    for line in sys.stdin:
        for order, value in json.loads(line).items():
            ORDERS[order](value)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    scheduler._SCHEDULE_TICK_INTERVAL = TICK
    watch_evaluator()
    ask_before_invoking()
    ask_before_missing()
    ask_before_keeping_failures()
    look_as_alarms_do()
    invoke_as_events_do()
    unpack_once()
    measure_functions()
    threading.Thread(target=obey, daemon=True).start()
    importlib.import_module("ministack.app").main()


if __name__ == "__main__":
    main()
