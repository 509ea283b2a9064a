"""The HTTP application of the plan that holds now: when a source's tables change, so does what is served."""

from collections.abc import Callable
from typing import Any

from catchwater.errors import CatchwaterError
from catchwater.plan.plan import Plan
from catchwater.runtimes.local import Runtime


class Current:
    """An ASGI application that is made anew once a new plan's tables are those of the warehouse; requests under way
    end in the application that they began in."""

    def __init__(self, runtime: Runtime, make: Callable[[Plan], Any]) -> None:
        self._runtime, self._make = runtime, make
        self._plan = runtime.plan
        self._application = make(self._plan)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        plan = self._runtime.plan
        if plan is not self._plan and self._stands(plan):
            self._plan, self._application = plan, self._make(plan)
        await self._application(scope, receive, send)

    def _stands(self, plan: Plan) -> bool:
        try:
            version = self._runtime.wiring.warehouse().version()
        except CatchwaterError:
            return False
        return version is not None and dict(version.models) == {model.name: model.shape for model in plan.models}
