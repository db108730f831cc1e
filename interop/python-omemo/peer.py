#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Devices of python-omemo (backends twomemo and oldmemo), driven over stdin and stdout.

Each line is one JSON object. The harness sends commands, one at a time:

    {"id": 1, "cmd": "encrypt", "device": "desktop", "to": ["romeo@montague.lit"], "plaintext": "..."}

and gets {"id": 1, "ok": ...}, or {"id": 1, "error": {"class": ..., "cause": ..., "text": ...}}. Meanwhile this side
asks for what an XMPP client would ask its server:

    {"call": 7, "op": "download_bundle", "device": "desktop", "jid": "romeo@montague.lit", "device_id": 1234}

and the harness answers {"call": 7, "ok": ...} or {"call": 7, "error": "..."}. Bundles, device lists and messages cross
as the XML that stands in stanzas and PEP items, with their namespace. The methods of `Peer` are the commands.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import xml.etree.ElementTree as ET
from typing import Any, Awaitable, Callable, Dict, FrozenSet, Optional, TextIO, Type

import oldmemo
import oldmemo.etree
import omemo
import twomemo
import twomemo.etree
from omemo.storage import Just, Maybe, Nothing

OMEMO_2: str = twomemo.twomemo.NAMESPACE
LEGACY: str = oldmemo.oldmemo.NAMESPACE
LONGEST_LINE = 1 << 26

UNDECIDED = "undecided"
BLINDLY_TRUSTED = "blindly-trusted"
MEANINGS: Dict[str, omemo.TrustLevel] = {
    UNDECIDED: omemo.TrustLevel.UNDECIDED,
    BLINDLY_TRUSTED: omemo.TrustLevel.TRUSTED,
    "trusted": omemo.TrustLevel.TRUSTED,
    "distrusted": omemo.TrustLevel.DISTRUSTED,
}


def to_text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode")


class Link:
    """The lines to and from the harness."""

    def __init__(self, reader: asyncio.StreamReader, output: TextIO) -> None:
        self._reader = reader
        self._output = output
        self._open: Dict[int, asyncio.Future[Any]] = {}
        self._calls = 0

    def send(self, message: Dict[str, Any]) -> None:
        self._output.write(json.dumps(message) + "\n")
        self._output.flush()

    async def call(self, op: str, **arguments: Any) -> Any:
        """Asks the harness for something and waits for its answer."""

        self._calls += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[self._calls] = future
        self.send({"call": self._calls, "op": op, **arguments})
        return await future

    async def serve(self, command: Callable[[Dict[str, Any]], Awaitable[Any]]) -> None:
        """Takes in lines until there are no more."""

        running = set()
        while line := await self._reader.readline():
            message: Dict[str, Any] = json.loads(line)
            if "call" in message:
                self._answered(message)
            else:
                task = asyncio.create_task(self._run(command, message))
                running.add(task)
                task.add_done_callback(running.discard)

    def _answered(self, message: Dict[str, Any]) -> None:
        future = self._open.pop(message["call"])
        if "error" in message:
            future.set_exception(ConnectionError(message["error"]))
        else:
            future.set_result(message["ok"])

    async def _run(self, command: Callable[[Dict[str, Any]], Awaitable[Any]], message: Dict[str, Any]) -> None:
        number = message.pop("id")
        try:
            self.send({"id": number, "ok": await command(message)})
        except Exception as error:  # pylint: disable=broad-exception-caught
            cause = error.__cause__
            self.send({"id": number, "error": {
                "class": type(error).__name__,
                "cause": None if cause is None else type(cause).__name__,
                "text": str(error),
            }})


class MemoryStorage(omemo.Storage):
    """Keeps everything as JSON, as a storage on disk would."""

    def __init__(self) -> None:
        super().__init__()
        self._values: Dict[str, str] = {}

    async def _load(self, key: str) -> Maybe[omemo.JSONType]:
        value = self._values.get(key)
        return Nothing() if value is None else Just(json.loads(value))

    async def _store(self, key: str, value: omemo.JSONType) -> None:
        self._values[key] = json.dumps(value)

    async def _delete(self, key: str) -> None:
        self._values.pop(key, None)


def etree(namespace: str) -> Any:
    """The module that reads and writes the XML of a protocol."""

    return {OMEMO_2: twomemo.etree, LEGACY: oldmemo.etree}[namespace]


def serialize(message: omemo.Message) -> str:
    return to_text(etree(message.namespace).serialize_message(message))


def session_manager(link: Link, name: str, own_jid: str) -> Type[omemo.SessionManager]:
    """The session manager class of one device: python-omemo wants its network as static methods."""

    class Manager(omemo.SessionManager):
        @staticmethod
        async def _upload_bundle(bundle: omemo.Bundle) -> None:
            namespace = bundle.namespace
            xml = to_text(etree(namespace).serialize_bundle(bundle))
            await link.call(
                "upload_bundle", device=name, namespace=namespace, jid=own_jid, device_id=bundle.device_id, xml=xml
            )

        @staticmethod
        async def _download_bundle(namespace: str, bare_jid: str, device_id: int) -> omemo.Bundle:
            xml = await link.call(
                "download_bundle", device=name, namespace=namespace, jid=bare_jid, device_id=device_id
            )
            if xml is None:
                raise omemo.BundleNotFound(f"{bare_jid} {device_id}")
            try:
                return etree(namespace).parse_bundle(ET.fromstring(xml), bare_jid, device_id)
            except Exception as error:
                raise omemo.BundleDownloadFailed(f"{bare_jid} {device_id}: {error}") from error

        @staticmethod
        async def _delete_bundle(namespace: str, device_id: int) -> None:
            await link.call("delete_bundle", device=name, namespace=namespace, jid=own_jid, device_id=device_id)

        @staticmethod
        async def _upload_device_list(namespace: str, device_list: omemo.DeviceList) -> None:
            xml = to_text(etree(namespace).serialize_device_list(device_list))
            await link.call("upload_device_list", device=name, namespace=namespace, jid=own_jid, xml=xml)

        @staticmethod
        async def _download_device_list(namespace: str, bare_jid: str) -> omemo.DeviceList:
            xml = await link.call("download_device_list", device=name, namespace=namespace, jid=bare_jid)
            return {} if xml is None else etree(namespace).parse_device_list(ET.fromstring(xml))

        async def _evaluate_custom_trust_level(self, device: omemo.DeviceInformation) -> omemo.TrustLevel:
            try:
                return MEANINGS[device.trust_level_name]
            except KeyError as error:
                raise omemo.UnknownTrustLevel(device.trust_level_name) from error

        async def _make_trust_decision(
            self,
            undecided: FrozenSet[omemo.DeviceInformation],
            identifier: Optional[str],
        ) -> None:
            for device in undecided:
                await self.set_trust(device.bare_jid, device.identity_key, BLINDLY_TRUSTED)

        @staticmethod
        async def _send_message(message: omemo.Message, bare_jid: str) -> None:
            await link.call("send_message", device=name, jid=own_jid, to=bare_jid, xml=serialize(message))

    return Manager


def describe(device: omemo.DeviceInformation) -> Dict[str, Any]:
    return {
        "jid": device.bare_jid,
        "device_id": device.device_id,
        "identity_key": device.identity_key.hex(),
        "trust": device.trust_level_name,
        "label": device.label,
        "active": [namespace for namespace, active in device.active if active],
    }


class Peer:
    """The devices of this process, by name. Every public method is a command."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._storages: Dict[str, MemoryStorage] = {}
        self._managers: Dict[str, omemo.SessionManager] = {}
        self._namespaces: Dict[str, list[str]] = {}

    async def __call__(self, message: Dict[str, Any]) -> Any:
        name = message.pop("cmd")
        method = None if name.startswith("_") else getattr(self, name, None)
        if not inspect.iscoroutinefunction(method):
            raise ValueError(f"unknown command {name}")
        return await method(**message)

    async def create(
        self, device: str, jid: str, namespaces: list[str], label: Optional[str] = None
    ) -> Dict[str, Any]:
        """Opens a device, again if there was one of that name. It is left in history synchronization mode."""

        if device in self._managers:
            await self._managers.pop(device).shutdown()
        storage = self._storages.setdefault(device, MemoryStorage())
        backends: Dict[str, Callable[[omemo.Storage], omemo.Backend]] = {
            OMEMO_2: twomemo.Twomemo,
            LEGACY: oldmemo.Oldmemo,
        }
        manager = await session_manager(self._link, device, jid).create(
            [backends[namespace](storage) for namespace in namespaces], storage, jid, label, UNDECIDED
        )
        self._namespaces[device] = namespaces
        self._managers[device] = manager
        own, _ = await manager.get_own_device_information()
        return describe(own)

    async def before_history_sync(self, device: str) -> None:
        self._managers[device].before_history_sync()

    async def after_history_sync(self, device: str) -> None:
        await self._managers[device].after_history_sync()

    async def encrypt(self, device: str, to: list[str], plaintext: str) -> Dict[str, Any]:
        """Downloads the device list of accounts that are not known, which python-omemo leaves to the client."""

        manager = self._managers[device]
        for jid in to:
            if not await manager.get_device_information(jid):
                await manager.refresh_device_lists(jid)
        namespaces = self._namespaces[device]
        messages, errors = await manager.encrypt(
            frozenset(to), {namespace: plaintext.encode("utf-8") for namespace in namespaces}, namespaces
        )
        return {
            "messages": [serialize(message) for message in messages],
            "errors": [f"{error.bare_jid} {error.device_id}: {error.exception!r}" for error in errors],
        }

    async def decrypt(self, device: str, sender: str, xml: str) -> Dict[str, Any]:
        """The plaintext is null if the message is empty."""

        manager = self._managers[device]
        element = ET.fromstring(xml)
        if element.tag == f"{{{LEGACY}}}encrypted":
            # Its keys name no account.
            own, _ = await manager.get_own_device_information()
            message = await oldmemo.etree.parse_message(element, sender, own.bare_jid, manager)
        else:
            message = twomemo.etree.parse_message(element, sender)
        plaintext, sending_device, _ = await manager.decrypt(message)
        return {
            "plaintext": None if plaintext is None else plaintext.decode("utf-8"),
            "sender": describe(sending_device),
        }

    async def update_device_list(self, device: str, namespace: str, jid: str, xml: str) -> None:
        device_list = etree(namespace).parse_device_list(ET.fromstring(xml))
        await self._managers[device].update_device_list(namespace, jid, device_list)

    async def refresh_device_lists(self, device: str, jid: str) -> None:
        await self._managers[device].refresh_device_lists(jid)

    async def devices(self, device: str, jid: str) -> list[Dict[str, Any]]:
        return [describe(known) for known in await self._managers[device].get_device_information(jid)]

    async def set_own_label(self, device: str, label: Optional[str]) -> None:
        await self._managers[device].set_own_label(label)

    async def set_trust(self, device: str, jid: str, identity_key: str, level: str) -> None:
        await self._managers[device].set_trust(jid, bytes.fromhex(identity_key), level)

    async def replace_sessions(self, device: str, jid: str, device_id: int) -> Dict[str, str]:
        """Answers with what failed, by namespace."""

        errors = await self._managers[device].replace_sessions(await self._known(device, jid, device_id))
        return {namespace: repr(error) for namespace, error in errors.items()}

    async def sending_chain_lengths(self, device: str, jid: str, device_id: int) -> Dict[str, Optional[int]]:
        return await self._managers[device].get_sending_chain_length(await self._known(device, jid, device_id))

    async def _known(self, device: str, jid: str, device_id: int) -> omemo.DeviceInformation:
        for known in await self._managers[device].get_device_information(jid):
            if known.device_id == device_id:
                return known
        raise LookupError(f"{device} does not know device {device_id} of {jid}")


async def main() -> None:
    # What anything else prints must not end up between the lines.
    output, sys.stdout = sys.stdout, sys.stderr
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    link = Link(reader, output)
    link.send({"ready": True})
    await link.serve(Peer(link))


if __name__ == "__main__":
    asyncio.run(main())
