"""An executor in Python: writes the prompt into a file, and shows every pattern of the contract on the way."""

import json

from componentize_py_async_support import spawn
from componentize_py_types import Err, Ok
from wit_world import contract_event_stream, exports, result_contract_outcome_contract_execution_error_future
from wit_world.imports import context as host
from wit_world.imports import contract as c
from wit_world.imports import log, monotonic_clock

from settings import SCHEMA, Settings, SettingsError

VERSION = "0.1.0"
# Between two looks at whether a stop was asked for.
SLICE_MS = 20


class State:
    """This instance's one execution."""

    running = 0
    stopped = False


def begin():
    State.running += 1
    State.stopped = False


def failure(kind, message, usage=None, checkpoint=None):
    return Err(c.ExecutionError(kind, message, None, usage, checkpoint, None))


def nothing_used():
    return c.Usage(None, None, None, None, None, None)


def settings_of(text):
    try:
        return Settings.parse(text)
    except SettingsError as error:
        raise failure(c.ErrorKind_InvalidRequest(), str(error)) from None


async def sleep(milliseconds):
    """`asyncio.sleep` has no timer here, and another call cannot wake a waiting one: so the clock, in slices."""
    while milliseconds > 0:
        if State.stopped:
            raise failure(c.ErrorKind_Cancelled(), "stopped while working")
        slice = min(SLICE_MS, milliseconds)
        await monotonic_clock.wait_for(slice * 1_000_000)
        milliseconds -= slice


async def durable(future):
    """The answer to `checkpoint` or `spend`. It comes as a value, `Ok` or `Err`: nothing is raised."""
    with future as pending:
        answer = await pending.read()
    if isinstance(answer, Ok):
        return answer.value
    if isinstance(answer.value, host.HostError_Stopped):
        raise failure(c.ErrorKind_Cancelled(), "the host is stopping this execution")
    raise failure(c.ErrorKind_Failed(), f"the host did not commit: {answer.value.value}")


async def permission(ctx, text, path):
    """The text that may be written. `None` and the reason when it may not be."""
    question = host.Question(
        "write", host.QuestionKind_ToolPermission(), "Write", json.dumps({"path": path, "text": text}), [], None
    )
    with ctx.ask(question) as pending:
        answer = await pending.read()
    match answer:
        case host.Answer_Allow():
            return text, ""
        case host.Answer_AllowModified(value):
            return json.loads(value)["text"], ""
        case host.Answer_Cancelled():
            raise failure(c.ErrorKind_Cancelled(), "stopped while waiting for an answer")
        case host.Answer_Deny(reason):
            return None, reason
        case other:
            return None, f"not an answer to a permission: {type(other).__name__}"


class Work:
    """One execution."""

    def __init__(self, task, ctx, emit):
        self.task, self.ctx, self.emit = task, ctx, emit
        self.denials = []

    async def run(self):
        settings = settings_of(self.ctx.settings())
        await self.emit(c.Event_Progress(c.Progress("echoing", None)))
        if self.ctx.resume() is None:
            await durable(self.ctx.checkpoint(f"begun {self.ctx.execution_id()}"))
            if settings.suspend_ms:
                return c.Outcome_Suspended(c.Suspension("woken", settings.suspend_ms, nothing_used()))
        await self.emit(c.Event_Message(self.task.prompt))
        await sleep(settings.pause_ms)
        product = await self.write(settings)
        usage = c.Usage(None, None, None, None, 1, c.Cost(0, c.CostSource.REPORTED))
        await self.emit(c.Event_Usage(usage))
        if await durable(self.ctx.spend(usage)) is host.SpendVerdict.STOP:
            raise failure(c.ErrorKind_BudgetExceeded(), "the host's limit was reached", usage)
        if settings.fail:
            raise failure(c.ErrorKind_Failed(), "the settings say `fail`", usage, "woken")
        summary = f"Echoed {len(self.task.prompt)} characters."
        return c.Outcome_Completed(
            c.ExecutionResult(summary, None, product, [], usage, self.denials, None, [])
        )

    async def write(self, settings):
        """Plain Python files: the workspace is a preopened directory."""
        workspace = self.ctx.workspace()
        if workspace is None or workspace.access is host.Access.READ_ONLY:
            return c.WorkProduct_Nothing()
        text = f"{self.task.prompt}\n"
        if settings.ask:
            asked = json.dumps({"path": settings.file, "text": text})
            text, reason = await permission(self.ctx, text, settings.file)
            if text is None:
                self.denials.append(c.Denial("Write", asked, reason))
                await self.emit(c.Event_Warning(c.Warning("permission-denied", reason)))
                return c.WorkProduct_Nothing()
        await self.emit(c.Event_ToolUse(c.ToolUse("write", "Write", json.dumps({"path": settings.file}))))
        try:
            with open(f"{workspace.path}/{settings.file}", "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            await self.emit(c.Event_ToolResult(c.ToolResult("write", True, str(error))))
            raise failure(c.ErrorKind_Failed(), f"cannot write `{settings.file}`: {error}") from None
        await self.emit(c.Event_ToolResult(c.ToolResult("write", False, f"{len(text)} characters")))
        return c.WorkProduct_Workspace()


async def settled(task, ctx, emit):
    """Runs the work to a value: an exception that got out would end the instance, not only the execution."""
    try:
        return Ok(await Work(task, ctx, emit).run())
    except Err as error:
        return error
    except Exception as error:
        log.log(log.Level.ERROR, repr(error))
        return failure(c.ErrorKind_Other(type(error).__name__), str(error))


class TaskExecutor(exports.TaskExecutor):
    """The contract's `task-executor`."""

    def describe(self, settings):
        settings_of(settings)
        description = "Writes the prompt into a file. An example of an executor in Python."
        features = ["ask", "resume", "suspend"]
        return c.Descriptor("Python echo", VERSION, description, [], features, json.dumps(SCHEMA))

    async def probe(self, settings):
        settings_of(settings)
        return c.Health("ready", VERSION, [])

    async def execute_streaming(self, task, context):
        sender, events = contract_event_stream()
        answer, outcome = result_contract_outcome_contract_execution_error_future(
            lambda: failure(c.ErrorKind_Failed(), "ended without an outcome")
        )
        begin()

        async def emit(event):
            await sender.write_all([event])

        async def body():
            try:
                # The context and the stream go before the outcome: the host may leave once it has that.
                with context, sender:
                    result = await settled(task, context, emit)
                with answer:
                    await answer.write(result)
            finally:
                State.running -= 1

        spawn(body())
        return events, outcome

    async def execute(self, task, context):
        # Not by draining `execute_streaming`: a component may not read a stream of records it writes itself.
        async def drop(_event):
            pass

        begin()
        try:
            with context:
                result = await settled(task, context, drop)
        finally:
            State.running -= 1
        if isinstance(result, Err):
            raise result
        return result.value

    def is_running(self):
        return State.running > 0

    async def stop(self, mode):
        if State.running == 0:
            return c.StopResult.ALREADY_FINISHED
        State.stopped = True
        while State.running > 0:
            await monotonic_clock.wait_for(5_000_000)
        return c.StopResult.STOPPED
