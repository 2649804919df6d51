"""Collections of JSON documents with TinyDB's verbs.

One SQL table per collection: insertion order, key, revision, JSON body. Results come in insertion order unless `order_by` says
otherwise. Conditions are TinyDB queries or any function of a document. A verb called outside a transaction is a transaction of
its own; documents handed out are copies, free to be changed.
"""

# ruff: noqa: S608 - the names in the statements come from checked specifications, the values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from typing import Any

from database.bodies import Document, decode, encode
from database.engine import Engine, Row
from database.errors import DuplicateKey, InvalidDocument, InvalidQuery
from database.ordering import Order
from database.queries import Condition, Fields, compile_query
from database.specs import CollectionSpec, path_of

Key = str | int
Change = Mapping[str, Any] | Callable[[Document], object]
Cond = Any  # a TinyDB query, or any function of a document that returns a truth value

_PAGE = 1000
_nothing = nullcontext()


class Collection:
    """The documents of one collection, as the calling thread sees them."""

    def __init__(self, engine: Engine, spec: CollectionSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self._engine = engine
        self._fields = Fields(spec.key)
        table = self._table = f'"{spec.table}"'
        self._insert = f"INSERT INTO {table}(key,revision,body) VALUES(?,1,?)"
        self._rewrite = f"UPDATE {table} SET body=?,revision=revision+1 WHERE row=?"
        self._by_key = f"SELECT body FROM {table} WHERE key=?"
        self._find = f"SELECT row,body FROM {table} WHERE "
        self._find_with_key = f"SELECT row,key,body FROM {table} WHERE "

    # --- reading

    def get(self, cond: Cond = None, *, key: Key | None = None) -> Document | None:
        """The document with this key, or the first that meets the condition; None when there is none."""
        if key is not None:
            if cond is not None:
                raise InvalidQuery("get takes a condition or a key, not both")
            found = self._engine.row(self._by_key, (key,))
            return None if found is None else decode(found[0])
        if cond is None:
            raise InvalidQuery("get needs a condition or a key")
        where = compile_query(cond, self._fields)
        if where.exact:
            found = self._engine.row(f"{self._find}{where.sql} ORDER BY row LIMIT 1", where.parameters)
            return None if found is None else decode(found[1])
        return next(self._accepted(cond, where, " ORDER BY row"), None)

    def get_with_revision(self, key: Key) -> tuple[Document, int] | None:
        """The document and the number of times it was written, for `replace`."""
        found = self._engine.row(f"SELECT body,revision FROM {self._table} WHERE key=?", (key,))
        return None if found is None else (decode(found[0]), found[1])

    def search(
        self,
        cond: Cond = None,
        *,
        limit: int | None = None,
        order_by: str | None = None,
        descending: bool = False,
        after: Key | None = None,
    ) -> list[Document]:
        """All documents that meet the condition.

        `order_by` is a dotted field (missing and null first, ties in insertion order); `descending` turns the whole order
        around. `after` is the key of the last document of the page before; raises InvalidQuery when it is gone.
        """
        where = compile_query(cond, self._fields)
        if limit is None and order_by is None and after is None and not descending:
            rows = self._engine.rows(self._find + where.sql, where.parameters)
            rows.sort()  # by insertion: cheaper here than a sort in SQL, which could also lead away from an index
            documents = [decode(body) for _, body in rows]
            return documents if where.exact else [document for document in documents if cond(document)]
        if limit is not None and limit < 0:
            raise InvalidQuery("limit must not be negative")
        value = None if order_by is None else self._fields.value(path_of(order_by))
        return self._page(cond, where, Order(value, descending=descending), after, limit)

    def all(self) -> list[Document]:
        """Every document, in insertion order."""
        return [decode(body) for (body,) in self._engine.rows(f"SELECT body FROM {self._table} ORDER BY row")]

    def contains(self, cond: Cond = None, *, key: Key | None = None) -> bool:
        """Whether a document has this key or meets the condition."""
        return self.get(cond, key=key) is not None

    def count(self, cond: Cond = None) -> int:
        """How many documents meet the condition."""
        where = compile_query(cond, self._fields)
        if where.exact:
            found = self._engine.row(f"SELECT count(*) FROM {self._table} WHERE {where.sql}", where.parameters)
            return int(found[0]) if found else 0
        return sum(1 for _ in self._accepted(cond, where, ""))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # an empty collection is still a collection

    def __iter__(self) -> Iterator[Document]:
        """Every document in insertion order, fetched in pages so that no reader holds the file for long."""
        last = -1
        while rows := self._engine.rows(f"{self._find}row>? ORDER BY row LIMIT {_PAGE}", (last,)):
            yield from (decode(body) for _, body in rows)
            last = rows[-1][0]

    # --- writing

    def insert(self, document: Mapping[str, Any]) -> Key:
        """Add a document; raises DuplicateKey when its key or a unique field is taken."""
        key = self._key_of(document)
        self._write(self._insert, (key, encode(document)))
        return key

    def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[Key]:
        """Add all documents or none; their keys."""
        rows = [(self._key_of(document), encode(document)) for document in documents]
        self._write_all(self._insert, rows)
        return [key for key, _ in rows]

    def update(self, fields: Change, cond: Cond = None, *, key: Key | None = None) -> list[Key]:
        """Set top-level fields, or let a function change each document in place, wherever the condition is met.

        Returns the keys of the changed documents; without condition and key all are changed. The key itself cannot change.
        """
        with self._engine.writing() if not self._engine.in_transaction else _nothing:
            found = self._targets(cond, key)
            self._write_all(self._rewrite, [(self._changed(known, body, fields), row) for row, known, body in found])
        return [known for _, known, _ in found]

    def upsert(self, document: Mapping[str, Any], cond: Cond = None) -> list[Key]:
        """Update the documents that meet the condition (without one: that with the document's key), or else insert it."""
        key = self._key_of(document) if cond is None else None
        with self._engine.writing():
            return self.update(document, cond, key=key) or [self.insert(document)]

    def replace(self, document: Mapping[str, Any], *, expect_revision: int | None = None) -> bool:
        """Put the whole document in the place of the one with its key.

        With `expect_revision` only if nobody wrote it since (`get_with_revision`; 0 = it must not exist yet); False otherwise.
        Without it the document is stored in any case.
        """
        key, body = self._key_of(document), encode(document)
        if expect_revision is None:
            self._write(
                f"{self._insert} ON CONFLICT(key) DO UPDATE SET body=excluded.body,revision=revision+1", (key, body)
            )
            return True
        if expect_revision == 0:
            return self._write(f"{self._insert} ON CONFLICT(key) DO NOTHING", (key, body)) == 1
        sql = f"UPDATE {self._table} SET body=?,revision=revision+1 WHERE key=? AND revision=?"
        return self._write(sql, (body, key, expect_revision)) == 1

    def compare_and_set(self, key: Key, expected: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        """Set top-level fields if all `expected` ones hold (None also stands for missing); False when they do not."""
        with self._engine.writing():
            document = self.get(key=key)
            if document is None or any(document.get(name) != value for name, value in expected.items()):
                return False
            self.update(fields, key=key)
            return True

    def remove(self, cond: Cond = None, *, key: Key | None = None) -> list[Key]:
        """Remove the documents that meet the condition, or that with the key; their keys."""
        if cond is None and key is None:
            raise InvalidQuery("remove needs a condition or a key; truncate removes everything")
        with self._engine.writing():
            found = self._targets(cond, key)
            self._write_all(f"DELETE FROM {self._table} WHERE row=?", [(row,) for row, _, _ in found])
        return [known for _, known, _ in found]

    def truncate(self) -> None:
        """Remove every document."""
        self._write(f"DELETE FROM {self._table}", ())

    # --- inner steps

    def compiled(self, cond: Cond) -> Condition:
        """The SQL condition of a query, to see what an index can do for it."""
        return compile_query(cond, self._fields)

    def _accepted(self, cond: Cond, where: Condition, order: str) -> Iterator[Document]:
        """The documents of a condition one by one, asking the query itself where SQL only narrowed."""
        with closing(self._engine.stream(f"{self._find}{where.sql}{order}", where.parameters)) as rows:  # type: ignore[type-var]
            for _, body in rows:
                document: Document = decode(body)
                if where.exact or cond(document):
                    yield document

    def _page(self, cond: Cond, where: Condition, order: Order, after: Key | None, limit: int | None) -> list[Document]:
        documents: list[Document] = []
        for part in order.parts(None if after is None else self._position(order, after)):
            if limit is not None and len(documents) >= limit:
                break
            both = Condition(f"({where.sql}) AND {part.sql}", where.parameters + part.parameters, where.exact)
            wanted = None if limit is None else limit - len(documents)
            tail = order.sql + (f" LIMIT {wanted}" if where.exact and wanted is not None else "")
            with closing(self._accepted(cond, both, tail)) as accepted:  # type: ignore[type-var]
                for document in accepted:
                    documents.append(document)
                    if len(documents) == limit:
                        break
        return documents

    def _position(self, order: Order, after: Key) -> tuple[Any, int]:
        found = self._engine.row(f"SELECT {order.value},row FROM {self._table} WHERE key=?", (after,))
        if found is None:
            raise InvalidQuery(f"{self.name}: no document {after!r} to continue after")
        return found[0], found[1]

    def _targets(self, cond: Cond, key: Key | None) -> list[Row]:
        """Row, key and body of the documents to be changed, in insertion order."""
        if key is not None:
            if cond is not None:
                raise InvalidQuery("give a condition or a key, not both")
            return self._engine.rows(f"{self._find_with_key}key=?", (key,))
        where = compile_query(cond, self._fields)
        found = self._engine.rows(self._find_with_key + where.sql, where.parameters)
        found.sort(key=_row_number)
        return found if where.exact else [row for row in found if cond(decode(row[2]))]

    def _changed(self, key: Key, body: str, fields: Change) -> str:
        document: Document = decode(body)
        if isinstance(fields, Mapping):
            document.update(fields)
        else:
            fields(document)
        known = document.get(self.spec.key)
        if known != key or type(known) is not type(key):
            raise InvalidDocument(f"{self.name}: the key of {key!r} cannot change")
        return encode(document)

    def _key_of(self, document: Mapping[str, Any]) -> Key:
        key = document.get(self.spec.key) if isinstance(document, Mapping) else None
        if type(key) is str and key:
            return key
        if type(key) is int and -(2**63) <= key < 2**63:
            return key
        raise InvalidDocument(
            f"{self.name}: a document needs its key {self.spec.key!r} as text or a 64-bit integer, not {key!r}"
        )

    def _write(self, sql: str, parameters: tuple[Any, ...]) -> int:
        try:
            return self._engine.run(sql, parameters)
        except DuplicateKey as error:
            raise self._named(error) from error

    def _write_all(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        if len(rows) == 1:
            self._write(sql, rows[0])
        elif rows:
            try:
                with self._engine.writing():
                    self._engine.run_many(sql, rows)
            except DuplicateKey as error:
                raise self._named(error) from error

    def _named(self, error: DuplicateKey) -> DuplicateKey:
        """The engine speaks of the column `key`; the document calls it by its own name."""
        return (
            DuplicateKey(self.name, (self.spec.key,)) if error.fields == ("key",) and self.spec.key != "key" else error
        )


def _row_number(row: Row) -> int:
    number: int = row[0]
    return number
