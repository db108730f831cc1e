#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Times a message of python-omemo (backend twomemo, urn:xmpp:omemo:2) to many devices it has sessions with.

    python_omemo.py DATABASE DEVICES PLAINTEXT_BYTES

The sender keeps its state in a table of keys and values in SQLite (WAL, synchronous=FULL): its storage is asked to
write one value at a time, so each is a commit. The recipients, one device an account, keep theirs in memory. Says
{"ready": true} once every session is used both ways. Then each line on stdin, "upsert" or "replace", is answered with
the nanoseconds and commits of a message whose values are written so, as JSON. SQLite does not touch the disk for an
upsert that changes nothing, and most of them change nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
import time
from collections import deque
from typing import Deque, Dict, FrozenSet, List, Optional, Tuple, Type

import omemo
import twomemo
from omemo.storage import Just, Maybe, Nothing

NAMESPACE: str = twomemo.twomemo.NAMESPACE
SENDER = "romeo@montague.lit"


class MemoryStorage(omemo.Storage):
    def __init__(self) -> None:
        super().__init__()
        self._values: Dict[str, omemo.JSONType] = {}

    async def _load(self, key: str) -> Maybe[omemo.JSONType]:
        return Just(self._values[key]) if key in self._values else Nothing()

    async def _store(self, key: str, value: omemo.JSONType) -> None:
        self._values[key] = value

    async def _delete(self, key: str) -> None:
        self._values.pop(key, None)


WRITES = {
    "upsert": "INSERT INTO record VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    "replace": "INSERT OR REPLACE INTO record VALUES (?, ?)",
}


class SqliteStorage(omemo.Storage):
    """With the cache that python-omemo puts before every storage unless told otherwise."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.commits = 0
        self.write = "upsert"
        self._connection = sqlite3.connect(path, isolation_level=None)
        mode = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        assert mode == "wal", mode
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE record (key TEXT PRIMARY KEY, value TEXT NOT NULL)")

    async def _load(self, key: str) -> Maybe[omemo.JSONType]:
        row = self._connection.execute("SELECT value FROM record WHERE key = ?", (key,)).fetchone()
        return Nothing() if row is None else Just(json.loads(row[0]))

    async def _store(self, key: str, value: omemo.JSONType) -> None:
        self.commits += 1
        self._connection.execute(WRITES[self.write], (key, json.dumps(value)))

    async def _delete(self, key: str) -> None:
        self.commits += 1
        self._connection.execute("DELETE FROM record WHERE key = ?", (key,))


class Server:
    """What is published, and the messages without content that wait to be delivered."""

    def __init__(self) -> None:
        self.bundles: Dict[Tuple[str, int], omemo.Bundle] = {}
        self.device_lists: Dict[str, omemo.DeviceList] = {}
        self.messages: Deque[Tuple[str, omemo.Message]] = deque()

    async def open(self, jid: str, storage: omemo.Storage) -> omemo.SessionManager:
        manager = await self._manager(jid).create([twomemo.Twomemo(storage)], storage, jid, None, "undecided")
        await manager.after_history_sync()
        return manager

    def _manager(server, own_jid: str) -> Type[omemo.SessionManager]:  # pylint: disable=no-self-argument
        """The session manager class of an account: python-omemo wants its network as static methods."""

        class Manager(omemo.SessionManager):
            @staticmethod
            async def _upload_bundle(bundle: omemo.Bundle) -> None:
                server.bundles[(own_jid, bundle.device_id)] = bundle

            @staticmethod
            async def _download_bundle(namespace: str, bare_jid: str, device_id: int) -> omemo.Bundle:
                return server.bundles[(bare_jid, device_id)]

            @staticmethod
            async def _delete_bundle(namespace: str, device_id: int) -> None:
                server.bundles.pop((own_jid, device_id), None)

            @staticmethod
            async def _upload_device_list(namespace: str, device_list: omemo.DeviceList) -> None:
                server.device_lists[own_jid] = device_list

            @staticmethod
            async def _download_device_list(namespace: str, bare_jid: str) -> omemo.DeviceList:
                return server.device_lists.get(bare_jid, {})

            async def _evaluate_custom_trust_level(self, device: omemo.DeviceInformation) -> omemo.TrustLevel:
                trusted = device.trust_level_name == "trusted"
                return omemo.TrustLevel.TRUSTED if trusted else omemo.TrustLevel.UNDECIDED

            async def _make_trust_decision(
                self, undecided: FrozenSet[omemo.DeviceInformation], identifier: Optional[str]
            ) -> None:
                for device in undecided:
                    await self.set_trust(device.bare_jid, device.identity_key, "trusted")

            @staticmethod
            async def _send_message(message: omemo.Message, bare_jid: str) -> None:
                server.messages.append((bare_jid, message))

        return Manager


class Sender:
    def __init__(self, storage: SqliteStorage, manager: omemo.SessionManager, jids: List[str], length: int) -> None:
        self._storage = storage
        self._manager = manager
        self._jids = frozenset(jids)
        self._plaintexts = {NAMESPACE: b"x" * length}

    async def encrypt(self) -> omemo.Message:
        messages, errors = await self._manager.encrypt(self._jids, self._plaintexts)
        assert not errors, errors
        (message,) = messages
        assert len(message.keys) == len(self._jids), len(message.keys)
        return message

    async def measure(self, write: str) -> Dict[str, int]:
        self._storage.write = write
        commits = self._storage.commits
        begun = time.perf_counter_ns()
        message = await self.encrypt()
        taken = time.perf_counter_ns() - begun
        assert all(exchange is None for _, exchange in message.keys), "a session is not established"
        return {"ns": taken, "commits": self._storage.commits - commits}


async def prepare(database: str, devices: int, length: int) -> Sender:
    """Opens everything; writes to everybody, and takes in what they answer."""

    server = Server()
    recipients = {}
    for number in range(devices):
        jid = f"contact{number}@capulet.lit"
        recipients[jid] = await server.open(jid, MemoryStorage())
    storage = SqliteStorage(database)
    manager = await server.open(SENDER, storage)
    for jid, recipient in recipients.items():
        await manager.refresh_device_lists(jid)
        await recipient.refresh_device_lists(SENDER)
    sender = Sender(storage, manager, list(recipients), length)
    message = await sender.encrypt()
    for recipient in recipients.values():
        await recipient.decrypt(message)
    while server.messages:
        to, answer = server.messages.popleft()
        assert to == SENDER, to
        await manager.decrypt(answer)
    return sender


async def main() -> None:
    logging.disable()
    _, database, devices, length = sys.argv
    sender = await prepare(database, int(devices), int(length))
    print(json.dumps({"ready": True}), flush=True)
    while line := sys.stdin.readline():
        print(json.dumps(await sender.measure(line.strip())), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
