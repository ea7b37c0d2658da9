"""Working one step ahead, so that what waits for the database and what waits for this process overlap."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_END: Final = object()


@asynccontextmanager
async def ahead(source: AsyncGenerator[T, None]) -> AsyncIterator[AsyncIterator[T]]:
    """What `source` gives, in its order: the next is being made while the last one is being used.

    At most one is made in advance. Leaving the block, by whatever way, stops the source and closes it.
    """
    making = asyncio.ensure_future(anext(source, _END))

    async def items() -> AsyncIterator[T]:
        nonlocal making
        while (made := await making) is not _END:
            making = asyncio.ensure_future(anext(source, _END))
            yield made  # type: ignore[misc]

    try:
        yield items()
    finally:
        making.cancel()
        await asyncio.wait([making])
        if not making.cancelled():
            making.exception()  # whoever left early does not want to hear of it
        await source.aclose()
