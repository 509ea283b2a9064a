"""Providers behind sockets, where the Terraform binary finds them by TF_REATTACH_PROVIDERS; loopback files only."""

import json
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from tfplugin_proto import tfplugin6_5_pb2 as pb
from tfplugin_proto import tfplugin6_5_pb2_grpc as rpc

from catchwater.infra.offline import tables
from catchwater.infra.offline.protocol import Problem, attribute_path, block, decoded, diagnose, encoded
from catchwater.infra.offline.provider import Provider, Refused

_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def _told(answer: Callable[[], Any]) -> Callable[..., Any]:
    """What a provider raises becomes a diagnostic in an empty answer; Terraform shows it with the resource."""

    def wrap(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
        def call(self: "Servicer", request: Any, _: Any) -> Any:
            try:
                return method(self, request)
            except Refused as error:
                return diagnose(answer(), error.problems, f"{request.type_name}: wrong value")
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
                name = getattr(request, "type_name", self.provider.source)
                return diagnose(answer(), [Problem((), said)], name)

        return call

    return wrap


class Servicer(rpc.ProviderServicer):
    """The protocol's calls, each handed to a provider as plain values."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @_told(pb.GetProviderSchema.Response)
    def GetProviderSchema(self, _: Any) -> Any:  # noqa: N802
        return self.schema

    @cached_property
    def schema(self) -> Any:
        """Made once: Terraform asks at every command."""
        made = pb.GetProviderSchema.Response()
        made.server_capabilities.plan_destroy = False
        made.provider.block.CopyFrom(block(self.provider.schema["block"]))
        for name, schema in self.provider.resources.items():
            sensitive = tables.SENSITIVE.get(name, frozenset())
            made.resource_schemas[name].block.CopyFrom(block(schema["block"], sensitive))
        for name, schema in self.provider.data.items():
            made.data_source_schemas[name].block.CopyFrom(block(schema["block"]))
        return made

    @_told(pb.GetMetadata.Response)
    def GetMetadata(self, _: Any) -> Any:  # noqa: N802
        made = pb.GetMetadata.Response()
        for name in self.provider.resources:
            made.resources.add(type_name=name)
        for name in self.provider.data:
            made.data_sources.add(type_name=name)
        return made

    @_told(pb.ValidateProviderConfig.Response)
    def ValidateProviderConfig(self, _: Any) -> Any:  # noqa: N802
        return pb.ValidateProviderConfig.Response()

    @_told(pb.ConfigureProvider.Response)
    def ConfigureProvider(self, request: Any) -> Any:  # noqa: N802
        self.provider.configure(decoded(request.config) or {})
        return pb.ConfigureProvider.Response()

    @_told(pb.ValidateResourceConfig.Response)
    def ValidateResourceConfig(self, request: Any) -> Any:  # noqa: N802
        problems = self.provider.validate(request.type_name, decoded(request.config))
        return diagnose(pb.ValidateResourceConfig.Response(), problems, f"{request.type_name}: wrong value")

    @_told(pb.ValidateDataResourceConfig.Response)
    def ValidateDataResourceConfig(self, request: Any) -> Any:  # noqa: N802
        problems = self.provider.validate_data(request.type_name, decoded(request.config))
        return diagnose(pb.ValidateDataResourceConfig.Response(), problems, f"{request.type_name}: wrong value")

    @_told(pb.UpgradeResourceState.Response)
    def UpgradeResourceState(self, request: Any) -> Any:  # noqa: N802
        state = pb.DynamicValue(json=request.raw_state.json)
        return pb.UpgradeResourceState.Response(upgraded_state=state)

    @_told(pb.PlanResourceChange.Response)
    def PlanResourceChange(self, request: Any) -> Any:  # noqa: N802
        proposed = decoded(request.proposed_new_state)
        if proposed is None:
            return pb.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        made, replaced = self.provider.plan(request.type_name, decoded(request.prior_state), proposed)
        answer = pb.PlanResourceChange.Response(planned_state=encoded(made))
        answer.requires_replace.extend(attribute_path(path) for path in replaced)
        return answer

    def ApplyResourceChange(self, request: Any, _: Any) -> Any:  # noqa: N802
        """A failure keeps the prior state: nothing is known to have been made."""
        answer = self._apply(request)
        if answer.diagnostics:
            answer.new_state.CopyFrom(request.prior_state)
        return answer

    def _apply(self, request: Any) -> Any:
        @_told(pb.ApplyResourceChange.Response)
        def apply(self: "Servicer", request: Any) -> Any:
            states = decoded(request.prior_state), decoded(request.planned_state), decoded(request.config)
            made = self.provider.apply(request.type_name, *states)
            return pb.ApplyResourceChange.Response(new_state=encoded(made))

        return apply(self, request, None)

    @_told(pb.ReadResource.Response)
    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        state = self.provider.read(request.type_name, decoded(request.current_state))
        return pb.ReadResource.Response(new_state=encoded(state), private=request.private)

    @_told(pb.ReadDataSource.Response)
    def ReadDataSource(self, request: Any) -> Any:  # noqa: N802
        config = decoded(request.config)
        made = {**config, **self.provider.read_data(request.type_name, config)}
        return pb.ReadDataSource.Response(state=encoded(made))

    def StopProvider(self, _: Any, __: Any) -> Any:  # noqa: N802
        return pb.StopProvider.Response()


def _stop(server: Any) -> None:
    server.stop(None).wait()


@contextmanager
def serving(providers: Sequence[Provider]) -> Iterator[str]:
    """Serves each provider on a socket of its own, from this process; gives the value of TF_REATTACH_PROVIDERS."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="provider-"))
        found = {}
        for number, provider in enumerate(providers):
            address = f"{folder}/{number}"
            server = grpc.server(futures.ThreadPoolExecutor(16), options=_UNLIMITED)
            rpc.add_ProviderServicer_to_server(Servicer(provider), server)  # type: ignore[no-untyped-call]
            server.add_insecure_port(f"unix://{address}")
            server.start()
            stack.callback(_stop, server)
            found[provider.source] = {
                "Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True,
                "Addr": {"Network": "unix", "String": address},
            }  # fmt: skip
        yield json.dumps(found)
