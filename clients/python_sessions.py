"""Runs whole sessions of Python libraries with a tool, each in the clients' own environment: NAME URL MODEL. Main
thread.

The model calls `weather` and then says that all is done; a session that ends otherwise ends this process with an error.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any, Final

KEY: Final = "none"
DONE: Final = "The file is there, all is done."
SUNNY: Final = "Sunny."
QUESTION: Final = "How is the weather in Tokyo?"
PARAMETERS: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION: Final = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells the weather.", "parameters": PARAMETERS},
}


def openai_agents(url: str, model: str) -> str:
    import agents
    from openai import AsyncOpenAI

    asked: list[str] = []

    @agents.function_tool
    def weather(city: str) -> str:
        """Tells the weather."""
        asked.append(city)
        return SUNNY

    agents.set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY)
    said: list[str] = []

    async def sessions() -> None:
        for kind in (agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel):
            agent = agents.Agent(name="a", model=kind(model=model, openai_client=client), tools=[weather])
            said.append((await agents.Runner.run(agent, QUESTION)).final_output)

    asyncio.run(sessions())  # one event loop: connections that the client keeps belong to it
    assert asked == ["Tokyo", "Tokyo"], asked
    assert said[0] == said[1], said
    return str(said[0])


def litellm(url: str, model: str) -> str:
    import litellm

    said = []
    for route, base in (("openai", f"{url}/v1"), ("anthropic", url), ("ollama_chat", url)):
        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        asking: dict[str, Any] = {"model": f"{route}/{model}", "api_base": base, "api_key": KEY, "tools": [FUNCTION]}
        first = litellm.completion(messages=messages, **asking).choices[0].message
        assert first.tool_calls[0].function.name == "weather", (route, first)
        messages.append(first.model_dump())
        messages.append({"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": SUNNY})
        said.append(litellm.completion(messages=messages, **asking).choices[0].message.content)
    assert said == [DONE] * 3, said
    return str(said[0])


def langchain(url: str, model: str) -> str:
    from langchain.agents import create_agent
    from langchain_anthropic import ChatAnthropic
    from langchain_ollama import ChatOllama
    from langchain_openai import ChatOpenAI

    def weather(city: str) -> str:
        """Tells the weather."""
        assert city == "Tokyo"
        return SUNNY

    said = []
    for made in (
        ChatOpenAI(model=model, base_url=f"{url}/v1", api_key=KEY),
        ChatOpenAI(model=model, base_url=f"{url}/v1", api_key=KEY, use_responses_api=True),
        ChatAnthropic(model=model, base_url=url, api_key=KEY),
        ChatOllama(model=model, base_url=url),
    ):
        agent = create_agent(made, [weather])
        last = agent.invoke({"messages": [{"role": "user", "content": QUESTION}]})["messages"][-1]
        said.append(last.text)
    assert said == [DONE] * 4, said
    return str(said[0])


def pydantic_ai(url: str, model: str) -> str:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=f"{url}/v1", api_key=KEY)
    said = []
    for kind in (OpenAIChatModel, OpenAIResponsesModel):
        agent = Agent(kind(model, provider=provider))

        @agent.tool_plain
        def weather(city: str) -> str:
            """Tells the weather."""
            assert city == "Tokyo"
            return SUNNY

        said.append(agent.run_sync(QUESTION).output)
    assert said == [DONE] * 2, said
    return str(said[0])


def ollama(url: str, model: str) -> str:
    from ollama import Client

    client = Client(url)
    assert model in [one.model for one in client.list().models]
    assert client.show(model).capabilities
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    first = client.chat(model, messages, tools=[FUNCTION]).message
    assert first.tool_calls is not None
    assert first.tool_calls[0].function.arguments == {"city": "Tokyo"}
    messages += [first, {"role": "tool", "tool_name": "weather", "content": SUNNY}]
    parts = [part.message.content or "" for part in client.chat(model, messages, tools=[FUNCTION], stream=True)]
    return "".join(parts)


def open_responses(url: str, model: str) -> str:
    """Tries OpenResponses' conformance cases, by the specification's own types."""
    from openresponses_types import types

    def ask(**body: Any) -> Any:
        data = json.dumps({"model": model, "max_output_tokens": 64, **body}).encode()
        request = urllib.request.Request(f"{url}/v1/responses", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            said = answer.read().decode()
        if not body.get("stream"):
            types.ResponseResource.model_validate_json(said)
            return json.loads(said)
        events = [json.loads(frame.partition("data: ")[2]) for frame in said.strip().split("\n\n")]
        for event in events:
            stem = "".join(word.capitalize() for word in event["type"].replace(".", "_").split("_"))
            getattr(types, f"{stem}StreamingEvent").model_validate(event)
        return events[-1]["response"]

    user = {"type": "message", "role": "user", "content": QUESTION}
    tool = {"type": "function", **FUNCTION["function"]}
    assert ask(input=[user])["status"] == "completed"
    assert ask(input=[user], stream=True)["status"] == "completed"
    assert ask(input=[{**user, "role": "system"}, user])["status"] == "completed"
    for stream in (False, True):
        first = ask(input=[user], tools=[tool], stream=stream)
        (call,) = [item for item in first["output"] if item["type"] == "function_call"]
        assert json.loads(call["arguments"]) == {"city": "Tokyo"}
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": SUNNY}
        second = ask(input=[user, *first["output"], result], tools=[tool], stream=stream)
        following = ask(previous_response_id=first["id"], input=[result], tools=[tool], stream=stream)
        assert second["output"][-1]["content"] == following["output"][-1]["content"]
    return str(second["output"][-1]["content"][0]["text"])


SESSIONS: Final[dict[str, Callable[[str, str], str]]] = {
    "openai-agents": openai_agents,
    "litellm": litellm,
    "langchain": langchain,
    "pydantic-ai": pydantic_ai,
    "ollama": ollama,
    "openresponses": open_responses,
}

if __name__ == "__main__":
    name, url, model = sys.argv[1:]
    said = SESSIONS[name](url, model)
    assert said == DONE, said
    print(said)
