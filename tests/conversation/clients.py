"""These clients of the four protocols keep a conversation and send each answer back as it was given. Event loop."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from aiohttp import ClientResponse, ClientSession

from hoshikage.answer.shapes import REPAIR_HEADER
from hoshikage.http.ignored import HEADER

OURS: Final = re.compile(r": (image_url|input_image|image|images|some_block_of_tomorrow)$|\.(image_url|source|x)$")
"""The server may say of these that it does not read them: pictures, and what nobody knows yet. All else is its own
answers."""
Called = tuple[str, str, Any]
"""A call stands here with its id, name and arguments."""


@dataclass(frozen=True)
class Heard:
    """An answer says this, in the same form for every protocol."""

    content: str
    thoughts: str
    calls: tuple[tuple[str, Any], ...]
    reason: str
    warned: bool


class Client(ABC):
    """This is one conversation."""

    route: ClassVar[str]
    roles: ClassVar[tuple[str, ...]] = ("system",)
    """`roles` are those of turns that are the operator's."""
    goes_on: ClassVar[bool] = True
    """`goes_on` tells whether an answer goes on with the last turn, where that is the assistant's."""

    def __init__(self, session: ClientSession, url: str, model: str, tools: dict[str, dict[str, Any]]) -> None:
        self._session = session
        self._url = url + self.route
        self.body: dict[str, Any] = {"model": model}
        self.pending: list[Called] = []
        """These calls have no result."""

    @abstractmethod
    def system(self, role: str, text: str) -> None: ...

    @abstractmethod
    def user(self, texts: Sequence[str]) -> None: ...

    @abstractmethod
    def image(self, call: Called) -> None:
        """The result of a call is an image."""

    @abstractmethod
    def result(self, call: Called, text: str) -> None: ...

    @abstractmethod
    def keep(self, answer: Any) -> None:
        """Puts the answer into the conversation as it came, and its calls among those that wait for results."""

    @abstractmethod
    def heard(self, answer: Any) -> Heard:
        """Returns what a whole answer says."""

    @abstractmethod
    def joined(self, frames: list[Any]) -> Heard:
        """Returns what the frames of a stream say."""

    async def ask(self, *, stream: bool) -> tuple[Any, str]:
        """Returns the answer, or the frames of its stream; and what was repaired. Asserts that it is one."""
        sent = {"Content-Type": "application/json"}
        body = json.dumps({**self.body, "stream": stream})
        async with self._session.post(self._url, data=body, headers=sent) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{self.route}: {answer.status} {text}\n{body}"
            unread = [name for name in answer.headers.get(HEADER, "").split(", ") if name and not OURS.search(name)]
            assert not unread, f"{self.route}: {unread}\n{body}"
            return (self._frames(text) if stream else json.loads(text)), _repairs(answer)

    @staticmethod
    def _frames(text: str) -> list[Any]:
        lines = (line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: "))
        return [json.loads(line) for line in lines if line != "[DONE]"]


def _repairs(answer: ClientResponse) -> str:
    return answer.headers.get(REPAIR_HEADER, "")


class Listed(Client):
    """A conversation is a list of messages, a tool a function."""

    def __init__(self, session: ClientSession, url: str, model: str, tools: dict[str, dict[str, Any]]) -> None:
        super().__init__(session, url, model, tools)
        self.body["messages"] = []
        if tools:
            self.body["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in tools.items()
            ]

    def system(self, role: str, text: str) -> None:
        self.body["messages"].append({"role": role, "content": text})


class Chat(Listed):
    """This client speaks /v1/chat/completions."""

    route = "/v1/chat/completions"
    roles = ("system", "developer")

    def user(self, texts: Sequence[str]) -> None:
        parts = [{"type": "text", "text": text} for text in texts]
        self.body["messages"].append({"role": "user", "content": parts if len(parts) > 1 else texts[0]})

    def result(self, call: Called, text: str) -> None:
        self.body["messages"].append({"role": "tool", "tool_call_id": call[0], "content": text})

    def image(self, call: Called) -> None:
        content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}]
        self.body["messages"].append({"role": "tool", "tool_call_id": call[0], "content": content})

    def keep(self, answer: Any) -> None:
        message = answer["choices"][0]["message"]
        self.body["messages"].append(message)
        self.pending = [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls", ())
        ]

    def heard(self, answer: Any) -> Heard:
        choice = answer["choices"][0]
        message = choice["message"]
        calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
        return Heard(
            message["content"] or "",
            message.get("reasoning_content", ""),
            tuple(calls),
            choice["finish_reason"],
            "warnings" in answer,
        )

    def joined(self, frames: list[Any]) -> Heard:
        content = thoughts = reason = ""
        calls: list[list[str]] = []
        for choice in (one for frame in frames for one in frame["choices"]):
            delta = choice["delta"]
            content += delta.get("content") or ""
            thoughts += delta.get("reasoning_content", "")
            for call in delta.get("tool_calls", ()):
                if "id" in call:
                    assert call["index"] == len(calls)
                    calls.append([call["function"]["name"], ""])
                calls[call["index"]][1] += call["function"]["arguments"]
            reason = choice["finish_reason"] or reason
        return Heard(content, thoughts, tuple((a, b) for a, b in calls), reason, any("warnings" in f for f in frames))


class Responses(Client):
    """This client speaks /v1/responses, with all items sent back."""

    route = "/v1/responses"
    goes_on = False
    roles = ("system", "developer")

    def __init__(self, session: ClientSession, url: str, model: str, tools: dict[str, dict[str, Any]]) -> None:
        super().__init__(session, url, model, tools)
        self.body |= {"input": [], "store": False, "include": ["reasoning.encrypted_content"]}
        if tools:
            self.body["tools"] = [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in tools.items()
            ]

    def system(self, role: str, text: str) -> None:
        if not self.body["input"] and "instructions" not in self.body:
            self.body["instructions"] = text
        else:
            self.body["input"].append({"role": role, "content": text})

    def user(self, texts: Sequence[str]) -> None:
        parts = [{"type": "input_text", "text": text} for text in texts]
        self.body["input"].append({"role": "user", "content": parts})

    def result(self, call: Called, text: str) -> None:
        self.body["input"].append({"type": "function_call_output", "call_id": call[0], "output": text})

    def image(self, call: Called) -> None:
        output = [{"type": "input_image", "image_url": "data:image/png;base64,aaaa"}]
        self.body["input"].append({"type": "function_call_output", "call_id": call[0], "output": output})

    def keep(self, answer: Any) -> None:
        self.body["input"] += answer["output"]
        self.pending = [
            (item["call_id"], item["name"], item["arguments"])
            for item in answer["output"]
            if item["type"] == "function_call"
        ]

    def heard(self, answer: Any) -> Heard:
        content = thoughts = ""
        calls: list[tuple[str, Any]] = []
        for item in answer["output"]:
            if item["type"] == "function_call":
                calls.append((item["name"], item["arguments"]))
            elif item["type"] == "reasoning":
                thoughts += "".join(part["text"] for part in item["content"])
            else:
                content += "".join(part["text"] for part in item["content"])
        return Heard(content, thoughts, tuple(calls), answer["status"], "warnings" in answer)

    def joined(self, frames: list[Any]) -> Heard:
        texts = {"message": "", "reasoning": ""}
        calls: list[list[str]] = []
        kinds: dict[int, str] = {}
        for number, event in enumerate(frames):
            assert event["sequence_number"] == number
            kind = event["type"]
            if kind == "response.output_item.added":
                kinds[event["output_index"]] = event["item"]["type"]
                if event["item"]["type"] == "function_call":
                    calls.append([event["item"]["name"], ""])
            elif kind == "response.function_call_arguments.delta":
                calls[-1][1] += event["delta"]
            elif kind in ("response.output_text.delta", "response.reasoning_text.delta"):
                texts[kinds[event["output_index"]]] += event["delta"]
        whole = frames[-1]["response"]
        items = [event["item"] for event in frames if event["type"] == "response.output_item.done"]
        assert items == whole["output"]
        return Heard(
            texts["message"],
            texts["reasoning"],
            tuple((a, b) for a, b in calls),
            whole["status"],
            "warnings" in whole,
        )


class Stored(Responses):
    """This client speaks /v1/responses, going on with the stored response."""

    def __init__(self, session: ClientSession, url: str, model: str, tools: dict[str, dict[str, Any]]) -> None:
        super().__init__(session, url, model, tools)
        del self.body["store"]

    def keep(self, answer: Any) -> None:
        super().keep(answer)
        self.body["input"] = []
        self.body["previous_response_id"] = answer["id"]


class Messages(Client):
    """This client speaks /v1/messages."""

    route = "/v1/messages"

    def __init__(self, session: ClientSession, url: str, model: str, tools: dict[str, dict[str, Any]]) -> None:
        super().__init__(session, url, model, tools)
        self.body |= {
            "messages": [],
            "max_tokens": 4096,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        }
        if tools:
            self.body["tools"] = [{"name": name, "input_schema": schema} for name, schema in tools.items()]

    def system(self, role: str, text: str) -> None:
        if not self.body["messages"] and "system" not in self.body:
            self.body["system"] = text
        else:
            self.body["messages"].append({"role": role, "content": [{"type": "text", "text": text}]})

    def user(self, texts: Sequence[str]) -> None:
        parts = [{"type": "text", "text": text} for text in texts]
        self.body["messages"].append({"role": "user", "content": parts})

    def image(self, call: Called) -> None:
        source = {"type": "base64", "media_type": "image/png", "data": "aaaa"}
        self._result(call, [{"type": "image", "source": source}, {"type": "some_block_of_tomorrow", "x": 1}])

    def result(self, call: Called, text: str) -> None:
        self._result(call, [{"type": "text", "text": text}])

    def _result(self, call: Called, content: list[dict[str, Any]]) -> None:
        block = {"type": "tool_result", "tool_use_id": call[0], "content": content}
        last = self.body["messages"][-1]
        if last["role"] == "user" and last["content"][-1]["type"] == "tool_result":
            last["content"].append(block)
        else:
            self.body["messages"].append({"role": "user", "content": [block]})

    def keep(self, answer: Any) -> None:
        self.body["messages"].append({"role": "assistant", "content": answer["content"]})
        self.pending = [
            (block["id"], block["name"], block["input"]) for block in answer["content"] if block["type"] == "tool_use"
        ]

    def heard(self, answer: Any) -> Heard:
        blocks = answer["content"]
        return Heard(
            "".join(block["text"] for block in blocks if block["type"] == "text"),
            "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
            tuple((block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"),
            answer["stop_reason"],
            "warnings" in answer,
        )

    def joined(self, frames: list[Any]) -> Heard:
        blocks: list[dict[str, Any]] = []
        reason, warned = "", False
        for event in frames:
            if event["type"] == "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append({**event["content_block"], "partial": ""})
            elif event["type"] == "content_block_delta":
                delta, block = event["delta"], blocks[event["index"]]
                field = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial"}
                block[field[delta["type"]]] += delta[delta["type"].replace("input_json_delta", "partial_json")
                                                      .replace("_delta", "")]  # fmt: skip
            elif event["type"] == "message_delta":
                reason, warned = event["delta"]["stop_reason"], "warnings" in event
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["partial"] or "{}")
        return self.heard({"content": blocks, "stop_reason": reason, **({"warnings": 1} if warned else {})})


class Ollama(Listed):
    """This client speaks /api/chat."""

    route = "/api/chat"

    def user(self, texts: Sequence[str]) -> None:
        self.body["messages"].append({"role": "user", "content": "\n".join(texts)})

    def result(self, call: Called, text: str) -> None:
        self.body["messages"].append({"role": "tool", "tool_name": call[1], "content": text})

    def image(self, call: Called) -> None:
        self.body["messages"].append({"role": "tool", "tool_name": call[1], "content": "", "images": ["aaaa"]})

    def keep(self, answer: Any) -> None:
        message = answer["message"]
        self.body["messages"].append(message)
        self.pending = [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls", ())
        ]

    def heard(self, answer: Any) -> Heard:
        message = answer["message"]
        calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
        reason = answer["done_reason"]
        return Heard(message["content"], message.get("thinking", ""), tuple(calls), reason, "warnings" in answer)

    def joined(self, frames: list[Any]) -> Heard:
        messages = [frame["message"] for frame in frames]
        calls = [call for message in messages for call in message.get("tool_calls", ())]
        whole = {
            "role": "assistant",
            "content": "".join(message["content"] for message in messages),
            "thinking": "".join(message.get("thinking", "") for message in messages),
            "tool_calls": calls,
        }
        return self.heard({**frames[-1], "message": whole})

    @staticmethod
    def _frames(text: str) -> list[Any]:
        return [json.loads(line) for line in text.splitlines()]


CLIENTS: tuple[type[Client], ...] = (Chat, Responses, Stored, Messages, Ollama)
